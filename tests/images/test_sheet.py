"""Contact sheets, and the PNG file that holds one."""

import numpy as np
import pytest

from explorer import images

RANGES = {"orbits": (1, 30), "quantization": (50, 100), "radius": (2, 10)}
SMALL = {"categories": 3, "instances": 4, "canvas": 48, "size": 20, "seed": 7}


def sheet(*formulas, ranges=RANGES, **changes):
    plans = [images.Plan(name, ranges, **{**SMALL, **changes}) for name in formulas]
    return images.contact_sheet(plans)


def places(sheet, shown):
    """Return where every image is found on a sheet, once each: ``[categories, instances, 2]``."""
    windows = np.lib.stride_tricks.sliding_window_view(sheet, shown.shape[2:])
    found = np.empty((*shown.shape[:2], 2), int)
    for address in np.ndindex(shown.shape[:2]):
        (found[address],) = np.argwhere((windows == shown[address]).all(axis=(2, 3)))
    return found


def test_a_sheet_has_categories_as_rows_and_instances_as_columns():
    drawn = sheet("visual_atom")
    found = places(drawn, images.render("visual_atom", RANGES, **SMALL).reshape(3, 4, 20, 20))
    assert drawn.dtype == np.uint8
    assert (np.ptp(found[:, :, 0], axis=1) == 0).all()
    assert (np.ptp(found[:, :, 1], axis=0) == 0).all()
    assert (np.diff(found[:, 0, 0]) > 20).all()
    assert (np.diff(found[0, :, 1]) > 20).all()


def test_a_sheet_is_labelled_outside_its_images():
    some, blank = sheet("visual_atom"), sheet("visual_atom", ranges={"orbits": (0, 0)})
    other = sheet("visual_atom", ranges={"orbits": (0, 0)}, seed=8)
    found = places(some, images.render("visual_atom", RANGES, **SMALL).reshape(3, 4, 20, 20))
    top, left = found[0, 0]
    title, below = slice(0, top - 40), slice(top - 40, top - 1)
    assert (some[title] < 128).any()
    assert not np.array_equal(some[title], blank[title])  # it names the ranges that are set
    assert not np.array_equal(blank[title], other[title])  # and the seed
    for row in range(3):  # a number beside every row and above every column
        y = found[row, 0, 0]
        assert (some[y : y + 20, left - 20 : left - 1] < 128).any()
    for column in range(4):
        x = found[0, column, 1]
        assert (some[below, x : x + 20] < 128).any()


def test_several_formulas_have_a_panel_each_at_most_three_abreast():
    names = ("visual_atom", "perlin", "fractal", "visual_atom", "visual_atom")
    drawn = sheet(*names, ranges=None)
    (height, width), alone = drawn.shape, sheet("perlin", ranges=None)
    assert width < 3.5 * alone.shape[1]
    corners = []
    for name in names[1:3]:
        drawn_ = images.render(name, None, **SMALL).reshape(3, 4, 20, 20)
        corners.append(places(drawn, drawn_)[0, 0])
    (second_y, second_x), (third_y, third_x) = corners
    assert second_y == third_y < height / 2
    assert width / 4 < second_x < width / 2 < third_x


@pytest.mark.parametrize("changes", [{"size": 16}, {"categories": 1, "instances": 1, "size": 16}])
def test_the_smallest_sheet_has_room_for_its_labels(changes):
    small = sheet("visual_atom", "fractal_contractive", ranges=None, **changes)
    for edge in (small[0], small[-1], small[:, 0], small[:, -1]):
        assert (edge == 255).all()
