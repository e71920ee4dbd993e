"""Hypervolume: how far the Pareto front has come, arm by arm."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.report import pareto
from explorer.report.figures import style
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material, begun
from explorer.report.layout import measure_title

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_FEWEST = 3  # arms that make a history


@dataclass(frozen=True, slots=True)
class Hypervolume:
    """What the front dominates after every arm.

    Attributes:
        arms: The arms in the order in which they were begun.
        shares: The dominated share of the rectangle in percent after each.
        corner: The worst mean accuracy in percent and the worst measure, which it begins at.
        title: Heading of the measure.
    """

    arms: tuple[str, ...]
    shares: tuple[float, ...]
    corner: tuple[float, float]
    title: str


def prepare(material: Material) -> Hypervolume | None:
    """Take the arms that have both values; ``None`` where accuracy alone is sought.

    Also where fewer than three have them, or all have the same of one.
    """
    report = material.report
    measure = pareto.sought(report)
    arms = [arm for arm in report.arms if arm.accuracy and measure in arm.variety]
    if measure is None or len(arms) < _FEWEST:
        return None
    arms = begun(material, arms)
    sign = 1.0 if report.objectives[f"variety.{measure}"] == "maximize" else -1.0
    points = [
        (100 * arm.accuracy.mean, sign * arm.variety[measure]) for arm in arms if arm.accuracy
    ]
    low, high = (tuple(map(end, zip(*points, strict=True))) for end in (min, max))
    whole = (high[0] - low[0]) * (high[1] - low[1])
    if not whole:
        return None
    shares = [100 * area / whole for area in growth(points, low)]
    corner = (low[0], sign * low[1])
    return Hypervolume(
        tuple(arm.name for arm in arms), tuple(shares), corner, measure_title(measure)
    )


def dominated(points: Sequence[tuple[float, float]], corner: Sequence[float]) -> float:
    """Return the area that points dominate beyond a corner; more is better in both values.

    The hypervolume indicator (Zitzler and Thiele, 1998) in two dimensions: from the greatest
    first value on, every point adds what it has above all before it.
    """
    area, above = 0.0, corner[1]
    for first, second in sorted(points, reverse=True):
        if second > above:
            area += max(first - corner[0], 0.0) * (second - above)
            above = second
    return area


def growth(points: Iterable[tuple[float, float]], corner: Sequence[float]) -> Iterator[float]:
    """Yield what points dominate after each of them.

    Only their front is kept, so that the time grows with its length and not with the square of
    their number.
    """
    front: list[tuple[float, float]] = []
    for first, second in points:
        if not any(x >= first and y >= second for x, y in front):
            front = [(x, y) for x, y in front if x > first or y > second]
            front.append((first, second))
        yield dominated(front, corner)


def caption(data: Hypervolume) -> str:
    """Say how it is read."""
    accuracy, measure = data.corner
    return (
        "Share that the Pareto front dominates of the rectangle between the worst means of all "
        f"arms (accuracy {accuracy:.1f} %, {data.title} {measure:.3g}) and the best, after every "
        "arm in the order in which they were begun (hypervolume, Zitzler and Thiele, 1998). A "
        "curve that has become flat says that further samples have found no better trade-off. It "
        "compares means, and noise alone makes it rise."
    )


def on_paper(data: Hypervolume) -> "Figure":
    """Draw it with matplotlib."""
    from matplotlib.ticker import MaxNLocator

    figure = style.sheet(2.3)
    axes = figure.add_subplot()
    axes.step(range(1, len(data.shares) + 1), data.shares, where="post", color=style.GREEN)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 102)
    axes.set_xlabel("arm, in the order in which they were begun")
    axes.set_ylabel("hypervolume [%]")
    axes.grid()
    return figure


def on_page(data: Hypervolume) -> "go.Figure":
    """Draw it with plotly."""
    figure = style.page(320, showlegend=False)
    figure.add_scatter(
        x=list(range(1, len(data.shares) + 1)),
        y=list(data.shares),
        mode="lines",
        line={"color": style.GREEN, "width": 2, "shape": "hv"},
        text=list(data.arms),
        hovertemplate="%{y:.1f} % with %{text}<extra></extra>",
    )
    figure.update_xaxes(title="arm, in the order in which they were begun")
    figure.update_yaxes(title="hypervolume [%]", range=[0, 102])
    return figure


KIND = Kind("Hypervolume of the Pareto front", prepare, caption, on_paper, on_page)
