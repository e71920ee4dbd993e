"""Accuracy over pairs of range ends: where in their plane the good arms lie."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.report.agreement import Floats
from explorer.report.figures import style
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.points import Point, legend, point
from explorer.report.figures.surrogate import Surrogate
from explorer.report.summary import Arm

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_MOST = 4  # panels
_CELLS = 32  # of the grid, along each axis
_OTHERS = 48  # arms whose other ends a cell is averaged over


@dataclass(frozen=True, slots=True)
class Panel:
    """Two ends of ranges, the arms in their plane, and the model's mean accuracy over it.

    Attributes:
        across: Name of the end on the x axis.
        upwards: Name of the end on the y axis.
        x: Value of every arm there.
        y: The same.
        across_grid: Values of the grid, float64 [cells]; empty where there is no model.
        upwards_grid: The same.
        surface: Accuracy in percent, float64 [upwards, across]; NaN where no range can be.
    """

    across: str
    upwards: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    across_grid: Floats
    upwards_grid: Floats
    surface: Floats


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The panels, and the arms that all of them show."""

    panels: tuple[Panel, ...]
    points: tuple[Point, ...]

    @property
    def limits(self) -> tuple[float, float]:
        """Least and greatest mean accuracy of an arm: the ends of the colour scale."""
        means = [one.mean.value for one in self.points]
        return min(means), max(means)


def prepare(material: Material) -> Surfaces | None:
    """Take the planes of the low and the high end of each parameter, and that of two parameters.

    The latter is of the two ends, of different parameters, that matter most by fANOVA.
    """
    report = material.report
    parameters = [p for p in report.varied if _differ(report.arms, p)]
    arms = [arm for arm in report.arms if arm.accuracy and set(parameters) <= set(arm.ranges)]
    if not parameters or len(arms) < 3:
        return None
    model = material.surrogate
    pairs = [(f"{p}.low", f"{p}.high") for p in parameters[: _MOST - 1]]
    ranked = [row.end for row in material.importances.rows]
    others = [end for end in ranked if end.rpartition(".")[0] != ranked[0].rpartition(".")[0]]
    if model is not None and others:
        pairs.append((ranked[0], others[0]))
    panels = tuple(_panel(across, upwards, arms, model) for across, upwards in pairs)
    return Surfaces(panels, tuple(point(report, arm) for arm in arms))


def _differ(arms: tuple[Arm, ...], parameter: str) -> bool:
    return len({arm.ranges[parameter] for arm in arms if parameter in arm.ranges}) > 1


def _panel(across: str, upwards: str, arms: list[Arm], model: Surrogate | None) -> Panel:
    x, y = (tuple(float(_end(arm, name)) for arm in arms) for name in (across, upwards))
    empty = np.empty(0)
    if model is None or not {across, upwards} <= set(model.ends):
        return Panel(across, upwards, x, y, empty, empty, np.empty((0, 0)))
    grid = np.linspace(0, 1, _CELLS)
    right, up = (side.ravel() for side in np.meshgrid(grid, grid))
    background = model.at[:: -(-len(model.at) // _OTHERS)]
    shares = np.tile(background, (len(right), 1, 1))
    shares[:, :, model.ends.index(across)] = right[:, None]
    shares[:, :, model.ends.index(upwards)] = up[:, None]
    surface = model.averages(shares).reshape(_CELLS, _CELLS)
    return Panel(
        across, upwards, x, y, model.values(across, grid), model.values(upwards, grid), surface
    )


def _end(arm: Arm, name: str) -> float:
    parameter, _, end = name.rpartition(".")
    return arm.ranges[parameter][end == "high"]


def caption(data: Surfaces) -> str:
    """Say how it is read."""
    said = ["Points: arms, coloured by their mean accuracy over replicates."]
    if any(panel.surface.size for panel in data.panels):
        said.append(
            "Background: the accuracy that a Gaussian process fitted to these arms expects, "
            "averaged over the other ends of ranges; far from all points it is a guess. White: no "
            "range, as its low end would be above its high end."
        )
    return " ".join(said)


def on_paper(data: Surfaces) -> "Figure":
    """Draw it with matplotlib, two panels side by side."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    columns = min(len(data.panels), 2)
    rows = -(-len(data.panels) // columns)
    figure = style.sheet(0.4 + 2.1 * rows)
    axes_of = style.panels(figure, rows, columns)
    scale = Normalize(*data.limits)
    for axes, panel in zip(axes_of, data.panels, strict=False):
        if panel.surface.size:
            axes.pcolormesh(
                panel.across_grid,
                panel.upwards_grid,
                panel.surface,
                cmap=style.SCALE,
                norm=scale,
                shading="nearest",
                rasterized=True,
            )
        for one, x, y in zip(data.points, panel.x, panel.y, strict=True):
            marked = one.role != "other"
            axes.scatter(
                x,
                y,
                s=34 if marked else 14,
                c=[one.mean.value],
                cmap=style.SCALE,
                norm=scale,
                marker=style.MARKERS[one.role],
                edgecolors=style.COLORS[one.role] if marked else "white",
                lw=1.2 if marked else 0.5,
                zorder=4 if marked else 3,
            )
        axes.set_xlabel(panel.across)
        axes.set_ylabel(panel.upwards)
    for axes in axes_of[len(data.panels) :]:
        axes.set_axis_off()
    bar = figure.colorbar(ScalarMappable(scale, style.SCALE), ax=axes_of, aspect=30, pad=0.02)
    bar.set_label("accuracy [%]")
    bar.outline.set_visible(False)
    legend(figure, data.points)
    return figure


def on_page(data: Surfaces) -> "go.Figure":
    """Draw it with plotly, two panels side by side."""
    columns = min(len(data.panels), 2)
    low, high = data.limits
    titles = [f"{panel.upwards} over {panel.across}" for panel in data.panels]
    figure = style.page_panels(
        titles,
        columns,
        260,
        coloraxis={
            "colorscale": style.SCALE,
            "cmin": low,
            "cmax": high,
            "colorbar": {"title": {"text": "%"}, "thickness": 12, "outlinewidth": 0},
        },
    )
    for i, panel in enumerate(data.panels):
        where = {"row": i // columns + 1, "col": i % columns + 1}
        if panel.surface.size:
            figure.add_heatmap(
                x=panel.across_grid,
                y=panel.upwards_grid,
                z=panel.surface,
                coloraxis="coloraxis",
                opacity=0.85,
                hovertemplate="expected %{z:.1f} % at %{x:.3g}, %{y:.3g}<extra></extra>",
                **where,
            )
        _mark(figure, data.points, panel, where, legend=i == 0)
        figure.update_xaxes(title=panel.across, **where)
    return figure


def _mark(
    figure: "go.Figure",
    points: tuple[Point, ...],
    panel: Panel,
    where: dict[str, int],
    *,
    legend: bool,
) -> None:
    for role in ("other", "baseline", "worst", "best"):
        chosen = [k for k, one in enumerate(points) if one.role == role]
        if not chosen:
            continue
        own = [points[k] for k in chosen]
        name = "other arms" if role == "other" else f"{role}: {own[0].arm}"
        line = {
            "width": 1 if role == "other" else 2.5,
            "color": "white" if role == "other" else style.COLORS[role],
        }
        look = {"symbol": style.SYMBOLS[role], "size": 8 if role == "other" else 12, "line": line}
        figure.add_scatter(
            x=[panel.x[k] for k in chosen],
            y=[panel.y[k] for k in chosen],
            mode="markers",
            marker={**look, "color": [one.mean.value for one in own], "coloraxis": "coloraxis"},
            legendgroup=role,
            showlegend=False,
            text=[f"<b>{one.arm}</b><br>{one.said}" for one in own],
            hovertemplate="%{text}<extra></extra>",
            **where,
        )
        if legend:  # a mark of its own: plotly has no colour for one that stands for many
            figure.add_scatter(
                x=[None],
                y=[None],
                mode="markers",
                marker={**look, "color": style.GREY},
                name=name,
                legendgroup=role,
                **where,
            )


KIND = Kind("Accuracy over two ends of ranges", prepare, caption, on_paper, on_page)
