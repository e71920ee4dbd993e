"""Images of arms, drawn anew."""

import numpy as np
import pytest

from explorer.images import render
from explorer.report.figures import dataset_of, first_row, images, sheet, strips

SIZES = {"categories": 3, "instances": 2, "side": 32}
ROW = {"formula": "visual_atom", "seed": 1, "ranges": {"frequency": [0, 20]}}


def test_the_images_are_those_of_the_first_replicate(ablation):
    drawn = strips.strips(ablation.report, ablation.trials, ablation.definition)
    titles = [(s.title, s.arm) for s in drawn]
    assert titles == [("best", "best_practice"), ("worst", "none"), ("baseline", "scratch")]
    row = first_row(ablation.trials, "best_practice")
    assert row["ranges"]["frequency"] == (0, 20)
    expected = render(
        "visual_atom", row["ranges"], categories=24, instances=1, canvas=128, size=64, seed=0
    )
    for image in drawn[0].images:
        assert any(np.array_equal(image, other) for other in expected)
    assert drawn[0].images.shape == (strips.TILES, 64, 64)
    assert (len(drawn[2].images), drawn[2].lack) == (0, "from scratch: no images")


@pytest.mark.parametrize(
    ("row", "dataset", "lack"),
    [
        (None, {}, "no replicate yet"),
        (ROW, {"images": "photos"}, "real images"),
        ({**ROW, "ranges": None}, {}, "from scratch: no images"),
        ({**ROW, "formula": "gone"}, {}, "gone cannot be drawn here (unknown formula 'gone'"),
        ({**ROW, "ranges": {"frequency": [-9, 0]}}, {}, "visual_atom cannot be drawn here"),
    ],
)
def test_why_there_are_no_images(row, dataset, lack):
    pixels, reason = images(row, dataset, **SIZES)
    assert pixels.size == 0
    assert reason.startswith(lack)


def test_empty_images_make_room_for_others(monkeypatch):
    lit = np.zeros((12, 2, 32, 32), np.uint8)
    for category in (1, 4, 6, 7):
        lit[category, :, 8:20, 8:20] = 50 + category
    lit[2, 0, 8:20, 8:20] = 200  # its second image is empty
    monkeypatch.setattr(strips, "render", lambda *_, **__: lit.reshape(-1, 32, 32))
    pixels, _ = images(ROW, {}, **SIZES)
    assert pixels.max(axis=(1, 2, 3)).tolist() == [51, 54, 56]
    lit[:] = 0
    assert images(ROW, {}, **SIZES)[0].shape == (3, 2, 32, 32)  # better than none


def test_a_sheet_has_a_row_per_category_and_is_clear_between():
    pixels = np.arange(6, dtype=np.uint8).repeat(16).reshape(2, 3, 4, 4)
    picture = np.asarray(sheet(pixels, gap=2))
    assert picture.shape == (10, 16, 2)
    assert picture[6, 12].tolist() == [5, 255]
    assert picture[4, 0, 1] == picture[0, 4, 1] == 0


def test_an_arm_may_change_the_dataset():
    definition = {
        "protocol": {"dataset": {"categories": 8, "canvas": 64}},
        "arm_changes": {"wide": {"dataset": {"categories": 99}, "model": {"name": "x"}}},
    }
    assert dataset_of(definition, "wide") == {"categories": 99, "canvas": 64}
    assert dataset_of(definition, "plain") == {"categories": 8, "canvas": 64}
