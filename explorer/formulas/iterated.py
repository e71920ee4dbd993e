"""Iterated function systems: the search for a category's system, and the compiled kernels.

A system is float64 ``[maps, 12]``, one affine map of R³ a row: the three rows of its matrix, then
its shift. A map of the plane leaves z alone.

The same pixels on every machine: maps are chosen by integer hashes, and coordinates are float64
with nothing but single IEEE 754 additions, subtractions, multiplications and divisions, in the
order that is written. numba contracts no product and sum to a fused multiply-add and reorders no
sum unless ``fastmath`` is asked for (the LLVM operations carry no flag that would allow it), and
NumPy rounds every ufunc; so no matrix product of NumPy's, whose order is a library's own, is used.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from explorer.formulas import streams
from explorer.formulas.compiled import kernel

Floats = npt.NDArray[np.float64]

MAX_MAPS = 16
"""Most maps of a system."""

SEARCH_SIDE = 512
"""Side of the grid on which the filling rate is taken."""

_BATCH = 16  # systems that a search draws together
_BLOCK = 256  # points between two looks at whether the orbit diverges
_FAR = 1e100  # an orbit that comes so far diverges; by then a block may have taken it to 1e280
_TANGENT = 0.41421356237309503  # of half the camera's field of view of 45°
_DISTANCE = 4.0  # of the camera from the origin

i64 = np.int64
u64 = np.uint64

_mix: Any = kernel(streams.mix)


def search(
    key: streams.Words,
    draw: Callable[[streams.Words], list[Floats]],
    measure: Callable[[Floats, Floats, np.uint64], float],
    points: int,
    least: float,
    attempts: int,
) -> Floats:
    """Draw systems until one is accepted.

    Args:
        key: ``[1]``, the random key of the search.
        draw: Turns keys ``[n]`` into n systems ``[maps, 12]``.
        measure: What is asked of (space for points, system, key of the orbit): a number, negative
            for a system that diverges.
        points: Length of the orbit that is measured.
        least: The first system that measures more than this is accepted.
        attempts: Most systems to draw, a multiple of 16.

    Returns:
        The system, or that of the largest measure if all are refused. Read-only.
    """
    space = np.empty((3, points))
    best: Floats = np.empty((0, 12))
    most = -np.inf
    for first in range(0, attempts, _BATCH):
        numbers = np.arange(first, first + _BATCH, dtype=np.uint64)
        keys = streams.absorb(key, numbers)
        for system, one in zip(draw(keys), keys, strict=True):
            measured = measure(space, system, one)
            if measured > most:
                best, most = system, measured
            if measured > least:
                break
        if most > least:
            break
    best = best.copy()
    best.setflags(write=False)
    return best


def weigh(system: Floats, numbers: list[int], words: streams.Words, low: int, high: int) -> Floats:
    """Scale one of the numbers of every map, or none: what tells instances of a category apart.

    Args:
        system: ``[maps, 12]``.
        numbers: Which of the twelve may be scaled.
        words: ``[n]``, uniform words, one an instance.
        low: Least factor in tenths.
        high: Greatest factor in tenths.

    Returns:
        Systems ``[n, maps, 12]``. Every number with every whole tenth of the range other than 10,
        and the system as it is, are equally likely.
    """
    factors = [tenths / 10 for tenths in range(low, high + 1) if tenths != 10]
    picked = streams.integers(words, 0, len(numbers) * len(factors))
    weighted = np.repeat(system[None], len(words), axis=0)
    for one, pick in zip(weighted, picked.tolist(), strict=True):
        if pick:
            number, factor = divmod(pick - 1, len(factors))
            one[:, numbers[number]] *= factors[factor]
    return weighted


@kernel
def borders(system: Any) -> Any:
    """Cumulated chances of the maps, by absolute determinant, int32 ``[maps]``, times 2**31."""
    total = np.empty(len(system))
    whole = 0.0
    for k in range(len(system)):
        a, b, c, d, e, f, g, h, i = system[k, :9]
        first = a * (e * i - f * h)
        second = b * (d * i - f * g)
        third = c * (d * h - e * g)
        whole = whole + abs(first - second + third)
        total[k] = whole
    result = np.empty(len(system), np.int32)
    for k in range(len(system)):
        # Where no map has a volume all are equally likely.
        part = total[k] / whole if whole > 0.0 else (k + 1.0) / len(system)
        result[k] = np.int32(min(part * 2147483648.0, 2147483647.0))
    return result


@kernel
def walk(points: Any, system: Any, key: Any) -> Any:
    """Fill ``points`` with a random orbit from the origin.

    Args:
        points: float64 ``[3, n]``, overwritten; the first point is the origin's image.
        system: float64 ``[maps, 12]``.
        key: uint64, the random key of the orbit.

    Returns:
        The number of points before the orbit diverged, n if it did not.
    """
    count = points.shape[1]
    chances = borders(system)
    words, choices = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    x, y, z = 0.0, 0.0, 0.0
    for first in range(0, count, _BLOCK):
        size = min(_BLOCK, count - first)
        for i in range(size):
            words[i] = np.int32(_mix(key + u64(first + i + 1) * u64(streams.GOLDEN)) >> u64(33))
            choices[i] = np.int32(0)
        for k in range(len(system) - 1):
            chance = chances[k]
            for i in range(size):
                choices[i] += np.int32(words[i] >= chance)
        for i in range(size):
            m = np.uint32(choices[i])
            # Two sums side by side: shorter to wait for than one after another.
            to_x = (system[m, 0] * x + system[m, 1] * y) + (system[m, 2] * z + system[m, 9])
            to_y = (system[m, 3] * x + system[m, 4] * y) + (system[m, 5] * z + system[m, 10])
            to_z = (system[m, 6] * x + system[m, 7] * y) + (system[m, 8] * z + system[m, 11])
            x, y, z = to_x, to_y, to_z
            points[0, first + i] = x
            points[1, first + i] = y
            points[2, first + i] = z
        if not abs(x) + abs(y) + abs(z) < _FAR:
            return first
    return count


@kernel
def _ends(values: Any) -> Any:
    low, high = values[0], values[0]
    for value in values:
        low = min(low, value)
        high = max(high, value)
    return low, high


@kernel
def _to_pixels(values: Any, side: Any, pixels: Any) -> None:
    """Stretch values over the canvas, but for a margin of 6 in 512."""
    margin = side * 6 // 512
    low, high = _ends(values)
    scale = (side - 1 - 2 * margin) / (high - low) if high - low > 1e-100 else 0.0
    for i in range(len(values)):
        pixels[i] = margin + i64((values[i] - low) * scale)


@kernel
def filling(points: Any, system: Any, key: Any) -> Any:
    """Return the part of a canvas of 512 that an orbit covers, -1 if it diverges."""
    count = points.shape[1]
    if walk(points, system, key) < count:
        return -1.0
    xs, ys = np.empty(count, np.int64), np.empty(count, np.int64)
    _to_pixels(points[0], SEARCH_SIDE, xs)
    _to_pixels(points[1], SEARCH_SIDE, ys)
    seen = np.zeros((SEARCH_SIDE, SEARCH_SIDE), np.bool_)
    covered = 0
    for i in range(count):
        covered += not seen[ys[i], xs[i]]
        seen[ys[i], xs[i]] = True
    return covered / (SEARCH_SIDE * SEARCH_SIDE)


@kernel
def draw_flat(
    images: Any, keys: Any, system: Any, weighted: Any, points: Any, patches: Any, greys: Any
) -> None:
    """Draw instances of a system of the plane, every point as a patch, on black.

    Args:
        images: uint8 ``[n, side, side]``, overwritten.
        keys: uint64 ``[n]``, the random keys of the orbits.
        system: float64 ``[maps, 12]``, drawn where the weighted one diverges.
        weighted: float64 ``[n, maps, 12]``.
        points: float64 ``[3, count]``, space for the orbit.
        patches: bool ``[n, width, width]``, the pixels to set around a point.
        greys: uint8 ``[n]``.
    """
    side, width = images.shape[1], patches.shape[1]
    xs, ys = np.empty(points.shape[1], np.int64), np.empty(points.shape[1], np.int64)
    for number in range(len(images)):
        image = images[number]
        image[:] = 0
        count = walk(points, weighted[number], keys[number])
        if count < points.shape[1]:
            count = walk(points, system, keys[number])
        if count == 0:
            continue
        _to_pixels(points[0, :count], side, xs)
        _to_pixels(points[1, :count], side, ys)
        for across in range(width):
            for down in range(width):
                if patches[number, down, across]:
                    for i in range(count):
                        x, y = xs[i] + across - width // 2, ys[i] + down - width // 2
                        if 0 <= x < side and 0 <= y < side:
                            image[y, x] = greys[number]


@kernel
def _normalise(points: Any) -> None:
    """Scale all coordinates alike, from their least and greatest to -1..1, and centre them."""
    least, most = _ends(points[0])
    for axis in range(1, 3):
        low, high = _ends(points[axis])
        least, most = min(least, low), max(most, high)
    half = (most - least) / 2.0
    scale = 1.0 / half if half > 1e-100 else 0.0
    for axis in range(3):
        total = 0.0
        for i in range(points.shape[1]):
            scaled = (points[axis, i] - least) * scale - 1.0
            points[axis, i] = scaled
            total = total + scaled
        mean = total / points.shape[1]
        for i in range(points.shape[1]):
            points[axis, i] = points[axis, i] - mean


@kernel
def variance(points: Any, system: Any, key: Any) -> Any:
    """Return the least variance of a normalised orbit along an axis, -1 if it diverges."""
    count = points.shape[1]
    if walk(points, system, key) < count:
        return -1.0
    _normalise(points)
    least = 4.0
    for axis in range(3):
        total = 0.0
        for value in points[axis]:
            total = total + value * value
        least = min(least, total / count)
    return least


@kernel
def draw_solid(
    images: Any, keys: Any, system: Any, weighted: Any, points: Any, views: Any, greys: Any
) -> None:
    """Draw instances of a system of space as a camera sees it, every point a pixel, on black.

    Args:
        images: uint8 ``[n, side, side]``, overwritten.
        keys: uint64 ``[n]``, the random keys of the orbits.
        system: float64 ``[maps, 12]``, drawn where the weighted one diverges.
        weighted: float64 ``[n, maps, 12]``.
        points: float64 ``[3, count]``, space for the orbit.
        views: float64 ``[n, 2]``, cosine and sine of the turn about the vertical axis.
        greys: uint8 ``[n]``.
    """
    side = images.shape[1]
    for number in range(len(images)):
        image = images[number]
        image[:] = 0
        count = walk(points, weighted[number], keys[number])
        if count < points.shape[1]:
            count = walk(points, system, keys[number])
        if count == 0:
            continue
        _normalise(points[:, :count])
        cosine, sine = views[number]
        for i in range(count):
            across = cosine * points[0, i] + sine * points[2, i]
            nearer = cosine * points[2, i] - sine * points[0, i]
            seen = (_DISTANCE - nearer) * _TANGENT
            x = (1.0 + across / seen) * (side / 2.0)
            y = (1.0 - points[1, i] / seen) * (side / 2.0)
            if 0.0 <= x < side and 0.0 <= y < side:
                image[i64(y), i64(x)] = greys[number]
