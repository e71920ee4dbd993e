"""Perlin noise images."""

import numpy as np

from explorer import formulas

perlin = formulas.get("perlin")

PLAIN = {
    "frequency": (8, 8),
    "octaves": (1, 1),
    "contrast": (1, 1),
}


def some(ranges=None, *, seed=0, category=0, count=1, canvas=64) -> np.ndarray:
    instances = range(count)
    return perlin.render(ranges, seed=seed, category=category, instances=instances, canvas=canvas)


def test_the_number_of_octaves_does_not_change_the_contrast():
    one = some(PLAIN, count=20, canvas=128).std()
    five = some({**PLAIN, "octaves": (5, 5), "persistence": (0.8, 0.8)}, count=20, canvas=128).std()
    assert abs(five / one - 1) < 0.1


def test_frequency_is_the_number_of_cells_along_each_axis():
    """Gradient noise has its power below, and most of it near, one period a cell."""
    ranges = {"frequency_x": (20, 20), "frequency_y": (5, 5), "octaves": (1, 1)}
    images = some(ranges, count=40, canvas=128) - 127.5
    along = (np.abs(np.fft.rfft(images, axis=2)) ** 2).mean(axis=(0, 1))
    down = (np.abs(np.fft.rfft(images, axis=1)) ** 2).mean(axis=(0, 2))
    frequencies = np.arange(len(along))
    ratio = (frequencies @ along / along.sum()) / (frequencies @ down / down.sum())
    assert 3.4 < ratio < 4.6
