"""Studies whose arms are of several formulas."""

import csv
import io
import json

import pandas as pd
import pytest

from explorer.report import load, render, summarise
from explorer.report.layout import ranges
from tests.report.conftest import trial

PERLIN = {
    "name": "perlin",
    "formula": "perlin",
    "parameters": {
        "frequency": {"low": [0, 256], "high": [0, 256], "default": [1, 32]},
        "octaves": {"low": [1, 8], "high": [1, 8], "default": [1, 5]},
    },
}
ARMS = {"scratch": None, "atoms": {}, "noise": {}, "smooth": {"octaves": [1, 1]}}


def of_perlin(arm, replicate, accuracy, octaves):
    ranges = {"frequency": [1, 32], "octaves": octaves}
    return trial(arm, replicate, accuracy, ranges=ranges, formula="perlin")


@pytest.fixture
def both(make_study):
    trials = []
    for r in range(2):
        trials += [
            trial("scratch", r, 0.6 + r / 50),
            trial("atoms", r, 0.8 + r / 50, frequency=(0, 20), formula="visual_atom"),
            of_perlin("noise", r, 0.7 + r / 50, [1, 5]),
        ]
    return make_study(trials, arms=ARMS, arm_spaces={"noise": PERLIN, "smooth": PERLIN})


def test_the_frame_says_the_formula_and_leaves_ranges_of_others_empty(both):
    frame = load(both).set_index("arm")
    found = frame["formula"].groupby(level=0).first()
    assert (found["atoms"], found["noise"]) == ("visual_atom", "perlin")
    assert pd.isna(found["scratch"])
    columns = [c for c in frame.columns if c.endswith(".low")]
    assert columns == ["frequency.low", "orbits.low", "octaves.low"]
    assert frame.loc["atoms", "octaves.low"].isna().all()
    assert frame.loc["noise", "orbits.low"].isna().all()
    assert (frame.loc["noise", "frequency.high"] == 32).all()


def test_an_arm_shows_the_ranges_that_vary_in_its_own_formula(both):
    report = summarise(both)
    arms = {arm.name: arm for arm in report.arms}
    assert report.formulas == ("visual_atom", "perlin")
    assert report.varied == ("octaves",)
    assert (arms["scratch"].formula, arms["scratch"].ranges) == (None, {})
    assert (arms["atoms"].formula, arms["atoms"].ranges) == ("visual_atom", {})
    assert (arms["noise"].formula, arms["noise"].ranges) == ("perlin", {"octaves": (1, 5)})
    assert arms["smooth"].accuracy is None
    assert arms["smooth"].ranges == {"octaves": (1, 1)}


def test_the_tables_have_a_column_for_the_formula(both):
    lines = render(summarise(both), "markdown").splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:4]] for line in lines[:6]]
    assert cells[0] == ["Arm", "Formula", "Ranges"]
    assert cells[2:] == [
        ["scratch", "no pre-training", "\N{EN DASH}"],
        ["atoms", "visual\\_atom", "defaults"],
        ["noise", "perlin", "octaves 1\N{EN DASH}5"],
        ["smooth", "perlin", "octaves 1"],
    ]
    rows = list(csv.DictReader(io.StringIO(render(summarise(both), "csv"))))
    assert [row["formula"] for row in rows] == ["", "visual_atom", "perlin", "perlin"]
    said = json.loads(render(summarise(both), "json"))
    assert [arm["formula"] for arm in said["arms"]] == [None, "visual_atom", "perlin", "perlin"]


def test_a_study_of_one_formula_has_no_such_column_and_one_of_an_older_database_knows_it(study):
    assert set(load(study)["formula"].dropna()) == {"visual_atom"}
    assert "Formula" not in render(summarise(study), "markdown")
    rows = list(csv.DictReader(io.StringIO(render(summarise(study), "csv"))))
    assert [row["formula"] for row in rows] == ["", *["visual_atom"] * 3]


def test_what_is_not_pretrained_is_said_beside_what_an_arm_changes(make_study):
    trials = [
        trial("scratch", 0, 0.6),
        trial("pretrained", 0, 0.7, frequency=(0, 20)),
        trial("scratch_fan_in", 0, 0.8),
        trial("pretrained_fan_in", 0, 0.9, frequency=(0, 20)),
    ]
    arms = {"scratch": None, "pretrained": {}, "scratch_fan_in": None, "pretrained_fan_in": {}}
    fan_in = {"model": {"initialisation": "fan_in"}}
    changes = {"scratch_fan_in": fan_in, "pretrained_fan_in": fan_in}
    report = summarise(make_study(trials, arms=arms, arm_changes=changes))
    assert [ranges(arm, several_formulas=False) for arm in report.arms] == [
        "no pre-training",
        "defaults",
        "no pre-training, initialisation fan_in",
        "initialisation fan_in",
    ]
    assert ranges(report.arms[2], several_formulas=True) == "initialisation fan_in"
