"""Image files of people: read as they are meant, or refused in one line with their name."""

import io
import logging
import struct
import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, PngImagePlugin

from explorer import images
from explorer.cli import cli
from explorer.errors import InputError
from explorer.images import reader

RAMP = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))  # dark at the left
COLOUR = np.stack([RAMP, RAMP.T, 255 - RAMP], axis=2)


@pytest.fixture(autouse=True)
def _nothing_told():
    reader._told.clear()


def saved(tmp_path, image: Image.Image, name: str = "image.png", **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


def luma(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).convert("L"))


GREY = Image.fromarray(RAMP)
RGB = Image.fromarray(COLOUR)
WIDE = RAMP.astype(np.uint16) * 257
BLACK_OR_WHITE = np.where(RAMP >= 128, 255, 0)
MODES = {
    "1": (GREY.point(lambda v: 255 * (v >= 128)).convert("1"), "a.png", BLACK_OR_WHITE, 0),
    "L": (GREY, "a.png", RAMP, 0),
    "LA": (Image.merge("LA", (GREY, Image.new("L", (64, 64), 255))), "a.png", RAMP, 0),
    "P": (GREY.convert("P"), "a.png", RAMP, 0),
    "RGB": (RGB, "a.png", luma(COLOUR), 0),
    "CMYK": (RGB.convert("CMYK"), "a.tif", luma(COLOUR), 1),
    "CMYK jpeg": (RGB.convert("CMYK"), "a.jpg", luma(COLOUR), 8),
    "YCbCr": (RGB.convert("YCbCr"), "a.tif", luma(COLOUR), 2),
    "16-bit PNG": (Image.fromarray(WIDE), "a.png", RAMP, 0),
    "16-bit TIFF": (Image.fromarray(WIDE), "a.tif", RAMP, 0),
    "16-bit PGM": (Image.fromarray(WIDE), "a.pgm", RAMP, 0),
    "32-bit": (Image.fromarray(RAMP.astype(np.int32) * 1000 - 9), "a.tif", RAMP / 252 * 255, 1),
    "float": (Image.fromarray(RAMP.astype(np.float32) / 252), "a.tif", RAMP / 252 * 255, 1),
    "capitals": (GREY, "a.PNG", RAMP, 0),
    "webp": (GREY.convert("RGB"), "a.webp", RAMP, 8),
}


@pytest.mark.parametrize(("image", "name", "expected", "off"), MODES.values(), ids=MODES)
def test_every_mode_is_read_as_it_is_meant(tmp_path, image, name, expected, off):
    path = saved(tmp_path, image, name)
    assert images.image_files(tmp_path) == [path]
    found = images.read(path, 1, 64)
    assert found.shape == (1, 64, 64)
    assert found.dtype == np.uint8
    assert np.abs(found[0] - np.asarray(expected, float)).max() <= off
    assert images.read(path, 3, 64).shape == (3, 64, 64)
    if name == "a.png" and image is RGB:
        assert np.array_equal(images.read(path, 3, 64), COLOUR.transpose(2, 0, 1))


def test_a_photograph_stands_as_its_camera_was_held(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: turn by 90 degrees clockwise to see it
    path = saved(tmp_path, Image.fromarray(np.rot90(RAMP)), exif=exif)
    assert np.array_equal(images.read(path, 1, 64)[0], RAMP)


@pytest.mark.parametrize("kind", ["LA", "RGBA", "palette with a transparent entry", "RGB"])
def test_what_is_transparent_is_white(tmp_path, kind):
    alpha = Image.fromarray(np.where(RAMP < 128, 0, 255).astype(np.uint8))
    black = Image.new("L", (64, 64), 0)
    options = {}
    if kind == "RGB":
        image, options = Image.merge("RGB", [alpha] * 3), {"transparency": (0, 0, 0)}
        expected = np.full((64, 64), 255)
    elif kind.startswith("palette"):
        image = alpha.point(lambda v: v // 255).convert("P")
        image.putpalette([0, 0, 0, 0, 0, 0])
        options, expected = {"transparency": 0}, np.where(RAMP < 128, 255, 0)
    else:
        image = Image.merge("LA", (black, alpha)).convert(kind)
        expected = np.where(RAMP < 128, 255, 0)
    path = saved(tmp_path, image, **options)
    assert np.array_equal(images.read(path, 1, 64)[0], expected)


def test_what_is_done_to_an_image_is_told_once(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    for number in range(3):
        images.read(saved(tmp_path, Image.fromarray(WIDE), f"{number}.png"), 1, 8)
    several = saved(tmp_path, GREY, "b.gif", save_all=True, append_images=[RGB])
    assert np.abs(images.read(several, 1, 64)[0].astype(int) - RAMP).max() <= 8
    assert [record.getMessage().split(": ", 1)[0] for record in caplog.records] == [
        str(tmp_path / "0.png"),
        str(tmp_path / "b.gif"),
    ]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def huge(_: bytes) -> bytes:
    """A PNG that says it has 4 thousand million pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 65_000, 65_000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


def talkative(_: bytes) -> bytes:
    """A PNG with a text of more than Pillow takes."""
    info = PngImagePlugin.PngInfo()
    info.add_text("story", "x" * 2_000_000, zip=True)
    buffer = io.BytesIO()
    GREY.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "harm", [cut, huge, talkative, lambda _: b"", lambda _: b"no image", lambda c: c[:8] + c[20:]]
)
@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "tif"])
def test_a_damaged_file_is_one_line_with_its_name(tmp_path, harm, ending):
    path = saved(tmp_path, GREY, f"a.{ending}")
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(InputError, match=rf"a\.{ending}: not a readable image: ") as error:
        images.read(path, 1, 8)
    assert "\n" not in str(error.value)


def test_floats_that_are_no_numbers_are_refused(tmp_path):
    values = RAMP.astype(np.float32)
    values[3, 3] = np.nan
    with pytest.raises(InputError, match=r"a\.tif: holds values that are no finite numbers"):
        images.read(saved(tmp_path, Image.fromarray(values), "a.tif"), 1, 8)


def test_images_at_any_depth_whatever_is_beside_them(tmp_path):
    other = tmp_path / "other"
    for name in (
        *("root/b.png", "root/a/deep/c.JPG", "root/d.pgm", "root/e.webp", "root/album.jpg/f.png"),
        *("root/.hidden.png", "root/.ipynb_checkpoints/b.png", "root/__MACOSX/._b.png"),
        *("root/notes.txt", "root/data.h5", "other/linked.png"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "root" / "z").symlink_to(other)
    root = tmp_path / "root"
    found = [path.relative_to(root).as_posix() for path in images.image_files(root)]
    assert found == ["a/deep/c.JPG", "album.jpg/f.png", "b.png", "d.pgm", "e.webp", "z/linked.png"]


def invoke(*arguments: object):
    return CliRunner().invoke(cli, [str(a) for a in arguments], standalone_mode=False)


@pytest.fixture
def root(tmp_path):
    """Two folders of images, one of them deeper."""
    random = np.random.default_rng(0)
    for name in ("a", "deep/b"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(3):
            pixels = random.integers(0, 256, (20, 30)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_images_of_one_folder_are_a_category_and_are_reduced_by_area(root):
    folder = images.Folder(root)
    assert folder.labels.tolist() == [0, 0, 0, 1, 1, 1]
    pixels = np.asarray(Image.open(root / "a" / "1.png")).astype(float)
    expected = pixels[:, 5:25].reshape(10, 2, 10, 2).mean(axis=(1, 3))
    (found,) = folder.read([1], size=10)
    assert np.abs(found - expected).max() <= 1  # Pillow rounds along one axis, then the other


def test_a_rendered_dataset_measures_as_its_formula(tmp_path):
    sizes = ["--categories", 4, "--instances", 5, "--canvas", 64]
    assert invoke("render", "perlin", "--output", tmp_path / "set", *sizes).exception is None
    of_folder = invoke("variety", tmp_path / "set").output
    assert of_folder == invoke("variety", "perlin", *sizes).output
    assert "Only 20 images were measured" in of_folder


def test_what_is_no_folder_of_images(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image files"):
        images.Folder(tmp_path / "empty")
    with pytest.raises(InputError, match="no such directory"):
        images.Folder(tmp_path / "nowhere")
