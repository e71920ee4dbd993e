"""Fractals of space, seen from random sides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from explorer.formulas import streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows
from explorer.formulas.fractal import (
    GREY,
    MAPS,
    POINTS,
    draw_greys,
    draw_numbers,
    search_key,
    with_systems,
)

_ANGLES = 4096  # views are whole parts of a turn, so many

# What a category draws, in the order of the hash's purposes; append only. The field, its
# parameter, its type.
_DRAWS = (
    ("points", "points", np.int64),
    ("variance", "variance", np.float64),
)


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
    parameters: ClassVar[tuple[Parameter, ...]] = (
        MAPS,
        replace(POINTS, default=(10_000, 10_000)),
        Parameter(
            name="variance",
            kind=float,
            low=0.0,
            high=0.2,
            default=(0.05, 0.05),
            unit="of a coordinate in -1..1",
            description="variance along each axis above which a system is accepted",
            symbol="v",
        ),
        Parameter(
            name="weight",
            kind=int,
            low=0,
            high=30,
            default=(4, 16),
            unit="tenths",
            description="factor of the one number of all maps that an instance changes, if any",
            symbol="w",
        ),
        Parameter(
            name="view",
            kind=float,
            low=-360.0,
            high=360.0,
            default=(0.0, 360.0),
            unit="degrees",
            description="turn of the camera about the vertical axis",
            symbol="φ",
        ),
        GREY,
    )

    def categories(
        self, ranges: Ranges | None, *, seed: int, categories: Sequence[int] | range
    ) -> Rows:
        """Draw the parameters of some categories and their systems.

        The field ``system`` is float64 ``[16, 12]``, one map a row: its matrix by rows and its
        shift; then zeros.
        """
        full = self.resolve(ranges)
        rows = streams.rows(streams.keys(self.name, seed, categories), _DRAWS, full)
        systems = [
            _system(full, row, seed, category)
            for row, category in zip(rows, categories, strict=True)
        ]
        return with_systems(rows, systems, 12)

    def draw_into(
        self, images: Images, full: Ranges, *, seed: int, category: int, instances: range
    ) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import iterated, orbits

        category_key = streams.keys(self.name, seed, [category])
        row = streams.rows(category_key, _DRAWS, full)[0]
        system = _system(full, row, seed, category)
        key = streams.instance_keys(category_key, instances)
        weight, view, grey, orbit = np.ascontiguousarray(streams.words(key, range(4)).T)
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


def _system(
    full: Mapping[str, tuple[float, float]], row: Rows, seed: int, category: int
) -> npt.NDArray[np.float64]:
    low, high = full["maps"]
    return _search(seed, category, int(low), int(high), float(row["variance"]))


# Chunks of one category follow one another, so that its system is asked for again and again.
@lru_cache(maxsize=1024)
def _search(seed: int, category: int, low: int, high: int, least: float) -> npt.NDArray[np.float64]:
    from explorer.formulas import iterated

    def draw(keys: streams.Words) -> list[npt.NDArray[np.float64]]:
        return draw_numbers(keys, low, high, 12)

    key = search_key("exfractal", seed, category)
    more = float(np.nextafter(least, np.inf))  # the threshold itself is refused
    return iterated.search(key, draw, iterated.variance, 10_001, more, attempts=4096)
