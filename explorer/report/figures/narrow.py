"""Figures of several panels on a narrow page: one below the other."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go

_BETWEEN = 74  # pixels between two panels: an axis with its title, and a heading
_SAME = 1e-6  # of a figure's width or height
_ENTRY = 20  # pixels of a line of the legend


def stacked(figure: "go.Figure") -> dict[str, Any] | None:
    """Return what changes in a figure's layout where its panels stand one below the other.

    Args:
        figure: Panels of :func:`~explorer.report.figures.style.page_panels`, as wide as they like.

    Returns:
        Entries of the layout by name, those of axes to be added to what is said of them already;
        ``None`` for a figure that has no panels side by side.
    """
    used = dict.fromkeys(
        (trace.xaxis or "x", trace.yaxis or "y")
        for trace in figure.data
        if "xaxis" in trace  # those without (parallel coordinates) have no panels
    )
    panels = [(figure.layout[_key(x)], figure.layout[_key(y)], _key(x), _key(y)) for x, y in used]
    if len({x.domain[0] for x, *_ in panels if x.domain}) < 2:
        return None
    margin = figure.layout.margin
    inside = figure.layout.height - margin.t - margin.b
    pixels = [(y.domain[1] - y.domain[0]) * inside for _, y, *_ in panels]
    whole = sum(pixels) + _BETWEEN * (len(panels) - 1)
    changes: dict[str, Any] = {}
    annotations = []
    top = 1.0
    for (x, y, x_key, y_key), height in zip(panels, pixels, strict=True):
        bottom = max(0.0, top - height / whole)
        changes[x_key] = {"domain": [0.0, 1.0]}
        # Beside another panel an axis may have left its labels to that one.
        changes[y_key] = {"domain": [bottom, top], "showticklabels": True}
        for one in figure.layout.annotations:
            if _heads(one, x.domain, y.domain):
                moved = {"x": 0.0, "xanchor": "left", "y": top}
                annotations.append({**one.to_plotly_json(), **moved})
        top = bottom - _BETWEEN / whole
    entries = {t.name for t in figure.data if t.name and t.showlegend is not False}
    lines = max(0, len(entries) - 2) if figure.layout.showlegend else 0
    above = margin.t + _ENTRY * lines
    changes["annotations"] = annotations
    changes["height"] = round(whole + above + margin.b)
    changes["margin"] = {"t": above}
    return changes


def _key(axis: str) -> str:
    """Return what a layout calls an axis: ``xaxis2`` for ``x2``."""
    return f"{axis[0]}axis{axis[1:]}"


def _heads(annotation: Any, across: Any, upwards: Any) -> bool:
    """Say whether an annotation is the heading of the panel that lies there."""
    middle = (across[0] + across[1]) / 2
    away = max(abs(annotation.x - middle), abs(annotation.y - upwards[1]))
    return bool(away < _SAME)
