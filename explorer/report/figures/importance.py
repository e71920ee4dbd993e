"""How much each end of a range matters for accuracy: fANOVA and PED-ANOVA."""

from typing import TYPE_CHECKING

from explorer.report.agreement import Estimate
from explorer.report.figures import style
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.importance import Importances

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_TITLES = (
    "fANOVA: share of the variance",
    "PED-ANOVA: what sets the best apart",
)


def prepare(material: Material) -> Importances | None:
    """Ask for the importances; ``None`` where nothing can be said of them."""
    return material.importances if material.importances.rows else None


def caption(data: Importances) -> str:
    """Say how it is read."""
    return (
        f"Importance of each end of a range for accuracy, from the means of {data.arms} arms over "
        "their replicates. fANOVA: the share of the variance over the space that an end explains "
        "by itself, with the interval that 95 % of its trees are in. PED-ANOVA: its share of what "
        f"sets the best {data.best} arms apart from all, with the 95 % interval of a bootstrap "
        "over arms."
    )


def _sides(data: Importances) -> tuple[list[Estimate], list[Estimate]]:
    return [row.fanova for row in data.rows], [row.ped_anova for row in data.rows]


def on_paper(data: Importances) -> "Figure":
    """Draw it with matplotlib, both measures side by side."""
    figure, panels = style.rows([row.end for row in data.rows], _TITLES)
    places = range(len(data.rows))
    for axes, found, color in zip(panels, _sides(data), (style.BLUE, style.GREEN), strict=True):
        axes.barh(places, [one.value for one in found], height=0.55, color=color, alpha=0.75)
        for place, one in zip(places, found, strict=True):
            axes.plot(one.ends, [place, place], color=style.BLACK, lw=0.9)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    return figure


def on_page(data: Importances) -> "go.Figure":
    """Draw it with plotly, both measures side by side."""
    figure = style.page_panels(_TITLES, 2, 30 + 26 * len(data.rows), legend=False)
    ends = [row.end for row in data.rows]
    for column, (found, color) in enumerate(
        zip(_sides(data), (style.BLUE, style.GREEN), strict=True), start=1
    ):
        figure.add_bar(
            x=[one.value for one in found],
            y=ends,
            orientation="h",
            marker={"color": color, "opacity": 0.75},
            error_x={
                "array": [one.ends[1] - one.value for one in found],
                "arrayminus": [one.value - one.ends[0] for one in found],
                "width": 0,
                "thickness": 1.5,
                "color": style.GREY,
            },
            text=[f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in found],
            textposition="none",
            hovertemplate="%{text}<extra>%{y}</extra>",
            row=1,
            col=column,
        )
        figure.update_xaxes(range=[0, 1], row=1, col=column)
        figure.update_yaxes(autorange="reversed", showticklabels=column == 1, row=1, col=column)
    return figure


KIND = Kind("Importance of the ends of ranges", prepare, caption, on_paper, on_page)
