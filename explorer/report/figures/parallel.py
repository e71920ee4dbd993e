"""Parallel coordinates: every arm as a line through its ends of ranges to its accuracy."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.report.agreement import Floats
from explorer.report.figures import style
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.points import Point, legend, point

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Parallel:
    """The arms, the worst first, so that the best lie above.

    Attributes:
        points: The arms.
        axes: Names of the axes; the last is the accuracy in percent.
        values: float64 [arms, axes].
    """

    points: tuple[Point, ...]
    axes: tuple[str, ...]
    values: Floats


def prepare(material: Material) -> Parallel | None:
    """Take the scored arms that have all parameters whose ranges differ; at least two of these."""
    report = material.report
    arms = [
        arm for arm in report.ranked[::-1] if arm.ranges and set(report.varied) <= set(arm.ranges)
    ]
    found = {
        f"{parameter}.{end}": [arm.ranges[parameter][i] for arm in arms]
        for parameter in report.varied
        for i, end in enumerate(("low", "high"))
    }
    differing = {name: values for name, values in found.items() if len(set(values)) > 1}
    if len(arms) < _FEWEST or len(differing) < 2:
        return None
    points = tuple(point(report, arm) for arm in arms)
    columns = [*differing.values(), [one.mean.value for one in points]]
    values = np.array(columns, np.float64).T
    return Parallel(points, (*differing, "accuracy [%]"), values)


def caption(data: Parallel) -> str:
    """Say how it is read."""
    return (
        f"Each of {len(data.points)} arms is a line through the ends of its ranges to its mean "
        "accuracy over replicates, which colours it; every axis from its least to its greatest "
        "value."
    )


def on_paper(data: Parallel) -> "Figure":
    """Draw it with matplotlib."""
    from matplotlib import colormaps

    figure = style.sheet(2.6)
    axes = figure.add_subplot()
    low, high = data.values.min(axis=0), data.values.max(axis=0)
    shares = (data.values - low) / np.where(high > low, high - low, 1)
    places = range(len(data.axes))
    scale = colormaps[style.SCALE]
    for one, line in zip(data.points, shares, strict=True):
        marked = one.role != "other"
        color = style.COLORS[one.role] if marked else scale(line[-1])
        axes.plot(
            places,
            line,
            color=color,
            lw=1.8 if marked else 0.8,
            alpha=1 if marked else 0.7,
            marker=style.MARKERS[one.role] if marked else None,
            ms=3.5,
            zorder=4 if marked else 3,
        )
    for place in places:
        axes.plot([place, place], [0, 1], color=style.BLACK, lw=0.6, zorder=1)
        for height, value, side in ((-0.04, low, "top"), (1.04, high, "bottom")):
            text = f"{value[place]:.4g}"
            axes.text(place, height, text, ha="center", va=side, fontsize=6, color=style.DIM)
    names = [name.replace(".", "\n", 1) for name in data.axes[:-1]]
    axes.set_xticks(places, [*names, "accuracy\n[%]"])
    axes.set_yticks([])
    axes.set_ylim(-0.16, 1.14)
    axes.spines[:].set_visible(False)
    axes.tick_params(axis="x", length=0)
    legend(figure, [one for one in data.points if one.role != "other"])
    return figure


def on_page(data: Parallel) -> "go.Figure":
    """Draw it with plotly; ranges of an axis can be chosen, and axes moved."""
    figure = style.page(380, margin={"l": 60, "r": 50, "t": 80, "b": 24})
    figure.add_parcoords(
        dimensions=[
            {"label": name, "values": column, "range": [column.min(), column.max()]}
            for name, column in zip(data.axes, data.values.T, strict=True)
        ],
        line={"color": data.values[:, -1], "colorscale": style.SCALE},
        labelangle=-25,
        labelfont={"size": 11},
        tickfont={"size": 10},
    )
    return figure


KIND = Kind("Parallel coordinates", prepare, caption, on_paper, on_page)
