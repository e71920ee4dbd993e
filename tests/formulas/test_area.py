from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.formulas import area


def reduced(images: np.ndarray, size: int) -> np.ndarray:
    out = np.empty((len(images), size, size), np.uint8)
    area.average(images, out)
    return out


def weights(canvas: int, size: int) -> list[list[Fraction]]:
    """Part of canvas pixel x that lies under output pixel j."""
    scale = Fraction(canvas, size)
    return [
        [max(Fraction(0), min(x + 1, (j + 1) * scale) - max(x, j * scale)) for x in range(canvas)]
        for j in range(size)
    ]


def exact(image: np.ndarray, size: int) -> np.ndarray:
    across = np.array(weights(len(image), size))
    mean = across @ image.astype(object) @ across.T * Fraction(size, len(image)) ** 2
    return np.array([[floor(value + Fraction(1, 2)) for value in row] for row in mean])


@settings(max_examples=60)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1))
def test_average_is_exact_for_any_ratio(canvas, size, seed):
    canvas, size = max(canvas, size), min(canvas, size)
    image = np.random.default_rng(seed).integers(0, 256, (canvas, canvas), np.uint8)
    assert np.array_equal(reduced(image[None], size)[0], exact(image, size))


@pytest.mark.parametrize("grey", [0, 1, 127, 255])
@pytest.mark.parametrize(("canvas", "size"), [(4096, 37), (1000, 999)])
def test_a_flat_image_stays_flat_at_any_size(canvas, size, grey):
    images = np.full((1, canvas, canvas), grey, np.uint8)
    assert (reduced(images, size) == grey).all()
