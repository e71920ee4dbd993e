"""Accuracy against each range: which of its values the good arms draw from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.report.agreement import Floats
from explorer.report.figures import style
from explorer.report.figures.accuracy import axis_title
from explorer.report.figures.interval import Mean, mean, single
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.points import (
    MANY,
    Point,
    heights,
    legend,
    mark_page,
    mark_paper,
    point,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_FEWEST = 3  # arms whose mean has an interval that says something
_PLACES = 60  # values of a parameter at which the arms around it are averaged


@dataclass(frozen=True, slots=True)
class Panel:
    """A parameter, and the mean over the arms whose range holds a value, at some values.

    Attributes:
        parameter: Its name.
        points: The arms.
        ranges: The range of each, in their order.
        values: Values at which three arms or more are averaged.
        means: Mean accuracy there in percent, with its interval over arms.
    """

    parameter: str
    points: tuple[Point, ...]
    ranges: tuple[tuple[float, float], ...]
    values: tuple[float, ...]
    means: tuple[Mean, ...]


@dataclass(frozen=True, slots=True)
class Ranges:
    """A panel a parameter, and what was measured."""

    panels: tuple[Panel, ...]
    measured: str

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis of accuracy."""
        lows, highs = zip(*(heights(panel.points) for panel in self.panels), strict=True)
        return min(lows), max(highs)


def prepare(material: Material) -> Ranges | None:
    """Take the scored arms of every parameter whose range differs between them."""
    report = material.report
    panels = []
    for parameter in report.varied:
        arms = [arm for arm in report.arms if arm.accuracy and parameter in arm.ranges]
        ranges = [arm.ranges[parameter] for arm in arms]
        if len(set(ranges)) < 2:
            continue
        points = tuple(point(report, arm) for arm in arms)
        panels.append(_panel(parameter, points, tuple(ranges)))
    return Ranges(tuple(panels), axis_title(report.tasks)) if panels else None


def _panel(
    parameter: str, points: tuple[Point, ...], ranges: tuple[tuple[float, float], ...]
) -> Panel:
    lows, highs = np.array(ranges).T
    found: Mapping[float, Mean] = {}
    if len(points) > MANY:
        accuracies = np.array([one.mean.value for one in points])
        found = {
            float(value): mean(held.tolist())
            for value in np.linspace(lows.min(), highs.max(), _PLACES)
            if len(held := _held(accuracies, lows, highs, value)) >= _FEWEST
        }
    return Panel(parameter, points, ranges, tuple(found), tuple(found.values()))


def _held(accuracies: Floats, lows: Floats, highs: Floats, value: float) -> Floats:
    return accuracies[(lows <= value) & (value <= highs)]


def caption(data: Ranges) -> str:
    """Say how it is read."""
    panels = data.panels
    few = max(len(panel.points) for panel in panels) <= MANY
    whose = "" if few else " of the marked ones"
    read = (
        "Every arm is a line from the low to the high end of its range at the height of its mean "
        f"accuracy, with the 95 % interval{whose} (Student's, over replicates)."
    )
    said = [read]
    if any(panel.values for panel in panels):
        said.append(
            "The curve is the mean over the arms whose range holds a value, its band the 95 % "
            "interval over these arms: they differ in other ranges too."
        )
    said.append(single([one.mean.n for one in panels[0].points]))
    return " ".join(filter(None, said))


def on_paper(data: Ranges) -> "Figure":
    """Draw it with matplotlib, up to three panels side by side."""
    columns = min(len(data.panels), 3)
    rows = -(-len(data.panels) // columns)
    figure = style.sheet(0.5 + 1.9 * rows)
    panels = style.panels(figure, rows, columns, sharey=True)
    for axes, panel in zip(panels, data.panels, strict=False):
        for one, ends in zip(panel.points, panel.ranges, strict=True):
            marked = one.role != "other"
            look = (style.COLORS[one.role], 1.6, 1.0) if marked else (style.BLUE, 0.8, 0.45)
            color, width, alpha = look
            axes.plot(ends, [one.mean.value] * 2, color=color, lw=width, alpha=alpha)
        mark_paper(axes, panel.points, [sum(ends) / 2 for ends in panel.ranges])
        if panel.values:
            low, high = ([getattr(one, end) for one in panel.means] for end in ("low", "high"))
            axes.fill_between(panel.values, low, high, color=style.BLACK, alpha=0.12, lw=0)
            axes.plot(panel.values, [m.value for m in panel.means], color=style.BLACK, lw=1.2)
        axes.set_xlabel(panel.parameter)
        axes.grid()
    for axes in panels[len(data.panels) :]:
        axes.set_axis_off()
    panels[0].set_ylim(data.limits)
    for axes in panels[::columns]:
        axes.set_ylabel(data.measured.replace("top-1 ", ""))
    legend(figure, data.panels[0].points)
    return figure


def on_page(data: Ranges) -> "go.Figure":
    """Draw it with plotly, up to three panels side by side."""
    columns = min(len(data.panels), 3)
    figure = style.page_panels([panel.parameter for panel in data.panels], columns, 240)
    for i, panel in enumerate(data.panels):
        where = {"row": i // columns + 1, "col": i % columns + 1}
        for one, ends in zip(panel.points, panel.ranges, strict=True):
            marked = one.role != "other"
            figure.add_scatter(
                x=ends,
                y=[one.mean.value] * 2,
                mode="lines",
                line={"color": style.COLORS[one.role], "width": 3 if marked else 1.2},
                opacity=1 if marked else 0.5,
                hoverinfo="skip",
                showlegend=False,
                **where,
            )
        if panel.values:
            style.band(figure, panel.values, panel.means, where)
        middles = [sum(ends) / 2 for ends in panel.ranges]
        mark_page(figure, panel.points, middles, where=where, legend=i == 0)
        figure.update_xaxes(title=panel.parameter, **where)
        if where["col"] == 1:
            figure.update_yaxes(title=data.measured, **where)
    figure.update_yaxes(range=data.limits)
    style.matched(figure, "y")
    return figure


KIND = Kind("Accuracy against each range", prepare, caption, on_paper, on_page)
