"""What people did with image files and outputs that was once read wrongly or ended in a traceback.

Each test is a kind: what somebody did, and what is right. See the second table of docs/faults.md.
"""

import os
import stat
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import images
from explorer.errors import InputError
from explorer.study.protocol import count_images
from explorer.training.downstream import DownstreamError, load, sample_folder
from explorer.training.recipe import Task

ROOT = Path(__file__).parents[2]
RAMP = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))  # dark at the left


def put(root: Path, *names: str, count: int = 4) -> Path:
    """Fill folders with different images."""
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = np.random.default_rng([len(name), number]).integers(0, 256, (9, 9, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{number}.png")
    return root


def task(root: Path):
    return load(Task(name="imagefolder", path=root), image_size=8)


READERS = {
    "to fine-tune on": task,
    "to pre-train on": lambda root: sample_folder(root, 2, 2, image_size=8, seed=0),
    "to count": count_images,
    "to measure": images.Folder,
}


def refusals(root: Path, readers=READERS) -> set[str]:
    """Return what all readers say of a folder that they refuse."""
    said = set()
    for read in readers.values():
        with pytest.raises((InputError, DownstreamError)) as refused:
            read(root)
        said.add(str(refused.value))
    return said


# --- Folders ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    ["train val", "Training Testing", "TRAIN Valid", "training validation", "train val test"],
)
def test_somebody_divided_a_folder_into_splits(tmp_path, names):
    train, held_out, *others = names.split()
    put(tmp_path, f"{train}/cat", f"{train}/dog", count=4)
    put(tmp_path, f"{held_out}/cat", f"{held_out}/dog", count=2)
    put(tmp_path, *others, count=1)
    read = task(tmp_path)
    assert read.classes == ("cat", "dog")
    assert np.bincount(read.train_labels).tolist() == [4, 4]
    assert np.bincount(read.test_labels).tolist() == [2, 2]
    others = {name: reader for name, reader in READERS.items() if name != "to fine-tune on"}
    said = f"{tmp_path}: holds the splits {train} and {held_out}; name one of them"
    assert refusals(tmp_path, others) == {said}
    assert count_images(tmp_path / train) == {"cat": 4, "dog": 4}


@pytest.mark.parametrize(
    ("names", "line"),
    [
        ("Train/a Train/b", "Train: is a split without val or test beside it"),
        ("test/a test/b", "test: is a split without train beside it"),
        ("train/a Train/a val/a", "train: is the same split as Train"),
    ],
)
def test_somebody_has_half_a_split_or_one_twice(tmp_path, names, line):
    (said,) = refusals(put(tmp_path, *names.split()))
    assert said.startswith(f"{tmp_path}/{line}")


def test_somebody_opened_the_folder_in_jupyter_and_came_from_a_mac(tmp_path):
    put(tmp_path, "cat", "dog/album.jpg", "cat/.ipynb_checkpoints", ".ipynb_checkpoints")
    put(tmp_path, "__MACOSX/cat", ".git")
    (tmp_path / "dog" / "._0.png").write_bytes(b"Mac OS X")
    assert count_images(tmp_path) == {"cat": 4, "dog": 4}
    assert task(tmp_path).classes == ("cat", "dog")
    assert images.Folder(tmp_path).labels.tolist() == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("link", "target", "line"),
    [
        ("bird", "cat", "/cat: is read twice, once by a link; remove the link"),
        ("dog/up", "..", ": is read twice, once by a link; remove the link"),
        ("dog/9.png", "gone.png", "/dog/9.png: is a link to a file that is missing"),
    ],
)
def test_somebody_linked_folders_and_files(tmp_path, link, target, line):
    root = put(tmp_path / "set", "cat", "dog")
    put(tmp_path / "elsewhere", "fish")
    (root / "fish").symlink_to(tmp_path / "elsewhere" / "fish")
    assert count_images(root) == {"cat": 4, "dog": 4, "fish": 4}
    assert {len(task(root).classes), len(set(images.Folder(root).labels))} == {3}
    (root / link).symlink_to(root.parent / "set" if target == ".." else target)
    (said,) = refusals(root)
    assert said.removeprefix(str(root)).removeprefix("/dog/up") == line


def test_somebody_has_a_class_of_one_image_and_a_set_of_none(tmp_path, explorer):
    put(tmp_path, "cat", "dog")
    for copy in range(1, 4):
        (tmp_path / "dog" / f"{copy}.png").write_bytes((tmp_path / "dog/0.png").read_bytes())
    assert task(tmp_path).remarks == ("All images of a class are equal in: dog.",)
    assert "All images of a class are equal in: dog.\n" in explorer("variety", tmp_path)[1]
    for file in tmp_path.rglob("*.png"):
        Image.new("RGB", (9, 9), (200, 0, 9)).save(file)
    blank = "images are blank: each has one level throughout."
    assert task(tmp_path).remarks == (f"All 6 {blank}",)
    assert f"All 8 {blank}\n" in explorer("variety", tmp_path)[1]


# --- Files --------------------------------------------------------------------------------------


def tiff(values: np.ndarray, photometric: int = 1, sample: int = 1, bits: int | None = None):
    """Return a TIFF file of one channel, as a scanner or a microscope writes it."""
    pixels = values.tobytes()
    if bits == 12:
        pairs = values.reshape(-1, 2).astype(np.uint32)
        packed = pairs[:, 0] << 12 | pairs[:, 1]
        pixels = np.stack([packed >> 16, packed >> 8, packed], 1).astype(np.uint8).tobytes()
    height, width = values.shape
    entries = {256: width, 257: height, 258: bits or 8 * values.itemsize, 259: 1, 262: photometric}
    entries |= {273: 8, 277: 1, 278: height, 279: len(pixels), 339: sample}
    tags = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items()]
    directory = struct.pack("<H", len(tags)) + b"".join(tags) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels + directory


WIDE = RAMP.astype("<u2") * 257
SPREAD = RAMP / 252 * 255  # what its own least and greatest value make of it
SCIENTIFIC = {
    "16 bits, white is zero": (tiff(65535 - WIDE, photometric=0), RAMP),
    "12 bits": (tiff(RAMP.astype(np.uint16) * 16, bits=12), RAMP),
    "8 bits with a sign": (tiff((RAMP.astype(int) - 128).astype("i1"), sample=2), SPREAD),
    "16 bits with a sign": (tiff((WIDE.astype(int) - 32768).astype("<i2"), sample=2), SPREAD),
    "32 bits": (tiff(RAMP.astype("<u4") << 24), SPREAD),
    "floats, white is zero": (tiff(-RAMP.astype("<f4"), photometric=0, sample=3), SPREAD),
}


@pytest.mark.parametrize(("content", "expected"), SCIENTIFIC.values(), ids=SCIENTIFIC)
def test_somebody_has_images_of_an_instrument(tmp_path, content, expected):
    (tmp_path / "a.tif").write_bytes(content)
    found = images.read(tmp_path / "a.tif", 1, 64)[0].astype(int)
    assert np.abs(found - expected).max() <= 1


def chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(depth: int, *chunks: bytes, side: int = 64) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks)


def test_somebody_made_the_black_of_a_deep_image_transparent(tmp_path):
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in WIDE)
    clear = chunk(b"tRNS", b"\0\0"), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png(16, *clear))
    assert np.array_equal(images.read(tmp_path / "a.png", 1, 64)[0], np.where(RAMP, RAMP, 255))


@pytest.mark.parametrize(
    "content",
    [png(8, side=65_000), png(8, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**21)))), b""],
    ids=["a bomb", "a long text", "nothing"],
)
def test_somebody_has_a_file_that_cannot_be_opened(tmp_path, content):
    put(tmp_path, "cat", "dog")
    (tmp_path / "cat" / "0.png").write_bytes(content)
    for read in (task, lambda root: images.Folder(root).read(range(8), size=8)):
        with pytest.raises((InputError, DownstreamError), match=r"cat/0\.png: not a readable ima"):
            read(tmp_path)


# --- Outputs ------------------------------------------------------------------------------------

SHEET = ("preview", "perlin", "--canvas", "32", "--categories", "1", "--output")
SET = ("render", "perlin", "--canvas", "32", "--categories", "1", "--instances", "1", "--output")


@pytest.mark.parametrize("command", [SHEET, SET], ids=["preview", "render"])
def test_somebody_named_a_folder_at_the_root(explorer, command):
    code, out, err = explorer(*command, "/nosuch/new.png")
    assert (code, out) == (2, "")
    assert "there is no folder /nosuch; make it first" in err
    assert not Path("/nosuch").exists()


def test_somebody_linked_the_output(tmp_path, explorer):
    (tmp_path / "sheet.png").symlink_to("/dev/full")
    code, _, err = explorer(*SHEET, tmp_path / "sheet.png")
    assert (code, err.count("\n"), "No space left on device" in err) == (1, 1, True)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    assert explorer(*SET, tmp_path / "set")[0] == 0
    image, moved = tmp_path / "set" / "00000" / "00000.png", tmp_path / "moved.png"
    image.replace(moved)
    image.symlink_to(moved)
    (tmp_path / "set" / "checksums.txt").unlink()
    drawn = moved.read_bytes()
    moved.write_bytes(b"another")
    assert explorer(*SET, tmp_path / "set")[0] == 0
    assert (image.is_symlink(), moved.read_bytes()) == (True, drawn)


@pytest.mark.parametrize("closed", [1, 2])
def test_somebody_closed_the_output(tmp_path, closed):
    ran = subprocess.run(
        [sys.executable, "-c", "from explorer.cli import main; main()", "list", "nosuch"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.close(closed),
    )
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == (closed == 1)
