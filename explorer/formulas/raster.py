"""Compiled line raster: closed polygons of many short segments, in one grey.

The pixels are those of Pillow's ``ImageDraw.line(width=1)`` between integer points: Bresenham's
line with both end points, nothing outside the canvas. Pixel ``t`` of a segment of length ``n``
(its extent along the major axis) lies ``floor(t * minor / n + 1/2)`` across, which is what
Pillow's error term computes.

A segment is a few pixels long, so a loop over the pixels of one segment spends its time on a
mispredicted exit. Instead the pixels of all segments are first listed, always a block of a segment
at once and the next segment over what was listed too much, and then set. Setup and listing compile
to vector instructions, and nothing but a segment longer than a block is ever mispredicted.
Coordinates are int32 and live in the rows of one work array, so that the compiler can tell that
they do not overlap.

The same pixels on every machine: all arithmetic is integer but for one float32 division, whose
rounding IEEE 754 fixes (and the pixels do not depend on, see ``_measure``).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from explorer.formulas import streams
from explorer.formulas.compiled import kernel

MAX_VERTICES = 4096
"""Most corners of a polygon."""

CAPACITY = MAX_VERTICES + 16
"""Length of a row of the work array."""

GUARD = 64
"""Width of the margin around a canvas, so that few segments have to be clipped."""

# Rows of the work array. The caller fills the first three: corner i is (X[i], Y[i]), segment i
# leads from corner i to corner i + 1, the last one to corner 0; LINK[i] is -1, or 0 where segment
# i is not to be drawn because it is known to lie outside the canvas.
X, Y, LINK = (row * CAPACITY for row in range(3))
_LENGTH, _START, _SLOPE, _FORWARD, _ACROSS, _CLIPPED = (row * CAPACITY for row in range(3, 9))
_LISTED = 9 * CAPACITY  # pixels to set, one row
ROWS = 10
"""Rows of the work array that the raster uses; a caller may add its own behind them."""

# Pixels that are listed at once. LLVM unrolls the loop over a smaller block, which is half as fast.
_BLOCK = 32
_FULL = 2048  # listed pixels are set when they are more than these
_EXACT = 1024  # longest segment that a slope of 24 binary digits draws exactly

i32 = np.int32
u32 = np.uint32
u64 = np.uint64
f32 = np.float32

_mix: Any = kernel(streams.mix)


def canvas_array(side: int) -> npt.NDArray[np.uint8]:
    """Allocate a black canvas ``[side + 2 * GUARD, stride]``; the image is inside the guard.

    The stride is an odd number of cache lines: in rows of 512 bytes a vertical stroke would fall
    into one eighth of the cache.
    """
    full = side + 2 * GUARD
    return np.zeros((full, 64 * (-(-full // 64) | 1)), np.uint8)


def work_array(rows: int = ROWS) -> npt.NDArray[np.int32]:
    """Allocate scratch space of so many rows for :func:`polygon`."""
    return np.zeros(rows * CAPACITY, np.int32)


@kernel
def clear(canvas: Any, grey: Any) -> None:
    """Set a canvas, but for its guard, to one grey.

    Loops over single rows here and below: numba does not make one copy a row of a slice.
    """
    side = canvas.shape[0] - 2 * GUARD
    for y in range(GUARD, GUARD + side):
        row = canvas[y, GUARD : GUARD + side]
        for x in range(side):
            row[x] = grey


@kernel
def copy(canvas: Any, image: Any) -> None:
    """Copy what is inside the guard to an image, uint8 ``[side, side]``."""
    side = len(image)
    for y in range(side):
        to, row = image[y], canvas[GUARD + y, GUARD : GUARD + side]
        for x in range(side):
            to[x] = row[x]


@kernel
def polygon(canvas: Any, work: Any, count: Any, grey: Any) -> None:
    """Draw a closed polygon.

    Args:
        canvas: From :func:`canvas_array`; drawn on in place (the guard receives pixels too).
        work: From :func:`work_array`, with the first ``count`` entries of rows X, Y and LINK set.
        count: Number of corners, 1 to ``MAX_VERTICES``.
        grey: uint8.
    """
    side = canvas.shape[0] - 2 * GUARD
    work[X + count] = work[X]
    work[Y + count] = work[Y]
    if _measure(work, count, side, canvas.shape[1]):
        for i in range(count):
            if work[_CLIPPED + i]:
                x, y = work[X + i], work[Y + i]
                line(canvas, x, y, work[X + i + 1], work[Y + i + 1], grey)
    _draw(canvas.reshape(-1), work, count, grey)


@kernel
def line(canvas: Any, x0: Any, y0: Any, x1: Any, y1: Any, grey: Any) -> None:
    """Draw what the canvas shows of one line of any length, both end points included."""
    x0, y0, x1, y1 = np.int64(x0), np.int64(y0), np.int64(x1), np.int64(y1)
    side, stride = canvas.shape[0] - 2 * GUARD, canvas.shape[1]
    pixels = canvas.reshape(-1)
    major, minor = abs(x1 - x0), abs(y1 - y0)
    forward, across = (1 if x1 > x0 else -1), (1 if y1 > y0 else -1)
    u, v, to_u, to_v = x0, y0, 1, stride
    if major < minor:
        major, minor = minor, major
        forward, across = across, forward
        u, v, to_u, to_v = v, u, to_v, to_u
    first = max(0, -u if forward > 0 else u - side + 1)
    last = min(major, side - 1 - u if forward > 0 else u)
    # So many steps across lead into the canvas, and so many to its other border.
    enter = -v if across > 0 else v - side + 1
    leave = side - 1 - v if across > 0 else v
    if enter > minor or leave < 0:
        return
    if enter > 0:
        first = max(first, _first_after(enter, major, minor))
    if leave < minor:
        last = min(last, _first_after(leave + 1, major, minor) - 1)
    # Position across at the first pixel, then Bresenham's error term from there.
    double = max(2 * major, 1)
    error = 2 * minor * first + major
    v += across * (error // double)
    error %= double
    pixel = (u + forward * first + GUARD) * to_u + (v + GUARD) * to_v
    for _ in range(first, last + 1):
        pixels[np.uint64(pixel)] = grey
        pixel += forward * to_u
        error += 2 * minor
        if error >= double:
            error -= double
            pixel += across * to_v


@kernel
def _first_after(steps: Any, major: Any, minor: Any) -> Any:
    """Return the first pixel of a line that is so many steps across, 1 to ``minor``."""
    return ((2 * steps - 1) * major + 2 * minor - 1) // (2 * minor)


@kernel
def _measure(work: Any, count: Any, side: Any, stride: Any) -> Any:
    """Prepare every segment; returns whether any has to be clipped.

    The slope is minor / length in units of 2**-24, rounded up by 1/2 to 5/2 units: float32
    division is off by at most half a unit, truncation by one, and two are added. Pixel t of n
    must not reach the next half before its time, that is t * 5/2 * 2**-24 < 1 / (2n): true for all
    t < n <= _EXACT; and every tie is rounded up as Bresenham does.
    """
    stride = i32(stride)
    edge = i32(side - 1)
    guard = i32(GUARD)
    any_clipped = i32(0)
    for i in range(count):
        x0, x1, y0, y1 = work[X + i], work[X + i + 1], work[Y + i], work[Y + i + 1]
        dx, dy = i32(x1 - x0), i32(y1 - y0)
        right = i32(1) if dx > 0 else i32(-1)
        down = stride if dy > 0 else i32(-stride)
        dx, dy = i32(abs(dx)), i32(abs(dy))
        length, minor = max(dx, dy), min(dx, dy)
        forward, across = (right, down) if dx > dy else (down, right)
        # In the sign bit: are both ends beyond the same border, is either beyond the guard?
        fx0, fx1, fy0, fy1 = i32(edge - x0), i32(edge - x1), i32(edge - y0), i32(edge - y1)
        beyond = i32((x0 & x1) | (y0 & y1) | (fx0 & fx1) | (fy0 & fy1))
        near = i32(i32(x0 + guard) | i32(x1 + guard) | i32(y0 + guard) | i32(y1 + guard))
        far = i32(i32(fx0 + guard) | i32(fx1 + guard) | i32(fy0 + guard) | i32(fy1 + guard))
        outside = i32(near | far | i32(i32(_EXACT) - length))
        clipped = i32(i32((outside & ~beyond) >> i32(31)) & work[LINK + i])
        any_clipped = i32(any_clipped | clipped)
        work[_CLIPPED + i] = clipped
        # Length -1 says that there is nothing to draw here.
        work[_LENGTH + i] = i32(length | i32((outside | beyond) >> i32(31)) | ~work[LINK + i])
        work[_START + i] = i32(i32(i32(y0 + guard) * stride) + i32(x0 + guard))
        slope = f32(minor) / f32(max(length, i32(1))) * f32(1 << 24)
        work[_SLOPE + i] = i32(i32(slope) + i32(2))
        work[_FORWARD + i] = forward
        work[_ACROSS + i] = across
    return any_clipped


@kernel
def _draw(pixels: Any, work: Any, count: Any, grey: Any) -> None:
    """Draw all measured segments.

    The last pixel of a segment is left to the next one, which begins there.
    """
    listed = u32(0)
    for i in range(count):
        length = work[_LENGTH + i]
        if length < 0:
            continue
        pixel, fraction, slope = work[_START + i], i32(1 << 23), work[_SLOPE + i]
        forward, across = work[_FORWARD + i], work[_ACROSS + i]
        end = u32(listed + u32(max(length, i32(1))))
        while True:
            for t in range(_BLOCK):
                moved = i32(i32(fraction + i32(slope * i32(t))) >> i32(24))
                ahead = i32(pixel + i32(forward * i32(t)))
                work[u32(_LISTED) + listed + u32(t)] = i32(ahead + i32(across * moved))
            listed = u32(listed + u32(_BLOCK))
            if listed >= end:
                break
            fraction = i32(fraction + i32(slope * i32(_BLOCK)))
            pixel = i32(pixel + i32(forward * i32(_BLOCK)))
            pixel = i32(pixel + i32(across * i32(fraction >> i32(24))))
            fraction = i32(fraction & i32(0xFFFFFF))
        listed = end
        if listed > u32(_FULL):
            _set(pixels, work, listed, grey)
            listed = u32(0)
    _set(pixels, work, listed, grey)


@kernel
def _set(pixels: Any, work: Any, count: Any, grey: Any) -> None:
    """Set the listed pixels; unrolled, which numba does not do itself."""
    count = np.int64(count)
    whole = count & ~7
    for i in range(0, whole, 8):
        pixels[u32(work[_LISTED + i])] = grey
        pixels[u32(work[_LISTED + i + 1])] = grey
        pixels[u32(work[_LISTED + i + 2])] = grey
        pixels[u32(work[_LISTED + i + 3])] = grey
        pixels[u32(work[_LISTED + i + 4])] = grey
        pixels[u32(work[_LISTED + i + 5])] = grey
        pixels[u32(work[_LISTED + i + 6])] = grey
        pixels[u32(work[_LISTED + i + 7])] = grey
    for i in range(whole, count):
        pixels[u32(work[_LISTED + i])] = grey


@kernel
def cross_out(images: Any, keys: Any, count: Any, width: Any, grey: Any) -> None:
    """Draw lines between uniform places of the canvas over finished images.

    Args:
        images: uint8 ``[n, side, side]``, drawn on in place.
        keys: uint64 ``[n]``, the random keys of the lines of an image.
        count: Lines over an image.
        width: Pixels of a line across its major axis.
        grey: uint8, grey of the lines.
    """
    side = images.shape[1]
    for number in range(len(images)):
        image = images[number]
        for k in range(count):
            word = _mix(keys[number] + u64(k + 1) * u64(streams.GOLDEN))
            x, y = _place(word, side), _place(word >> u64(16), side)
            to_x, to_y = _place(word >> u64(32), side), _place(word >> u64(48), side)
            dx, dy = abs(to_x - x), abs(to_y - y)
            right, down = (1 if to_x > x else -1), (1 if to_y > y else -1)
            length, minor = max(dx, dy), min(dx, dy)
            double = max(2 * length, 1)
            error = length
            for _ in range(length + 1):
                for w in range(-(width // 2), width - width // 2):
                    u, v = (x, y + w) if dx >= dy else (x + w, y)
                    if 0 <= u < side and 0 <= v < side:
                        image[v, u] = grey
                error += 2 * minor
                step = error >= double
                error -= double if step else 0
                if dx >= dy:
                    x += right
                    y += down if step else 0
                else:
                    y += down
                    x += right if step else 0


@kernel
def _place(word: Any, side: Any) -> Any:
    """Turn the last 16 bits of a uniform word into a pixel of 0..side - 1."""
    return np.int64((word & u64(0xFFFF)) * u64(side) >> u64(16))
