"""Figures for print, drawn with matplotlib."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.errors import visible
from explorer.report.figures.description import (
    COLORS,
    DIM,
    GREY,
    Figure,
    Panel,
    Row,
    Series,
    Strip,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Sheet

WIDTH = 5.5
"""Width of a figure in inches: the text of a one-column paper."""

DPI = 200
"""Of the PNG."""

STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 7,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.linewidth": 0.3,
    "grid.alpha": 0.5,
    "pdf.fonttype": 42,  # TrueType: text in a PDF stays text, as publishers ask
}
"""The settings of matplotlib while a figure is drawn."""

_MARKERS = {"circle": "o", "ring": "o", "square": "s", "diamond": "D", "triangle": "v", "": ""}
_DASHES: dict[str, Any] = {
    "": "",
    "solid": "-",
    "dash": (0, (4, 2)),
    "dot": (0, (1, 1.5)),
    "dashdot": (0, (4, 1.5, 1, 1.5)),
    "longdash": (0, (7, 2)),
    "longdashdot": (0, (7, 2, 1, 2)),
}
_LINE = 0.1  # inches of a line of ranges
_LETTERS = 34  # in a line of ranges, about
_STRIP = 0.55  # inches of a row of strips with its headings
_ABREAST = 3  # strips side by side


def draw(figure: Figure) -> "Sheet":
    """Draw a figure; what matplotlib takes for mathematics in users' texts stays text."""
    from matplotlib.figure import Figure as Sheet

    rows = -(-len(figure.panels) // figure.columns)
    legend = len({s.label for panel in figure.panels for s in panel.series} - {""})
    lines = -(-legend // 4)
    height = 0.45 + 0.16 * lines + sum(_height(figure, row) for row in range(rows))
    sheet = Sheet(figsize=(WIDTH, height), layout="constrained")
    grid = sheet.subplots(rows, figure.columns, squeeze=False, sharey=figure.same_y)
    for place, axes in enumerate(grid.flat):
        if place >= len(figure.panels):
            axes.set_axis_off()
            continue
        panel = figure.panels[place]
        _panel(axes, panel)
        if figure.same_y and place % figure.columns:
            axes.set_ylabel("")
    if legend:
        _legend(sheet)
    if figure.strips:
        _strips(sheet, figure.strips)
    return sheet


def _height(figure: Figure, row: int) -> float:
    """Return the height of a row of panels in inches."""
    panels = figure.panels[row * figure.columns :][: figure.columns]
    named = [sum(0.2 + _LINE * len(_lines(r)) for r in panel.rows) for panel in panels]
    return max(named) or figure.height


def _panel(axes: "Axes", panel: Panel) -> None:
    if panel.reference:
        value, low, high = panel.reference
        axes.axvspan(low, high, color=GREY, alpha=0.14, lw=0)
        axes.axvline(value, color=GREY, lw=0.6, ls=(0, (4, 3)))
    if panel.log:
        _log_axis(axes)
    for series in panel.series:
        _series(axes, series)
    axes.set_xlabel(plain(panel.x))
    axes.set_ylabel(plain(panel.y))
    if panel.title:
        axes.set_title(panel.title, pad=2)
    if panel.rows:
        _name_rows(axes, panel.rows)
    axes.grid(axis="x" if panel.rows else "both")
    if panel.x_limits:
        axes.set_xlim(panel.x_limits)
    if panel.y_limits:
        axes.set_ylim(panel.y_limits)
    if not panel.log and max((x for s in panel.series for x in s.x), default=0) >= 5000:
        from matplotlib.ticker import EngFormatter

        axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _series(axes: "Axes", series: Series) -> None:
    above = 4 if series.strong else 3
    label = plain(series.label) or None
    if series.band:
        low, high = zip(*series.y_ends, strict=True)
        axes.fill_between(series.x, low, high, color=series.color, alpha=0.13, lw=0)
    axes.errorbar(
        series.x,
        series.y,
        xerr=_errors(series.x, series.x_ends),
        yerr=None if series.band else _errors(series.y, series.y_ends),
        fmt=_MARKERS[series.marker],
        ls=_DASHES[series.dash],
        color=series.color,
        lw=1.3 if series.strong else 0.6,
        elinewidth=1.3 if series.strong else 0.6,
        alpha=1 if series.strong or series.marker == "ring" else 0.5,
        ms=4 if series.strong else 3,
        mew=0.6 if series.marker == "ring" else 0,
        mfc="none" if series.marker == "ring" else series.color,
        zorder=above,
        label=label,
    )


def _errors(values: Sequence[float], ends: Sequence[tuple[float, float]]) -> Any:
    """Return the lengths [2, n] of bars from a value to the ends of its interval."""
    if not ends:
        return None
    return np.abs(np.array(ends).T - np.array(values))


def _name_rows(axes: "Axes", rows: Sequence[Row]) -> None:
    for height, row in enumerate(rows):
        lines = _lines(row)
        text: dict[str, Any] = {"ha": "right", "transform": axes.get_yaxis_transform()}
        above = "bottom" if lines else "center"
        axes.text(-0.03, height - 0.05 * bool(lines), plain(row.name), va=above, **text)
        detail = plain("\n".join(lines))
        axes.text(-0.03, height, detail, va="top", fontsize=6, color=DIM, **text)
    axes.set_yticks(range(len(rows)), [""] * len(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)


def _lines(row: Row) -> list[str]:
    """Break what a row means into lines, between parameters."""
    lines: list[str] = []
    for part in row.detail.split(", ") if row.detail else ():
        if lines and len(lines[-1]) + len(part) < _LETTERS:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return lines


def _log_axis(axes: "Axes") -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _legend(sheet: "Sheet") -> None:
    entries: dict[str, Any] = {}
    for axes in sheet.axes:
        for handle, label in zip(*_handles(axes), strict=True):
            entries.setdefault(label, handle)
    # What is drawn last lies above the rest and comes first.
    labels = list(entries)[::-1]
    place: dict[str, Any] = {"loc": "outside upper left", "ncols": 4, "columnspacing": 1.2}
    sheet.legend([entries[label] for label in labels], labels, **place)


def _handles(axes: "Axes") -> tuple[list[Any], list[str]]:
    """Return marks and lines without their bars, which would turn in a legend, and their labels."""
    handles, labels = axes.get_legend_handles_labels()
    containers: list[Any] = list(handles)
    return [container[0] for container in containers], labels


def _strips(sheet: "Sheet", strips: Sequence[Strip]) -> None:
    """Make a figure higher by a row of strips, and draw them there."""
    width, before = sheet.get_size_inches()
    height = before + _STRIP
    sheet.set_size_inches(width, height)
    share = _STRIP / height
    sheet.set_layout_engine("constrained", rect=(0, share, 1, 1 - share))
    across = 0.98 / _ABREAST
    for place, strip in enumerate(strips):
        left = 0.01 + place * across
        top = (_STRIP - 0.1) / height
        text: dict[str, Any] = {"fontsize": 6.5, "va": "top", "ha": "left"}
        heading = plain(f"{strip.title}: {strip.arm}")
        sheet.text(left, top, heading, color=COLORS[strip.role], **text)
        beneath = top - 0.13 / height
        if not len(strip.images):
            sheet.text(left, beneath, plain(strip.lack), color=DIM, style="italic", **text)
            continue
        axes = sheet.add_axes((left, 0.02 / height, across - 0.012, beneath - 0.02 / height))
        # A thin frame around each image, as some are white; white between them.
        framed = np.pad(strip.images, ((0, 0), (1, 1), (1, 1)), constant_values=176)
        spaced = np.pad(framed, ((0, 0), (0, 0), (0, 4)), constant_values=255)
        axes.imshow(np.hstack(list(spaced)), cmap="gray", vmin=0, vmax=255, aspect="equal")
        axes.set_anchor("NW")
        axes.set_axis_off()


def plain(text: str) -> str:
    """Return a text that matplotlib does not take for mathematics, and can draw."""
    return visible(text).replace("$", r"\$")
