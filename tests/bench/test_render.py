"""What the bench measures and says; not how fast this machine is."""

import json
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import explorer
from explorer.bench import families
from explorer.bench import render as room
from explorer.bench.cores import only
from explorer.cli import main
from explorer.errors import InputError
from explorer.formulas import official
from tests.formulas import reference

# Stands for an authors' renderer: takes their arguments, saves a PNG, prints.
SCRIPT = """
import argparse, sys
from PIL import Image
parser = argparse.ArgumentParser()
for name in NAMES:
    parser.add_argument("--" + name, type=float)
parser.add_argument("--save_root")
given = parser.parse_args()
assert (given.numof_classes, given.numof_instances) == (1, 2)
sum(range(3_000_000))
image = Image.new("L", (8, 8))
image.save(given.save_root + "/../left.png")
print("Category", 0)
"""


# Stands for their module of an iterated function system; imports open3d, as one of theirs does.
ITERATED = """
import json, open3d
class ifs_function:
    def __init__(self, *given):
        self.given, self.maps = given, []
    def set_param(self, *numbers):
        self.maps.append(numbers)
    def calculate(self, points):
        sum(range(3_000_000))
        with open(LOG, "a") as log:
            log.write(json.dumps([self.given, self.maps, points]) + "\\n")
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "render.py"
    names = list(official.arguments("visual_atom"))
    path.write_text(f"NAMES = {names}\n{SCRIPT}")
    return path


@pytest.fixture(autouse=True)
def _one_round(monkeypatch):
    monkeypatch.setattr(room, "_ROUNDS", 1)


@pytest.mark.parametrize("formula", ["visual_atom", "rcdb"])
def test_every_way_to_draw_is_measured(formula):
    done = []
    found = room.measure(formula, images=2, progress=done.append)
    assert sum(done) == 3
    assert [speed.name for speed in found.speeds] == ["reference", "official", "counter"]
    for speed in found.speeds:
        assert speed.unit > 0
        assert speed.images == pytest.approx(1 / (speed.unit * found.units))
    assert found.unit == "segment"
    assert found.speeds[0].ratios == {"reference": 1}
    assert (found.two_cores is None) == (len(os.sched_getaffinity(0)) < 2)
    assert found.written == 64
    assert 2**24 < found.memory < 500 * 2**20
    assert found.first_image > 0
    assert found.load >= 0


def test_segments_are_those_of_the_best_practice():
    rows = room.formulas.get("visual_atom").categories(None, seed=0, categories=range(4096))
    # Mean of q times mean of K, which are independent.
    assert (rows["quantization"] * rows["orbits"]).mean() == pytest.approx(600 * 100.5, rel=0.05)


@pytest.mark.parametrize(
    ("formula", "given", "numbers"),
    [("fractal_contractive", [0, 0, "", "", ""], 6), ("exfractal", [], 12)],
)
def test_the_authors_iterate_the_systems_of_the_categories(formula, given, numbers, tmp_path):
    log = tmp_path / "log"
    (tmp_path / "ifs.py").write_text(f"LOG = {str(log)!r}\n{ITERATED}")
    found = room.measure(formula, images=2, script=tmp_path / "ifs.py")
    names = [speed.name for speed in found.speeds]
    assert names == ["authors", "reference", "iteration", "counter"]
    assert found.unit == "point"
    row = room.formulas.get(formula).categories(None, seed=0, categories=[0])[0]
    assert found.units == row["points"]
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert len(calls) == 2 * families.INSTANCES  # to warm up, and in the one round
    for arguments, maps, points in calls:
        assert arguments == given
        assert points == row["points"] + 1
        system = np.array(maps)
        assert np.array_equal(system[:, :-1], row["system"][: row["maps"]])
        assert system.shape[1] == numbers + 1
        size = 2 if numbers == 6 else 3
        volumes = abs(np.linalg.det(system[:, : size * size].reshape(-1, size, size)))
        assert system[:, -1] == pytest.approx(volumes / volumes.sum())


def test_the_reference_iterates_in_the_plane_and_in_space():
    flat = [[0.5, 0.25, -0.25, 0.5, 0.75, 0.5, 0.25], [-0.5, 0.0, 0.0, 0.5, 0.0, 0.25, 0.75]]
    solid = [
        [a, b, 0.0, c, d, 0.0, 0.0, 0.0, 0.5, e, f, 0.0, chance]
        for a, b, c, d, e, f, chance in flat
    ]
    orbit = reference.iterate(flat, 4000, seed=1)
    assert reference.iterate(solid, 4000, seed=1) == [(x, y, 0.0) for x, y in orbit]
    taken = []
    for (x, y), after in zip([(0.0, 0.0), *orbit], orbit, strict=False):
        images = [(a * x + b * y + e, c * x + d * y + f) for a, b, c, d, e, f, _ in flat]
        taken.append([image == pytest.approx(after) for image in images])
    assert (np.sum(taken, axis=1) >= 1).all()
    assert np.mean(taken, axis=0) == pytest.approx([0.25, 0.75], abs=0.03)


def test_the_authors_script_is_measured_and_writes_nothing(script, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    found = room.measure("visual_atom", images=2, script=script)
    assert found.speeds[0].name == "authors"
    assert set(found.speeds[0].ratios) == {"authors", "reference"}
    assert not (tmp_path / "left.png").exists()


def test_medians_are_taken_round_by_round():
    spent = {"counter": [1.0, 2.0, 4.0], "reference": [10.0, 40.0, 40.0]}
    slow, counter = room._speeds(spent, units=5)
    assert (slow.name, slow.unit) == ("reference", 40)
    assert (counter.name, counter.unit, counter.images) == ("counter", 2, 0.1)
    assert counter.ratios == {"reference": 10}


def test_threads_are_kept_on_the_processors_given():
    before = os.sched_getaffinity(0)
    one = {min(before)}
    seen = []
    with only(sorted(one)):
        thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
    assert seen == [one]
    assert os.sched_getaffinity(0) == before


def test_as_many_images_as_the_family_says_are_drawn_by_default(monkeypatch):
    asked = []

    def slow(formula, number, categories, script):
        asked.append((formula, number, categories, script))
        return {"reference": 1.0}

    family = replace(families.get("rcdb"), images=6, slow=slow)
    monkeypatch.setattr(families, "_FAMILIES", {"rcdb": family})
    room.measure("rcdb")
    assert asked == [("rcdb", 0, 1, None), ("rcdb", 0, 3, None)]  # the first to warm up


def test_other_pixels_than_the_reference_s_are_noticed(monkeypatch):
    real = official.render
    monkeypatch.setattr(
        official, "render", lambda *given: ((name, 255 - image) for name, image in real(*given))
    )
    with pytest.raises(RuntimeError, match=r"vertex_\d+_instance_0000.png of the official stream"):
        room.measure("visual_atom", images=2)


def test_a_script_that_fails_is_an_input_error(script):
    script.write_text("raise ValueError('no such argument')")
    with pytest.raises(InputError, match=r"render\.py': fails: ValueError: no such argument"):
        room.measure("visual_atom", images=2, script=script)


def test_a_missing_script_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"--official-script: .*there is no such file"):
        room.measure("visual_atom", images=2, script=tmp_path / "none.py")


def test_a_second_process_that_fails_is_an_input_error(monkeypatch):
    monkeypatch.setattr(room, "_RENDER", "raise OSError('no room')")
    with pytest.raises(InputError, match="a second process fails: OSError: no room"):
        room._process("visual_atom", 1)


def test_a_formula_with_nothing_to_compare_is_an_input_error():
    with pytest.raises(InputError, match=r"FORMULA: 'perlin': has nothing to be compared with; "):
        room.measure("perlin", images=2)


def test_an_installed_package_says_that_it_needs_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(explorer, "__file__", str(tmp_path / "explorer" / "__init__.py"))
    with pytest.raises(InputError, match="needs a checkout of explorer, as its tests hold"):
        room.measure("visual_atom", images=2)


def shown(found: room.Figures) -> str:
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(room.screen(found))
    return console.export_text()


FOUND = room.Figures(
    formula="rcdb",
    speeds=(
        room.Speed("reference", 2e-6, 8.25, {"reference": 1}),
        room.Speed("counter", 1e-8, 1650.5, {"reference": 200.25}),
    ),
    rounds=5,
    unit="segment",
    units=60_606,
    two_cores=1.954,
    first_image=0.876,
    written=640,
    memory=200 * 2**20,
    load=0.1,
)


def test_the_screen_tells_every_figure():
    text = shown(FOUND)
    assert text.startswith("rcdb, 512 x 512, one core, CPU time; medians of 5 rounds\n")
    rows = [line.split() for line in text.splitlines()]
    headings = "drawn by ns/segment million segments/s images/s x reference"
    assert headings in [" ".join(row) for row in rows]
    assert ["counter", "10.0", "100.0", "1650.5", "200.2"] in rows
    assert "60,606 segments" in text
    assert "1.95 times one" in text
    assert "after 0.88 s" in text
    assert "at most 200 MiB while it writes 640 images" in text
    assert "busy" not in text


def test_the_screen_says_what_could_not_be_measured_well():
    assert "this process may use one core only" in shown(replace(FOUND, two_cores=None))
    assert "2.5 processes of others ran before" in shown(replace(FOUND, load=2.5))


def test_the_command_measures_what_it_is_told_and_prints_it(monkeypatch, capsys):
    asked = []

    def measure(formula, *, images, script, progress):
        progress(room.STEPS)
        asked.append((formula, images, script))
        return FOUND

    monkeypatch.setattr(room, "measure", measure)
    options = ["rcdb", "--images", "10", "--official-script", "theirs.py"]
    monkeypatch.setattr(sys, "argv", ["explorer", "bench", "render", *options])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert asked == [("rcdb", 10, Path("theirs.py"))]
    assert "1650.5" in capsys.readouterr().out


def test_the_command_says_what_is_wrong_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["explorer", "bench", "render", "visual_atm"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    line = "explorer: FORMULA: 'visual_atm': has nothing to be compared with; did you mean"
    assert capsys.readouterr().err.startswith(line)
