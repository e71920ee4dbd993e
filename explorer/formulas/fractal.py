"""Fractals of the plane: iterated function systems, sampled freely or contractive."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from explorer.formulas import streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows

_SEARCH = 2**34  # purpose of the hash that the search for a system starts from
_MAPS = 2**32  # purpose of the hash that the number of maps is drawn from
_NUMBERS = [0, 1, 3, 4, 9, 10]  # where a, b, c, d, e, f stand among the twelve of iterated.py
_ANGLES = 4096  # rotations are whole parts of a turn, so many

# What an instance draws, in the order of the hash's purposes; append only.
_WEIGHT, _FLIP, _PATCH, _GREY, _ORBIT = range(5)

MAPS = Parameter(
    name="maps",
    kind=int,
    low=2,
    high=16,
    default=(2, 7),
    unit="maps",
    description="affine maps of a system",
    symbol="N",
)
POINTS = Parameter(
    name="points",
    kind=int,
    low=1,
    high=1_000_000,
    default=(100_000, 100_000),
    unit="points",
    description="points that are drawn",
    symbol="T",
)
WEIGHT = Parameter(
    name="weight",
    kind=int,
    low=0,
    high=30,
    default=(8, 12),
    unit="tenths",
    description="factor of the one number of all maps that an instance changes, if any",
    symbol="w",
)
GREY = Parameter(
    name="grey",
    kind=int,
    low=0,
    high=255,
    default=(255, 255),
    unit="grey levels",
    description="grey of the points of an instance",
    symbol="g",
)
_PATCH_WIDTH = Parameter(
    name="patch",
    kind=int,
    low=1,
    high=9,
    default=(3, 3),
    unit="px",
    description="side of the square of random pixels drawn for every point",
    symbol="s",
)


class _Fractal(Formula):
    """What the two families share: all but how a system is sampled."""

    draws: ClassVar[tuple[tuple[str, str, type], ...]]

    @abstractmethod
    def system(
        self, full: Mapping[str, tuple[float, float]], row: Rows, seed: int, category: int
    ) -> npt.NDArray[np.float64]:
        """Return the system ``[maps, 12]`` of a category that drew the parameters of this row."""

    def categories(
        self, ranges: Ranges | None, *, seed: int, categories: Sequence[int] | range
    ) -> Rows:
        """Draw the parameters of some categories and their systems.

        The field ``system`` is float64 ``[16, 6]``: a, b, c, d, e, f of every map, then zeros.
        """
        full = self.resolve(ranges)
        rows = self._draw(full, seed, categories)
        systems = [
            self.system(full, row, seed, category)[:, _NUMBERS]
            for row, category in zip(rows, categories, strict=True)
        ]
        return with_systems(rows, systems, len(_NUMBERS))

    def _draw(
        self,
        full: Mapping[str, tuple[float, float]],
        seed: int,
        categories: Sequence[int] | range,
    ) -> Rows:
        return streams.rows(streams.keys(self.name, seed, categories), self.draws, full)

    def draw_into(
        self, images: Images, full: Ranges, *, seed: int, category: int, instances: range
    ) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import iterated

        row = self._draw(full, seed, [category])[0]
        system = self.system(full, row, seed, category)
        key = streams.instance_keys(streams.keys(self.name, seed, [category]), instances)
        words = streams.words(key, range(5))
        low, high = full["weight"]
        weighted = iterated.weigh(system, _NUMBERS, words[:, _WEIGHT], int(low), int(high))
        grey_low, grey_high = full["grey"]
        greys = streams.integers(words[:, _GREY], int(grey_low), int(grey_high))
        width = int(row["patch"])
        bits = streams.words(words[:, _PATCH], range(width * width)) >> np.uint64(63)
        patches = bits.astype(np.bool_).reshape(-1, width, width)
        patches[:, width // 2, width // 2] = True
        iterated.draw_flat(
            images,
            words[:, _ORBIT],
            system,
            weighted,
            np.empty((3, int(row["points"]))),
            patches,
            greys.astype(np.uint8),
        )
        for image, flip in zip(images, words[:, _FLIP] >> np.uint64(62), strict=True):
            if flip & np.uint64(1):
                image[:] = image[:, ::-1].copy()
            if flip & np.uint64(2):
                image[:] = image[::-1].copy()


class Fractal(_Fractal):
    """FractalDB (Kataoka et al., ACCV 2020): attractors of freely sampled systems of the plane.

    A category is a system of N maps ``x' = ax + by + e, y' = cx + dy + f``, the six numbers of each
    uniform in (-1, 1). Its orbit from the origin, each map chosen with a chance proportional to its
    absolute determinant, is stretched over the canvas. A system is accepted when an orbit of
    100,000 points stays finite and covers more than ``filling`` of the pixels of a canvas of 512;
    after 512 systems the fullest is taken. N is drawn anew for every system, so that few maps are
    accepted more often than many.

    An instance scales one of the six numbers, the same in all maps, by a whole number of tenths, or
    none (with the default range: 25 variants alike in chance); it draws the orbit, a pattern of
    pixels that stands for a point (each set by a toss of a coin, the middle always), its grey, and
    mirrors the image along none, either or both axes. Where the scaled system diverges, the
    category's own is drawn.
    """

    name: ClassVar[str] = "fractal"
    title: ClassVar[str] = "Fractals"
    source: ClassVar[str] = (
        "Kataoka, Okayasu, Matsumoto, Yamagata, Yamada, Inoue, Nakamura & Satoh: Pre-training "
        "without Natural Images. ACCV 2020"
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (
        MAPS,
        POINTS,
        _PATCH_WIDTH,
        Parameter(
            name="filling",
            kind=float,
            low=0.0,
            high=0.25,
            default=(0.2, 0.2),
            unit="of the pixels",
            description="filling rate above which a system is accepted",
            symbol="r",
        ),
        WEIGHT,
        GREY,
    )
    draws = (
        ("points", "points", np.int64),
        ("patch", "patch", np.int64),
        ("filling", "filling", np.float64),
    )

    def system(
        self, full: Mapping[str, tuple[float, float]], row: Rows, seed: int, category: int
    ) -> npt.NDArray[np.float64]:
        """Search for the category's system."""
        low, high = full["maps"]
        return _free(seed, category, int(low), int(high), float(row["filling"]))


class ContractiveFractal(_Fractal):
    """Fractals of contractive systems of the plane (Anderson & Farrell, WACV 2022).

    As :class:`Fractal`, but the matrix of every map is composed of rotations, singular values
    ``1 >= s1 >= s2 >= 0`` and mirrors. The singular values are sampled as in the paper so that the
    sum of ``s1 + 2 s2`` over the N maps is ``(N + contraction) / 2``, which makes for attractors
    that are neither sparse nor blurred. Every system converges, and none is refused.
    """

    name: ClassVar[str] = "fractal_contractive"
    title: ClassVar[str] = "Fractals, contractive"
    source: ClassVar[str] = "Anderson & Farrell: Improving Fractal Pre-training. WACV 2022"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="maps",
            kind=int,
            low=2,
            high=16,
            default=(2, 4),
            unit="maps",
            description="affine maps of a system",
            symbol="N",
        ),
        POINTS,
        _PATCH_WIDTH,
        Parameter(
            name="contraction",
            kind=float,
            low=0.0,
            high=8.0,
            default=(5.0, 6.0),
            unit="times",
            description="twice the sum of the weighted singular values, less N",
            symbol="a",
        ),
        WEIGHT,
        GREY,
    )
    draws = (
        ("points", "points", np.int64),
        ("patch", "patch", np.int64),
        ("contraction", "contraction", np.float64),
    )

    def system(
        self, full: Mapping[str, tuple[float, float]], row: Rows, seed: int, category: int
    ) -> npt.NDArray[np.float64]:
        """Sample the category's system."""
        key = search_key(self.name, seed, category)
        maps = streams.integers(streams.words(key, [_MAPS])[0, 0], *map(int, full["maps"]))
        return _contractive(key, int(maps), float(row["contraction"]))


def with_systems(rows: Rows, systems: Sequence[npt.NDArray[np.float64]], numbers: int) -> Rows:
    """Add the fields ``maps``, int64, and ``system``, float64 ``[16, numbers]``, to some rows."""
    added = [("maps", np.int64), ("system", np.float64, (int(MAPS.high), numbers))]
    full = np.zeros(len(rows), [*rows.dtype.descr, *added])
    for field in rows.dtype.names or ():
        full[field] = rows[field]
    for one, system in zip(full, systems, strict=True):
        one["maps"] = len(system)
        one["system"][: len(system)] = system
    return full


def draw_numbers(
    keys: streams.Words, low: int, high: int, numbers: int
) -> list[npt.NDArray[np.float64]]:
    """Draw systems of low..high maps of so many numbers in -1..1, one a key."""
    maps = streams.integers(streams.words(keys, [_MAPS])[:, 0], low, high)
    drawn = streams.floats(streams.words(keys, range(high * numbers)), -1.0, 1.0)
    drawn = drawn.reshape(-1, high, numbers)
    return [one[:count] for one, count in zip(drawn, maps, strict=True)]


def search_key(formula: str, seed: int, category: int) -> streams.Words:
    """Return the key ``[1]`` from which a category's system is sampled."""
    return streams.words(streams.keys(formula, seed, [category]), [_SEARCH])[:, 0]


# Chunks of one category follow one another, so that its system is asked for again and again.
@lru_cache(maxsize=1024)
def _free(seed: int, category: int, low: int, high: int, least: float) -> npt.NDArray[np.float64]:
    from explorer.formulas import iterated

    def draw(keys: streams.Words) -> list[npt.NDArray[np.float64]]:
        return [_embed(six) for six in draw_numbers(keys, low, high, 6)]

    key = search_key("fractal", seed, category)
    return iterated.search(key, draw, iterated.filling, 100_000, least, attempts=512)


def _contractive(key: streams.Words, maps: int, contraction: float) -> npt.NDArray[np.float64]:
    from explorer.formulas import orbits

    words = streams.words(key, range(maps * 7)).reshape(maps, 7)
    large, small = _singular_values(streams.floats(words[:, :2], 0.0, 1.0), contraction)
    cosine, sine = orbits.sines(_ANGLES) * 2.0**-orbits.TURN
    turn = (words[:, 2:4] >> np.uint64(52)).astype(np.int64)
    (c0, c1), (s0, s1) = cosine[turn].T, sine[turn].T
    mirror = words[:, 4]
    flip_x = np.where(mirror >> np.uint64(63), -1.0, 1.0)
    flip_y = np.where(mirror >> np.uint64(62) & np.uint64(1), -1.0, 1.0)
    # Rotation, singular values, rotation, mirrors; every product and sum an operation of its own.
    six = np.empty((maps, 6))
    six[:, 0] = (c0 * large * c1 - s0 * small * s1) * flip_x
    six[:, 1] = (-(c0 * large * s1) - s0 * small * c1) * flip_y
    six[:, 2] = (s0 * large * c1 + c0 * small * s1) * flip_x
    six[:, 3] = (c0 * small * c1 - s0 * large * s1) * flip_y
    six[:, 4:] = streams.floats(words[:, 5:], -1.0, 1.0)
    return _embed(six)


def _singular_values(
    units: npt.NDArray[np.float64], contraction: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Sample s1 and s2 of every map (algorithm 1 of Anderson & Farrell) from numbers of 0..1."""
    maps = len(units)
    left = (maps + contraction) / 2
    large, small = np.empty(maps), np.empty(maps)
    for k, (u, v) in enumerate(units.tolist()):
        # What the maps after this one can take at most is 3 each.
        owed = left - 3 * (maps - 1 - k)
        if k < maps - 1:
            low, high = max(0.0, owed / 3), min(1.0, left)
            large[k] = low + u * (high - low)
            low, high = max(0.0, (owed - large[k]) / 2), min(large[k], (left - large[k]) / 2)
            small[k] = low + v * (high - low)
        else:
            low, high = max(0.0, (left - 1) / 2), left / 3
            small[k] = low + v * (high - low)
            large[k] = left - 2 * small[k]
        left -= large[k] + 2 * small[k]
    return large, small


def _embed(six: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turn a, b, c, d, e, f ``[..., 6]`` into maps of R³ ``[..., 12]`` that leave z alone."""
    system = np.zeros((*six.shape[:-1], 12))
    system[..., _NUMBERS] = six
    system[..., 8] = 1.0
    return system
