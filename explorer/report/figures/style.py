"""How all figures look, on paper and on a page."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from explorer.report.figures.interval import Mean
from explorer.report.figures.material import Role

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette (2008): told apart with every kind of colour vision.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
DIM, GREY, PALE = "#555555", "#777777", "#BBBBBB"

SCALE = "cividis"
"""Colours of a quantity: even in lightness, made for all kinds of colour vision."""

CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY)
"""Colours of a few arms side by side."""

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
"""Dashes that go with them, in plotly's words."""

COLORS: Mapping[Role, str] = {
    "best": VERMILION,
    "worst": PURPLE,
    "baseline": GREY,
    "other": BLUE,
}

MARKERS: Mapping[Role, str] = {"best": "D", "worst": "v", "baseline": "s", "other": "o"}
"""In matplotlib's words."""

SYMBOLS: Mapping[Role, str] = {
    "best": "diamond",
    "worst": "triangle-down",
    "baseline": "square",
    "other": "circle",
}
"""The same in plotly's."""

WIDTH = 5.5
"""Width of a figure on paper in inches: the text of a one-column paper."""

DPI = 200
"""Of the PNG."""

PAPER: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
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
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # TrueType: text in a PDF stays text, as publishers ask
}
"""What matplotlib is told while a figure is drawn for print."""


def sheet(height: float) -> "Figure":
    """Return an empty figure for print, as wide as a column and so many inches high."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def panels(figure: "Figure", rows: int, columns: int, **options: Any) -> "list[Axes]":
    """Return the axes of a grid of panels, row by row."""
    return list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def rows(labels: Sequence[str], titles: Sequence[str]) -> "tuple[Figure, list[Axes]]":
    """Return a figure for print with panels side by side that share a row a label.

    Args:
        labels: What the rows are, from above; row ``i`` is at the height ``i``.
        titles: One a panel.
    """
    figure = sheet(0.7 + 0.22 * len(labels))
    beside = panels(figure, 1, len(titles), sharey=True)
    for axes, title in zip(beside, titles, strict=True):
        axes.set_title(title, fontsize=7.5, loc="left")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    beside[0].set_yticks(range(len(labels)), labels)
    beside[0].set_ylim(len(labels) - 0.5, -0.5)
    return figure, beside


def page(height: int, **layout: Any) -> "go.Figure":
    """Return an empty figure for a page, as wide as there is room and so many pixels high.

    Its background is transparent; its colours of text and lines are those of
    :func:`template`, so that a page can exchange them.
    """
    import plotly.graph_objects as go

    margin = {"l": 60, "r": 16, "t": 28, "b": 48}
    return go.Figure(layout={"template": template(), "height": height, "margin": margin, **layout})


def page_panels(
    titles: Sequence[str], columns: int, row: int = 220, *, legend: bool = True, **layout: Any
) -> "go.Figure":
    """Return a figure for a page with a grid of panels, their titles above them.

    Panels lack titles of their y axes, for which there is no room on a narrow page.

    Args:
        titles: One a panel, row by row.
        columns: Panels side by side.
        row: Height of a row in pixels.
        legend: Whether there is to be room for a legend above all panels.
        layout: What else plotly is told of the layout.
    """
    from plotly.subplots import make_subplots

    rows = -(-len(titles) // columns)
    top, bottom, between = 28 + 28 * legend, 48, 70
    inside = rows * row + (rows - 1) * between
    figure = page(
        inside + top + bottom,
        margin={"l": 48, "r": 16, "t": top, "b": bottom},
        legend={"yref": "container", "y": 0.995, "yanchor": "top"},
        showlegend=legend,
        **layout,
    )
    made = make_subplots(
        rows,
        columns,
        figure=figure,
        subplot_titles=list(titles),
        horizontal_spacing=0.16 / columns,
        vertical_spacing=between / inside if rows > 1 else 0,
    )
    made.update_annotations(font_size=12)
    return made


def matched(figure: "go.Figure", axis: Literal["x", "y"]) -> None:
    """Give all panels of a figure for a page the same axis, also where one is zoomed into."""
    first = f"{axis}axis"
    for one in figure.layout:
        # plotly complains of one that is to follow itself
        if one.startswith(first) and one != first:
            figure.layout[one].matches = axis


def band(
    figure: "go.Figure",
    x: Sequence[float],
    means: Sequence[Mean],
    where: Mapping[str, int] | None = None,
    color: str = GREY,
) -> None:
    """Draw means on a page as a curve with the band of their intervals, without a legend."""
    figure.add_scatter(
        x=[*x, *x[::-1]],
        y=[one.high for one in means] + [one.low for one in means[::-1]],
        fill="toself",
        fillcolor=color,
        opacity=0.25,
        line_width=0,
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        **(where or {}),
    )
    figure.add_scatter(
        x=list(x),
        y=[one.value for one in means],
        mode="lines",
        line={"color": color, "width": 2.5},
        text=[f"{one.value:.1f} [{one.low:.1f}, {one.high:.1f}]" for one in means],
        hovertemplate="%{text} at %{x:.3g}<extra></extra>",
        showlegend=False,
        **(where or {}),
    )


def template(*, dark: bool = False) -> "go.layout.Template":
    """Return the colours and fonts of a figure for a light or a dark page."""
    import plotly.graph_objects as go

    ink, line = ("#e8e8e8", "#555555") if dark else ("#222222", "#d0d0d0")
    clear = "rgba(0,0,0,0)"
    axis = {
        "gridcolor": line,
        "linecolor": ink,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": ink,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 12}},
    }
    return go.layout.Template(
        layout={
            "paper_bgcolor": clear,
            "plot_bgcolor": clear,
            "font": {"color": ink, "size": 13, "family": "system-ui, sans-serif"},
            "colorway": list(CYCLE),
            "hovermode": "closest",
            "xaxis": axis,
            "yaxis": axis,
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        }
    )
