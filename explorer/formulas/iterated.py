"""Iterated function systems: the search for a category's system, and the compiled kernels.

A system is float64 ``[maps, 12]``, one affine map of R³ a row: the three rows of its matrix, then
its shift. A map of the plane leaves z alone. Space for an orbit is float64 ``[3, n]``.

The same pixels on every machine: maps are chosen by integer hashes, and coordinates are float64
with nothing but single IEEE 754 additions, subtractions, multiplications and divisions, in the
order that is written. numba contracts no product and sum to a fused multiply-add and reorders no
sum unless ``fastmath`` is asked for (the LLVM operations carry no flag that would allow it), and
NumPy rounds every ufunc; so no matrix product of NumPy's, whose order is a library's own, is used.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from explorer.formulas import streams
from explorer.formulas.compiled import kernel

Floats = npt.NDArray[np.float64]

SEARCH_SIDE = 512
"""Side of the grid on which the filling rate is taken."""

MARGIN = 6
"""Pixels that a stretched orbit keeps from the edge, on canvases of 48 pixels and more."""

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
        least: The first system that measures at least this is accepted.
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
            if measured >= least:
                break
        if most >= least:
            break
    best = best.copy()
    best.setflags(write=False)
    return best


def weigh(
    system: Floats, numbers: list[int], words: streams.Words, factors: Sequence[float]
) -> Floats:
    """Scale one of the numbers of every map, or none: what tells instances of a category apart.

    Args:
        system: ``[maps, 12]``.
        numbers: Which of the twelve may be scaled.
        words: ``[n]``, uniform words, one an instance.
        factors: What they may be scaled by.

    Returns:
        Systems ``[n, maps, 12]``. Every number with every factor, and the system as it is, are
        equally likely.
    """
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
def walk(points: Any, system: Any, chances: Any, key: Any) -> Any:
    """Fill ``points`` with a random orbit.

    Args:
        points: float64 ``[3, n]``; the first point is where the orbit starts, the others are
            overwritten.
        system: float64 ``[maps, 12]``.
        chances: int32 ``[maps]``, as :func:`borders` returns them.
        key: uint64, the random key of the orbit.

    Returns:
        The number of points before the orbit diverged, n if it did not.
    """
    count = points.shape[1]
    words, choices = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    x, y, z = points[0, 0], points[1, 0], points[2, 0]
    for first in range(1, count, _BLOCK):
        size = min(_BLOCK, count - first)
        for i in range(size):
            words[i] = np.int32(_mix(key + u64(first + i) * u64(streams.GOLDEN)) >> u64(33))
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
def _walk_weighted(points: Any, weighted: Any, system: Any, chances: Any, key: Any) -> Any:
    """Walk the weighted system from the origin, or the system itself where that diverges."""
    points[:, 0] = 0.0
    count = walk(points, weighted, chances, key)
    if count < points.shape[1]:
        count = walk(points, system, chances, key)
    return count


@kernel
def _ends(values: Any) -> Any:
    low, high = values[0], values[0]
    for value in values:
        low = min(low, value)
        high = max(high, value)
    return low, high


@kernel
def _stretch(values: Any, side: Any, pixels: Any) -> None:
    """Stretch values from margin to margin of a canvas; the greatest falls on the far margin."""
    margin = min(MARGIN, side // 8)
    low, high = _ends(values)
    extent = high - low
    for i in range(len(values)):
        part = (values[i] - low) / extent if extent > 1e-100 else 0.0
        pixels[i] = i64(part * (side - 2 * margin) + margin)


@kernel
def filling(points: Any, system: Any, key: Any) -> Any:
    """Return the part of a canvas of 512 that an orbit from the origin covers, -1 if it diverges.

    The origin is one of the points.
    """
    count = points.shape[1]
    points[:, 0] = 0.0
    if walk(points, system, borders(system), key) < count:
        return -1.0
    xs, ys = np.empty(count, np.int64), np.empty(count, np.int64)
    _stretch(points[0], SEARCH_SIDE, xs)
    _stretch(points[1], SEARCH_SIDE, ys)
    seen = np.zeros((SEARCH_SIDE, SEARCH_SIDE), np.bool_)
    covered = 0
    for i in range(count):
        covered += not seen[ys[i], xs[i]]
        seen[ys[i], xs[i]] = True
    return covered / (SEARCH_SIDE * SEARCH_SIDE)


@kernel
def patch_bits(word: Any, pixels: Any) -> Any:
    """Draw some pixels of a patch, at least one.

    Args:
        word: uint64, uniform.
        pixels: Pixels of the patch, 1..64.

    Returns:
        uint64, one bit a pixel, the lowest first: every choice but none is equally likely.
    """
    bits = word >> u64(64 - pixels)
    while bits == u64(0):
        word = _mix(word + u64(streams.GOLDEN))
        bits = word >> u64(64 - pixels)
    return bits


@kernel
def draw_free(
    images: Any,
    orbit_keys: Any,
    patch_keys: Any,
    system: Any,
    weighted: Any,
    points: Any,
    width: Any,
    greys: Any,
) -> None:
    """Draw instances of a freely sampled system of the plane on black.

    Every point is a patch of its own random pixels, laid over what is there: a pixel that is not
    set is black again. A patch begins one pixel right of and below its point; a patch of one pixel
    is the point.

    Args:
        images: uint8 ``[n, side, side]``, overwritten.
        orbit_keys: uint64 ``[n]``, the random keys of the orbits.
        patch_keys: uint64 ``[n]``, the random keys of the patches.
        system: float64 ``[maps, 12]``, whose determinants are the chances of the maps, drawn where
            the weighted one diverges.
        weighted: float64 ``[n, maps, 12]``.
        points: Space for an orbit of as many points; the first is the origin.
        width: Side of a patch, 1..8.
        greys: uint8 ``[n]``.
    """
    side = images.shape[1]
    chances = borders(system)
    from_point = 1 if width > 1 else 0
    xs, ys = np.empty(points.shape[1], np.int64), np.empty(points.shape[1], np.int64)
    for number in range(len(images)):
        image, grey = images[number], greys[number]
        image[:] = 0
        count = _walk_weighted(points, weighted[number], system, chances, orbit_keys[number])
        _stretch(points[0, :count], side, xs)
        _stretch(points[1, :count], side, ys)
        for i in range(count):
            word = _mix(patch_keys[number] + u64(i) * u64(streams.GOLDEN))
            bits = patch_bits(word, width * width)
            left, top = xs[i] + from_point, ys[i] + from_point
            for down in range(min(width, side - top)):
                for across in range(min(width, side - left)):
                    bit = (bits >> u64(down * width + across)) & u64(1)
                    image[top + down, left + across] = grey if bit else np.uint8(0)


@kernel
def draw_contractive(
    images: Any,
    orbit_keys: Any,
    patches: Any,
    systems: Any,
    starts: Any,
    windows: Any,
    points: Any,
    width: Any,
    greys: Any,
) -> None:
    """Draw contractive systems of the plane on black, each seen through a window.

    All points of an image are the same patch of random pixels, its middle on the point.

    Args:
        images: uint8 ``[n, side, side]``, overwritten.
        orbit_keys: uint64 ``[n]``, the random keys of the orbits.
        patches: uint64 ``[n]``, uniform words, from which the pixels of the patch are drawn.
        systems: float64 ``[n, maps, 12]``.
        starts: float64 ``[n, 2]``, where the orbits start.
        windows: float64 ``[n, 2, 2]``, along x and along y: how far the middle of the window is
            from that of the orbit, and its extent; units of the extent of the orbit.
        points: Space for an orbit of as many points, the start among them.
        width: Side of a patch, 1..8.
        greys: uint8 ``[n]``.
    """
    side, count = images.shape[1], points.shape[1]
    xs, ys = np.empty(count, np.int64), np.empty(count, np.int64)
    for number in range(len(images)):
        image = images[number]
        image[:] = 0
        points[0, 0], points[1, 0], points[2, 0] = starts[number, 0], starts[number, 1], 0.0
        system = systems[number]
        walk(points, system, borders(system), orbit_keys[number])
        _frame(points[0], windows[number, 0], side, xs)
        _frame(points[1], windows[number, 1], side, ys)
        bits = patch_bits(patches[number], width * width)
        for pixel in range(width * width):
            if (bits >> u64(pixel)) & u64(1):
                down, across = pixel // width - width // 2, pixel % width - width // 2
                for i in range(count):
                    x, y = xs[i] + across, ys[i] + down
                    if 0 <= x < side and 0 <= y < side:
                        image[y, x] = greys[number]


@kernel
def _frame(values: Any, window: Any, side: Any, pixels: Any) -> None:
    """Stretch what is in a window over the whole canvas."""
    low, high = _ends(values)
    middle = (high + low) / 2.0 + (high - low) * window[0]
    half = (high - low) * (window[1] / 2.0)
    start, extent = middle - half, (middle + half) - (middle - half)
    scale = (side - 1) / extent if extent > 1e-100 else 0.0
    for i in range(len(values)):
        pixels[i] = i64((values[i] - start) * scale)


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
    """Return the least variance of a normalised orbit along an axis, -1 if it diverges.

    The orbit starts at the origin, which is not one of the points that count.
    """
    count = points.shape[1]
    points[:, 0] = 0.0
    if walk(points, system, borders(system), key) < count:
        return -1.0
    after = points[:, 1:]
    _normalise(after)
    least = 4.0
    for axis in range(3):
        total = 0.0
        for value in after[axis]:
            total = total + value * value
        least = min(least, total / (count - 1))
    return least


@kernel
def draw_solid(
    images: Any, keys: Any, system: Any, weighted: Any, points: Any, views: Any, greys: Any
) -> None:
    """Draw instances of a system of space as a camera sees it, every point a pixel, on black.

    Args:
        images: uint8 ``[n, side, side]``, overwritten.
        keys: uint64 ``[n]``, the random keys of the orbits.
        system: float64 ``[maps, 12]``, whose determinants are the chances of the maps, drawn where
            the weighted one diverges.
        weighted: float64 ``[n, maps, 12]``.
        points: Space for an orbit of one point more than are drawn: the first, the origin, is not.
        views: float64 ``[n, 2]``, cosine and sine of the camera's turn about the y axis; it looks
            along x where it is not turned, and along -z after a quarter.
        greys: uint8 ``[n]``.
    """
    side = images.shape[1]
    chances = borders(system)
    for number in range(len(images)):
        image = images[number]
        image[:] = 0
        count = _walk_weighted(points, weighted[number], system, chances, keys[number])
        if count == 1:
            continue
        _normalise(points[:, 1:count])
        cosine, sine = views[number]
        for i in range(1, count):
            across = sine * points[0, i] + cosine * points[2, i]
            further = cosine * points[0, i] - sine * points[2, i]
            seen = (_DISTANCE + further) * _TANGENT
            x = (1.0 + across / seen) * (side / 2.0)
            # The first row is the lowest, as the authors save their images.
            y = (1.0 + points[1, i] / seen) * (side / 2.0)
            if 0.0 <= x < side and 0.0 <= y < side:
                image[i64(y), i64(x)] = greys[number]
