"""The image families in plain Python, after the papers and the authors' definition.

Slow and simple: every orbit is computed and every line drawn, by Pillow. An oracle for the
compiled kernels, and what ``explorer bench render`` compares them with.
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


def official_rcdb(a: dict) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the image and the number of segments of every instance, for the authors' arguments."""
    rng = random.Random(a["thread_num"] + 1)
    side = a["image_size"]

    def position() -> float:
        return (side + rng.randint(-a["start_pos"], a["start_pos"])) / 2

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


def polygon(draw: ImageDraw.ImageDraw, xs: list, ys: list, grey: int) -> None:
    """Draw the segments of a closed polygon one by one."""
    for i in range(len(xs)):
        j = (i + 1) % len(xs)
        draw.line((xs[i], ys[i], xs[j], ys[j]), fill=grey, width=1)


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
    points = []
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
    return noise.value(floor.astype(np.int64), x - floor).tolist()


def gradient_noise(images, keys, steps, weights, contrast) -> None:
    """Do what ``gradient_noise.draw`` does, with its arguments, in float64."""
    side = images.shape[1]
    pixel = np.arange(side, dtype=np.uint64)
    for number in range(len(images)):
        total = np.zeros((side, side))
        for octave in range(len(weights)):
            count = np.array([octave + 1], np.uint64) * np.uint64(streams.GOLDEN)
            key = streams.mix(keys[number] + count)
            x = streams.mix(key + np.uint64(1)) + pixel * steps[octave, 0]
            y = streams.mix(key + np.uint64(2)) + pixel * steps[octave, 1]
            total += _perlin(key, x[None, :], y[:, None]) * (weights[octave] / 2**14)
        images[number] = np.clip(np.floor(128 + total * contrast / 2**14), 0, 255)


def _perlin(key: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    cell_x, cell_y = x >> np.uint64(32), y >> np.uint64(32)
    u, v = (x & np.uint64(2**32 - 1)) / 2**32, (y & np.uint64(2**32 - 1)) / 2**32

    def corner(right: int, below: int) -> np.ndarray:
        column = cell_x + np.uint64(right) & np.uint64(2**32 - 1)
        row = cell_y + np.uint64(below) & np.uint64(2**32 - 1)
        angle = (streams.mix(streams.mix(key + row) + column) >> np.uint64(56)) * 2 * np.pi / 256
        return np.cos(angle) * (u - right) + np.sin(angle) * (v - below)

    fade_u, fade_v = (t**3 * (t * (6 * t - 15) + 10) for t in (u, v))
    upper = corner(0, 0) + fade_u * (corner(1, 0) - corner(0, 0))
    lower = corner(0, 1) + fade_u * (corner(1, 1) - corner(0, 1))
    return upper + fade_v * (lower - upper)


def walk(points, system, chances, key) -> int:
    """Do what ``iterated.walk`` does."""
    count = points.shape[1]
    maps = system.tolist()
    counter = np.arange(1, count, dtype=np.uint64) * np.uint64(streams.GOLDEN)
    words = (streams.mix(key + counter) >> np.uint64(33)).tolist()
    x, y, z = points[:, 0].tolist()
    for number, word in enumerate(words):
        a, b, c, d, e, f, g, h, i, p, q, r = maps[
            next((k for k, chance in enumerate(chances[:-1]) if word < chance), len(maps) - 1)
        ]
        x, y, z = (
            (a * x + b * y) + (c * z + p),
            (d * x + e * y) + (f * z + q),
            (g * x + h * y) + (i * z + r),
        )
        points[:, number + 1] = x, y, z
        looks = (number + 1) % 256 == 0 or number + 2 == count
        if looks and not abs(x) + abs(y) + abs(z) < 1e100:
            return number // 256 * 256 + 1
    return count


def chances(system) -> list[int]:
    """Do what ``iterated.borders`` does."""
    volumes = []
    for a, b, c, d, e, f, g, h, i, *_ in system.tolist():
        det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
        volumes.append(abs(det) + (volumes[-1] if volumes else 0.0))
    if volumes[-1] == 0:
        volumes = [float(k + 1) for k in range(len(volumes))]
    return [int(volume / volumes[-1] * 2**31) for volume in volumes]


def _orbit(points, system, weighted, key):
    """Walk from the origin with the chances of the category's system."""
    points[:, 0] = 0
    count = walk(points, weighted, chances(system), key)
    if count < points.shape[1]:
        count = walk(points, system, chances(system), key)
    return points[:, :count].tolist(), count


def _patch(word: np.ndarray, width: int) -> list[bool]:
    """Do what ``iterated.patch_bits`` does: pixels by rows."""
    words = np.array([word])
    while not int(words[0]) >> (64 - width * width):
        words = streams.mix(words + np.uint64(streams.GOLDEN))
    bits = int(words[0]) >> (64 - width * width)
    return [bool(bits >> pixel & 1) for pixel in range(width * width)]


def draw_free(images, orbit_keys, patch_keys, system, weighted, points, width, greys) -> None:
    """Do what ``iterated.draw_free`` does: paste patches, as the authors of FractalDB do."""
    side = images.shape[1]
    margin = min(6, side // 8)
    offset = int(width > 1)
    for number, orbit_key in enumerate(orbit_keys):
        image = Image.new("L", (side, side))
        (xs, ys, _), count = _orbit(points, system, weighted[number], orbit_key)
        pixels = []
        for values in (xs, ys):
            least, extent = min(values), max(values) - min(values)
            parts = [(value - least) / extent if extent > 1e-100 else 0.0 for value in values]
            pixels.append([int(part * (side - 2 * margin) + margin) for part in parts])
        counter = np.arange(count, dtype=np.uint64) * np.uint64(streams.GOLDEN)
        words = streams.mix(patch_keys[number] + counter)
        for x, y, word in zip(*pixels, words, strict=True):
            bits = np.array(_patch(word, width)).reshape(width, width)
            patch = Image.fromarray((bits * greys[number]).astype(np.uint8))
            image.paste(patch, (x + offset, y + offset))
        images[number] = np.asarray(image)


def draw_contractive(
    images, orbit_keys, patches, systems, starts, windows, points, width, greys
) -> None:
    """Do what ``iterated.draw_contractive`` does."""
    side = images.shape[1]
    for number, image in enumerate(images):
        image[:] = 0
        points[:, 0] = *starts[number], 0
        walk(points, systems[number], chances(systems[number]), orbit_keys[number])
        pixels = []
        for values, (shift, scale) in zip(
            points[:2].tolist(), windows[number].tolist(), strict=True
        ):
            low, high = min(values), max(values)
            middle = (high + low) / 2 + (high - low) * shift
            half = (high - low) * (scale / 2)
            extent = (middle + half) - (middle - half)
            stretch = (side - 1) / extent if extent > 1e-100 else 0.0
            pixels.append([int((value - (middle - half)) * stretch) for value in values])
        bits = np.array(_patch(patches[number], width)).reshape(width, width)
        offsets = (np.argwhere(bits) - width // 2).tolist()
        for x, y in zip(*pixels, strict=True):
            for down, across in offsets:
                if 0 <= y + down < side and 0 <= x + across < side:
                    image[y + down, x + across] = greys[number]


def draw_solid(images, keys, system, weighted, points, views, greys) -> None:
    """Do what ``iterated.draw_solid`` does."""
    side = images.shape[1]
    for number, image in enumerate(images):
        image[:] = 0
        axes, count = _orbit(points, system, weighted[number], keys[number])
        axes, count = [axis[1:] for axis in axes], count - 1
        if not count:
            continue
        least, most = min(map(min, axes)), max(map(max, axes))
        scale = 1 / ((most - least) / 2) if most - least > 2e-100 else 0.0
        axes = [[(value - least) * scale - 1 for value in axis] for axis in axes]
        means = [sum_in_order(axis) / count for axis in axes]
        axes = [[value - mean for value in axis] for axis, mean in zip(axes, means, strict=True)]
        cosine, sine = views[number].tolist()
        for x, y, z in zip(*axes, strict=True):
            seen = (4 + (cosine * x - sine * z)) * (math.sqrt(2) - 1)
            column = (1 + (sine * x + cosine * z) / seen) * (side / 2)
            row = (1 + y / seen) * (side / 2)
            if 0 <= row < side and 0 <= column < side:
                image[int(row), int(column)] = greys[number]


def sum_in_order(values: list[float]) -> float:
    """Sum from the first to the last, each partial sum rounded; ``sum`` may compensate."""
    total = 0.0
    for value in values:
        total += value
    return total
