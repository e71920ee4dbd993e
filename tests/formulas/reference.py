"""The orbits of VisualAtom and RCDB in plain Python.

Slow and simple: every orbit is computed and every line drawn, by Pillow.
"""

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.plain import polygon
from explorer.formulas import streams


def draw_orbits(
    images, keys, starts, orbits, cosine, sine, growth, steps, grey_low, grey_high, background=0
) -> None:
    """Do what ``orbits.draw`` does, with its arguments, without pruning or clipping."""
    q = len(growth)
    vertex = streams.mix(np.arange(q, dtype=np.uint64)).astype(np.uint32)
    cosine, sine = ((values * 2.0**-30).astype(np.float32) for values in (cosine, sine))
    side = images.shape[1]
    for number in range(len(images)):
        x, y, a, b = (np.full(q, value) for value in starts[number])
        image = Image.new("L", (side, side), background)
        draw = ImageDraw.Draw(image)
        for orbit in range(orbits):
            count = np.array([orbit + 1], np.uint64) * np.uint64(streams.GOLDEN)
            word = int(streams.mix(keys[number] + count)[0])
            grey = grey_low + ((word >> 32) * (grey_high - grey_low + 1) >> 32)
            h = vertex + np.uint32(word & 0xFFFFFFFF)
            h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
            h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
            a = a + growth - steps[h >> np.uint32(20)]
            b = b + growth - steps[(h >> np.uint32(8)) & np.uint32(4095)]
            xs = x + (a.astype(np.float32) * cosine).astype(np.int64)
            ys = y + (b.astype(np.float32) * sine).astype(np.int64)
            polygon(draw, (xs / 4096).tolist(), (ys / 4096).tolist(), int(grey))
        images[number] = np.asarray(image)
