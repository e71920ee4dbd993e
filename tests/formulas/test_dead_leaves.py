"""Dead leaves: the law of the radius, the shapes and how they cover one another."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from explorer import formulas
from explorer.formulas import dead_leaves, leaves

family = formulas.get("dead_leaves")

DISC, SQUARE, TURNED, RECTANGLE, TRIANGLE, QUADRANGLE = range(6)


def single(shape, count=60, *, mixture=0) -> np.ndarray:
    """Images of one leaf of a radius of 25 pixels each."""
    ranges = {"smallest": (0.1, 0.1), "largest": (0.1, 0.1), "leaves": (1, 1), "grey": (255, 255)}
    ranges |= {"shape": (shape, shape), "mixture": (mixture, mixture)}
    return family.render(ranges, seed=0, category=0, instances=range(count), canvas=256) > 0


def inside(images: np.ndarray) -> np.ndarray:
    """Those that do not touch the border."""
    border = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    return images[~np.any(border, axis=(0, 2))]


@pytest.mark.parametrize("exponent", [0, 1, 3, 6])
@pytest.mark.parametrize(("smallest", "largest"), [(0.03, 1.0), (0.1, 0.2), (0.3, 0.3), (0.5, 0.1)])
def test_radii_have_the_published_law(exponent, smallest, largest):
    """The radius whose cumulated chance is nearest to a uniform number."""
    radii, borders = dead_leaves.radius_law(exponent, smallest, largest)
    expected = np.linspace(smallest, max(smallest, largest), 200)
    assert np.allclose(radii, expected)
    chance = expected**-exponent - (expected[-1] ** -exponent if exponent else 0)
    chance = np.ones(200) if np.ptp(expected) == 0 else chance
    cumulated = np.cumsum(chance) / chance.sum()
    for uniform in np.random.default_rng(0).random(300):
        ours = (borders <= int(uniform * 2**32)).sum()
        distance = np.abs(cumulated - uniform)
        assert distance[ours] <= distance.min() + 1e-8


@given(
    angles=st.lists(st.floats(0, 6.28), min_size=3, max_size=4, unique=True).map(sorted),
    radius=st.integers(1, 60),
    centre=st.tuples(st.integers(-20, 84), st.integers(-20, 84)),
)
def test_a_polygon_is_what_lies_within_its_edges(angles, radius, centre):
    """All pixels inside, and none more than half a pixel outside."""
    xs = np.rint(centre[0] + radius * np.cos(angles)).astype(np.int64)
    ys = np.rint(centre[1] + radius * np.sin(angles)).astype(np.int64)
    # Rounding may turn a small polygon inside out.
    (x1, y1), (x2, y2) = ((np.roll(xs, k) - xs, np.roll(ys, k) - ys) for k in (-1, 1))
    assume((x1 * y2 >= x2 * y1).all())
    left, right = np.zeros((2, 64), np.int64)
    first, last = leaves.convex(left, right, xs, ys)
    y, x = np.mgrid[:64, :64]
    drawn = (first <= y) & (y <= last) & (left[y] <= x) & (x <= right[y])
    depth = np.full((64, 64), np.inf)
    for i in range(len(xs)):
        edge = complex(xs[i] - xs[i - 1], ys[i] - ys[i - 1])
        if edge:
            beside = edge.real * (y - ys[i]) - edge.imag * (x - xs[i])
            depth = np.minimum(depth, beside / abs(edge))
    box = (xs.min() <= x) & (x <= xs.max()) & (ys.min() <= y) & (y <= ys.max())
    assert not (drawn & ~box).any()
    assert (depth[drawn] >= -0.5 - 1e-9).all()
    assert drawn[(depth >= 0) & box].all()


def test_a_disc_is_all_that_is_no_farther_than_its_radius():
    y, x = np.mgrid[-25:26, -25:26]
    for image in inside(single(DISC)):
        rows, columns = np.nonzero(image)
        top, left = rows.min(), columns.min()
        assert (image[top : top + 51, left : left + 51] == (x * x + y * y <= 625)).all()
        assert image.sum() == (x * x + y * y <= 625).sum()


def test_leaves_fall_until_nothing_is_bare():
    ranges = {"grey": (1, 255), "smallest": (0.05, 0.05), "shape": (0, 0), "mixture": (0, 0)}
    few, many = (
        family.render(
            ranges | {"leaves": (n, n)}, seed=1, category=0, instances=range(5), canvas=96
        )
        for n in (30, 5_000)
    )
    assert (few.min(axis=(1, 2)) == 0).all()
    assert (many > 0).all()


def test_a_mixture_has_all_shapes_and_a_category_its_own():
    mixed, own = single(SQUARE, 400, mixture=0.6), single(SQUARE, 400)
    squares = [np.mean(inside(images).sum(axis=(1, 2)) == 37**2) for images in (own, mixed)]
    assert squares[0] == 1
    # Upright squares are 0.4 + 0.6 / 6 of all leaves.
    assert abs(squares[1] - 0.5) < 0.1
