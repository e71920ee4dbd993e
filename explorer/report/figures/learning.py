"""Learning curves: loss and probe while arms are pre-trained, loss while they are fine-tuned."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from explorer.report.figures import style
from explorer.report.figures.interval import Mean, mean, single
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material, Role, role

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEW = len(style.CYCLE)
"""Of so many arms each has a colour; of more, only those that are marked."""


@dataclass(frozen=True, slots=True)
class Curve:
    """An arm's means over its replicates, in the order of the images seen."""

    arm: str
    role: Role
    images: tuple[int, ...]
    means: tuple[Mean, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves over the same axes, those of the marked arms last."""

    x: str
    y: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Learning:
    """The panels from left to right, and all arms in the order of their colours."""

    panels: tuple[Panel, ...]
    arms: tuple[str, ...]


def prepare(material: Material) -> Learning | None:
    """Take every rung and epoch that a trial has reported, also of a trial that was stopped."""
    rungs = material.rungs
    epochs = material.epochs[material.epochs["number"].isin(material.counted)]
    first = epochs[epochs["phase"] == "pretrain"]
    losses = rungs.dropna(subset="loss")
    # A rung's loss is the mean since the rung before, an epoch's over the epoch: the finer curve.
    finer = first.rename(columns={"images_seen": "images"}) if len(first) > len(losses) else losses
    tuned = epochs[epochs["phase"].str.startswith("finetune", na=False)]
    tuned = tuned.rename(columns={"images_seen": "images"})
    probes = rungs.assign(percent=100 * rungs["probe"])
    seen = "pre-training images"
    panels = (
        Panel(seen, "pre-training loss [nats]", _curves(material, finer, "loss")),
        Panel(seen, "probe accuracy [%]", _curves(material, probes, "percent")),
        Panel("fine-tuning images", "fine-tuning loss [nats]", _curves(material, tuned)),
    )
    shown = tuple(p for p in panels if any(len(curve.images) > 1 for curve in p.curves))
    if not shown:
        return None
    order = [arm.name for arm in material.report.arms]
    drawn = {curve.arm for panel in shown for curve in panel.curves}
    arms = [arm for arm in order if arm in drawn] + sorted(drawn.difference(order))
    return Learning(shown, tuple(arms))


def _curves(material: Material, rows: pd.DataFrame, value: str = "loss") -> tuple[Curve, ...]:
    found = []
    # Several fine-tunings of the same weights are repeats, not replicates.
    known = rows.dropna(subset=value)
    trials = known.groupby(["arm", "images", "number"])[value].mean().reset_index()
    for name, own in trials.groupby("arm"):
        at = own.groupby("images")[value].agg(list)
        images = tuple(int(image) for image in at.index)
        means = tuple(mean(values) for values in at)
        found.append(Curve(str(name), role(material.report, str(name)), images, means))
    return tuple(sorted(found, key=lambda curve: curve.role != "other"))


def caption(data: Learning) -> str:
    """Say how it is read."""
    said = "Means over replicates with their 95 % interval (Student's) against images seen"
    if len(data.arms) > _FEW:
        said += "; coloured: the best, the worst and the baseline arm, pale: all others"
    curves = [curve for panel in data.panels for curve in panel.curves]
    most = {arm: max(m.n for c in curves if c.arm == arm for m in c.means) for arm in data.arms}
    return " ".join(filter(None, [f"{said}.", single(list(most.values()))]))


def on_paper(data: Learning) -> "Figure":
    """Draw it with matplotlib, panels side by side."""
    from matplotlib.ticker import EngFormatter

    figure = style.sheet(2.5)
    for axes, panel in zip(style.panels(figure, 1, len(data.panels)), data.panels, strict=True):
        for curve in panel.curves:
            _line(axes, curve, data)
        axes.set_xlabel(panel.x)
        axes.set_ylabel(panel.y)
        axes.grid()
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        if panel.y.endswith("[%]"):
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, 0), min(high, 100))
    known = {
        text: line
        for axes in figure.axes
        for line, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    order = [arm for arm in data.arms if arm in known]
    columns = min(len(order), 4)
    figure.legend([known[arm] for arm in order], order, loc="outside upper left", ncols=columns)
    return figure


def _line(axes: "Axes", curve: Curve, data: Learning) -> None:
    color, dash, marked = _look(curve, data)
    axes.plot(
        curve.images,
        [one.value for one in curve.means],
        color=color,
        ls=_DASHES[dash],
        lw=1.3 if marked else 0.5,
        marker="o" if len(curve.images) < 10 else None,
        ms=2.5 if marked else 0,
        label=curve.arm if marked else None,
    )
    if marked and any(one.n > 1 for one in curve.means):
        low, high = ([getattr(one, end) for one in curve.means] for end in ("low", "high"))
        axes.fill_between(curve.images, low, high, color=color, alpha=0.13, lw=0)


_DASHES = {
    "solid": "-",
    "dash": (0, (4, 2)),
    "dot": (0, (1, 1.5)),
    "dashdot": (0, (4, 1.5, 1, 1.5)),
    "longdash": (0, (7, 2)),
    "longdashdot": (0, (7, 2, 1, 2)),
}
"""plotly's words for dashes in matplotlib's."""


def _look(curve: Curve, data: Learning) -> tuple[str, str, bool]:
    """Return the colour and the dashes of a curve, and whether it is one of those to look at."""
    if len(data.arms) > _FEW:
        marked = curve.role != "other"
        return style.COLORS[curve.role] if marked else style.PALE, "solid", marked
    at = data.arms.index(curve.arm)
    return style.CYCLE[at], style.DASHES[at], True


def on_page(data: Learning) -> "go.Figure":
    """Draw it with plotly, panels side by side."""
    titles = [panel.y for panel in data.panels]
    figure = style.page_panels(titles, len(titles))
    named: set[str] = set()
    for column, panel in enumerate(data.panels, start=1):
        for curve in panel.curves:
            color, dash, marked = _look(curve, data)
            where = {"row": 1, "col": column}
            if marked and any(one.n > 1 for one in curve.means):
                ends = [one.high for one in curve.means] + [one.low for one in curve.means[::-1]]
                figure.add_scatter(
                    x=[*curve.images, *curve.images[::-1]],
                    y=ends,
                    fill="toself",
                    fillcolor=color,
                    opacity=0.13,
                    line_width=0,
                    mode="lines",
                    hoverinfo="skip",
                    legendgroup=curve.arm,
                    showlegend=False,
                    **where,
                )
            figure.add_scatter(
                x=curve.images,
                y=[one.value for one in curve.means],
                mode="lines+markers" if len(curve.images) < 10 else "lines",
                line={"color": color, "dash": dash, "width": 2 if marked else 1},
                marker={"size": 5 if marked else 3},
                name=curve.arm,
                legendgroup=curve.arm,
                showlegend=marked and curve.arm not in named,
                hovertemplate="%{y:.3g} at %{x:,}",
                **where,
            )
            named.add(curve.arm)
        figure.update_xaxes(title=panel.x, row=1, col=column)
        if panel.y.endswith("[%]"):
            ends = [end for curve in panel.curves for m in curve.means for end in (m.low, m.high)]
            figure.update_yaxes(range=[max(min(ends), 0), min(max(ends), 100)], row=1, col=column)
    return figure


KIND = Kind("Learning curves", prepare, caption, on_paper, on_page)
