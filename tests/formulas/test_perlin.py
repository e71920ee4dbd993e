"""Perlin noise images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer import formulas
from explorer.formulas import gradient_noise
from tests.formulas import reference

perlin = formulas.get("perlin")

PLAIN = {
    "frequency": (8, 8),
    "octaves": (1, 1),
    "contrast": (1, 1),
}


def some(ranges=None, *, seed=0, category=0, count=1, canvas=64) -> np.ndarray:
    instances = range(count)
    return perlin.render(ranges, seed=seed, category=category, instances=instances, canvas=canvas)


@settings(max_examples=60)
@given(
    fx=st.floats(0, 256),
    fy=st.floats(0, 256),
    octaves=st.integers(1, 8),
    persistence=st.floats(0, 1),
    lacunarity=st.floats(1, 4),
    canvas=st.integers(16, 160),
    seed=st.integers(0, 2**63 - 1),
)
def test_pixels_are_those_of_the_plain_definition(
    fx, fy, octaves, persistence, lacunarity, canvas, seed
):
    ranges = {
        "frequency_x": (fx, fx),
        "frequency_y": (fy, fy),
        "octaves": (octaves, octaves),
        "persistence": (persistence, persistence),
        "lacunarity": (lacunarity, lacunarity),
        "contrast": (1, 1),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient_noise, "draw", reference.gradient_noise)
        expected = some(ranges, seed=seed, canvas=canvas)
    difference = some(ranges, seed=seed, canvas=canvas).astype(int) - expected
    # Fractions and products are cut off after 14 binary digits, 256 grey levels to a unit.
    assert np.abs(difference).max() <= 1


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
