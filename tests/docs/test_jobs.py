"""The job scripts of docs/scale.md, as far as a shell can check them."""

import subprocess
from pathlib import Path

import pytest

JOBS = Path(__file__).parents[2] / "docs" / "jobs"


@pytest.mark.parametrize("script", sorted(JOBS.iterdir()), ids=lambda script: script.name)
def test_a_script_parses_and_says_what_it_lacks(script):
    subprocess.run(["bash", "-n", script], check=True)
    # Each wants a study, and neither Slurm nor PBS is here to set its folder.
    environment = {"SLURM_SUBMIT_DIR": ".", "PBS_O_WORKDIR": ".", "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(["bash", script], check=False, capture_output=True, env=environment)
    assert ran.returncode != 0
    assert b"usage:" in ran.stderr
