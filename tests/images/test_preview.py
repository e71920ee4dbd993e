"""``explorer preview``: one formula or several, and what can be said of them."""

import pytest
from PIL import Image

SMALL = ("--categories", "2", "--instances", "3", "--canvas", "64", "--size", "32")


@pytest.fixture
def preview(explorer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def preview(*arguments) -> Image.Image:
        code, out, err = explorer("preview", *arguments, "--output", "new/sheet.png")
        assert (code, out, err) == (0, "new/sheet.png\n", "")
        return Image.open("new/sheet.png").copy()

    return preview


def test_a_sheet_of_several_has_fewer_images_of_each_unless_told(preview):
    one = preview("perlin", "--canvas", "64", "--size", "64")
    four = preview("perlin", "perlin", "--canvas", "64", "--size", "64")
    assert one.width > 8 * 64
    assert four.width < 2 * 8 * 64
    assert four.height < one.height


def test_a_setting_is_for_the_formulas_that_have_it(preview, explorer):
    plain = preview("perlin", "rcdb", *SMALL)
    set_ = preview("perlin", "rcdb", *SMALL, "--set", "octaves=1")
    half = plain.width // 2
    below = plain.height // 2
    box = (half, below, plain.width, plain.height)
    assert plain.crop(box).tobytes() == set_.crop(box).tobytes()
    box = (0, below, half, plain.height)
    assert plain.crop(box).tobytes() != set_.crop(box).tobytes()
    code, _, err = explorer("preview", "perlin", "rcdb", "--set", "octave=1")
    assert code == 2
    assert "--set: octave: no parameter of perlin, rcdb; did you mean 'octaves'?" in err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "Missing argument 'FORMULA...'"),
        (("perlin", "--size", "99", "--canvas", "98"), "explorer: --size: 99: must be in 1..98"),
        (
            ("perlin", "rcdb", *("--categories", "100", "--instances", "100", "--size", "128")),
            "explorer: --size: 128: makes a sheet of 327,680,000 pixels, at most 268,435,456; draw",
        ),
        (("perlin", "--set", "octaves=0"), "explorer: --set: octaves: [0, 0]: must be in 1..8"),
    ],
)
def test_what_cannot_be_drawn_is_refused(explorer, tmp_path, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    code, out, err = explorer("preview", *arguments)
    assert (code, out) == (2, "")
    assert line in err
    assert list(tmp_path.iterdir()) == []
