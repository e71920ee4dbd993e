"""What docs/families.md says: every family, its parameters, and how its picture was made."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import formulas

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "families.md").read_text()
PICTURE = "docs/images/families.png"


def test_the_page_has_every_family_and_no_other():
    assert sorted(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)) == sorted(formulas.BUILT_IN)


@pytest.mark.parametrize("name", formulas.BUILT_IN)
def test_a_family_is_shown_with_its_parameters(name):
    said = PAGE.split(f"## {name}\n")[1].split("\n## ")[0]
    formula = formulas.get(name)
    for parameter in (*(p.name for p in formula.parameters), *formula.groups):
        assert f"`{parameter}`" in said


def test_the_picture_is_what_the_command_of_the_page_draws(tmp_path):
    (command,) = re.findall(r"```console\nexplorer (.*)\n```", PAGE)
    assert command.endswith(f"--output {PICTURE}")
    assert f"]({PICTURE.removeprefix('docs/')})" in PAGE
    program = "from explorer.cli import main; main()"
    run = [sys.executable, "-c", program, *command.split()]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(run, cwd=tmp_path, env=env, check=True, capture_output=True)
    assert set(formulas.BUILT_IN) <= set(command.split())
    assert (ROOT / PICTURE).stat().st_size < 1_500_000
    with Image.open(ROOT / PICTURE) as held, Image.open(tmp_path / PICTURE) as drawn:
        assert held.size == drawn.size
        # Letters may be drawn a little differently by another version of FreeType.
        difference = np.abs(np.asarray(held, np.int16) - np.asarray(drawn, np.int16))
        assert difference.mean() < 1
