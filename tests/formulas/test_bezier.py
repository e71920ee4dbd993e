"""Bezier curves against the plain definition."""

import numpy as np
import pytest
from scipy.special import comb

from explorer import formulas
from explorer.formulas import bezier

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
