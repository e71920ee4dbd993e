"""The image families in plain Python, after the papers and the authors' definition.

Slow and simple: every orbit is computed and every line drawn, by Pillow. An oracle for the
compiled kernels, and what ``benchmarks/render.py`` compares them with.
"""

import math
import random
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from explorer.formulas import noise, streams


def official_visual_atom(a: dict) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the image and the number of segments of every instance, for the authors' arguments."""
    rng = random.Random(a["thread_num"] + 1)
    side = a["image_size"]

    def position() -> float:
        return (side + rng.randint(-a["start_pos"], a["start_pos"])) / 2

    for _ in range(a["numof_classes"] // a["numof_thread"]):
        q = rng.randint(a["vertex_num_min"], a["vertex_num_max"])
        orbits = rng.randint(a["line_num_min"], a["line_num_max"])
        level = rng.uniform(a["perlin_min"], a["perlin_min"] + 4)
        width = rng.uniform(0.0, a["line_width"])
        radius = rng.randint(a["radius_min"], a["radius_min"] + 50)
        n1 = rng.randint(a["nami_1_min"], a["nami_1_max"])
        n2 = rng.randint(a["nami_2_min"], a["nami_2_max"])
        while n1 == n2 and n1 != 0:
            n2 = rng.randint(a["nami_2_min"], a["nami_2_max"])
        oval_x, oval_y = rng.uniform(1, a["oval_rate"]), rng.uniform(1, a["oval_rate"])
        y0, x0 = position(), position()
        angle = math.pi * 2 / q
        for _ in range(a["numof_instances"]):
            image = Image.new("L", (side, side))
            draw = ImageDraw.Draw(image)
            xs = [math.cos(angle * i) * radius * oval_x + x0 for i in range(q)]
            ys = [math.sin(angle * i) * radius * oval_y + y0 for i in range(q)]
            for _ in range(orbits):
                grey = rng.randint(0, 255)
                pushed = []
                for _ in range(2):
                    p = _pnoise1([rng.uniform(0, 10000) for _ in range(q)])
                    pushed.append(
                        [
                            p[i] * level
                            - level
                            - 0.5 * math.sin(angle * i * n1)
                            - 0.5 * math.sin(angle * i * n2)
                            for i in range(q)
                        ]
                    )
                for i in range(q):
                    xs[i] -= math.cos(angle * i) * (pushed[0][i] - width)
                    ys[i] -= math.sin(angle * i) * (pushed[1][i] - width)
                polygon(draw, xs, ys, grey)
            yield np.asarray(image), q * orbits
            y0, x0 = position(), position()


def polygon(draw: ImageDraw.ImageDraw, xs: list, ys: list, grey: int) -> None:
    """Draw the segments of a closed polygon one by one."""
    for i in range(len(xs)):
        j = (i + 1) % len(xs)
        draw.line((xs[i], ys[i], xs[j], ys[j]), fill=grey, width=1)


def draw_orbits(
    images, keys, starts, orbits, cosine, sine, growth, steps, grey_low, grey_high
) -> None:
    """Do what ``orbits.draw`` does, with its arguments, without pruning or clipping."""
    q = len(growth)
    vertex = streams.mix(np.arange(q, dtype=np.uint64)).astype(np.uint32)
    cosine, sine = ((values * 2.0**-30).astype(np.float32) for values in (cosine, sine))
    side = images.shape[1]
    for number in range(len(images)):
        x, y, a, b = (np.full(q, value) for value in starts[number])
        image = Image.new("L", (side, side))
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


def _pnoise1(positions: list[float]) -> list[float]:
    x = np.array(positions, np.float32)
    floor = np.floor(x)
    return noise.value(floor.astype(np.int64), x - floor).tolist()
