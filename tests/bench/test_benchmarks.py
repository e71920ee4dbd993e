"""The benchmarks in small form: they run, and their tables hold what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import common, filled, overhead

ROOT = Path(__file__).parents[2]


def run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def rows(text: str) -> dict[str, list[float]]:
    """Return the numbers of every line of a table, by what stands before them."""
    found = {}
    for line in text.splitlines():
        name, *numbers = re.split(r"\s{2,}", line.strip())
        if numbers and all(re.fullmatch(r"[\d.,]+", number) for number in numbers):
            found[name] = [float(number.replace(",", "")) for number in numbers]
    return found


# Draws one image of the wanted size for every one that is wanted, without any haste.
RENDERER = """
import sys, time
given = dict(argument.removeprefix("--").split("=") for argument in sys.argv[1:])
images = int(given["numof_classes"]) * int(given["numof_instances"])
assert given["vertex_num"] == "200"
end = time.process_time() + 0.02 * images
while time.process_time() < end: pass
"""
ITERATOR = """
class ifs_function:
    def __init__(self, *place): self.maps = []
    def set_param(self, *numbers): self.maps.append(numbers)
    def calculate(self, points):
        assert abs(sum(numbers[-1] for numbers in self.maps) - 1) < 1e-6
        total = 0.0
        for _ in range(2 * points): total += 1.0
"""


@pytest.mark.parametrize(
    ("formula", "script", "compiled"),
    [("rcdb", RENDERER, "official"), ("fractal_contractive", ITERATOR, "iteration")],
)
def test_render_compares_with_the_authors_and_with_plain_python(
    tmp_path, formula, script, compiled
):
    (tmp_path / "theirs.py").write_text(script)
    ran = run("render", formula, "--images", 10, "--official-script", tmp_path / "theirs.py")
    assert ran.returncode == 0, ran.stderr
    found = rows(ran.stdout)
    assert found.keys() >= {"reference", "authors", compiled, "counter"}
    for name, (nanoseconds, millions, _, ratio, to_reference) in found.items():
        assert millions == pytest.approx(1e3 / nanoseconds, rel=0.2, abs=0.06), name
        assert (ratio == 1.0) == (name == "authors")
        assert (to_reference == 1.0) == (name == "reference")
    assert found["counter"][4] > 5


def test_train_compares_with_timm():
    ran = run("train", "--protocol", "smoke", "--rounds", 1, "--steps", 1)
    assert ran.returncode == 0, ran.stderr
    found = rows(ran.stdout)
    ways = {"timm", "timm, small files", "ceiling", "ours, adamw", "ours, muon"}
    assert found.keys() >= ways
    for base, name in enumerate(("timm", "timm, small files", "ceiling")):
        assert found[name][2 + base] == 1.0
    shares = [found[p][1] for p in ("data and augmentation", "forward and backward", "optimiser")]
    assert 80 < sum(shares) < 102


def test_a_ratio_is_the_median_over_the_rounds():
    spent = {"slow": [4.0, 8.0, 90.0], "fast": [1.0, 4.0, 1.0]}
    assert common.ratio(spent, "slow", "fast") == 4.0
    assert common.table(["", "x"], [["a", "1"], ["bb", "10"]]) == "     x\na    1\nbb  10"


def test_load_looks_at_a_study_in_every_way():
    ran = run("load", "--trials", 20)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("20 replicates of 10 arms in 180 rows of ours")
    found = rows(ran.stdout)
    assert found.keys() == {"pandas.read_sql", *LOOKS}
    assert found["pandas.read_sql"][2] == 1.0


LOOKS = ("load", "load_rungs", "load_epochs", "summarise", "status")


def test_replicates_are_taken_behind_those_that_have_ended(tmp_path):
    with filled.database(None) as url:
        times = overhead.growth(url, tmp_path, "tpe", 15)
    assert len(times) == 4
    assert all(0 < milliseconds < 60_000 for milliseconds in times)


def test_many_clients_lose_and_double_nothing(tmp_path):
    with filled.database(None) as url:
        said = overhead.rush(url, tmp_path, clients=3)
    assert said.startswith("15 replicates, 0 lost, 0 doubled")
