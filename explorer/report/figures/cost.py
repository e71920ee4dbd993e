"""What accuracy costs: the best arm over the computing time, and every arm's seconds a trial."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from explorer.report.figures import style
from explorer.report.figures.accuracy import axis_title
from explorer.report.figures.history import best_so_far
from explorer.report.figures.interval import single
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.points import Point, heights, legend, mark_page, mark_paper, point

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_FEWEST = 2
_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Cost:
    """The arms in the order in which their last replicate ended.

    Attributes:
        points: The arms.
        spent: Hours that all trials of the study took until then, one after the other.
        best: The best arm so far, by its mean.
        seconds: Mean seconds of a trial of each arm.
        front: Places of the arms that none is both cheaper and better than, the cheapest first.
        measured: What was measured.
    """

    points: tuple[Point, ...]
    spent: tuple[float, ...]
    best: tuple[Point, ...]
    seconds: tuple[float, ...]
    front: tuple[int, ...]
    measured: str


def prepare(material: Material) -> Cost | None:
    """Take the scored arms whose trials say how long they took; ``None`` for fewer than two."""
    report, trials = material.report, material.trials
    if "seconds.total" not in trials:
        return None
    arms = {arm.name: arm for arm in report.arms if arm.accuracy and arm.seconds is not None}
    ended = trials[trials["seconds.total"].notna()].sort_values(["end", "number"])
    # What was taken from another trial has cost nothing here.
    own = ended["seconds.total"].where(ended["cached_from"].isna(), 0.0)
    spent = own.cumsum() / _HOUR
    counted = ended["number"].isin(material.counted) & (ended["state"] == "COMPLETE")
    last = ended[counted & ended["arm"].isin(list(arms))].drop_duplicates("arm", keep="last")
    if len(last) < _FEWEST:
        return None
    points = tuple(point(report, arms[name]) for name in last["arm"])
    seconds = tuple(float(arms[name].seconds or 0) for name in last["arm"])
    return Cost(
        points,
        tuple(spent[last.index].tolist()),
        best_so_far(points),
        seconds,
        _front(points, seconds),
        axis_title(report.tasks),
    )


def _front(points: tuple[Point, ...], seconds: tuple[float, ...]) -> tuple[int, ...]:
    means = pd.Series([one.mean.value for one in points])
    cheapest = sorted(range(len(points)), key=lambda i: (seconds[i], -means[i]))
    front: list[int] = []
    for i in cheapest:
        if not front or means[i] > means[front[-1]]:
            front.append(i)
    return tuple(front)


def caption(data: Cost) -> str:
    """Say how it is read."""
    said = (
        "Left: the best mean accuracy so far over the computing time of all trials, as if they had "
        "run one after the other; an arm counts from its last replicate on, and the band is its "
        "95 % interval. Right: every arm by the mean seconds of its trials, with 95 % intervals "
        "(Student's, over replicates); the line joins those that no arm is both cheaper and better "
        "than."
    )
    return " ".join(filter(None, [said, single([one.mean.n for one in data.points])]))


def _unit(data: Cost) -> tuple[str, list[float]]:
    if data.spent[-1] < 2:
        return "minutes of computing", [60 * spent for spent in data.spent]
    return "hours of computing", list(data.spent)


def on_paper(data: Cost) -> "Figure":
    """Draw it with matplotlib, two panels side by side."""
    figure = style.sheet(2.5)
    left, right = style.panels(figure, 1, 2, sharey=True)
    unit, spent = _unit(data)
    best = [one.mean for one in data.best]
    low, high = [one.low for one in best], [one.high for one in best]
    left.fill_between(spent, low, high, step="post", color=style.VERMILION, alpha=0.15, lw=0)
    left.step(spent, [one.value for one in best], where="post", color=style.VERMILION)
    mark_paper(left, data.points, spent, y=[one.mean.value for one in data.points])
    left.set_xlabel(unit)
    left.set_ylabel(data.measured)
    along = [data.seconds[i] for i in data.front]
    right.plot(along, [data.points[i].mean.value for i in data.front], color=style.GREEN, lw=1)
    mark_paper(right, data.points, data.seconds)
    right.set_xlabel("seconds a trial")
    left.set_xlim(left=0)
    left.set_ylim(heights(data.points, best))
    left.grid()
    right.grid()
    legend(figure, data.points)
    return figure


def on_page(data: Cost) -> "go.Figure":
    """Draw it with plotly, two panels side by side."""
    figure = style.page_panels(["best so far", "cost of an arm"], 2, 260)
    unit, spent = _unit(data)
    corners = [spent[0], *(x for at in spent[1:] for x in (at, at)), spent[-1]]
    best = [one.mean for one in data.best for _ in range(2)]
    style.band(figure, corners, best, {"row": 1, "col": 1}, style.VERMILION)
    means = [one.mean.value for one in data.points]
    mark_page(figure, data.points, spent, y=means, where={"row": 1, "col": 1})
    figure.add_scatter(
        x=[data.seconds[i] for i in data.front],
        y=[means[i] for i in data.front],
        mode="lines",
        line={"color": style.GREEN, "width": 1.5},
        hoverinfo="skip",
        showlegend=False,
        row=1,
        col=2,
    )
    mark_page(figure, data.points, data.seconds, where={"row": 1, "col": 2}, legend=False)
    figure.update_xaxes(title=unit, rangemode="tozero", row=1, col=1)
    figure.update_xaxes(title="seconds a trial", row=1, col=2)
    figure.update_yaxes(title=data.measured, row=1, col=1)
    figure.update_yaxes(range=heights(data.points, best))
    style.matched(figure, "y")
    return figure


KIND = Kind("Cost over time", prepare, caption, on_paper, on_page)
