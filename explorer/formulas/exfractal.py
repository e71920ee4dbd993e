"""Fractals of space, seen from random sides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

import numpy as np

from explorer.formulas import streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows
from explorer.formulas.fractal import (
    GREY,
    MAPS,
    POINTS,
    Floats,
    draw_greys,
    draw_numbers,
    search_key,
    with_systems,
)

_ANGLES = 4096  # views are whole parts of a turn, so many

_COORDINATE = "of a coordinate in -1..1"
_SPREAD = "variance along each axis above which a system is accepted"
_FACTOR = "factor of the one number of all maps that an instance changes, if any"
_TURN = "turn of the camera about the vertical axis"


class ExFractal(Formula):
    """ExFractalDB (Kataoka et al., CVPR 2022): attractors in space, seen from random sides.

    A category is a system of N affine maps of R³, the twelve numbers of each uniform in (-1, 1),
    chosen with a chance proportional to the absolute determinant. The coordinates of an orbit from
    the origin, which is not drawn, are scaled alike, from the least and the greatest of all to
    -1..1, and centred on their mean. A system is accepted when an orbit of 10,000 points stays
    finite and its variance along each axis exceeds ``variance``; after 4,096 systems the one
    nearest to that is taken. N is drawn anew for every system, so that few maps are accepted more
    often than many.

    An instance scales one of the twelve numbers, the same in all maps, by a whole number of tenths,
    or none (with the default range: 145 variants alike in chance; the chances of the maps stay
    those of the category); it draws the orbit, the side it is seen from and its grey. A camera with
    a field of view of 45° stands at distance 4, looks at the origin and is turned about the
    vertical axis; a point is one pixel.

    ``view`` is the turn as the authors' renderer counts it: 0° looks along x. Its 12 views are at
    30°, 60° ... 360°, each give or take 3.14° (a jitter of π that is taken as degrees); those are
    MV-FractalDB, and ExFractalDB, which is drawn here, has any side. Three things differ. The
    authors leave out an instance whose scaled system diverges (1 in 140), here the category's own
    is drawn; their list of variants has 0.6 twice, and 1.6 not at all, for the ninth of the twelve
    numbers; and their orbits end one point earlier, though the mean divides by all.
    """

    name: ClassVar[str] = "exfractal"
    title: ClassVar[str] = "Extended fractals"
    source: ClassVar[str] = (
        "Kataoka, Hayamizu, Yamada, Nakashima, Takashima, Zhang, Martinez-Noriega, Inoue & Yokota: "
        "Replacing Labeled Real-Image Datasets with Auto-Generated Contours. CVPR 2022"
    )
    version: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        MAPS,
        replace(POINTS, default=(10_000, 10_000)),
        Parameter("variance", float, 0.0, 0.2, (0.05, 0.05), _COORDINATE, _SPREAD, "v"),
        Parameter("weight", int, 0, 30, (4, 16), "tenths", _FACTOR, "w"),
        Parameter("view", float, -360.0, 360.0, (0.0, 360.0), "degrees", _TURN, "φ"),
        GREY,
    )
    log_from: ClassVar[Mapping[str, float]] = {"points": 1}
    draws: ClassVar[streams.Draws] = ("points", "variance")

    def rows(self, full: Ranges, seed: int, categories: Sequence[int] | range) -> Rows:
        """Draw the parameters of some categories and their systems.

        The field ``system`` is float64 ``[16, 12]``, one map a row: its matrix by rows and its
        shift; then zeros.
        """
        rows = super().rows(full, seed, categories)
        low, high = map(int, full["maps"])
        systems = [
            _search(seed, category, low, high, float(row["variance"]))
            for row, category in zip(rows, categories, strict=True)
        ]
        return with_systems(rows, systems, 12)

    def draw_into(self, images: Images, full: Ranges, *, row: np.void, keys: streams.Words) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import iterated, orbits

        system = row["system"][: row["maps"]].copy()
        weight, view, grey, orbit = np.ascontiguousarray(streams.words(keys, range(4)).T)
        low, high = map(int, full["weight"])
        factors = [tenths / 10 for tenths in range(low, high + 1) if tenths != 10]
        degrees = streams.floats(view, *full["view"])
        turn = np.rint(degrees * _ANGLES / 360).astype(np.int64) % _ANGLES
        iterated.draw_solid(
            images,
            orbit,
            system,
            iterated.weigh(system, list(range(12)), weight, factors),
            np.empty((3, int(row["points"]) + 1)),
            np.ascontiguousarray((orbits.sines(_ANGLES)[:, turn] * 2.0**-orbits.TURN).T),
            draw_greys(grey, full),
        )


# All images of a category need its system, in any order; the systems take 50 MB at most.
@lru_cache(maxsize=2**15)
def _search(seed: int, category: int, low: int, high: int, least: float) -> Floats:
    from explorer.formulas import iterated

    def draw(keys: streams.Words) -> list[Floats]:
        return draw_numbers(keys, low, high, 12)

    key = search_key("exfractal", seed, category)
    more = float(np.nextafter(least, np.inf))  # the threshold itself is refused
    return iterated.search(key, draw, iterated.variance, 10_001, more, attempts=4096)
