"""Perlin noise images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

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


def test_values_are_symmetric_around_the_middle_grey():
    images = some(PLAIN, count=40, canvas=128)
    assert abs(images.mean() - 127.5) < 2
    assert 50 < images.std() < 75
    assert images.min() < 20
    assert images.max() > 235


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


def test_images_hold_texture_everywhere_and_contours_nowhere():
    """Neighbouring pixels of a smooth noise differ little, and all parts of an image alike."""
    images = some(PLAIN, count=20, canvas=256).astype(int)
    assert np.abs(np.diff(images, axis=2)).max() < 32
    quarters = images.reshape(20, 2, 128, 2, 128).std(axis=(2, 4))
    assert quarters.min() > 30


def test_draws_are_uniform_over_the_ranges():
    rows = perlin.categories(None, seed=0, categories=range(4_000))
    for name, (low, high) in perlin.resolve().items():
        if name == "octaves":
            counts = np.bincount(rows[name] - low, minlength=high - low + 1)
            assert stats.chisquare(counts).pvalue > 1e-4
        else:
            assert stats.kstest(rows[name], stats.uniform(low, high - low).cdf).pvalue > 1e-4
