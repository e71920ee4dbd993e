"""Distribution of accuracy over what a sampler has tried: how much of a space is how good."""

import math
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING

from explorer.report.figures import style
from explorer.report.figures.accuracy import axis_title
from explorer.report.figures.interval import Mean, limits
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.points import Point, point
from explorer.report.importance import FEWEST_ARMS
from explorer.report.numerals import count
from explorer.report.statistics import LEVEL

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_UNGUIDED = {"random", "qmc"}
"""Samplers that learn nothing from what they have found: what they try stands for the space."""

_EMPTY, _FULL = 0.0, 100.0
_PALE = "rgba(0,114,178,0.2)"  # blue; an opacity would not be of what is between two traces


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many of the sampled arms reach an accuracy.

    Attributes:
        accuracies: Mean accuracy of every sampled arm in percent, ascending.
        shares: Share of the arms that reach each in percent: 100 for the least.
        margin: Half the height of the band around the shares in points, ``None`` where what was
            tried does not stand for the space.
        sampler: What has chosen the arms.
        stopped: Sampled arms that have no accuracy, as all their trials were stopped early.
        beside: From scratch and the baseline, as far as they have a score.
        measured: What was measured.
    """

    accuracies: tuple[float, ...]
    shares: tuple[float, ...]
    margin: float | None
    sampler: str
    stopped: int
    beside: tuple[Point, ...]
    measured: str

    def beyond(self, accuracy: float) -> Mean:
        """Return the share of the arms that go beyond an accuracy, in percent.

        Returns:
            The share, with the 95 % interval of that of the space (Clopper and Pearson, 1934)
            where what was tried stands for it.
        """
        from scipy.stats import binomtest

        n = len(self.accuracies)
        found = sum(one > accuracy for one in self.accuracies)
        share = 100 * found / n
        if self.margin is None:
            return Mean(share, share, share, n)
        ends = binomtest(found, n).proportion_ci(1 - LEVEL)
        return Mean(share, 100 * ends.low, 100 * ends.high, n)


def prepare(material: Material) -> Distribution | None:
    """Take the sampled arms; ``None`` where fewer than ten have a score."""
    report = material.report
    sampled = sorted(100 * arm.accuracy.mean for arm in report.arms if arm.sampled and arm.accuracy)
    n = len(sampled)
    if n < FEWEST_ARMS:
        return None
    stopped = _stopped(material)
    stands = material.said.sampler in _UNGUIDED and not stopped
    margin = 100 * math.sqrt(math.log(2 / LEVEL) / (2 * n))
    known = [arm for arm in report.arms if arm.accuracy and not arm.sampled]
    beside = [arm for arm in known if arm.name == report.baseline or arm.formula is None]
    return Distribution(
        tuple(sampled),
        tuple(100 * (n - i) / n for i in range(n)),
        margin if stands else None,
        material.said.sampler,
        stopped,
        tuple(point(report, arm) for arm in beside),
        axis_title(report.tasks),
    )


def _stopped(material: Material) -> int:
    """Return how many sampled arms had no trial that came to its end, but one that was stopped."""
    trials = material.trials
    stopped = trials[trials["number"].isin(list(material.counted)) & (trials["state"] == "PRUNED")]
    scored = {arm.name for arm in material.report.arms}
    return len(set(stopped["arm"]) - scored)


def caption(data: Distribution) -> str:
    """Say how it is read."""
    found = (
        f"Share of the {count(len(data.accuracies), 'sampled arm')} whose mean accuracy reaches a "
        "value. Means over few replicates scatter, which makes the curve flatter than the space's."
    )
    beyond = "".join(
        f" {_share(data, one)} go beyond {one.arm} ({one.mean.value:.1f} %)." for one in data.beside
    )
    left_out = ""
    if data.stopped:
        left_out = (
            f" {count(data.stopped, 'more arm')} stopped early lack an accuracy; they looked poor, "
            "so that the curve lies too high."
        )
    stands = ""
    if data.margin is not None:
        stands = (
            " Band: 95 % for the whole curve of the space, drawn uniformly (Dvoretzky, Kiefer and "
            "Wolfowitz, 1956, with the constant of Massart, 1990); in brackets: 95 % for one share "
            "(Clopper and Pearson, 1934)."
        )
    elif data.sampler not in _UNGUIDED:
        stands = (
            f" The sampler {data.sampler} goes where accuracies were high, so that this is the "
            "distribution of what was tried and not that of the space."
        )
    return found + beyond + left_out + stands


def _share(data: Distribution, one: Point) -> str:
    share = data.beyond(one.mean.value)
    if data.margin is None:
        return f"{share.value:.0f} %"
    return f"{share.value:.0f} % [{share.low:.0f}, {share.high:.0f}]"


def _ends(data: Distribution) -> tuple[float, float]:
    return limits((), [*data.accuracies, *(one.mean.value for one in data.beside)])


def _curve(data: Distribution) -> tuple[list[float], list[float]]:
    """Return accuracies over the whole axis, and the share from each up to the next."""
    low, high = _ends(data)
    return [low, *data.accuracies, high], [*data.shares, _EMPTY, _EMPTY]


def _band(data: Distribution, y: list[float]) -> tuple[list[float], list[float]]:
    margin = data.margin or 0.0
    return [max(one - margin, _EMPTY) for one in y], [min(one + margin, _FULL) for one in y]


def on_paper(data: Distribution) -> "Figure":
    """Draw it with matplotlib."""
    figure = style.sheet(2.5)
    axes = figure.add_subplot()
    x, y = _curve(data)
    if data.margin is not None:
        axes.fill_between(x, *_band(data, y), step="post", color=style.BLUE, alpha=0.15, lw=0)
    axes.step(x, y, where="post", color=style.BLUE)
    for one, dashes in zip(data.beside, cycle(("--", ":")), strict=False):
        axes.axvline(one.mean.value, color=style.DIM, lw=0.9, ls=dashes, label=one.arm)
    axes.set_xlim(_ends(data))
    axes.set_ylim(_EMPTY, _FULL)
    axes.set_xlabel(data.measured)
    axes.set_ylabel("arms that reach it [%]")
    axes.grid()
    if data.beside:
        figure.legend(loc="outside upper left", ncols=2)
    return figure


def on_page(data: Distribution) -> "go.Figure":
    """Draw it with plotly."""
    figure = style.page(
        340, legend_traceorder="normal", margin={"l": 60, "r": 16, "t": 36, "b": 48}
    )
    x, y = _curve(data)
    # Nobody sees less than a hundredth of a point, and every digit is stored for every arm.
    x = [round(one, 2) for one in x]
    if data.margin is not None:
        for edge, fill in zip(_band(data, y), (None, "tonexty"), strict=True):
            figure.add_scatter(
                x=x,
                y=[round(one, 2) for one in edge],
                fill=fill,
                fillcolor=_PALE,
                line={"width": 0, "shape": "hv"},
                mode="lines",
                hoverinfo="skip",
                showlegend=False,
            )
    figure.add_scatter(
        x=x,
        y=[round(one, 2) for one in y],
        mode="lines",
        line={"color": style.BLUE, "width": 2, "shape": "hv"},
        hovertemplate="%{y:.0f} % of the arms reach %{x:.1f} %<extra></extra>",
        name="sampled arms",
    )
    for one, dash in zip(data.beside, cycle(style.DASHES[1:3]), strict=False):
        figure.add_scatter(
            x=[one.mean.value] * 2,
            y=[_EMPTY, _FULL],
            mode="lines",
            line={"color": style.GREY, "width": 1.5, "dash": dash},
            hovertemplate=f"{one.arm}<br>{one.said}<extra></extra>",
            name=one.arm,
        )
    figure.update_xaxes(title=data.measured, range=_ends(data))
    figure.update_yaxes(title="arms that reach it [%]", range=[_EMPTY, _FULL])
    return figure


KIND = Kind("Distribution of accuracy", prepare, caption, on_paper, on_page)
