"""The authors' programs in plain Python: the slow way that compiled streams are compared with."""

import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from explorer.formulas import noise
from explorer.formulas.base import Images


def official_visual_atom(a: dict[str, Any]) -> Iterator[tuple[Images, int]]:
    """Yield the image and the number of segments of every instance, for the authors' arguments."""
    rng = random.Random(a["thread_num"] + 1)
    side = a["image_size"]

    def position() -> float:
        return float(side + rng.randint(-a["start_pos"], a["start_pos"])) / 2

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


def official_rcdb(a: dict[str, Any]) -> Iterator[tuple[Images, int]]:
    """Yield the image and the number of segments of every instance, for the authors' arguments."""
    rng = random.Random(a["thread_num"] + 1)
    side = a["image_size"]

    def position() -> float:
        return float(side + rng.randint(-a["start_pos"], a["start_pos"])) / 2

    for _ in range(a["numof_classes"] // a["numof_thread"]):
        q = int(rng.expovariate(1 / 100))
        while q <= 2 or q > a["vertex_num"]:
            q = int(rng.expovariate(1 / 100))
        orbits = rng.randint(a["line_num_min"], a["line_num_min"] + 199)
        level = rng.uniform(a["perlin_min"], a["perlin_min"] + 4)
        width = rng.uniform(0.0, a["line_width"])
        radius = rng.randint(a["radius_min"], a["radius_min"] + 100)
        oval_x, oval_y = rng.uniform(1, a["oval_rate"]), rng.uniform(1, a["oval_rate"])
        y0, x0 = position(), position()
        angle = math.pi * 2 / q
        for _ in range(a["numof_instances"]):
            image = Image.new("L", (side, side), 255)
            draw = ImageDraw.Draw(image)
            xs = [math.cos(angle * i) * radius * oval_x for i in range(q)]
            ys = [math.sin(angle * i) * radius * oval_y for i in range(q)]
            for _ in range(orbits):
                grey = min(rng.randint(0, side // 2), 255)
                along_x, along_y = (
                    [p * level * 2 - level for p in _pnoise1(positions)]
                    for positions in ([rng.uniform(0, 10000) for _ in range(q)] for _ in range(2))
                )
                for i in range(q):
                    xs[i] -= math.cos(angle * i) * (along_x[i] - width)
                    ys[i] -= math.sin(angle * i) * (along_y[i] - width)
                polygon(draw, [x + x0 for x in xs], [y + y0 for y in ys], grey)
            yield np.asarray(image), q * orbits
            oval_x, oval_y = rng.uniform(1, a["oval_rate"]), rng.uniform(1, a["oval_rate"])
            radius = rng.randint(a["radius_min"], a["radius_min"] + 100)
            y0, x0 = position(), position()


def polygon(draw: ImageDraw.ImageDraw, xs: list[float], ys: list[float], grey: int) -> None:
    """Draw the segments of a closed polygon one by one."""
    for i in range(len(xs)):
        j = (i + 1) % len(xs)
        draw.line((xs[i], ys[i], xs[j], ys[j]), fill=grey, width=1)


def iterate(system: list[list[float]], count: int, seed: int) -> list[tuple[float, ...]]:
    """Return a random orbit from the origin.

    Args:
        system: One map a row: its matrix by rows, its shift, and the chance that it is chosen; of
            the plane (six numbers and the chance) or of space (twelve).
        count: Number of points.
        seed: Seed of the choices.
    """
    rng = random.Random(seed)
    choices = rng.choices(system, [chance for *_, chance in system], k=count)
    points: list[tuple[float, ...]] = []
    x = y = z = 0.0
    if len(system[0]) == 7:
        for a, b, c, d, e, f, _ in choices:
            x, y = a * x + b * y + e, c * x + d * y + f
            points.append((x, y))
    else:
        for a, b, c, d, e, f, g, h, i, j, k, m, _ in choices:
            x, y, z = (
                a * x + b * y + c * z + j,
                d * x + e * y + f * z + k,
                g * x + h * y + i * z + m,
            )
            points.append((x, y, z))
    return points


def _pnoise1(positions: list[float]) -> list[float]:
    x = np.array(positions, np.float32)
    floor = np.floor(x)
    values: list[float] = noise.value(floor.astype(np.int64), x - floor).tolist()
    return values
