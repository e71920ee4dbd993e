"""Arms as points, marked alike in all figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer.report import numerals
from explorer.report.figures import style
from explorer.report.figures.interval import Mean, limits, mean
from explorer.report.figures.material import Role, role
from explorer.report.summary import Arm, StudyReport

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MANY = 12
"""Of more arms the intervals lie over one another; only those of the marked ones are drawn."""


@dataclass(frozen=True, slots=True)
class Point:
    """An arm: its name, its ranges in words, its role and its mean accuracy in percent."""

    arm: str
    ranges: str
    role: Role
    mean: Mean

    @property
    def said(self) -> str:
        """What is shown of it when it is pointed at, but for its name."""
        interval = f" [{self.mean.low:.1f}, {self.mean.high:.1f}]" if self.mean.n > 1 else ""
        value = f"{self.mean.value:.1f} %{interval}, n = {self.mean.n}"
        return f"{self.ranges}<br>{value}" if self.ranges else value


def point(report: StudyReport, arm: Arm) -> Point:
    """Return the point of an arm that has a score."""
    found = mean([100 * one.accuracy for one in arm.replicates])
    return Point(arm.name, numerals.ranges(arm.ranges), role(report, arm.name), found)


def with_interval(points: Sequence[Point]) -> list[Point]:
    """Return the points whose interval is drawn: all of a few, the marked ones of many."""
    return [p for p in points if p.mean.n > 1 and (len(points) <= MANY or p.role != "other")]


def heights(points: Sequence[Point], means: Sequence[Mean] = ()) -> tuple[float, float]:
    """Return the ends of an axis that shows points with their intervals, and other means."""
    drawn = [one.mean for one in with_interval(points)]
    return limits([*drawn, *means], [one.mean.value for one in points])


def mark_paper(
    axes: "Axes", points: Sequence[Point], x: Sequence[float], *, y: Sequence[float] | None = None
) -> None:
    """Draw points with matplotlib, the marked ones above the others.

    Args:
        axes: Where.
        points: The arms.
        x: Their places across.
        y: Their places upwards; by default their mean accuracy with its interval.
    """
    drawn = {one.arm for one in with_interval(points)} if y is None else set()
    heights = [one.mean.value for one in points] if y is None else y
    for one, left, height in zip(points, x, heights, strict=True):
        marked = one.role != "other"
        color = style.COLORS[one.role]
        above = 4 if marked else 3
        if one.arm in drawn:
            axes.plot(
                [left, left], [one.mean.low, one.mean.high], color=color, lw=0.8, zorder=above
            )
        look: dict[str, Any] = {"ms": 5 if marked else 3, "alpha": 1 if marked else 0.75}
        axes.plot(
            [left], [height], style.MARKERS[one.role], color=color, mew=0, zorder=above, **look
        )


def legend(figure: "Figure", points: Sequence[Point]) -> None:
    """Say above a figure for print which marks are which arms."""
    from matplotlib.lines import Line2D

    entries = {
        f"{said}: {one.arm}" if one.role != "other" else "other arms": Line2D(
            [], [], ls="", marker=style.MARKERS[one.role], ms=4, mew=0, color=style.COLORS[one.role]
        )
        for said in ("best", "worst", "baseline", "other")
        for one in points
        if one.role == said
    }
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside upper left",
        ncols=4,
        handletextpad=0.2,
        columnspacing=1.2,
    )


def mark_page(
    figure: "go.Figure",
    points: Sequence[Point],
    x: Sequence[float],
    *,
    y: Sequence[float] | None = None,
    where: Mapping[str, int] | None = None,
    legend: bool = True,
) -> None:
    """Draw points with plotly, a trace a role, as :func:`mark_paper` does.

    Args:
        figure: Where.
        points: The arms.
        x: Their places across.
        y: Their places upwards; by default their mean accuracy with its interval.
        where: ``row`` and ``col`` of the panel.
        legend: Whether the roles get entries in the legend.
    """
    drawn = {one.arm for one in with_interval(points)} if y is None else set()
    for said in ("other", "baseline", "worst", "best"):
        chosen = [i for i, one in enumerate(points) if one.role == said]
        if not chosen:
            continue
        own = [points[i] for i in chosen]
        halves = [p.mean.high - p.mean.value if p.arm in drawn else 0 for p in own]
        figure.add_scatter(
            x=[x[i] for i in chosen],
            y=[one.mean.value for one in own] if y is None else [y[i] for i in chosen],
            error_y={"array": halves, "width": 0, "thickness": 1.2} if any(halves) else None,
            mode="markers",
            marker={
                "symbol": style.SYMBOLS[said],
                "size": 7 if said == "other" else 11,
                "color": style.COLORS[said],
                "opacity": 0.75 if said == "other" else 1,
            },
            name="other arms" if said == "other" else f"{said}: {own[0].arm}",
            legendgroup=said,
            showlegend=legend,
            text=[f"<b>{one.arm}</b><br>{one.said}" for one in own],
            hovertemplate="%{text}<extra></extra>",
            **(where or {}),
        )
