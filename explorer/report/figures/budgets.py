"""Budget correlation: how well each rung orders the arms as their final score does."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from explorer.report import latent
from explorer.report.agreement import Estimate, Floats, rank_agreement, spearman
from explorer.report.figures import style
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.numerals import count

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_FEWEST = 3  # arms that have an order
_MOST = 8  # rungs of the matrix
_MEASURES = (("probe", "probe accuracy", 1), ("loss", "pre-training loss", -1))

Sample = Mapping[str, list[float]]


@dataclass(frozen=True, slots=True)
class Budgets:
    """Rank correlations between rungs.

    Attributes:
        agreement: By measurement: images seen -> Spearman's rho with the final accuracy, between
            the arms' true means; without replicates between observed ones.
        labels: What the rows and columns of the matrix are: images seen, and ``final``.
        matrix: Spearman's rho of the probe's means between them, float64 [labels, labels]; NaN
            for fewer than three common arms.
        arms: Arms that have a final accuracy and a rung.
    """

    agreement: Mapping[str, Mapping[int, Estimate]]
    labels: tuple[str, ...]
    matrix: Floats
    arms: int

    @property
    def least(self) -> int:
        """Where the colours of the matrix begin."""
        return -1 if np.nanmin(self.matrix) < 0 else 0


def prepare(material: Material) -> Budgets | None:
    """Compare every rung with the end; an arm with another protocol has other rungs, and is out."""
    report = material.report
    final = {
        arm.name: [one.accuracy for one in arm.replicates]
        for arm in report.arms
        if arm.accuracy and not arm.changes
    }
    rungs = material.rungs[material.rungs["arm"].isin(list(final))]
    samples = {key: _by_rung(rungs, key, sign) for key, _, sign in _MEASURES}
    agreement = {
        title: {
            images: found.estimate
            for images, sample in samples[key].items()
            if (found := rank_agreement(sample, final, spearman, paired=True)) is not None
        }
        for key, title, _ in _MEASURES
    }
    known = {title: found for title, found in agreement.items() if found}
    if not known:
        return None
    compared = list(samples["probe"].items())
    step = -(-len(compared) // _MOST)
    columns: list[tuple[str, Sample]] = [(_short(at), one) for at, one in compared[::-step][::-1]]
    columns.append(("final", {arm: final[arm] for arm in final if arm in set(rungs["arm"])}))
    matrix = np.array([[_rho(one, other) for _, other in columns] for _, one in columns])
    labels = tuple(label for label, _ in columns)
    return Budgets(known, labels, matrix, len(columns[-1][1]))


def _by_rung(rungs: pd.DataFrame, key: str, sign: int) -> dict[int, Sample]:
    known = rungs.dropna(subset=key).sort_values("replicate")  # as the final accuracies are
    return {
        int(str(images)): {
            str(arm): (sign * values).tolist() for arm, values in own.groupby("arm")[key]
        }
        for images, own in known.groupby("images")
    }


def _rho(one: Sample, other: Sample) -> float:
    arms = [arm for arm in one if arm in other]
    if len(arms) < _FEWEST:
        return float("nan")
    return float(spearman(*([float(np.mean(side[arm])) for arm in arms] for side in (one, other))))


def _short(images: int) -> str:
    return f"{images / 1000:.3g}k" if images >= 1000 else str(images)


def caption(data: Budgets) -> str:
    """Say how it is read."""
    return (
        f"Left: Spearman's \N{GREEK SMALL LETTER RHO} over {count(data.arms, 'arm')} between each "
        "rung and the final accuracy (of the loss, low before high), between the arms' true means: "
        f"{latent.SAID} (without replicates between observed means). Right: the same "
        "between the observed probes of all rungs."
    )


def on_paper(data: Budgets) -> "Figure":
    """Draw it with matplotlib, two panels side by side."""
    from matplotlib.ticker import EngFormatter

    figure = style.sheet(2.7)
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    for (title, found), color, marker in zip(
        data.agreement.items(), (style.BLUE, style.ORANGE), "os", strict=False
    ):
        images = list(found)
        left.plot(images, [one.value for one in found.values()], f"{marker}-", color=color, ms=4)
        low, high = zip(*(one.ends for one in found.values()), strict=True)
        left.vlines(images, low, high, color=color, lw=0.9, label=title)
    left.axhline(0, color=style.GREY, lw=0.5)
    left.set_ylim(top=1.03)
    left.xaxis.set_major_formatter(EngFormatter(sep=""))
    left.set_xlabel("pre-training images")
    left.set_ylabel("\N{GREEK SMALL LETTER RHO} with the final accuracy")
    left.legend(loc="best")
    left.grid()
    right.imshow(
        data.matrix, cmap=style.SCALE, vmin=-1 if np.nanmin(data.matrix) < 0 else 0, vmax=1
    )
    for (row, column), value in np.ndenumerate(data.matrix):
        if not np.isnan(value):
            ink = style.BLACK if value > 0.6 else "white"
            right.text(column, row, f"{value:.2f}", ha="center", va="center", size=6, color=ink)
    places = range(len(data.labels))
    right.set_xticks(places, data.labels)
    right.set_yticks(places, data.labels)
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    return figure


def on_page(data: Budgets) -> "go.Figure":
    """Draw it with plotly, two panels side by side."""
    rho = "\N{GREEK SMALL LETTER RHO}"
    figure = style.page_panels([f"{rho} with the final accuracy", f"{rho} between rungs"], 2, 260)
    for (title, found), color, symbol in zip(
        data.agreement.items(), (style.BLUE, style.ORANGE), ("circle", "square"), strict=False
    ):
        known = [(one.value, *one.ends) for one in found.values()]
        figure.add_scatter(
            x=list(found),
            y=[value for value, _, _ in known],
            error_y={
                "array": [high - value for value, _, high in known],
                "arrayminus": [value - low for value, low, _ in known],
                "width": 0,
            },
            mode="lines+markers",
            marker={"color": color, "size": 8, "symbol": symbol},
            line={"color": color},
            name=title,
            row=1,
            col=1,
        )
    figure.update_xaxes(title="pre-training images", row=1, col=1)
    figure.add_heatmap(
        x=data.labels,
        y=data.labels,
        z=data.matrix,
        colorscale=style.SCALE,
        zmin=data.least,
        zmax=1,
        texttemplate="%{z:.2f}",
        hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>",
        showscale=False,
        row=1,
        col=2,
    )
    figure.update_xaxes(type="category", showgrid=False, row=1, col=2)
    figure.update_yaxes(type="category", autorange="reversed", showgrid=False, row=1, col=2)
    return figure


KIND = Kind("Budget correlation", prepare, caption, on_paper, on_page)
