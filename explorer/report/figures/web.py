"""Figures for a page and for the dashboard, drawn with plotly."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from explorer.report.figures.description import BLACK, BLUE, CYCLE, GREY, Figure, Panel, Series

if TYPE_CHECKING:
    import plotly.graph_objects as go

_PIXELS = 110  # of an inch in print
_ROW = 34  # pixels of a row with a name
_TOP, _BOTTOM, _BETWEEN = 30, 48, 76
_LEGEND = 22  # pixels of a line of the legend
_COLORS = {BLACK: GREY, BLUE: "#3D8EC9"}
"""Colours that a dark page would not show, and others that it and a light one do."""

_SYMBOLS = {
    "": "circle",
    "circle": "circle",
    "ring": "circle-open",
    "square": "square",
    "diamond": "diamond",
    "triangle": "triangle-down",
}


def draw(figure: Figure, columns: int | None = None) -> "go.Figure":
    """Draw a figure, as wide as its container.

    Args:
        figure: What is drawn. Users' texts in it are escaped.
        columns: Panels side by side; default as in print. The traces do not depend on it.
    """
    from plotly.subplots import make_subplots

    columns = min(columns or figure.columns, len(figure.panels))
    rows = -(-len(figure.panels) // columns)
    heights = [
        max(_ROW * len(panel.rows) or _PIXELS * figure.height for panel in group)
        for group in (figure.panels[row * columns :][:columns] for row in range(rows))
    ]
    labels = {series.label for panel in figure.panels for series in panel.series} - {""}
    top = _TOP + _LEGEND * -(-len(labels) // (1 if columns == 1 < figure.columns else 3))
    inside = sum(heights) + _BETWEEN * (rows - 1)
    several = len(figure.panels) > 1
    sheet = make_subplots(
        rows,
        columns,
        # A narrow page has no room for titles of axes beside the panels: they stand above.
        subplot_titles=[escape(_heading(figure, panel), quote=False) for panel in figure.panels]
        if several
        else None,
        horizontal_spacing=0.16 / columns,
        vertical_spacing=_BETWEEN / inside if rows > 1 else 0,
        row_heights=heights,
        shared_yaxes="all" if figure.same_y else False,
    )
    sheet.update_annotations(font_size=12)
    sheet.update_layout(
        template=template(),
        height=round(inside + top + _BOTTOM),
        margin={"l": 56, "r": 16, "t": top, "b": _BOTTOM},
        showlegend=bool(labels),
        legend={"yref": "container", "y": 0.995, "yanchor": "top", "traceorder": "reversed"},
    )
    named: set[str] = set()
    for place, panel in enumerate(figure.panels):
        where = {"row": place // columns + 1, "col": place % columns + 1}
        _panel(sheet, panel, where, named)
        sheet.update_xaxes(title=escape(panel.x, quote=False), **where)
        if not several:
            sheet.update_yaxes(title=escape(panel.y, quote=False), **where)
        if figure.same_y:
            sheet.update_yaxes(showticklabels=True, **where)
    return sheet


def _heading(figure: Figure, panel: Panel) -> str:
    return panel.title or (panel.y if not figure.same_y else panel.x)


def _panel(sheet: "go.Figure", panel: Panel, where: dict[str, int], named: set[str]) -> None:
    for series in panel.series:
        _series(sheet, series, where, named)
    if panel.reference:  # after the series: plotly puts nothing into empty panels
        value, low, high = panel.reference
        look: dict[str, Any] = {"line_width": 0, "layer": "below", **where}
        sheet.add_vrect(low, high, fillcolor=GREY, opacity=0.2, **look)
        sheet.add_vline(value, line={"color": GREY, "dash": "dash", "width": 1}, **where)
    if panel.log:
        sheet.update_xaxes(type="log", dtick="D2", **where)
    if panel.x_limits:
        sheet.update_xaxes(range=panel.x_limits, **where)
    if panel.y_limits:
        sheet.update_yaxes(range=panel.y_limits, **where)
    if panel.rows:
        sheet.update_yaxes(
            range=[len(panel.rows) - 0.5, -0.5],
            tickvals=list(range(len(panel.rows))),
            ticktext=[escape(row.name, quote=False) for row in panel.rows],
            showgrid=False,
            **where,
        )


def _series(sheet: "go.Figure", series: Series, where: dict[str, int], named: set[str]) -> None:
    label = escape(series.label, quote=False)
    group = label or series.color
    color = _COLORS.get(series.color, series.color)
    if series.band:
        low, high = zip(*series.y_ends, strict=True)
        sheet.add_scatter(
            x=[*series.x, *series.x[::-1]],
            y=[*high, *low[::-1]],
            fill="toself",
            fillcolor=color,
            opacity=0.18,
            line_width=0,
            mode="lines",
            hoverinfo="skip",
            legendgroup=group,
            showlegend=False,
            **where,
        )
    size = {True: 10, False: 6}[series.strong]
    look = {"color": color, "thickness": 2 if series.strong else 1}
    parts = ("lines" if series.dash else "", "markers" if series.marker else "")
    sheet.add_scatter(
        x=series.x,
        y=series.y,
        error_x=_bars(series.x, series.x_ends, look),
        error_y=None if series.band else _bars(series.y, series.y_ends, look),
        mode="+".join(filter(None, parts)),
        line={"color": color, "dash": series.dash or "solid", "width": 2 if series.strong else 1},
        marker={"symbol": _SYMBOLS[series.marker], "size": size, "color": color},
        opacity=1 if series.strong else 0.7,
        name=label,
        legendgroup=group,
        showlegend=bool(series.label) and series.label not in named,
        text=[escape(text, quote=False).replace("\n", "<br>") for text in series.hover] or None,
        hovertemplate="%{text}<br>%{y:.4g} at %{x:.4g}<extra></extra>"
        if series.hover
        else "%{y:.4g} at %{x:.4g}<extra></extra>",
        **where,
    )
    named.add(series.label)


def _bars(
    values: Sequence[float], ends: Sequence[tuple[float, float]], look: Mapping[str, Any]
) -> dict[str, Any] | None:
    if not ends:
        return None
    return {
        "array": [high - value for value, (_, high) in zip(values, ends, strict=True)],
        "arrayminus": [value - low for value, (low, _) in zip(values, ends, strict=True)],
        "width": 0,
        **look,
    }


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
