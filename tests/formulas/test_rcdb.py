"""Radial contours in the counter stream."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import stats

from explorer import formulas
from explorer.formulas import raster, streams

rcdb = formulas.get("rcdb")

QUIET = {
    "noise": (0, 0),
    "line_width": (0, 0),
    "oval_rate": (1, 1),
    "position": (0, 0),
    "grey": (0, 0),
}


def one(ranges=None, *, seed=0, category=0, instance=0, canvas=64) -> np.ndarray:
    instances = range(instance, instance + 1)
    return rcdb.render(ranges, seed=seed, category=category, instances=instances, canvas=canvas)[0]


@pytest.mark.parametrize("ends", [(3, 200), (3, 4), (50, 400), (9, 9), (4000, 4096)])
def test_quantization_is_a_truncated_exponential(ends):
    low, high = ends
    drawn = rcdb.categories({"quantization": ends}, seed=0, categories=range(8_000))
    counts = np.bincount(drawn["quantization"] - low, minlength=high - low + 1)
    chance = np.exp(-np.arange(low, high + 1) / 100)
    assert len(counts) == len(chance)
    expected = 8_000 * chance / chance.sum()
    # Chi-square wants a few in every bin: neighbours are merged.
    bins = np.minimum(np.cumsum(expected) // 20, expected.sum() // 20 - 1).astype(int)
    counts, expected = np.bincount(bins, counts), np.bincount(bins, expected)
    counts, expected = counts[expected > 0], expected[expected > 0]
    assert len(counts) == 1 or stats.chisquare(counts, expected).pvalue > 1e-4


def test_the_ground_is_all_that_no_orbit_covers():
    ranges = {"grey": (1, 254), "orbits": (20, 60)}
    light, dark = one(ranges), one(ranges | {"ground": (0, 0)})
    assert (light == 255).any()
    assert (dark == np.where(light == 255, 0, light)).all()


def test_breaks_are_lines_in_the_grey_of_the_ground():
    ranges = {**QUIET, "grey": (9, 9), "orbits": (0, 0), "ground": (200, 200)}
    for width in (1, 2, 5):
        lines = np.full((1, 128, 128), 7, np.uint8)
        raster.cross_out(lines, np.array([5], np.uint64), 30, width, np.uint8(200))
        expected = Image.new("L", (128, 128), 7)
        for k in range(30):
            word = int(streams.mix(np.array([5 + (k + 1) * streams.GOLDEN & 2**64 - 1], "u8"))[0])
            x, y, to_x, to_y = ((word >> 16 * i & 0xFFFF) * 128 >> 16 for i in range(4))
            flat = abs(to_x - x) >= abs(to_y - y)
            for w in range(-(width // 2), width - width // 2):
                moved = (x, y + w, to_x, to_y + w) if flat else (x + w, y, to_x + w, to_y)
                ImageDraw.Draw(expected).line(moved, fill=200)
        assert (lines[0] == np.asarray(expected)).all()
    ranges |= {"orbits": (30, 30), "noise": (2, 2)}
    whole, broken = one(ranges, canvas=256), one(ranges | {"breaks": (500, 500)}, canvas=256)
    assert set(np.unique(broken)) == {9, 200}
    assert (broken[whole == 200] == 200).all()
    # More than in the mean of the canvas, as lines pass its middle more often.
    assert 1 - np.exp(-0.52 * 500 / 256) < np.mean(broken[whole == 9] == 200) < 0.95
