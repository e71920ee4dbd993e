"""Compiled kernels of the authors' streams: the authors' arithmetic, operation by operation.

Mersenne Twister (Matsumoto & Nishimura, 1998) as CPython's ``random`` uses it, ``pnoise1`` in
float32, positions in float64. numba contracts no products and sums unless ``fastmath`` is asked
for, so that every operation rounds as in the authors' program.
"""

from typing import Any

import numpy as np

from explorer.formulas import raster
from explorer.formulas.compiled import kernel
from explorer.formulas.noise import GRADIENTS
from explorer.formulas.raster import LINK, MAX_VERTICES, X, Y

_STATE = 624  # words of the Mersenne Twister; the state array holds the position behind them
_SHIFT = 397

f32 = np.float32
u32 = np.uint32


@kernel
def _refill(state: Any) -> None:
    for i in range(_STATE - _SHIFT):
        state[i] = _twist(state[i], state[i + 1], state[i + _SHIFT])
    for i in range(_STATE - _SHIFT, _STATE - 1):
        state[i] = _twist(state[i], state[i + 1], state[i + _SHIFT - _STATE])
    state[_STATE - 1] = _twist(state[_STATE - 1], state[0], state[_SHIFT - 1])
    state[_STATE] = u32(0)


@kernel
def _twist(word: Any, following: Any, shifted: Any) -> Any:
    y = u32((word & u32(0x80000000)) | (following & u32(0x7FFFFFFF)))
    return u32(shifted ^ (y >> u32(1)) ^ u32(u32(y & u32(1)) * u32(0x9908B0DF)))


@kernel
def _temper(y: Any) -> Any:
    y = u32(y ^ (y >> u32(11)))
    y = u32(y ^ (u32(y << u32(7)) & u32(0x9D2C5680)))
    y = u32(y ^ (u32(y << u32(15)) & u32(0xEFC60000)))
    return u32(y ^ (y >> u32(18)))


@kernel
def words(state: Any, out: Any) -> None:
    """Fill ``out`` (uint32) with the next words of the generator."""
    done: Any = 0
    while done < len(out):
        if state[_STATE] >= u32(_STATE):
            _refill(state)
        position: Any = np.int64(state[_STATE])
        some: Any = min(_STATE - position, len(out) - done)
        for i in range(some):
            out[done + i] = _temper(state[position + i])
        state[_STATE] = u32(position + some)
        done += some


@kernel
def integer(state: Any, high: Any) -> Any:
    """Draw ``random.randint(0, high)``, high < 2**31: random bits, drawn again while above it."""
    values, bits = high + 1, 0
    while values >> bits:
        bits += 1
    word = np.empty(1, np.uint32)
    words(state, word)
    while np.int64(word[0]) >> (32 - bits) > high:
        words(state, word)
    return np.int64(word[0]) >> (32 - bits)


@kernel
def unit(high: Any, low: Any) -> Any:
    """Combine two words to ``random.random()``."""
    return (np.float64(high >> u32(5)) * 67108864.0 + np.float64(low >> u32(6))) * 2.0**-53


@kernel
def pnoise1(position: Any) -> Any:
    """Perlin noise of one octave at a position >= 0, in float32 like the package ``noise``."""
    x = f32(position)
    whole = np.int32(x)
    cell = u32(whole) & u32(255)
    f = f32(x - f32(whole))
    fade = f * f * f * (f * (f * f32(6) - f32(15)) + f32(10))
    left = f32(f * GRADIENTS[cell])
    right = f32(f32(f - f32(1)) * GRADIENTS[cell + u32(1)])
    return f32(0.4) * f32(left + f32(fade * f32(right - left)))


@kernel
def grow(
    canvas: Any,
    work: Any,
    state: Any,
    xs: Any,
    ys: Any,
    cosine: Any,
    sine: Any,
    waves: Any,
    orbits: Any,
    level: Any,
    gain: Any,
    width: Any,
    x: Any,
    y: Any,
    background: Any,
    grey_high: Any,
) -> None:
    """Draw the orbits of one instance of VisualAtom or of radial contours.

    Args:
        canvas: From ``raster.canvas_array``, cleared here.
        work: From ``raster.work_array``.
        state: uint32 ``[625]``, state of the Mersenne Twister; advanced in place.
        xs: float64 ``[q]``, x of the vertices of the nucleus; moved in place.
        ys: float64 ``[q]``, y likewise.
        cosine: float64 ``[q]``, cos θ_i.
        sine: float64 ``[q]``, sin θ_i.
        waves: float64 ``[2, q]``, ½ sin(n1 θ_i) and ½ sin(n2 θ_i).
        orbits: Number of orbits K.
        level: Noise level η.
        gain: The noise is the Perlin value times η times this, less η.
        width: Line width l.
        x: Moves what is drawn, but not the vertices.
        y: Likewise.
        background: uint8, what the canvas is cleared to.
        grey_high: The grey of an orbit is drawn from 0 to this and clipped to 255.
    """
    raster.clear(canvas, background)
    count = len(xs)
    drawn, pushed = np.empty(4 * count, np.uint32), np.empty(2 * count)
    for _ in range(orbits):
        grey = np.uint8(min(integer(state, grey_high), 255))
        words(state, drawn)
        for i in range(2 * count):
            p = pnoise1(10000.0 * unit(drawn[2 * i], drawn[2 * i + 1]))
            pushed[i] = p * level * gain - level
        for i in range(count):
            xs[i] -= cosine[i] * (pushed[i] - waves[0, i] - waves[1, i] - width)
            ys[i] -= sine[i] * (pushed[count + i] - waves[0, i] - waves[1, i] - width)
        # The raster takes so many corners at a time; the closing segment of a part is not drawn.
        for first in range(0, count, MAX_VERTICES - 1):
            segments = min(MAX_VERTICES - 1, count - first)
            for i in range(segments + 1):
                corner = (first + i) % count
                work[X + i] = np.int32(xs[corner] + x)
                work[Y + i] = np.int32(ys[corner] + y)
                work[LINK + i] = np.int32(-1)
            work[LINK + segments] = np.int32(0)
            raster.polygon(canvas, work, segments + 1, grey)
