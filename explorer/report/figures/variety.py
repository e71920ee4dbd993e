"""Accuracy against each variety measure of the images, with their rank correlation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.report import numerals
from explorer.report.agreement import Estimate
from explorer.report.figures import style
from explorer.report.figures.accuracy import axis_title
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material, Role, role
from explorer.report.layout import measure_title

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Panel:
    """A measure, its rank correlation with accuracy, and both for every trial.

    Attributes:
        title: Heading of the measure.
        rho: Spearman's rho with its interval over arms, if there are enough for one.
        values: The measure of every pre-trained trial.
        accuracies: Their accuracies in percent.
        arms: Their arms.
        roles: The roles of these.
    """

    title: str
    rho: Estimate
    values: tuple[float, ...]
    accuracies: tuple[float, ...]
    arms: tuple[str, ...]
    roles: tuple[Role, ...]

    @property
    def said(self) -> str:
        """Rho and its interval: ``+0.42 [+0.10, +0.66]``, after the letter."""
        found = numerals.with_interval(_signed, self.rho.value, self.rho.low, self.rho.high)
        return f"\N{GREEK SMALL LETTER RHO} = {found}"


@dataclass(frozen=True, slots=True)
class Variety:
    """A panel a measure, the strongest correlation first, and what was measured."""

    panels: tuple[Panel, ...]
    measured: str


def prepare(material: Material) -> Variety | None:
    """Take the measures that three trials or more have."""
    report = material.report
    trials = [(arm.name, one) for arm in report.arms for one in arm.replicates]
    panels = []
    for measure, rho in material.correlations.items():
        own = [(name, one) for name, one in trials if measure in one.variety]
        panels.append(
            Panel(
                measure_title(measure),
                rho,
                tuple(one.variety[measure] for _, one in own),
                tuple(100 * one.accuracy for _, one in own),
                tuple(name for name, _ in own),
                tuple(role(report, name) for name, _ in own),
            )
        )
    panels.sort(key=lambda panel: -abs(panel.rho.value))
    return Variety(tuple(panels), axis_title(report.tasks)) if panels else None


def _signed(value: float) -> str:
    return numerals.signed(value, 2)


def caption(data: Variety) -> str:
    """Say how it is read."""
    said = (
        "Accuracy of every pre-trained trial against each variety measure of its images, and "
        "Spearman's \N{GREEK SMALL LETTER RHO}"
    )
    if all(panel.rho.low is None for panel in data.panels):
        return f"{said}; fewer than four arms are too few for an interval."
    return (
        f"{said} with the 95 % interval of a bootstrap over arms, for each measure alone; "
        "the strongest first. Points are single trials, not means."
    )


def on_paper(data: Variety) -> "Figure":
    """Draw it with matplotlib, three or four panels side by side."""
    columns = min(4 if len(data.panels) > 9 else 3, len(data.panels))
    rows = -(-len(data.panels) // columns)
    figure = style.sheet(0.3 + 1.25 * rows)
    axes_of = style.panels(figure, rows, columns, sharey=True)
    for axes, panel in zip(axes_of, data.panels, strict=False):
        for said in ("other", "baseline", "worst", "best"):
            chosen = [i for i, one in enumerate(panel.roles) if one == said]
            axes.plot(
                [panel.values[i] for i in chosen],
                [panel.accuracies[i] for i in chosen],
                style.MARKERS[said],
                ms=2.5 if said == "other" else 4,
                mew=0,
                alpha=0.6 if said == "other" else 1,
                color=style.COLORS[said],
            )
        axes.set_title(panel.said, fontsize=6, pad=2)
        axes.set_xlabel(panel.title, fontsize=6.5)
        axes.tick_params(labelsize=6)
        axes.locator_params(axis="x", nbins=4)
        axes.grid()
    for axes in axes_of[len(data.panels) :]:
        axes.set_axis_off()
    figure.supylabel(data.measured, fontsize=7.5)
    return figure


def on_page(data: Variety) -> "go.Figure":
    """Draw it with plotly, three panels side by side."""
    columns = min(3, len(data.panels))
    titles = [panel.said for panel in data.panels]
    figure = style.page_panels(titles, columns, 150, legend=False)
    for i, panel in enumerate(data.panels):
        where = {"row": i // columns + 1, "col": i % columns + 1}
        figure.add_scatter(
            x=panel.values,
            y=panel.accuracies,
            mode="markers",
            marker={
                "size": [6 if one == "other" else 9 for one in panel.roles],
                "symbol": [style.SYMBOLS[one] for one in panel.roles],
                "color": [style.COLORS[one] for one in panel.roles],
            },
            text=panel.arms,
            hovertemplate="%{y:.1f} % at %{x:.4g}<extra>%{text}</extra>",
            **where,
        )
        figure.update_xaxes(title=panel.title, nticks=5, **where)
    figure.update_annotations(font_size=11)
    style.matched(figure, "y")
    return figure


KIND = Kind("Accuracy against variety", prepare, caption, on_paper, on_page)
