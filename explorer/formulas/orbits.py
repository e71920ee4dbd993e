"""Compiled kernels of the orbit families in the counter stream: polygons that grow.

With ``θ_i = 2π i / q``, vertex i of an orbit lies at ``(x + a_i cos θ_i, y + b_i sin θ_i)``; from
orbit to orbit ``a_i`` and ``b_i`` each grow by ``growth_i`` minus a draw from the noise table.

The same pixels on every machine: lengths are int32 in units of 2**-12 px, random numbers are
integer hashes, sines are polynomials in integer arithmetic. The only floating-point operations are
``int32 -> float32``, one float32 product and ``float32 -> int32`` (toward zero), each of which IEEE
754 fixes; a conversion stands between the product and the next sum, so that there is nothing that a
compiler could contract to a fused multiply-add.
"""

import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from explorer.formulas import raster, streams
from explorer.formulas.compiled import kernel
from explorer.formulas.raster import CAPACITY, LINK, X, Y

FRACTION = 12
"""Binary digits after the point of a length in pixels."""

TURN = 30
"""Binary digits after the point of a sine."""

_A, _B, _GROWTH, _HASH = (row * CAPACITY for row in range(raster.ROWS, raster.ROWS + 4))
_COSINE, _SINE = 0, CAPACITY

_PRUNE = 16  # orbits between two searches for segments that have left the canvas for good

Integers = npt.NDArray[np.int64]

i32 = np.int32
u32 = np.uint32
f32 = np.float32

_scratch = threading.local()
_mix: Any = kernel(streams.mix)


def fixed(length: npt.ArrayLike) -> Any:
    """Convert lengths in pixels to int64 units of 2**-12 px, rounded to the nearest."""
    return np.rint(np.multiply(length, float(1 << FRACTION))).astype(np.int64)


def times(length: int, values: Integers) -> Integers:
    """Multiply a length by values that count in units of 2**-30, rounded to the nearest."""
    return (length * values + (1 << (TURN - 1))) >> TURN


def draw(
    images: npt.NDArray[np.uint8],
    keys: streams.Words,
    starts: Integers,
    orbits: int,
    cosine: Integers,
    sine: Integers,
    growth: Integers,
    steps: Integers,
    grey_low: float,
    grey_high: float,
    background: int = 0,
) -> None:
    """Draw instances of one category.

    No vertex may come farther than 2**19 px, where int32 overflows; the legal ranges see to that.

    Args:
        images: ``[n, side, side]``, overwritten.
        keys: ``[n]``, the random keys of the instances.
        starts: ``[n, 4]``: x and y of the centre, a and b of the nucleus; units of 2**-12 px.
        orbits: Number of orbits K.
        cosine: ``[q]``, cos θ_i in units of 2**-30.
        sine: ``[q]``, sin θ_i in units of 2**-30.
        growth: ``[q]``, what a vertex grows by before noise; units of 2**-12 px.
        steps: ``[4096]``, rising: equally likely values of the noise; units of 2**-12 px.
        grey_low: Least grey of an orbit.
        grey_high: Greatest grey of an orbit.
        background: Grey of what no orbit covers.
    """
    side = images.shape[1]
    if getattr(_scratch, "side", None) != side:
        _scratch.canvas = raster.canvas_array(side)
        _scratch.work = raster.work_array(raster.ROWS + 4)
        _scratch.side = side
    directions = (np.stack([cosine, sine]) * 2.0**-TURN).astype(np.float32)
    _draw(
        images,
        keys,
        starts,
        int(orbits),
        directions,
        growth,
        steps.astype(np.int32),
        int(grey_low),
        int(grey_high),
        int(background),
        _scratch.canvas,
        _scratch.work,
    )


@kernel
def sines(count: Any) -> Any:
    """Cosine and sine of the turn cut into ``count`` parts, int64 ``[2, count]``, times 2**TURN.

    The turn is counted in 2**32 parts and reduced to an eighth either side of a quarter; there the
    Taylor polynomials of degree 10 and 9 are good for 2e-9. With all roundings the result is off by
    less than 6e-9.
    """
    table = np.empty((2, count), np.int64)
    one = np.int64(1) << TURN
    for i in range(count):
        turn = (np.int64(i) << 32) // count
        quarter = (turn + (1 << 29)) >> 30
        # 2**30 parts of a turn are π/2, here with 30 binary digits.
        angle = ((turn - (quarter << 30)) * 1686629713) >> 30
        square = (angle * angle) >> TURN
        sine, cosine = one, one
        for k in (8, 6, 4, 2):
            sine = one - ((square * sine) >> TURN) // (k * (k + 1))
        for k in (9, 7, 5, 3, 1):
            cosine = one - ((square * cosine) >> TURN) // (k * (k + 1))
        sine = (angle * sine) >> TURN
        quarter &= 3
        if quarter & 1:
            sine, cosine = cosine, -sine
        if quarter & 2:
            sine, cosine = -sine, -cosine
        table[0, i] = cosine
        table[1, i] = sine
    return table


@kernel
def _draw(
    images: Any,
    keys: Any,
    starts: Any,
    orbits: Any,
    directions: Any,
    growth: Any,
    steps: Any,
    grey_low: Any,
    grey_high: Any,
    background: Any,
    canvas: Any,
    work: Any,
) -> None:
    side = images.shape[1]
    count = len(growth)
    direction = np.empty(2 * CAPACITY, np.float32)
    shades = np.uint64(grey_high - grey_low + 1)
    for number in range(len(images)):
        x, y, a, b = starts[number]
        for i in range(count):
            direction[_COSINE + i] = directions[0, i]
            direction[_SINE + i] = directions[1, i]
            work[_A + i] = a
            work[_B + i] = b
            work[_GROWTH + i] = growth[i]
            work[_HASH + i] = i32(_mix(np.uint64(i)))
            work[LINK + i] = i32(-1)
        raster.clear(canvas, np.uint8(background))
        live = count
        for orbit in range(orbits):
            word = _mix(keys[number] + np.uint64(orbit + 1) * np.uint64(streams.GOLDEN))
            shade = ((word >> np.uint64(32)) * shades) >> np.uint64(32)
            _grow(work, direction, steps, live, u32(word), i32(x), i32(y))
            raster.polygon(canvas, work, live, np.uint8(grey_low + np.int64(shade)))
            if orbit % _PRUNE == _PRUNE - 1:
                left = orbits - 1 - orbit
                live = _prune(work, direction, steps, live, i32(x), i32(y), i32(side), i32(left))
                if live == 0:
                    break
        raster.copy(canvas, images[number])


@kernel
def _grow(work: Any, direction: Any, steps: Any, count: Any, key: Any, x: Any, y: Any) -> None:
    """Grow every vertex by one orbit and set its pixel in rows X and Y.

    One hash of (orbit key, vertex) gives both noise draws. Three loops, because the look-up in the
    middle is the one that does not compile to vector instructions.
    """
    for i in range(count):
        h = u32(u32(work[_HASH + i]) + key)
        h = u32(u32(h ^ (h >> u32(16))) * u32(0x7FEB352D))
        h = u32(u32(h ^ (h >> u32(15))) * u32(0x846CA68B))
        work[X + i] = i32(h >> u32(20))
        work[Y + i] = i32((h >> u32(8)) & u32(0xFFF))
    for i in range(count):
        work[X + i] = steps[u32(work[X + i])]
        work[Y + i] = steps[u32(work[Y + i])]
    for i in range(count):
        a = i32(work[_A + i] + i32(work[_GROWTH + i] - work[X + i]))
        b = i32(work[_B + i] + i32(work[_GROWTH + i] - work[Y + i]))
        work[_A + i] = a
        work[_B + i] = b
        work[X + i] = _pixel(i32(i32(f32(a) * direction[_COSINE + i]) + x))
        work[Y + i] = _pixel(i32(i32(f32(b) * direction[_SINE + i]) + y))


@kernel
def _pixel(position: Any) -> Any:
    """Cast a position to a pixel, toward zero as Pillow does."""
    return i32(i32(position + i32(i32(position >> i32(31)) & i32(0xFFF))) >> i32(FRACTION))


@kernel
def _prune(
    work: Any, direction: Any, steps: Any, count: Any, x: Any, y: Any, side: Any, left: Any
) -> Any:
    """Drop the vertices whose segments cannot be seen in any of the ``left`` coming orbits.

    A vertex cannot pass the border that it is beyond if it does not even with the least and the
    greatest growth in every orbit; a segment is gone when both ends stay beyond the same border.
    What is drawn does not change. Returns the number of vertices kept.
    """
    least, most = steps[0], steps[len(steps) - 1]
    for i in range(count):
        shrink = i32(min(i32(work[_GROWTH + i] - most), i32(0)) * left)
        extend = i32(max(i32(work[_GROWTH + i] - least), i32(0)) * left)
        cosine, sine = direction[_COSINE + i], direction[_SINE + i]
        a, b = work[_A + i], work[_B + i]
        x0 = _pixel(i32(i32(f32(i32(a + shrink)) * cosine) + x))
        x1 = _pixel(i32(i32(f32(i32(a + extend)) * cosine) + x))
        y0 = _pixel(i32(i32(f32(i32(b + shrink)) * sine) + y))
        y1 = _pixel(i32(i32(f32(i32(b + extend)) * sine) + y))
        beyond = i32(0)
        if x0 < 0 and x1 < 0:
            beyond |= i32(1)
        if y0 < 0 and y1 < 0:
            beyond |= i32(2)
        if x0 >= side and x1 >= side:
            beyond |= i32(4)
        if y0 >= side and y1 >= side:
            beyond |= i32(8)
        work[X + i] = beyond
    work[X + count] = work[X]
    kept = 0
    before = work[LINK + count - 1] != 0 and work[X + count - 1] & work[X] == 0
    for i in range(count):
        seen = work[LINK + i] != 0 and work[X + i] & work[X + i + 1] == 0
        work[_A + kept] = work[_A + i]
        work[_B + kept] = work[_B + i]
        work[_GROWTH + kept] = work[_GROWTH + i]
        work[_HASH + kept] = work[_HASH + i]
        direction[_COSINE + kept] = direction[_COSINE + i]
        direction[_SINE + kept] = direction[_SINE + i]
        work[LINK + kept] = i32(-1) if seen else i32(0)
        kept += seen or before
        before = seen
    return kept
