"""Compiled kernel of Bezier curves.

The same pixels on every machine: places are integer hashes, and positions are float64 with nothing
but single IEEE 754 products and sums, in the order that is written (see iterated.py).
"""

from typing import Any

import numpy as np

from explorer.formulas import raster, streams
from explorer.formulas.compiled import kernel
from explorer.formulas.raster import LINK, X, Y

i32 = np.int32
u64 = np.uint64

_mix: Any = kernel(streams.mix)


@kernel
def draw(
    images: Any,
    keys: Any,
    shape: Any,
    centres: Any,
    weights: Any,
    curves: Any,
    closed: Any,
    jitter: Any,
    half: Any,
    low: Any,
    high: Any,
    canvas: Any,
    work: Any,
) -> None:
    """Draw instances of one category on black.

    Args:
        images: uint8 ``[n, side, side]``, overwritten.
        keys: uint64 ``[n]``, the random keys of the instances.
        shape: uint64, the random key of the control points of the category.
        centres: float64 ``[n, 2]``, x and y in pixels.
        weights: float64 ``[control points, vertices]``, of every control point at every vertex.
        curves: Curves of an image.
        closed: Whether the last vertex is joined to the first.
        jitter: Part of the place of a control point that is the instance's, 0..1.
        half: Half the side of the square of the control points in pixels.
        low: Least grey of a curve.
        high: Greatest grey of a curve.
        canvas: From :func:`raster.canvas_array`.
        work: From :func:`raster.work_array`.
    """
    points, count = weights.shape
    xs, ys = np.empty(count), np.empty(count)
    for i in range(count):
        work[LINK + i] = i32(-1)
    if not closed:
        work[LINK + count - 1] = i32(0)
    shades = u64(high - low + 1)
    for number in range(len(images)):
        raster.clear(canvas, np.uint8(0))
        for curve in range(curves):
            word = _mix(keys[number] + u64(curve + 1) * u64(streams.GOLDEN))
            xs[:] = centres[number, 0]
            ys[:] = centres[number, 1]
            for point in range(points):
                place = _mix(shape + u64(curve * points + point + 1) * u64(streams.GOLDEN))
                other = _mix(word + u64(point + 1) * u64(streams.GOLDEN))
                x = half * ((1.0 - jitter) * _place(place) + jitter * _place(other))
                place, other = place << u64(32), other << u64(32)
                y = half * ((1.0 - jitter) * _place(place) + jitter * _place(other))
                weight = weights[point]
                for i in range(count):
                    xs[i] = xs[i] + weight[i] * x
                    ys[i] = ys[i] + weight[i] * y
            for i in range(count):
                work[X + i] = i32(np.floor(xs[i]))
                work[Y + i] = i32(np.floor(ys[i]))
            shade = ((word >> u64(32)) * shades) >> u64(32)
            raster.polygon(canvas, work, count, np.uint8(low + np.int64(shade)))
        raster.copy(canvas, images[number])


@kernel
def _place(word: Any) -> Any:
    """Turn the upper half of a uniform word into a number of -1..1."""
    return np.float64(np.int64(word >> u64(32))) * 2.0**-31 - 1.0
