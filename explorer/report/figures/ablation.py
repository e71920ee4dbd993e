"""Ablation path: which of its ranges make the best arm better than the baseline."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.report.agreement import Floats
from explorer.report.figures import style
from explorer.report.figures.accuracy import axis_title
from explorer.report.figures.interval import Mean
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material, extremes
from explorer.report.figures.points import Point, point
from explorer.report.figures.surrogate import Surrogate
from explorer.report.numerals import ranges

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_QUANTILE = 1.96


@dataclass(frozen=True, slots=True)
class Path:
    """The way from the baseline to the best arm, a range at a time.

    Attributes:
        steps: What is exchanged at each step: the arm to begin with, then ranges of the best.
        expected: Accuracy in percent that the model expects after each, with its 95 % interval.
        ends: The baseline and the best arm as they were measured.
        measured: What was measured.
    """

    steps: tuple[str, ...]
    expected: tuple[Mean, ...]
    ends: tuple[Point, Point]
    measured: str


def prepare(material: Material) -> Path | None:
    """Exchange ranges one after the other, always the one that the model gains most by.

    ``None`` where there is no model, where the baseline or the best arm is none of its arms (from
    scratch is not), and where they differ in fewer than two parameters.
    """
    report, model = material.report, material.surrogate
    arms = {arm.name: i for i, arm in enumerate(model.arms)} if model is not None else {}
    best, _ = extremes(report)
    if model is None or best.name == report.baseline or not {best.name, report.baseline} <= {*arms}:
        return None
    begun, goal = arms[str(report.baseline)], arms[best.name]
    here, there = model.at[begun].copy(), model.at[goal]
    left = [i for i in range(0, len(here), 2) if (here[i : i + 2] != there[i : i + 2]).any()]
    if len(left) < 2:
        return None
    steps, expected = [str(report.baseline)], [_expected(model, here)]
    while left:
        tried = {i: _exchanged(here, there, i) for i in left}
        gained = model.mean(np.array(list(tried.values())))
        chosen = left.pop(int(gained.argmax()))
        here = tried[chosen]
        parameter = model.ends[chosen].rpartition(".")[0]
        steps.append(f"+ {ranges({parameter: best.ranges[parameter]})}")
        expected.append(_expected(model, here))
    both = (point(report, model.arms[begun]), point(report, model.arms[goal]))
    return Path(tuple(steps), tuple(expected), both, axis_title(report.tasks))


def _exchanged(here: Floats, there: Floats, i: int) -> Floats:
    changed = here.copy()
    changed[i : i + 2] = there[i : i + 2]
    return changed


def _expected(model: Surrogate, at: Floats) -> Mean:
    means, error = model.average(at[None])
    value, half = float(means[0]), _QUANTILE * error
    return Mean(value, value - half, value + half, 1)


def caption(data: Path) -> str:
    """Say how it is read."""
    baseline, best = (one.arm for one in data.ends)
    return (
        f"From the baseline {baseline} to the best arm {best}, a range at a time: the accuracy "
        "that a Gaussian process expects once the range is that of the best arm, with its 95 % "
        "interval under the model; first what gains most (an ablation path, Fawcett and Hoos, "
        "2016, on a model). Above and below, with 95 % intervals over replicates: both arms as "
        "they were measured."
    )


def on_paper(data: Path) -> "Figure":
    """Draw it with matplotlib, a row a step."""
    last = len(data.steps) - 1
    figure = style.sheet(0.7 + 0.26 * (last + 3))
    axes = figure.add_subplot()
    axes.plot([one.value for one in data.expected], range(last + 1), color=style.PALE, lw=1)
    for place, one in enumerate(data.expected):
        axes.plot([one.low, one.high], [place, place], color=style.BLUE, lw=1.2)
        axes.plot([one.value], [place], "o", color=style.BLUE)
    for place, end in zip((-1, last + 1), data.ends, strict=True):
        color = style.COLORS[end.role]
        axes.plot([end.mean.low, end.mean.high], [place, place], color=color, lw=1.2)
        axes.plot([end.mean.value], [place], style.MARKERS[end.role], color=color, ms=5)
    axes.set_yticks(range(-1, last + 2), _labels(data))
    axes.set_ylim(last + 1.5, -1.5)
    axes.set_xlabel(data.measured)
    axes.grid(axis="x")
    return figure


def _labels(data: Path) -> list[str]:
    baseline, best = (f"{one.arm}, measured" for one in data.ends)
    return [baseline, f"{data.steps[0]}, expected", *data.steps[1:], best]


def on_page(data: Path) -> "go.Figure":
    """Draw it with plotly, a row a step."""
    last = len(data.steps) - 1
    figure = style.page(110 + 32 * (last + 3), showlegend=False)
    figure.add_scatter(
        x=[one.value for one in data.expected],
        y=list(range(last + 1)),
        error_x={"array": [one.high - one.value for one in data.expected], "width": 0},
        mode="lines+markers",
        line={"color": style.PALE},
        marker={"color": style.BLUE, "size": 9},
        hovertemplate="%{x:.1f} % expected<extra></extra>",
    )
    figure.data[0].error_x.color = style.BLUE
    for place, end in zip((-1, last + 1), data.ends, strict=True):
        color = style.COLORS[end.role]
        half = end.mean.high - end.mean.value
        figure.add_scatter(
            x=[end.mean.value],
            y=[place],
            error_x={"array": [half], "width": 0, "color": color} if half else None,
            mode="markers",
            marker={"symbol": style.SYMBOLS[end.role], "color": color, "size": 11},
            text=[end.said],
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_xaxes(title=data.measured)
    figure.update_yaxes(
        tickvals=list(range(-1, last + 2)),
        ticktext=_labels(data),
        range=[last + 1.5, -1.5],
        showgrid=False,
    )
    return figure


KIND = Kind("Ablation path", prepare, caption, on_paper, on_page)
