"""Places that cannot be written to: one line, exit code 2, nothing lost, nothing half-written."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from explorer import images as dataset

ROOT = Path(__file__).parents[2]
COUNTER = ("--categories", "4", "--instances", "6", "--canvas", "96", "--workers", "2")
RENDER = {
    **{layout: (*COUNTER, "--layout", layout) for layout in dataset.LAYOUTS},
    "official": (
        *("--stream", "official", "--workers", "2", "--set", "numof_thread=2"),
        *("--set", "numof_classes=4", "--set", "numof_instances=6", "--set", "image_size=96"),
    ),
}
every = pytest.mark.parametrize("kind", RENDER)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def render(explorer):
    def render(kind, output):
        return explorer("render", "visual_atom", "--output", output, *RENDER[kind])

    return render


def limited(limit: int, *arguments):
    """Run the command line such that no file may grow beyond so many bytes, as on a full disk.

    The kernels must have been compiled and kept by then.
    """
    ran = subprocess.run(
        [sys.executable, "-c", "from explorer.cli import main; main()", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    return ran.returncode, ran.stdout, ran.stderr


def limited_render(limit, kind, output):
    return limited(limit, "render", "visual_atom", "--output", output, *RENDER[kind])


def refused(ran) -> str:
    """Return the one line that was said, without the name of the program."""
    code, out, err = ran
    assert (code, out) == (2, ""), err
    (line,) = err.splitlines()
    return line.removeprefix("explorer: ")


def content(root) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


FULL = "set: cannot be written: File too large"


@every
def test_a_full_disk(tmp_path, render, kind):
    assert render(kind, "whole")[0] == 0
    whole = content(tmp_path / "whole")
    limit = max(len(held) for held in whole.values()) // 2
    assert limit > len(whole["dataset.json"])
    assert refused(limited_render(limit, kind, "set")) == FULL
    left = content(tmp_path / "set")
    assert b'"digest": null' in left.pop("dataset.json")
    assert all(whole[name] == held for name, held in left.items())
    assert render(kind, "set")[0] == 0
    assert content(tmp_path / "set") == whole


@every
def test_a_disk_that_has_been_full_before(tmp_path, render, kind):
    assert refused(limited_render(10, kind, "set")) == FULL
    assert content(tmp_path) == {}
    render(kind, "set")
    before = content(tmp_path / "set")
    lost = max(before, key=lambda name: len(before[name]))
    (tmp_path / "set" / lost).unlink()
    assert refused(limited_render(10, kind, "set")) == FULL
    del before[lost]
    assert content(tmp_path / "set") == before


@every
def test_a_directory_that_cannot_be_made(tmp_path, render, kind):
    (tmp_path / "file").write_text("mine")
    assert refused(render(kind, "file/set")) == "file/set: cannot be written: Not a directory"
    assert refused(render(kind, "file")) == "file: is a file; name a directory"
    assert refused(render(kind, "/proc/set")).startswith("/proc/set: cannot be written: ")
    assert content(tmp_path) == {"file": b"mine"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@every
def test_a_directory_without_permission(tmp_path, render, kind):
    (tmp_path / "theirs").mkdir(mode=0o555)
    assert refused(render(kind, "theirs")).endswith("cannot be written: Permission denied")


@every
def test_a_directory_that_holds_something_else(tmp_path, render, kind):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "today.txt").write_text("mine")
    line = refused(render(kind, "notes"))
    assert line == "notes: holds other files (today.txt); name an empty or a new directory"
    for other in RENDER.keys() - {kind}:
        render(other, other)
    before = content(tmp_path)
    for other in RENDER.keys() - {kind}:
        assert f"{other}: holds another dataset (" in refused(render(kind, other))
    assert content(tmp_path) == before


SHEET = ("preview", "visual_atom", "--canvas", "64", "--categories", "1", "--output")


def test_a_sheet_on_a_full_disk_leaves_the_old_one(tmp_path, explorer):
    assert explorer(*SHEET, "other.png")[0] == 0
    (tmp_path / "other.png").unlink()
    (tmp_path / "sheet.png").write_text("mine")
    line = refused(limited(100, *SHEET, "sheet.png"))
    assert line == "sheet.png: cannot be written: File too large"
    assert content(tmp_path) == {"sheet.png": b"mine"}


def test_a_sheet_that_has_no_place(tmp_path, explorer):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for output, line in {
        "file/sheet.png": "file: is a file; name a directory",
        "file/new/sheet.png": "file/new: cannot be written: Not a directory",
        "folder": "folder: is a directory; name a PNG file",
        "pipe": "pipe: is no regular file; name a PNG file",
    }.items():
        assert refused(explorer(*SHEET, output)) == line
    assert refused(explorer(*SHEET, "/proc/x.png")).startswith("/proc/x.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder", "pipe"]


@pytest.mark.parametrize(
    "command",
    [
        ("preview", "visual_atm"),
        ("preview", "rcdb", "visual_atm"),
        ("variety", "visual_atm"),
        ("list", "visual_atm"),
        ("render", "visual_atm", "--output", "x"),
        ("render", "visual_atm", "--output", "x", "--stream", "official"),
    ],
)
def test_a_name_that_is_no_formula(tmp_path, explorer, command):
    line = refused(explorer(*command))
    assert line.startswith("formula: 'visual_atm': unknown; did you mean 'visual_atom'?")
    assert content(tmp_path) == {}


def test_a_dataset_of_a_formula_that_is_not_installed(tmp_path, explorer, render):
    render("npz", "set")
    manifest = tmp_path / "set" / "dataset.json"
    manifest.write_text(manifest.read_text().replace("visual_atom", "lissajous"))
    line = refused(explorer("render", "--verify", "set"))
    assert line.startswith("set/dataset.json: formula: 'lissajous': unknown; ")
