"""1p-frac: one fractal, whose perturbations are the categories."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from explorer.formulas import fractal, streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows

# What the one fractal draws: as :attr:`Formula.draws`.
_ORIGIN = ("maps", "sigma", "filling")
_SEARCH = 2**34  # purpose of the hash that the search for a perturbation starts from
_NUMBERS = [0, 1, 3, 4, 9, 10]  # where a, b, c, d, e, f stand among the twelve of iterated.py
_MOST = 16  # perturbations that a category draws at most; systems, likewise, by the one fractal
_SYSTEMS = 512
_ORBIT = 100_000  # points of the orbits that the filling rate is taken of

_SIGMA = "sum of s1 + 2 s2 over the singular values of the maps"
_DELTA = "largest part by which a perturbation changes a number of a map"
_SQUARE = "side of the square of random pixels drawn for a point; 1 is the point itself"
_FILLING = "filling rate from which the fractal and its perturbations are accepted"

Floats = npt.NDArray[np.float64]
Numbers = tuple[tuple[float, ...], ...]


class OnePFrac(Formula):
    """1p-frac (Nakamura et al., ECCV 2024): perturbations of one fractal are the categories.

    A seed has one system of N contracting maps, sampled as in ``fractal_contractive`` such that
    ``s1 + 2 s2`` sums up to sigma over its maps (to 3 N at most, where nothing contracts any more);
    the smaller sigma, the more complex its attractor. A category multiplies each of the six numbers
    of each map by a factor of its own, uniform in ``1 - Δ`` to ``1 + Δ``; the chances of the maps
    stay those of the one system. With Δ = 0 all categories are the same. All images follow the same
    sequence of maps from the origin, so that what sets two categories apart is the perturbation
    alone. They are stretched and drawn as those of ``fractal``, neither scaled nor mirrored: the
    instances of a category differ in their patches, and the paper has one instance a category.

    With the default ranges and a canvas of 512 this is what the authors' generator draws with its
    default arguments (``render_from_oneparam_mp.py``: N = 2, Δ = 0.1, sigma 3.5 ± 0.1, 100,000
    points, patches of 3 x 3). Three things differ. Theirs draws perturbations until the pixels of
    an image cover more than 0.05 of it; ours, at most 16, until the points of an orbit cover
    ``filling``, and takes the fullest if none does. Theirs takes the first system; ours the first
    of 512 that covers ``filling``. And where a perturbation diverges they draw the points before
    that, we the one system.
    """

    name: ClassVar[str] = "one_p_frac"
    title: ClassVar[str] = "1p-frac: perturbations of one fractal"
    source: ClassVar[str] = (
        "Nakamura, Tadokoro, Yamada, Asano, Laina, Rupprecht, Inoue, Yokota & Kataoka: Scaling "
        "Backwards: Minimal Synthetic Pre-training? ECCV 2024"
    )
    version: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        replace(fractal.MAPS, default=(2, 2)),
        fractal.POINTS,
        Parameter("patch", int, 1, 8, (3, 3), "px", _SQUARE, "s"),
        Parameter("sigma", float, 0.0, 48.0, (3.4, 3.6), "times", _SIGMA, "sigma"),
        Parameter("delta", float, 0.0, 1.0, (0.1, 0.1), "times", _DELTA, "Δ"),
        Parameter("filling", float, 0.0, 0.25, (0.05, 0.05), "of the pixels", _FILLING, "r"),
        replace(fractal.GREY, default=(127, 127)),
    )
    log_from: ClassVar[Mapping[str, float]] = {"points": 1, "delta": 0.001}
    draws: ClassVar[streams.Draws] = ("points", "patch", "delta")

    def rows(self, full: Ranges, seed: int, categories: Sequence[int] | range) -> Rows:
        """Draw the points, patch and Δ of some categories and perturb the one system.

        The field ``system`` is float64 ``[16, 6]``: a, b, c, d, e, f of every map, then zeros;
        ``origin`` is the one system, alike, and ``orbit`` the uint64 that all orbits follow.
        """
        ends = tuple((name, full[name]) for name in _ORIGIN)
        origin, least, orbit = _origin(self.name, seed, ends)
        drawn = super().rows(full, seed, categories)
        systems = [
            _perturbed(int(key), float(delta), least, origin)[:, _NUMBERS]
            for key, delta in zip(
                streams.keys(self.name, seed, categories), drawn["delta"], strict=True
            )
        ]
        drawn = fractal.with_systems(drawn, systems, 6)
        origins = np.zeros_like(drawn["system"])
        origins[:, : len(origin)] = origin
        return streams.with_fields(
            drawn, origin=origins, orbit=np.full(len(drawn), orbit, np.uint64)
        )

    def draw_into(self, images: Images, full: Ranges, *, row: np.void, keys: streams.Words) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import iterated

        patch, grey = np.ascontiguousarray(streams.words(keys, range(2)).T)
        system = fractal.embed(row["system"][: row["maps"]])
        iterated.draw_free(
            images,
            np.full(len(keys), row["orbit"]),
            patch,
            fractal.embed(row["origin"][: row["maps"]]),
            np.repeat(system[None], len(keys), axis=0),
            np.empty((3, int(row["points"]))),
            int(row["patch"]),
            fractal.draw_greys(grey, full),
        )


@lru_cache(maxsize=16)
def _origin(
    formula: str, seed: int, ranges: tuple[tuple[str, tuple[float, float]], ...]
) -> tuple[Numbers, float, int]:
    """Return a, b, c, d, e, f of every map of the one system, its filling rate, and an orbit."""
    from explorer.formulas import iterated

    key = fractal.search_key(f"{formula} origin", seed, 0)
    row = streams.rows(key, _ORIGIN, dict(ranges))[0]
    maps = int(row["maps"])
    contraction = 2 * min(float(row["sigma"]), 3.0 * maps) - maps

    def draw(keys: streams.Words) -> list[Floats]:
        return [fractal.contractive(keys[i : i + 1], maps, contraction) for i in range(len(keys))]

    least = float(row["filling"])
    system = iterated.search(key, draw, iterated.filling, _ORBIT, least, attempts=_SYSTEMS)
    return tuple(map(tuple, system[:, _NUMBERS].tolist())), least, int(key[0])


# All images of a category need its system, in any order; the systems take 50 MB at most.
@lru_cache(maxsize=2**15)
def _perturbed(key: int, delta: float, least: float, origin: Numbers) -> Floats:
    """Return the system ``[maps, 12]`` of a category."""
    from explorer.formulas import iterated

    six = np.array(origin)

    def draw(keys: streams.Words) -> list[Floats]:
        words = streams.words(keys, range(six.size)).reshape(-1, *six.shape)
        return list(fractal.embed(six * streams.floats(words, 1 - delta, 1 + delta)))

    search = streams.words(np.array([key], np.uint64), [_SEARCH])[:, 0]
    return iterated.search(search, draw, iterated.filling, _ORBIT, least, attempts=_MOST)
