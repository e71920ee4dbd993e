"""Compiled kernel of Perlin noise in two dimensions, several octaves.

At every integer point of the plane stands a unit gradient, picked by a hash. Within a cell each
corner gives the product of its gradient and the way from it, and the four are blended by the fade
6f⁵ - 15f⁴ + 10f³ (Perlin: Improving Noise, SIGGRAPH 2002), here along y first.

The same pixels on every machine: all arithmetic is on integers. Positions count in 2**-32 of a
cell and wrap after 2**32 cells; fractions, gradients and values have 14 binary digits after the
point, so that a product of two fits int32.
"""

from typing import Any

import numpy as np

from explorer.formulas import orbits, streams
from explorer.formulas.compiled import kernel

DIGITS = 14
"""Binary digits after the point of fractions, gradients, weights and values."""

DIRECTIONS = 256
"""Number of different gradients."""

_ONE = np.int32(1 << DIGITS)

i32 = np.int32
u64 = np.uint64

_mix: Any = kernel(streams.mix)
_sines: Any = orbits.sines


@kernel
def draw(images: Any, keys: Any, steps: Any, weights: Any, contrast: Any) -> None:
    """Draw instances of one category.

    Args:
        images: uint8 ``[n, side, side]``, overwritten.
        keys: uint64 ``[n]``, the random keys of the instances.
        steps: uint64 ``[octaves, 2]``, width of a pixel along x and y; units of 2**-32 of a cell.
        weights: int32 ``[octaves]``, units of 2**-14, each at most 1.
        contrast: int64, grey levels to a noise value of 1; units of 2**-14.
    """
    side = images.shape[1]
    turn = _sines(DIRECTIONS) >> (orbits.TURN - DIGITS)
    gradients = turn.astype(np.int32)
    total = np.empty((side, side), np.int32)
    for number in range(len(images)):
        total[:] = 0
        for octave in range(len(weights)):
            key = _mix(keys[number] + u64(octave + 1) * u64(streams.GOLDEN))
            _add(total, gradients, key, steps[octave, 0], steps[octave, 1], weights[octave])
        for y in range(side):
            for x in range(side):
                grey = 128 + ((np.int64(total[y, x]) * contrast) >> (2 * DIGITS))
                images[number, y, x] = np.uint8(min(max(grey, 0), 255))


@kernel
def _add(total: Any, gradients: Any, key: Any, step_x: Any, step_y: Any, weight: Any) -> None:
    """Add one octave to int32 ``[side, side]``."""
    side = len(total)
    start_x, start_y = _mix(key + u64(1)), _mix(key + u64(2))
    # A pixel has one column of gradients at its left and the next in the list at its right.
    cells, left, along, blend = _columns(side, start_x, step_x)
    count = len(cells)
    top, bottom = np.empty((2, count), np.int32), np.empty((2, count), np.int32)
    slope, height = np.empty(count, np.int32), np.empty(count, np.int32)
    for y in range(side):
        position = start_y + u64(y) * step_y
        cell = position >> u64(32)
        if y == 0 or cell != (position - step_y) >> u64(32):
            below = (cell + u64(1)) & u64(0xFFFFFFFF)
            for c in range(count):
                here = _mix(_mix(key + cell) + cells[c]) >> u64(56)
                there = _mix(_mix(key + below) + cells[c]) >> u64(56)
                top[0, c], top[1, c] = gradients[0, here], gradients[1, here]
                bottom[0, c], bottom[1, c] = gradients[0, there], gradients[1, there]
        f = _fraction(position)
        fade = _fade(f)
        for c in range(count):
            slope[c] = _between(top[0, c], bottom[0, c], fade)
            upper = i32(i32(top[1, c] * f) >> i32(DIGITS))
            lower = i32(i32(bottom[1, c] * i32(f - _ONE)) >> i32(DIGITS))
            height[c] = _between(upper, lower, fade)
        for x in range(side):
            c = left[x]
            f = along[x]
            near = i32(i32(slope[c] * f) >> i32(DIGITS)) + height[c]
            far = i32(i32(slope[c + 1] * i32(f - _ONE)) >> i32(DIGITS)) + height[c + 1]
            value = _between(i32(near), i32(far), blend[x])
            total[y, x] += i32(i32(value * weight) >> i32(DIGITS))


@kernel
def _columns(side: Any, start: Any, step: Any) -> Any:
    """Return the cells that a row of pixels touches, and of each pixel which, where and its fade.

    Where a cell is followed by its neighbour, the two share a column.
    """
    cells = np.empty(2 * side, np.uint64)
    left, along, blend = (
        np.empty(side, np.int32),
        np.empty(side, np.int32),
        np.empty(side, np.int32),
    )
    count = 0
    for x in range(side):
        position = start + u64(x) * step
        cell = position >> u64(32)
        if count == 0 or cell != cells[count - 2]:
            if count == 0 or cell != cells[count - 1]:
                cells[count] = cell
                count += 1
            cells[count] = (cell + u64(1)) & u64(0xFFFFFFFF)
            count += 1
        left[x] = i32(count - 2)
        along[x] = _fraction(position)
        blend[x] = _fade(along[x])
    return cells[:count], left, along, blend


@kernel
def _fraction(position: Any) -> Any:
    return i32((position >> u64(32 - DIGITS)) & u64((1 << DIGITS) - 1))


@kernel
def _fade(fraction: Any) -> Any:
    f = np.int64(fraction)
    inner = ((f * (6 * f - (15 << DIGITS))) >> DIGITS) + (10 << DIGITS)
    return i32(((((f * f) >> DIGITS) * f) >> DIGITS) * inner >> DIGITS)


@kernel
def _between(one: Any, other: Any, part: Any) -> Any:
    return i32(one + i32(i32(part * i32(other - one)) >> i32(DIGITS)))
