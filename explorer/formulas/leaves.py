"""Compiled kernels of filled shapes: discs and convex polygons, in integers throughout."""

from typing import Any

import numpy as np

from explorer.formulas import orbits, streams
from explorer.formulas.compiled import kernel

DISC, SQUARE, TURNED_SQUARE, RECTANGLE, TRIANGLE, QUADRANGLE = range(6)
"""The shapes of leaves."""

PARTS = 4096
"""Directions from the middle of a leaf to a corner are whole parts of a turn, so many."""

i64 = np.int64
u64 = np.uint64

_mix: Any = kernel(streams.mix)
_sines: Any = orbits.sines


@kernel
def draw(
    images: Any,
    keys: Any,
    radii: Any,
    borders: Any,
    shape: Any,
    mixture: Any,
    leaves: Any,
    low: Any,
    high: Any,
) -> None:
    """Draw instances of one category on black.

    Args:
        images: uint8 ``[n, side, side]``, overwritten.
        keys: uint64 ``[n]``, the random keys of the instances.
        radii: int64 ``[k]``, the radii that a leaf may have in pixels.
        borders: int64 ``[k - 1]``, cumulated chances of the radii, units of 2**-32.
        shape: The shape of the category, 0..5.
        mixture: Chance of a leaf to have any shape instead, units of 2**-24.
        leaves: Most leaves of an image.
        low: Least grey of a leaf.
        high: Greatest grey of a leaf.
    """
    side = images.shape[1]
    turn = _sines(PARTS)
    bare = np.empty((side, side), np.uint8)
    left, right = np.empty(side, np.int64), np.empty(side, np.int64)
    corners, angles = np.empty((2, 4), np.int64), np.empty(4, np.int64)
    for number in range(len(images)):
        image = images[number]
        image[:] = 0
        bare[:] = 1
        uncovered = side * side
        for leaf in range(leaves):
            word = _mix(keys[number] + u64(leaf + 1) * u64(streams.GOLDEN))
            x = i64((word & u64(0xFFFF)) * u64(side) >> u64(16))
            y = i64(((word >> u64(16)) & u64(0xFFFF)) * u64(side) >> u64(16))
            radius = radii[np.searchsorted(borders, i64(word >> u64(32)), side="right")]
            word = _mix(word)
            grey = low + i64((word & u64(0xFFFF)) * u64(high - low + 1) >> u64(16))
            kind = shape
            if i64((word >> u64(16)) & u64(0xFFFFFF)) < mixture:
                kind = i64((word >> u64(40)) * u64(6) >> u64(24))
            if kind == DISC:
                _disc(left, right, y, x, radius)
                first, last = max(y - radius, 0), min(y + radius, side - 1)
            else:
                count = _corners(corners, angles, kind, _mix(word), radius, turn)
                for i in range(count):
                    corners[0, i] += x
                    corners[1, i] += y
                first, last = convex(left, right, corners[0, :count], corners[1, :count])
            uncovered -= _cover(image, bare, left, right, first, last, np.uint8(grey))
            if uncovered == 0:
                break


@kernel
def _corners(corners: Any, angles: Any, kind: Any, word: Any, radius: Any, turn: Any) -> Any:
    """Set the corners of a leaf about the origin, in order around it; returns their number."""
    count = 3 if kind == TRIANGLE else 4
    for i in range(4):
        angles[i] = i64((word >> u64(16 * i)) & u64(PARTS - 1))
    if kind in (SQUARE, TURNED_SQUARE):
        first = PARTS // 8 if kind == SQUARE else angles[0]
        for i in range(4):
            angles[i] = (first + i * PARTS // 4) & (PARTS - 1)
    elif kind == RECTANGLE:
        first = angles[0] & (PARTS // 4 - 1)
        angles[0], angles[1] = first, PARTS // 2 - first
        angles[2], angles[3] = PARTS // 2 + first, (PARTS - first) & (PARTS - 1)
    else:
        angles[:count].sort()
    for i in range(count):
        for axis in range(2):
            length = radius * turn[axis, angles[i]]
            corners[axis, i] = (length + (i64(1) << (orbits.TURN - 1))) >> orbits.TURN
    return count


@kernel
def _disc(left: Any, right: Any, y: Any, x: Any, radius: Any) -> None:
    """Set the first and the last column of a disc in every row of the canvas that it touches."""
    for row in range(max(y - radius, 0), min(y + radius, len(left) - 1) + 1):
        down = row - y
        # Exact: the square root rounds as IEEE 754 says, and the number under it is small.
        half = i64(np.sqrt(np.float64(radius * radius - down * down)))
        left[row], right[row] = x - half, x + half


@kernel
def convex(left: Any, right: Any, xs: Any, ys: Any) -> Any:
    """Set the first and the last column of a convex polygon in every row of the canvas.

    A row's ends are those of the edges at the height of the row, rounded to the nearest column, so
    that all corners belong to the polygon.

    Args:
        left: int64 ``[side]``, overwritten where the polygon is.
        right: int64 ``[side]``, likewise.
        xs: int64 ``[corners]``, in order around the polygon.
        ys: int64 ``[corners]``.

    Returns:
        The first and the last row, inside the canvas; the last is before the first where none is.
    """
    first, last = max(ys.min(), 0), min(ys.max(), len(left) - 1)
    for row in range(first, last + 1):
        left[row], right[row] = i64(1) << 40, -(i64(1) << 40)
    for i in range(len(xs)):
        j = i + 1 if i + 1 < len(xs) else 0
        upper, lower = (i, j) if ys[i] <= ys[j] else (j, i)
        x, height, across = xs[upper], ys[lower] - ys[upper], xs[lower] - xs[upper]
        if height == 0:
            if first <= ys[upper] <= last:
                row = ys[upper]
                left[row] = min(left[row], x, x + across)
                right[row] = max(right[row], x, x + across)
            continue
        for row in range(max(ys[upper], first), min(ys[lower], last) + 1):
            column = x + (2 * across * (row - ys[upper]) + height) // (2 * height)
            left[row] = min(left[row], column)
            right[row] = max(right[row], column)
    return first, last


@kernel
def _cover(image: Any, bare: Any, left: Any, right: Any, first: Any, last: Any, grey: Any) -> Any:
    """Paint the columns left..right of rows first..last; returns how many pixels were bare."""
    side = len(image)
    covered = 0
    for y in range(first, last + 1):
        start, stop = max(left[y], 0), min(right[y], side - 1) + 1
        row, naked = image[y], bare[y]
        for x in range(start, stop):
            covered += naked[x]
            naked[x] = 0
            row[x] = grey
    return covered
