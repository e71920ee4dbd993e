"""The polygon raster against Pillow's ImageDraw.line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from benchmarks.plain import polygon
from explorer.formulas import raster


def drawn(corners: list[tuple[int, int]], side: int, hidden: set[int] = frozenset()) -> np.ndarray:
    canvas, work = raster.canvas_array(side), raster.work_array()
    count = len(corners)
    work[raster.X : raster.X + count] = [x for x, _ in corners]
    work[raster.Y : raster.Y + count] = [y for _, y in corners]
    work[raster.LINK : raster.LINK + count] = [0 if i in hidden else -1 for i in range(count)]
    raster.polygon(canvas, work, count, np.uint8(200))
    return canvas[raster.GUARD : raster.GUARD + side, raster.GUARD : raster.GUARD + side]


def expected(corners: list[tuple[int, int]], side: int) -> np.ndarray:
    image = Image.new("L", (side, side))
    polygon(ImageDraw.Draw(image), *map(list, zip(*corners, strict=True)), 200)
    return np.asarray(image)


def corners(reach: int, most: int):
    coordinate = st.integers(-reach, reach)
    return st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=most)


@settings(max_examples=150)
@given(corners(60, 40), st.integers(1, 60))
def test_short_segments_in_and_around_the_canvas(points, side):
    assert np.array_equal(drawn(points, side), expected(points, side))


@settings(max_examples=100)
@given(corners(5_000, 12), st.integers(1, 1100))
def test_long_segments_through_the_canvas(points, side):
    assert np.array_equal(drawn(points, side), expected(points, side))


@pytest.mark.parametrize("side", [224, 512, 1500])
def test_many_segments_of_all_lengths(side):
    rng = np.random.default_rng(side)
    for scale in (1, 3, 20, 300):
        walk = side / 2 + np.cumsum(rng.normal(0, scale, (900, 2)), axis=0)
        points = [tuple(map(int, point)) for point in walk]
        assert np.array_equal(drawn(points, side), expected(points, side))


def test_a_line_drawn_by_itself_has_both_ends():
    canvas = raster.canvas_array(20)
    raster.line(canvas, 3, 4, 9, 4, np.uint8(7))
    row = canvas[raster.GUARD + 4, raster.GUARD : raster.GUARD + 20]
    assert np.flatnonzero(row).tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert np.count_nonzero(canvas) == 7


def test_a_hidden_segment_is_not_drawn():
    points = [(2, 2), (12, 2), (12, 12)]
    image = drawn(points, 20, hidden={2})
    assert image[2, 2:13].all()
    assert image[2:12, 12].all()
    assert np.count_nonzero(image) == 21 - 1  # the last corner belongs to the hidden segment
