"""Pareto front of a study that seeks two things."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.report import pareto
from explorer.report.figures import style
from explorer.report.figures.accuracy import axis_title
from explorer.report.figures.interval import Mean, mean, single
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.points import (
    Point,
    heights,
    legend,
    mark_page,
    mark_paper,
    point,
    with_interval,
)
from explorer.report.layout import measure_title

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Front:
    """The arms by both of what is sought.

    Attributes:
        points: The arms, the most accurate first.
        values: Mean of the measure of each, with its interval.
        front: Places of the arms on the front, the most accurate first.
        title: Heading of the measure.
        direction: ``maximize`` or ``minimize``.
        measured: What the accuracy is of.
    """

    points: tuple[Point, ...]
    values: tuple[Mean, ...]
    front: tuple[int, ...]
    title: str
    direction: str
    measured: str

    @property
    def steps(self) -> tuple[list[float], list[float]]:
        """The border of what the front dominates, x and y."""
        x: list[float] = []
        y: list[float] = []
        for i in self.front:
            # Across at the height of this arm, from below the one before it.
            x += [x[-1], self.values[i].value] if x else [self.values[i].value]
            y += [self.points[i].mean.value] * (2 if y else 1)
        return x, y


def prepare(material: Material) -> Front | None:
    """Take the arms that have both values; ``None`` where accuracy alone is sought."""
    report = material.report
    measure = pareto.sought(report)
    if measure is None:
        return None
    arms = [arm for arm in report.ranked if measure in arm.variety]
    best = {arm.name for arm in pareto.front(report)}
    if not best:
        return None
    return Front(
        tuple(point(report, arm) for arm in arms),
        tuple(
            mean([one.variety[measure] for one in arm.replicates if measure in one.variety])
            for arm in arms
        ),
        tuple(i for i, arm in enumerate(arms) if arm.name in best),
        measure_title(measure),
        report.objectives[f"variety.{measure}"],
        axis_title(report.tasks),
    )


def caption(data: Front) -> str:
    """Say how it is read."""
    sought = "high" if data.direction == "maximize" else "low"
    whose = "" if len(with_interval(data.points)) == len(data.points) else " of the marked ones"
    said = (
        f"Arms by their mean accuracy and their mean {data.title} ({sought} is sought), with the "
        f"95 % intervals{whose} (Student's, over replicates). Line: the Pareto front, the arms "
        "that none is better than in both; it compares means, without regard to their intervals."
    )
    return " ".join(filter(None, [said, single([one.mean.n for one in data.points])]))


def on_paper(data: Front) -> "Figure":
    """Draw it with matplotlib."""
    figure = style.sheet(2.9)
    axes = figure.add_subplot()
    axes.plot(*data.steps, color=style.GREEN, lw=1)
    across = [one.value for one in data.values]
    drawn = {one.arm for one in with_interval(data.points)}
    for one, value in zip(data.points, data.values, strict=True):
        if one.arm in drawn:
            color = style.COLORS[one.role]
            axes.plot([value.low, value.high], [one.mean.value] * 2, color=color, lw=0.8)
    mark_paper(axes, data.points, across)
    axes.plot(
        [across[i] for i in data.front],
        [data.points[i].mean.value for i in data.front],
        "o",
        ms=8,
        mfc="none",
        mew=1,
        color=style.GREEN,
        label="on the front",
    )
    axes.set_xlabel(data.title)
    axes.set_ylabel(data.measured)
    axes.set_ylim(heights(data.points))
    axes.legend(loc="best")
    axes.grid()
    legend(figure, data.points)
    return figure


def on_page(data: Front) -> "go.Figure":
    """Draw it with plotly."""
    figure = style.page(400, margin={"l": 60, "r": 16, "t": 36, "b": 48})
    x, y = data.steps
    across = [one.value for one in data.values]
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": style.GREEN}, hoverinfo="skip", showlegend=False
    )
    drawn = {one.arm for one in with_interval(data.points)}
    shown = [i for i, one in enumerate(data.points) if one.arm in drawn]
    figure.add_scatter(
        x=[across[i] for i in shown],
        y=[data.points[i].mean.value for i in shown],
        error_x={
            "array": [data.values[i].high - across[i] for i in shown],
            "width": 0,
            "thickness": 1.2,
            "color": style.GREY,
        },
        mode="markers",
        marker={"opacity": 0},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_scatter(
        x=[across[i] for i in data.front],
        y=[data.points[i].mean.value for i in data.front],
        mode="markers",
        marker={"symbol": "circle-open", "size": 16, "color": style.GREEN, "line": {"width": 2}},
        hoverinfo="skip",
        name="on the front",
    )
    mark_page(figure, data.points, across)
    figure.update_xaxes(title=data.title)
    figure.update_yaxes(title=data.measured, range=heights(data.points))
    return figure


KIND = Kind("Pareto front", prepare, caption, on_paper, on_page)
