"""Partial dependence: the accuracy that a model expects along each end of a range."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.report.agreement import Floats
from explorer.report.figures import style
from explorer.report.figures.interval import Mean
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.surrogate import Surrogate
from explorer.report.numerals import count

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_PLACES = 20  # along each end
_OTHERS = 32  # arms whose other ends are averaged over
_FEWEST = 3  # of them that must be able to have a value
_ALONE = 16  # of them that are drawn each by itself
_QUANTILE = 1.96


@dataclass(frozen=True, slots=True)
class Panel:
    """An end of a range.

    Attributes:
        end: Its name.
        values: Some of its values.
        means: Expected accuracy there in percent, averaged over the arms' other ends, with its
            95 % interval under the model.
        alone: The same for some arms each by itself, float64 [arms, values]; NaN where the other
            end of the arm does not allow the value.
        seen: The value of every arm.
    """

    end: str
    values: tuple[float, ...]
    means: tuple[Mean, ...]
    alone: Floats
    seen: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Dependence:
    """A panel an end, and the number of arms that the model was fitted to."""

    panels: tuple[Panel, ...]
    arms: int


def prepare(material: Material) -> Dependence | None:
    """Ask the model along every end; ``None`` where there are too few arms for a model."""
    model = material.surrogate
    if model is None:
        return None
    panels = [_panel(model, i) for i, end in enumerate(model.ends) if model.high[i] > model.low[i]]
    return Dependence(tuple(p for p in panels if p.values), len(model.arms))


def _panel(model: Surrogate, i: int) -> Panel:
    end = model.ends[i]
    background = model.at[:: -(-len(model.at) // _OTHERS)]
    alone = np.full((len(background), _PLACES), np.nan)
    places, means = [], []
    for place, share in enumerate(np.linspace(0, 1, _PLACES)):
        shares = background.copy()
        shares[:, i] = share
        allowed = model.allowed(shares)
        if allowed.sum() < _FEWEST:
            continue
        alone[allowed, place], error = model.average(shares[allowed])
        value, half = float(np.nanmean(alone[:, place])), _QUANTILE * error
        means.append(Mean(value, value - half, value + half, int(allowed.sum())))
        places.append(place)
    shown = alone[:: -(-len(alone) // _ALONE)][:, places]
    values = model.values(end, np.linspace(0, 1, _PLACES)[places])
    seen = model.values(end, model.at[:, i])
    return Panel(end, tuple(values.tolist()), tuple(means), shown, tuple(seen.tolist()))


def caption(data: Dependence) -> str:
    """Say how it is read."""
    return (
        "The accuracy that a Gaussian process expects along an end, averaged over the other ends "
        "of those arms that can have the value, with the 95 % interval of that average under the "
        "model; pale: some arms each by itself. Ticks: where arms were tried. Fitted to the means "
        f"of {count(data.arms, 'arm')} over their replicates; no interval says how well the model "
        "fits."
    )


def on_paper(data: Dependence) -> "Figure":
    """Draw it with matplotlib, low and high end of a parameter side by side."""
    columns = 2 if len(data.panels) <= 4 else 4
    rows = -(-len(data.panels) // columns)
    figure = style.sheet(0.2 + 1.45 * rows)
    axes_of = style.panels(figure, rows, columns, sharey=True)
    for axes, panel in zip(axes_of, data.panels, strict=False):
        axes.plot(panel.values, panel.alone.T, color=style.PALE, lw=0.4)
        low, high = ([getattr(one, side) for one in panel.means] for side in ("low", "high"))
        axes.fill_between(panel.values, low, high, color=style.BLUE, alpha=0.22, lw=0, zorder=3)
        axes.plot(panel.values, [m.value for m in panel.means], color=style.BLUE, zorder=4)
        axes.plot(
            panel.seen,
            [0.02] * len(panel.seen),
            "|",
            ms=4,
            mew=0.5,
            color=style.BLACK,
            transform=axes.get_xaxis_transform(),
        )
        axes.set_xlabel(panel.end)
        axes.grid()
    for axes in axes_of[len(data.panels) :]:
        axes.set_axis_off()
    for axes in axes_of[::columns]:
        axes.set_ylabel("accuracy [%]")
    return figure


def on_page(data: Dependence) -> "go.Figure":
    """Draw it with plotly, low and high end of a parameter side by side."""
    columns = min(len(data.panels), 2)
    titles = [panel.end for panel in data.panels]
    figure = style.page_panels(titles, columns, 170, legend=False)
    for i, panel in enumerate(data.panels):
        where = {"row": i // columns + 1, "col": i % columns + 1}
        # One trace for all of them: NaN lifts the pen.
        apart = np.column_stack([panel.alone, np.full(len(panel.alone), np.nan)])
        figure.add_scatter(
            x=[*panel.values, None] * len(apart),
            y=apart.ravel(),
            mode="lines",
            line={"color": style.PALE, "width": 0.7},
            hoverinfo="skip",
            showlegend=False,
            **where,
        )
        style.band(figure, panel.values, panel.means, where, style.BLUE)
        floor = min(float(np.nanmin(p.alone)) for p in data.panels)
        figure.add_scatter(
            x=panel.seen,
            y=[floor] * len(panel.seen),
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 7, "color": style.GREY},
            hovertemplate="an arm at %{x:.3g}<extra></extra>",
            showlegend=False,
            **where,
        )
        if where["col"] == 1:
            figure.update_yaxes(title="accuracy [%]", **where)
    style.matched(figure, "y")
    return figure


KIND = Kind("Partial dependence", prepare, caption, on_paper, on_page)
