"""What holds for the package as a whole: what it imports, and that a wheel has everything."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_command_line_imports_nothing_heavy():
    program = (
        "import sys, explorer.cli\n"
        "heavy = {'numpy', 'numba', 'pandas', 'optuna', 'pydantic', 'ray', 'rich', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout.strip() == b"[]"


def test_a_wheel_brings_its_studies(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(installed)
    package = {
        path.relative_to(ROOT)
        for path in (ROOT / "explorer").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert [str(path) for path in package if not (installed / path).is_file()] == []
    empty.mkdir()
    program = "import explorer, explorer.cli as c; print(explorer.__file__); c.main()"
    ran = subprocess.run(
        [sys.executable, "-c", program, "list"],
        cwd=empty,
        env={**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert str(installed) in ran.stdout
    for name in ("frequency_range", "visual_atom", "smoke", "laptop", "gpu", "paper"):
        assert name in ran.stdout


def test_constraints_hold_names_and_versions_only():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines
    for line in lines:
        name, version = line.split("==")
        assert not set("/:@ ") & set(name + version)
