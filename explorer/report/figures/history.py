"""Optimisation history: the arms in the order in which they were begun, and the best so far."""

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from explorer.report.figures import style
from explorer.report.figures.accuracy import axis_title
from explorer.report.figures.interval import limits, single
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material, begun
from explorer.report.figures.points import Point, legend, mark_page, mark_paper, point

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_FEWEST = 3  # arms that make a history


@dataclass(frozen=True, slots=True)
class History:
    """The arms in their order, from 1.

    Attributes:
        points: The arms.
        replicates: Accuracy of the replicates of each in percent.
        best: The best of them so far, by its mean.
        measured: What was measured.
    """

    points: tuple[Point, ...]
    replicates: tuple[tuple[float, ...], ...]
    best: tuple[Point, ...]
    measured: str


def prepare(material: Material) -> History | None:
    """Take the scored arms; ``None`` for fewer than three, or where no sampler chose any."""
    report = material.report
    scored = [arm for arm in report.arms if arm.accuracy]
    if len(scored) < _FEWEST or not any(arm.sampled for arm in scored):
        return None
    scored = begun(material, scored)
    points = tuple(point(report, arm) for arm in scored)
    replicates = tuple(tuple(100 * one.accuracy for one in arm.replicates) for arm in scored)
    return History(points, replicates, best_so_far(points), axis_title(report.tasks))


def best_so_far(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """Return for each point the one of the highest mean up to it."""
    return tuple(accumulate(points, lambda best, one: max(best, one, key=_height)))


def _height(one: Point) -> float:
    return one.mean.value


def caption(data: History) -> str:
    """Say how it is read."""
    said = (
        "Arms in the order in which they were begun: replicates (open circles) and their mean. "
        "Line: the best mean so far, its band the 95 % interval of that arm (Student's, over "
        "replicates); as the best of many it is overestimated."
    )
    return " ".join(filter(None, [said, single([one.mean.n for one in data.points])]))


def on_paper(data: History) -> "Figure":
    """Draw it with matplotlib."""
    figure = style.sheet(2.6)
    axes = figure.add_subplot()
    order = list(range(1, len(data.points) + 1))
    values = [one.mean for one in data.best]
    low, high = [one.low for one in values], [one.high for one in values]
    axes.fill_between(order, low, high, step="post", color=style.VERMILION, alpha=0.15, lw=0)
    axes.step(order, [one.value for one in values], where="post", color=style.VERMILION, lw=1.2)
    for i, (one, replicates) in enumerate(zip(data.points, data.replicates, strict=True), 1):
        if one.mean.n > 1:
            color = style.COLORS[one.role]
            axes.plot([i] * one.mean.n, replicates, "o", ms=2.5, mew=0.5, mfc="none", color=color)
    mark_paper(axes, data.points, order, y=[one.mean.value for one in data.points])
    shown = [value for replicates in data.replicates for value in replicates]
    axes.set_ylim(limits([values[-1]], shown))
    axes.set_xlabel("arm, in the order in which they were begun")
    axes.set_ylabel(data.measured)
    axes.grid()
    legend(figure, data.points)
    return figure


def on_page(data: History) -> "go.Figure":
    """Draw it with plotly."""
    figure = style.page(360, margin={"l": 60, "r": 16, "t": 36, "b": 48})
    order = list(range(1, len(data.points) + 1))
    # Corners of the steps, so that the band has them too.
    across = [x for i in order for x in (i, i + 1)]
    best = [one.mean for one in data.best for _ in range(2)]
    style.band(figure, across, best, color=style.VERMILION)
    figure.add_scatter(
        x=[i for i, own in zip(order, data.replicates, strict=True) for _ in own if len(own) > 1],
        y=[value for own in data.replicates for value in own if len(own) > 1],
        mode="markers",
        marker={"symbol": "circle-open", "size": 6, "color": style.BLUE},
        hovertemplate="%{y:.1f} %<extra>a replicate</extra>",
        name="replicates",
    )
    mark_page(figure, data.points, order, y=[one.mean.value for one in data.points])
    shown = [value for own in data.replicates for value in own]
    figure.update_yaxes(title=data.measured, range=limits([data.best[-1].mean], shown))
    figure.update_xaxes(title="arm, in the order in which they were begun")
    return figure


KIND = Kind("Optimisation history", prepare, caption, on_paper, on_page)
