"""Places that cannot be written to: one line, exit code 2, nothing lost, nothing half-written."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RENDER = ("render", "visual_atom", "--categories", "4", "--instances", "6", "--canvas", "96")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


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


def refused(ran) -> str:
    """Return the one line that was said, without the name of the program."""
    code, out, err = ran
    assert (code, out) == (2, ""), err
    (line,) = err.splitlines()
    return line.removeprefix("explorer: ")


def content(root) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("layout", ["imagefolder", "npz"])
def test_a_full_disk(tmp_path, explorer, layout):
    assert explorer(*RENDER, "--layout", layout, "--output", "whole")[0] == 0
    whole = content(tmp_path / "whole")
    limit = max(len(held) for held in whole.values()) // 2
    line = refused(limited(limit, *RENDER, "--layout", layout, "--output", "set"))
    assert line == "set: cannot be written: File too large"
    left = content(tmp_path / "set")
    assert left.keys() < whole.keys()
    assert all(whole[name] == held for name, held in left.items() if name != "checksums.txt")
    assert explorer(*RENDER, "--layout", layout, "--output", "set")[0] == 0
    assert content(tmp_path / "set") == whole


SHEET = ("preview", "visual_atom", "--canvas", "64", "--categories", "1", "--output")


def test_a_sheet_on_a_full_disk_leaves_the_old_one(tmp_path, explorer):
    assert explorer(*SHEET, "other.png")[0] == 0
    (tmp_path / "other.png").unlink()
    (tmp_path / "sheet.png").write_text("mine")
    line = refused(limited(100, *SHEET, "sheet.png"))
    assert line == "sheet.png: cannot be written (File too large)"
    assert content(tmp_path) == {"sheet.png": b"mine"}
