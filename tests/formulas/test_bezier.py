"""Bezier curves against the plain definition."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.special import comb

from explorer import formulas
from explorer.formulas import bezier, streams

curves = formulas.get("bezier")

ONE = {"curves": (1, 1), "position": (0, 0), "size": (1, 1), "grey": (200, 200)}


def some(ranges, count=1, *, category=0, canvas=128) -> np.ndarray:
    return curves.render(ranges, seed=0, category=category, instances=range(count), canvas=canvas)


@pytest.mark.parametrize("points", [2, 3, 9, 32])
@pytest.mark.parametrize("closed", [False, True])
def test_weights_are_bernstein_polynomials(points, closed):
    degree = points if closed else points - 1
    t = np.arange(257 - closed)[None] / 256
    j = np.arange(degree + 1)[:, None]
    expected = comb(degree, j) * t**j * (1 - t) ** (degree - j)
    if closed:
        expected = np.vstack([expected[:1] + expected[-1:], expected[1:-1]])
    assert np.allclose(bezier.bernstein(points, closed), expected, rtol=0, atol=1e-14)


def place(key: int, number: int) -> complex:
    """Two hashed numbers of -1..1."""
    word = int(streams.mix(np.array([(key + number * streams.GOLDEN) % 2**64], np.uint64))[0])
    return complex((word >> 32) * 2.0**-31 - 1, (word & 0xFFFFFFFF) * 2.0**-31 - 1)


def casteljau(control: list[complex], t: float) -> complex:
    while len(control) > 1:
        control = [(1 - t) * a + t * b for a, b in pairwise(control)]
    return control[0]


@pytest.mark.parametrize("closed", [0, 1])
@pytest.mark.parametrize("jitter", [0, 0.3, 1])
def test_pixels_are_those_of_the_plain_definition(closed, jitter):
    ranges = {**ONE, "curves": (7, 7), "closed": (closed, closed), "jitter": (jitter, jitter)}
    row = curves.categories(ranges, seed=0, categories=[3])[0]
    key = int(streams.instance_keys(streams.keys("bezier", 0, [3]), [0])[0])
    image = Image.new("L", (128, 128))
    for curve in range(7):
        word = int(streams.mix(np.array([key + (curve + 1) * streams.GOLDEN & 2**64 - 1], "u8"))[0])
        control = []
        for point in range(int(row["control_points"])):
            mean = place(int(row["shape"]), curve * int(row["control_points"]) + point + 1)
            control.append(64 + 64j + 64 * ((1 - jitter) * mean + jitter * place(word, point + 1)))
        control += control[:1] * closed
        ends = [casteljau(control, k / 256) for k in range(257)]
        pixels = [(int(np.floor(end.real)), int(np.floor(end.imag))) for end in ends]
        for one, other in pairwise(pixels):
            ImageDraw.Draw(image).line([*one, *other], fill=200)
    # Sums in another order may fall into the next pixel; the last pixel of an open curve is free.
    different = np.asarray(image) != some(ranges, category=3)[0]
    assert different.sum() <= 7 + 3


def test_without_jitter_instances_are_one_drawing_and_with_it_variants():
    still, loose, free = (
        some({**ONE, "curves": (9, 9), "jitter": (u, u)}, 2).astype(bool) for u in (0, 0.05, 1)
    )
    assert (still[0] == still[1]).all()
    shared = [np.mean(a[0] & a[1]) / np.mean(a[0] | a[1]) for a in (loose, free)]
    assert 1 > shared[0] > 2 * shared[1]


def test_size_and_position_bound_the_curves():
    ranges = {"size": (0.5, 0.5), "position": (0.25, 0.25), "jitter": (0, 1)}
    y, x = np.nonzero(some(ranges, 20).max(axis=0))
    # The centre is at 64 + 16 pixels, and a quarter of the canvas lies on every side of it.
    assert min(x.min(), y.min()) >= 80 - 32
    assert max(x.max(), y.max()) <= 80 + 32
    assert min(np.ptp(x), np.ptp(y)) > 40
