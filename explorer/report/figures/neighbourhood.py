"""Local importance: how much each end of a range matters around the best ranges."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from explorer.report.agreement import Floats
from explorer.report.figures import style
from explorer.report.figures.interval import Mean
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.surrogate import Surrogate
from explorer.report.numerals import ranges
from explorer.report.statistics import LEVEL

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_PLACES = 25  # along each end
_FUNCTIONS = 400  # drawn from the model
_FEWEST = 3  # places that an end must be able to have
_SEED = 0
_TITLES = ("share of the variance", "worst to best value [points]")


@dataclass(frozen=True, slots=True)
class Row:
    """An end of a range.

    Attributes:
        end: Its name.
        share: Its share of the variance around the best ranges, in [0, 1]: median and 95 %
            interval over functions drawn from the model.
        span: Accuracy at its best value less that at its worst, in points, likewise.
    """

    end: str
    share: Mean
    span: Mean


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """The ends, that of the greatest share first, and the ranges that they are moved from."""

    rows: tuple[Row, ...]
    ranges: str


def prepare(material: Material) -> Neighbourhood | None:
    """Move every end by itself from the best ranges of the model.

    The best are those of the tried ranges of which the model expects most: the best mean is the
    best of many noisy ones. ``None`` where there is no model, or fewer than two ends can be moved.
    """
    model = material.surrogate
    if model is None:
        return None
    best = int(model.mean(model.at).argmax())
    ends, lines = _lines(model, model.at[best])
    if len(ends) < 2:
        return None
    shares, spans = _drawn(model, lines)
    rows = [
        Row(end, _middle(share), _middle(span))
        for end, share, span in zip(ends, shares, spans, strict=True)
    ]
    rows.sort(key=lambda row: -row.share.value)
    moved = {end.rpartition(".")[0] for end in ends}
    said = ranges({p: r for p, r in model.arms[best].ranges.items() if p in moved})
    return Neighbourhood(tuple(rows), f"{said} ({model.arms[best].name})")


def _lines(model: Surrogate, best: Floats) -> tuple[list[str], list[Floats]]:
    """Return the ends that can be moved, and for each the shares [places, ends] along it."""
    ends, lines = [], []
    for i, end in enumerate(model.ends):
        line = np.tile(best, (_PLACES, 1))
        line[:, i] = np.linspace(0, 1, _PLACES)
        line = line[model.allowed(line)]
        if model.high[i] > model.low[i] and len(line) >= _FEWEST:
            ends.append(end)
            lines.append(line)
    return ends, lines


def _drawn(model: Surrogate, lines: list[Floats]) -> tuple[Floats, Floats]:
    """Return share and span of every line under functions drawn from the model.

    Returns:
        Two arrays float64 [lines, functions].
    """
    with threadpool_limits(1):
        found = model.model.sample_y(np.concatenate(lines), _FUNCTIONS, random_state=_SEED)
    along = np.split(found, np.cumsum([len(line) for line in lines])[:-1])
    variances = np.array([values.var(axis=0) for values in along])
    spans = np.array([np.ptp(values, axis=0) for values in along])
    return variances / variances.sum(axis=0), spans


def _middle(drawn: Floats) -> Mean:
    low, middle, high = np.quantile(drawn, [LEVEL / 2, 0.5, 1 - LEVEL / 2])
    return Mean(float(middle), float(low), float(high), len(drawn))


def caption(data: Neighbourhood) -> str:
    """Say how it is read."""
    return (
        f"Around {data.ranges}, of which a Gaussian process expects most: every end is moved "
        "over its bounds by itself, as far as low stays below high. Left: its share of the "
        "variance of accuracy along all ends (local parameter importance, Biedenkapp et al., "
        "2018). Right: accuracy between its worst and its best value. Dots: medians over functions "
        "drawn from the model; lines: 95 % of them. An end without effect has some of both, too."
    )


def _sides(data: Neighbourhood) -> tuple[list[Mean], list[Mean]]:
    return [row.share for row in data.rows], [row.span for row in data.rows]


def on_paper(data: Neighbourhood) -> "Figure":
    """Draw it with matplotlib, share and span side by side."""
    figure, panels = style.rows([row.end for row in data.rows], _TITLES)
    places = range(len(data.rows))
    for axes, found in zip(panels, _sides(data), strict=True):
        for place, one in zip(places, found, strict=True):
            axes.plot([one.low, one.high], [place, place], color=style.BLUE, lw=1)
        axes.plot([one.value for one in found], places, "o", color=style.BLUE, clip_on=False)
        axes.set_xlim(left=0)
    return figure


def on_page(data: Neighbourhood) -> "go.Figure":
    """Draw it with plotly, share and span side by side."""
    figure = style.page_panels(_TITLES, 2, 30 + 26 * len(data.rows), legend=False)
    ends = [row.end for row in data.rows]
    for column, (found, form) in enumerate(zip(_sides(data), (".2f", ".1f"), strict=True), 1):
        figure.add_scatter(
            x=[one.value for one in found],
            y=ends,
            mode="markers",
            marker={"color": style.BLUE, "size": 9},
            cliponaxis=False,
            error_x={
                "array": [one.high - one.value for one in found],
                "arrayminus": [one.value - one.low for one in found],
                "width": 0,
                "thickness": 1.5,
                "color": style.BLUE,
            },
            text=[f"{one.value:{form}} [{one.low:{form}}, {one.high:{form}}]" for one in found],
            hovertemplate="%{text}<extra>%{y}</extra>",
            row=1,
            col=column,
        )
        figure.update_xaxes(rangemode="tozero", row=1, col=column)
        figure.update_yaxes(
            autorange="reversed", showticklabels=column == 1, type="category", row=1, col=column
        )
    return figure


KIND = Kind("Importance around the best ranges", prepare, caption, on_paper, on_page)
