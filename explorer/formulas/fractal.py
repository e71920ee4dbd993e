"""Fractals of the plane: iterated function systems, sampled freely or contractive."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from explorer.formulas import streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows

Floats = npt.NDArray[np.float64]

_SEARCH = 2**34  # purpose of the hash that the search for a system starts from
_MAPS = 2**32  # purpose of the hash that the number of maps is drawn from
_NUMBERS = [0, 1, 3, 4, 9, 10]  # where a, b, c, d, e, f stand among the twelve of iterated.py
_ANGLES = 4096  # rotations are whole parts of a turn, so many

MAPS = Parameter("maps", int, 2, 16, (2, 7), "maps", "affine maps of a system", "N")
POINTS = Parameter("points", int, 1, 1_000_000, (100_000, 100_000), "points", "of an orbit", "T")
GREY = Parameter("grey", int, 0, 255, (255, 255), "grey levels", "grey of the points", "g")
_SQUARE = "side of the square of random pixels drawn for a point; 1 is the point itself"
_PATCH = Parameter("patch", int, 1, 8, (3, 3), "px", _SQUARE, "s")
_RATE = "filling rate from which a system is accepted"
_STEP = (
    "step of the factors 1 ± w and 1 ± 2w of the one number of all maps that an instance changes"
)
_SUM = "twice the sum of the weighted singular values, less N"
_FACTOR = "factor of the one map that an instance scales"
_EXTENT = "extent of the window as a part of that of the attractor, along x and along y"
_MIDDLE = "middle of the window from that of the attractor, along x and along y"

# What an instance of a contractive system draws first: as :attr:`Formula.draws`.
_WINDOW = (("shift_x", "shift"), ("scale_x", "scale"), ("shift_y", "shift"), ("scale_y", "scale"))
_TRIES = 4  # to scale a map such that the system still contracts


class _Plane(Formula):
    """What the two families share: how their categories are given."""

    @abstractmethod
    def system(self, full: Ranges, row: Rows, seed: int, category: int) -> Floats:
        """Return the system ``[maps, 12]`` of a category that drew the parameters of this row."""

    def rows(self, full: Ranges, seed: int, categories: Sequence[int] | range) -> Rows:
        """Draw the parameters of some categories and their systems.

        The field ``system`` is float64 ``[16, 6]``: a, b, c, d, e, f of every map, then zeros.
        """
        rows = super().rows(full, seed, categories)
        systems = [
            self.system(full, row, seed, category)[:, _NUMBERS]
            for row, category in zip(rows, categories, strict=True)
        ]
        return with_systems(rows, systems, len(_NUMBERS))


class Fractal(_Plane):
    """FractalDB (Kataoka et al., ACCV 2020): attractors of freely sampled systems of the plane.

    A category is a system of N maps ``x' = ax + by + e, y' = cx + dy + f``, the six numbers of each
    uniform in (-1, 1). Its orbit from the origin, each map chosen with a chance proportional to its
    absolute determinant, is stretched over the canvas but for 6 pixels at the edges (an eighth of
    the side of canvases below 48). A system is accepted when an orbit of 100,000 points stays
    finite and covers at least ``filling`` of the pixels of a canvas of 512; after 512 systems the
    fullest is taken. N is drawn anew for every system, so that few maps are accepted more often
    than many.

    An instance scales one of the six numbers, the same in all maps, by ``1 ± w`` or ``1 ± 2w``, or
    none (25 variants alike in chance; the chances of the maps stay those of the category). Every
    point is a patch of random pixels, a choice of its own other than none, laid over what is there:
    a pixel that is not set is black again. The image is mirrored along none, either or both axes,
    unless ``mirror`` is 0.

    With the default ranges and a canvas of 362 this is what the authors' renderer draws with
    ``patch_gray`` and their recommended arguments (filling rate 0.2, weight 0.4, 200,000 points).
    Two things differ. Their orbits all choose the same sequence of maps, ours choose their own. And
    where a scaled system diverges (1 in 20 instances) they draw the few points before the overflow,
    we the category's own system.

    The orbits of 500 to 200,000 points that the CVPR 2022 paper compares (Kataoka et al., "failure
    modes") are ``points`` with a ``patch`` of 1. OFDB (Nakamura et al., ICCV 2023) has one image a
    category: with ``weight`` and ``mirror`` 0 and 100,000 points all instances are one attractor,
    and differ in their patches, and in the order of its points, only. One instance a category is
    2D-OFDB; as many instances as epochs are OFDB with its random pattern augmentation.
    """

    name: ClassVar[str] = "fractal"
    title: ClassVar[str] = "Fractals"
    source: ClassVar[str] = (
        "Kataoka, Okayasu, Matsumoto, Yamagata, Yamada, Inoue, Nakamura & Satoh: Pre-training "
        "without Natural Images. ACCV 2020"
    )
    version: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        MAPS,
        replace(POINTS, default=(200_000, 200_000)),
        _PATCH,
        Parameter("filling", float, 0.0, 0.25, (0.2, 0.2), "of the pixels", _RATE, "r"),
        Parameter("weight", float, 0.0, 0.5, (0.4, 0.4), "times", _STEP, "w"),
        replace(GREY, default=(127, 127)),
        Parameter("mirror", int, 0, 1, (1, 1), "no or yes", "whether images are mirrored", "m"),
    )
    log_from: ClassVar[Mapping[str, float]] = {"points": 1}
    draws: ClassVar[streams.Draws] = ("points", "patch", "filling", "weight", "mirror")

    def system(self, full: Ranges, row: Rows, seed: int, category: int) -> Floats:
        """Search for the category's system."""
        low, high = full["maps"]
        return _free(seed, category, int(low), int(high), float(row["filling"]))

    def draw_into(self, images: Images, full: Ranges, *, row: np.void, keys: streams.Words) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import iterated

        system = embed(row["system"][: row["maps"]])
        words = streams.words(keys, range(5))
        scaled, flip, patch, grey, orbit = np.ascontiguousarray(words.T)
        step = float(row["weight"])
        factors = [1 - 2 * step, 1 - step, 1 + step, 1 + 2 * step]
        iterated.draw_free(
            images,
            orbit,
            patch,
            system,
            iterated.weigh(system, _NUMBERS, scaled, factors),
            np.empty((3, int(row["points"]))),
            int(row["patch"]),
            draw_greys(grey, full),
        )
        for image, turn in zip(images, flip, strict=True):
            if row["mirror"]:
                _mirror(image, int(turn))


class ContractiveFractal(_Plane):
    """Fractals of contractive systems of the plane (Anderson & Farrell, WACV 2022).

    As in :class:`Fractal` a category is a system of N maps, but the matrix of every map is composed
    of rotations, singular values ``1 >= s1 >= s2 >= 0`` and mirrors. The singular values are
    sampled as in the paper so that the sum of ``s1 + 2 s2`` over the N maps is
    ``(N + contraction) / 2``, which makes for attractors that are neither sparse nor blurred. Every
    system converges, and none is refused.

    An instance scales all six numbers of one map by ``weight``: drawn at most four times, until
    that map still contracts, and left alone otherwise. Its orbit starts at the fixed point of the
    first map, so that all points are on the attractor. It is seen through a window whose sides are
    ``scale`` times those of the attractor, moved by ``shift`` of them, one draw along x and one
    along y. All points are the same patch of random pixels. The image is mirrored along none,
    either or both axes, and transposed or not.

    With the default ranges this is the authors' ``IFSGenerator`` in grey. Not taken are its colour,
    its background and its blur, nor the images of several fractals; and a patch without any pixel,
    which leaves 1 in 512 of their images empty, is not drawn here.
    """

    name: ClassVar[str] = "fractal_contractive"
    title: ClassVar[str] = "Fractals, contractive"
    source: ClassVar[str] = "Anderson & Farrell: Improving Fractal Pre-training. WACV 2022"
    version: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        replace(MAPS, default=(2, 4)),
        POINTS,
        _PATCH,
        Parameter("contraction", float, 0.0, 8.0, (5.0, 6.0), "times", _SUM, "a"),
        Parameter("weight", float, 0.0, 2.0, (0.8, 1.1), "times", _FACTOR, "w"),
        Parameter("scale", float, 0.125, 8.0, (0.5, 2.0), "times", _EXTENT, "z"),
        Parameter("shift", float, -1.0, 1.0, (-0.2, 0.2), "extents", _MIDDLE, "t"),
        replace(GREY, default=(127, 127)),
    )
    log_from: ClassVar[Mapping[str, float]] = {"points": 1}
    draws: ClassVar[streams.Draws] = ("points", "patch", "contraction")

    def system(self, full: Ranges, row: Rows, seed: int, category: int) -> Floats:
        """Sample the category's system."""
        key = search_key(self.name, seed, category)
        maps = streams.integers(streams.words(key, [_MAPS])[0, 0], *map(int, full["maps"]))
        return contractive(key, int(maps), float(row["contraction"]))

    def draw_into(self, images: Images, full: Ranges, *, row: np.void, keys: streams.Words) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import iterated

        system = embed(row["system"][: row["maps"]])
        window = streams.rows(keys, _WINDOW, full)
        first = len(_WINDOW)
        words = streams.words(keys, range(first, first + 4))
        flip, patch, grey, orbit = np.ascontiguousarray(words.T)
        tries = streams.words(keys, range(first + 4, first + 4 + 2 * _TRIES))
        systems = _scale_a_map(system, tries, *full["weight"])
        iterated.draw_contractive(
            images,
            orbit,
            patch,
            systems,
            _fixed_points(systems[:, 0]),
            window.view(np.float64).reshape(-1, 2, 2),
            np.empty((3, int(row["points"]))),
            int(row["patch"]),
            draw_greys(grey, full),
        )
        for image, turn in zip(images, flip, strict=True):
            _mirror(image, int(turn))
            if int(turn) >> 61 & 1:
                image[:] = image.T.copy()


def with_systems(rows: Rows, systems: Sequence[Floats], numbers: int) -> Rows:
    """Add the fields ``maps``, int64, and ``system``, float64 ``[16, numbers]``, to some rows."""
    padded = np.zeros((len(rows), int(MAPS.high), numbers))
    for system, place in zip(systems, padded, strict=True):
        place[: len(system)] = system
    maps = np.array([len(system) for system in systems], np.int64)
    return streams.with_fields(rows, maps=maps, system=padded)


def draw_numbers(keys: streams.Words, low: int, high: int, numbers: int) -> list[Floats]:
    """Draw systems of low..high maps of so many numbers in -1..1, one a key."""
    maps = streams.integers(streams.words(keys, [_MAPS])[:, 0], low, high)
    drawn = streams.floats(streams.words(keys, range(high * numbers)), -1.0, 1.0)
    drawn = drawn.reshape(-1, high, numbers)
    return [numbers[:count] for numbers, count in zip(drawn, maps, strict=True)]


def search_key(formula: str, seed: int, category: int) -> streams.Words:
    """Return the key ``[1]`` from which a category's system is sampled."""
    return streams.words(streams.keys(formula, seed, [category]), [_SEARCH])[:, 0]


def draw_greys(words: streams.Words, full: Ranges) -> npt.NDArray[np.uint8]:
    """Turn uniform words, one an instance, into greys of the range."""
    return streams.integers(words, *map(int, full["grey"])).astype(np.uint8)


def _mirror(image: Images, word: int) -> None:
    if word >> 62 & 1:
        image[:] = image[:, ::-1].copy()
    if word >> 63:
        image[:] = image[::-1].copy()


# All images of a category need its system, in any order; the systems take 50 MB at most.
@lru_cache(maxsize=2**15)
def _free(seed: int, category: int, low: int, high: int, least: float) -> Floats:
    from explorer.formulas import iterated

    def draw(keys: streams.Words) -> list[Floats]:
        return [embed(six) for six in draw_numbers(keys, low, high, 6)]

    key = search_key("fractal", seed, category)
    return iterated.search(key, draw, iterated.filling, 100_000, least, attempts=512)


def contractive(key: streams.Words, maps: int, contraction: float) -> Floats:
    """Sample the contractive system ``[maps, 12]`` of a key ``[1]``; see ContractiveFractal."""
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
    return embed(six)


def _singular_values(units: Floats, contraction: float) -> tuple[Floats, Floats]:
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


def _scale_a_map(system: Floats, words: streams.Words, low: float, high: float) -> Floats:
    """Scale one map of a contractive system such that it still contracts.

    Args:
        system: ``[maps, 12]``.
        words: ``[n, 2 * tries]``, uniform: of every try which map, and by what.
        low: Least factor.
        high: Greatest factor.

    Returns:
        Systems ``[n, maps, 12]``; without a try that contracts it is the system itself.
    """
    a, b, c, d = system[:, _NUMBERS[:4]].T
    square, det = (a * a + b * b) + (c * c + d * d), a * d - b * c
    # The greater singular value of every map.
    most = np.sqrt((square + np.sqrt(np.maximum(square * square - 4 * (det * det), 0.0))) / 2)
    which = streams.integers(words[:, 0::2], 0, len(system) - 1)
    factor = streams.floats(words[:, 1::2], low, high)
    contracts = most[which] * factor <= 1
    scaled = np.repeat(system[None], len(words), axis=0)
    for i in np.flatnonzero(contracts.any(axis=1)):
        attempt = contracts[i].argmax()
        scaled[i, which[i, attempt], _NUMBERS] *= factor[i, attempt]
    return scaled


def _fixed_points(maps: Floats) -> Floats:
    """Return the points ``[n, 2]`` that some maps ``[n, 12]`` of the plane leave alone."""
    a, b, c, d, e, f = maps[:, _NUMBERS].T
    det = (1 - a) * (1 - d) - b * c
    return np.stack([((1 - d) * e + b * f) / det, ((1 - a) * f + c * e) / det], axis=1)


def embed(six: Floats) -> Floats:
    """Turn a, b, c, d, e, f ``[..., 6]`` into maps of R³ ``[..., 12]`` that leave z alone."""
    system = np.zeros((*six.shape[:-1], 12))
    system[..., _NUMBERS] = six
    system[..., 8] = 1.0
    return system
