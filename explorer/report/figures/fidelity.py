"""What the shorter protocols and rungs of a study are worth, by what they take."""

import math
from typing import TYPE_CHECKING, Any

from explorer.errors import InputError
from explorer.report import latent
from explorer.report.fidelity import SEPARATOR, Fidelity, FidelityReport, fidelity, members
from explorer.report.figures import style
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.numerals import count

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEASUREMENTS = {"probe": "probe", "loss": "pre-training loss", "accuracy": "fine-tuning"}
_LOOKS = {"probe": ("o", "circle"), "loss": ("^", "triangle-up"), "accuracy": ("D", "diamond")}
_RHO = "\N{GREEK SMALL LETTER RHO}"
_LEGEND = 24  # pixels of a second row of the legend on a page
_TICKS = (1, 2, 5)  # of every power of ten


def prepare(material: Material) -> FidelityReport | None:
    """Compare the protocols that a study has run under; ``None`` where there are not two."""
    storage = material.study._storage  # noqa: SLF001 - a study does not say where it is
    name = material.report.study.partition(SEPARATOR)[0]
    if len(members(name, storage)) < 2:
        return None
    try:
        return fidelity(name, storage)
    except InputError:  # the others have not come as far
        return None


def caption(data: FidelityReport) -> str:
    """Say how it is read."""
    return (
        f"Every measurement that a trial of {data.study} can stop at, by its seconds. Left: "
        f"Spearman's {_RHO} over {count(len(data.arms), 'arm')} with the accuracy at the end of "
        f"{data.reference}, between the arms' true means: {latent.SAID} (without replicates "
        "between observed means). Right: the points of accuracy that the arm picked by "
        "one trial an arm lacks there, in the mean."
    )


def _lines(data: FidelityReport) -> list[tuple[str, str, list[Fidelity], str]]:
    """Return protocol, measurement, what is known of it by its seconds, and a colour."""
    protocols = list(dict.fromkeys(row.protocol for row in data.rows))
    found = []
    for protocol, color in zip(protocols, style.CYCLE * len(protocols), strict=False):
        for measurement in _MEASUREMENTS:
            rows = [
                row
                for row in data.rows
                if (row.protocol, row.measurement) == (protocol, measurement) and row.seconds
            ]
            if rows:
                found.append((protocol, measurement, rows, color))
    return found


def on_paper(data: FidelityReport) -> "Figure":
    """Draw it with matplotlib, two panels side by side."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = style.sheet(3.1)
    left, right = style.panels(figure, 1, 2, sharex=True)
    for protocol, measurement, rows, color in _lines(data):
        label = f"{protocol}: {_MEASUREMENTS[measurement]}"
        _line(left, right, rows, color, _LOOKS[measurement][0], label)
    for axes, title in (
        (left, f"{_RHO} with the end of {data.reference}"),
        (right, "accuracy lost by picking [points]"),
    ):
        axes.set_xscale("log")
        # Seconds as numbers; protocols differ by a few powers of ten at most.
        axes.xaxis.set_major_locator(LogLocator(subs=_TICKS))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("seconds a trial")
        axes.set_ylabel(title)
        axes.grid()
    left.set_ylim(top=1.03)
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3)
    return figure


def _line(
    left: "Axes", right: "Axes", rows: list[Fidelity], color: str, marker: str, label: str
) -> None:
    look: dict[str, Any] = {"color": color, "marker": marker, "lw": 0.8, "ms": 4}
    known = [(row.seconds, row.spearman.estimate) for row in rows if row.seconds and row.spearman]
    left.plot([at for at, _ in known], [rho.value for _, rho in known], **look)
    for at, rho in known:
        left.plot([at, at], rho.ends, color=color, lw=0.8)
    lost = [(row.seconds, 100 * row.loss) for row in rows if row.seconds and row.loss is not None]
    right.plot([at for at, _ in lost], [loss for _, loss in lost], label=label, **look)


def on_page(data: FidelityReport) -> "go.Figure":
    """Draw it with plotly, two panels side by side."""
    titles = [f"{_RHO} with the end of {data.reference}", "accuracy lost by picking [points]"]
    figure = style.page_panels(titles, 2, 280)
    layout = figure.layout
    figure.update_layout(height=layout.height + _LEGEND, margin_t=layout.margin.t + _LEGEND)
    for protocol, measurement, rows, color in _lines(data):
        look: dict[str, Any] = {
            "mode": "lines+markers",
            "line": {"color": color, "width": 1.2},
            "marker": {"symbol": _LOOKS[measurement][1], "size": 9, "color": color},
            "name": f"{protocol}: {_MEASUREMENTS[measurement]}",
            "legendgroup": f"{protocol}: {measurement}",
        }
        known = [(row.seconds, row.spearman.estimate) for row in rows if row.spearman]
        figure.add_scatter(
            x=[at for at, _ in known],
            y=[rho.value for _, rho in known],
            error_y={
                "array": [rho.ends[1] - rho.value for _, rho in known],
                "arrayminus": [rho.value - rho.ends[0] for _, rho in known],
                "width": 0,
            },
            showlegend=False,
            row=1,
            col=1,
            **look,
        )
        lost = [(row.seconds, 100 * row.loss) for row in rows if row.loss is not None]
        figure.add_scatter(
            x=[at for at, _ in lost], y=[loss for _, loss in lost], row=1, col=2, **look
        )
    figure.update_xaxes(type="log", title="seconds a trial", tickvals=_ticks(data))
    style.matched(figure, "x")
    return figure


def _ticks(data: FidelityReport) -> list[float]:
    """Return where an axis of seconds has ticks; nowhere if no trial says what it took."""
    powers = [math.log10(row.seconds) for row in data.rows if row.seconds]
    if not powers:
        return []
    every = range(math.floor(min(powers)), math.ceil(max(powers)) + 1)
    return [step * 10.0**power for power in every for step in _TICKS]


KIND = Kind("What shorter trials are worth", prepare, caption, on_paper, on_page)
