"""What docs/new_family.md shows is installed as it stands there, and its commands are run."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "new_family.md").read_text()
# The code of a file follows the line that names it.
FILES = re.compile(
    r"^`([\w./]+)`[^`]*\n\n```(?:python|toml|yaml)\n(.*?)```", re.DOTALL | re.MULTILINE
)
COMMANDS = [
    line
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The folder of the page, its package installed in ``site`` inside it."""
    folder = tmp_path_factory.mktemp("lissajous")
    for name, content in FILES.findall(PAGE):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    (wheel,) = folder.glob("dist/*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder


@pytest.fixture(scope="module")
def run(folder):
    """Run a program with the package installed; returns what it prints."""

    def run(*arguments, cwd=folder) -> str:
        path = os.pathsep.join([str(folder / "site"), str(ROOT)])
        ran = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "120"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    return run


@pytest.fixture(scope="module")
def explorer(run):
    def explorer(*arguments) -> str:
        return run("-c", "from explorer.cli import main; main()", *arguments)

    return explorer


def test_the_page_has_the_files_that_it_speaks_of():
    assert [name for name, _ in FILES.findall(PAGE)] == [
        "pyproject.toml",
        "explorer_lissajous.py",
        "studies/knots.yaml",
    ]


def test_the_commands_of_the_page_run(folder, explorer):
    lines = [line.split() for line in COMMANDS if line.startswith("explorer ")]
    said = {" ".join(words): explorer(*words) for _, *words in lines if words[0] != "run-study"}
    assert [line.split()[0] for line in said] == ["list", "preview", "variety", "render", "render"]
    listed, _, variety, rendered, verified = said.values()
    assert "1..32" in listed
    assert "vendi" in variety
    assert rendered == "200 images in curves\n"
    assert verified == "202 files in curves are as they were written\n"
    with Image.open(folder / "lissajous.png") as sheet:
        assert sheet.width > 8 * 128
    manifest = json.loads((folder / "curves" / "dataset.json").read_text())
    assert manifest["formula"] == "lissajous"


def test_the_list_says_where_it_comes_from(explorer):
    said = " ".join(explorer("list").split())
    assert "Lissajous curves" in said
    assert "(from explorer-lissajous 0.1.0)" in said
    assert "knots Do more crossings" in said


def test_it_has_the_properties_of_every_family(run):
    (line,) = [line for line in COMMANDS if line.startswith("pytest ")]
    options = ("-q", "-p", "no:cacheprovider")
    said = run("-m", *line.split(), *options, cwd=ROOT)
    passed = int(re.search(r"(\d+) passed", said)[1])
    assert passed >= 6


@pytest.mark.end_to_end
def test_its_study_runs_in_worker_processes(folder, explorer):
    study = folder / "studies" / "knots.yaml"
    one = study.read_text().replace("replicates: 3", "replicates: 1")
    (folder / "studies" / "one.yaml").write_text(one)
    assert [line for line in COMMANDS if "run-study" in line] == ["explorer run-study knots"]
    explorer("run-study", "one", "--protocol", "smoke", "--workers", "1")
    rows = explorer("report", "one@smoke", "--format", "csv").splitlines()
    formulas = [row.split(",")[2] for row in rows]
    assert formulas == ["formula", "", "lissajous", "lissajous", "visual_atom"]
