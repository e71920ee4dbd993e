"""Configuration footprint: which part of the space of ranges was tried, as a map."""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from explorer.report.agreement import Floats
from explorer.report.figures import style
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.points import Point, legend, mark_page, mark_paper, point

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

_CORNERS = 81  # at most so many corners of the space
_RANDOM = 100  # ranges drawn from all of it
_CELLS = 48
_SEED = 0


@dataclass(frozen=True, slots=True)
class Footprint:
    """A map of the space of ranges.

    Attributes:
        points: The arms that were tried.
        tried: Their places, float64 [arms, 2].
        corners: Places of the corners of the space.
        drawn: Places of ranges that were drawn from all of it, for comparison.
        x: Places of the grid across, float64 [cells].
        y: Places upwards.
        density: Density of what was tried, as a share of its greatest, float64 [y, x].
        stress: How far distances on the map are from those between ranges: Kruskal's stress-1
            (Psychometrika 1964); 0 is perfect, 0.2 poor.
    """

    points: tuple[Point, ...]
    tried: Floats
    corners: Floats
    drawn: Floats
    x: Floats
    y: Floats
    density: Floats
    stress: float


def prepare(material: Material) -> Footprint | None:
    """Lay out the arms of the study's own space, its corners and some ranges drawn from it.

    ``None`` where there are fewer than ten arms, or fewer than three ends that vary.
    """
    from scipy.stats import gaussian_kde
    from sklearn.metrics import pairwise_distances

    model = material.surrogate
    if model is None or len(model.ends) < 3:
        return None
    random = np.random.default_rng(_SEED)
    corners = _corners(len(model.ends) // 2, random)
    drawn = np.sort(random.random((_RANDOM, len(model.ends) // 2, 2))).reshape(_RANDOM, -1)
    everything = np.concatenate([model.at, corners, drawn])
    distances = pairwise_distances(everything)
    map_, stress = _laid_out(distances)
    tried, cornered, other = np.split(map_, [len(model.at), len(model.at) + len(corners)])
    edge = 0.05 * np.ptp(map_, axis=0)
    x, y = np.linspace(map_.min(axis=0) - edge, map_.max(axis=0) + edge, _CELLS).T
    grid = np.stack([side.ravel() for side in np.meshgrid(x, y)])
    density = gaussian_kde(tried.T)(grid).reshape(_CELLS, _CELLS)
    points = tuple(point(material.report, arm) for arm in model.arms)
    return Footprint(points, tried, cornered, other, x, y, density / density.max(), stress)


def _corners(parameters: int, random: np.random.Generator) -> Floats:
    """Return corners of the space, as shares: narrow and low, narrow and high, wide."""
    if 3**parameters <= _CORNERS:
        chosen = list(product(((0.0, 0.0), (1.0, 1.0), (0.0, 1.0)), repeat=parameters))
        return np.array(chosen).reshape(len(chosen), -1)
    ends = np.array([(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    return np.asarray(ends[random.integers(3, size=(_CORNERS, parameters))].reshape(_CORNERS, -1))


def _laid_out(distances: Floats) -> tuple[Floats, float]:
    """Return places [n, 2] whose distances are near those given, and their stress.

    Multidimensional scaling by SMACOF (Borg and Groenen, Modern Multidimensional Scaling, 2005,
    chapter 8), begun at the classical solution, so that it is always the same.
    """
    from sklearn.manifold import smacof

    n = len(distances)
    centring = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    begun = vectors[:, -2:][:, ::-1] * np.sqrt(np.maximum(values[-2:][::-1], 0))
    # An eigenvector has no sign of its own.
    begun *= np.where(begun[np.abs(begun).argmax(axis=0), [0, 1]] < 0, -1, 1)
    places, _ = smacof(distances, n_components=2, init=begun, n_init=1, max_iter=100)
    found = np.sqrt(((places[:, None] - places[None]) ** 2).sum(axis=-1))
    stress = np.sqrt(((found - distances) ** 2).sum() / (distances**2).sum())
    return np.asarray(places), float(stress)


def caption(data: Footprint) -> str:
    """Say how it is read."""
    return (
        "A map on which ranges that are alike lie side by side (multidimensional scaling of their "
        f"ends, each as a share of what it may be; stress {data.stress:.2f}): the arms that were "
        "tried, their density (background), the corners of the space (crosses) and ranges drawn "
        "from all of it (dots). A white part with dots was not looked at. The axes have no unit."
    )


def on_paper(data: Footprint) -> "Figure":
    """Draw it with matplotlib."""
    figure = style.sheet(3.4)
    axes = figure.add_subplot()
    levels = [0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0]
    axes.contourf(data.x, data.y, data.density, levels, cmap="Blues", vmax=1.6)
    axes.plot(*data.drawn.T, ".", ms=1.5, color=style.GREY, label="drawn from the whole space")
    axes.plot(*data.corners.T, "x", ms=3.5, mew=0.6, color=style.BLACK, label="corners")
    mark_paper(axes, data.points, data.tried[:, 0].tolist(), y=data.tried[:, 1].tolist())
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, -0.08), ncols=2)
    legend(figure, data.points)
    return figure


def on_page(data: Footprint) -> "go.Figure":
    """Draw it with plotly."""
    figure = style.page(440, margin={"l": 16, "r": 16, "t": 60, "b": 16})
    figure.add_contour(
        x=data.x,
        y=data.y,
        z=data.density,
        colorscale=[[0, "rgba(0,114,178,0)"], [1, "rgba(0,114,178,0.55)"]],
        contours={"start": 0.1, "end": 0.9, "size": 0.15},
        line={"width": 0},
        showscale=False,
        hoverinfo="skip",
    )
    for places, name, symbol, size in (
        (data.drawn, "drawn from the whole space", "circle", 3),
        (data.corners, "corners", "x-thin-open", 6),
    ):
        figure.add_scatter(
            x=places[:, 0],
            y=places[:, 1],
            mode="markers",
            marker={"symbol": symbol, "size": size, "color": style.GREY},
            hoverinfo="skip",
            name=name,
        )
    mark_page(figure, data.points, data.tried[:, 0].tolist(), y=data.tried[:, 1].tolist())
    hidden = {"showgrid": False, "showticklabels": False, "ticks": "", "showline": False}
    figure.update_xaxes(**hidden)
    figure.update_yaxes(**hidden, scaleanchor="x")
    return figure


KIND = Kind("Configuration footprint", prepare, caption, on_paper, on_page)
