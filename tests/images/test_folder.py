"""Any folder of images, and its variety on the command line."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from explorer import images as dataset
from explorer.cli import cli
from explorer.errors import InputError


def invoke(*arguments: object):
    return CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False)


@pytest.fixture
def root(tmp_path):
    """Two folders of images, grey and in colour, one of them deeper."""
    random = np.random.default_rng(0)
    for name, mode in (("a", "L"), ("deep/b", "RGB")):
        (tmp_path / name).mkdir(parents=True)
        for number in range(3):
            shape = (20, 30) if mode == "L" else (20, 30, 3)
            pixels = random.integers(0, 256, shape).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_images_of_one_folder_are_a_category(root):
    folder = dataset.Folder(root)
    assert [str(file.relative_to(root)) for file in folder.files] == [
        *(f"a/{number}.png" for number in range(3)),
        *(f"deep/b/{number}.png" for number in range(3)),
    ]
    assert folder.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_the_middle_square_is_reduced_by_area(root):
    pixels = np.asarray(Image.open(root / "a" / "1.png")).astype(float)
    expected = pixels[:, 5:25].reshape(10, 2, 10, 2).mean(axis=(1, 3))
    (found,) = dataset.Folder(root).read([1], size=10)
    assert np.abs(found - expected).max() <= 1  # Pillow rounds along one axis, then the other


def test_a_rendered_dataset_measures_as_its_formula(tmp_path):
    sizes = ["--categories", 4, "--instances", 5, "--canvas", 64]
    assert invoke("render", "rcdb", "--output", tmp_path / "set", *sizes).exception is None
    of_folder = invoke("variety", tmp_path / "set").output
    of_formula = invoke("variety", "rcdb", *sizes).output
    assert of_folder == of_formula
    assert "vendi_features" in of_folder
    assert "Only 20 images were measured" in of_folder


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--categories", 4), "--categories: has no effect"),
        (("--set", "frequency=1"), "--set: has no effect"),
    ],
)
def test_options_of_a_formula_have_no_effect_on_a_folder(root, arguments, said):
    with pytest.raises(InputError, match=said):
        raise invoke("variety", root, *arguments).exception


def test_what_is_no_folder_of_images(root, tmp_path):
    (root / "a" / "0.png").write_text("no image")
    with pytest.raises(InputError, match=r"0\.png.*not a readable image"):
        dataset.Folder(root).read([0], size=8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image files"):
        dataset.Folder(tmp_path / "empty")
    with pytest.raises(InputError, match="no such directory"):
        dataset.Folder(tmp_path / "nowhere")
