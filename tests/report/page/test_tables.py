"""The tables of a page: aligned, with what they are sorted by, and bounded."""

import optuna
import pytest

from explorer.report import load, summarise
from explorer.report.layout import Cell, Column, Layout, lay_out
from explorer.report.page.asked import lay_out_protocol, lay_out_space
from explorer.report.page.grid import aligned, grid, number
from explorer.report.page.provenance import (
    lay_out_failures,
    lay_out_machines,
    lay_out_runs,
    lay_out_versions,
)
from tests.report.conftest import definition, failure, finished_trials, trial

SPACE, POINT, MINUS = "\N{FIGURE SPACE}", "\N{PUNCTUATION SPACE}", "\N{MINUS SIGN}"


def texts(layout):
    return [[cell.text for cell in row] for row in layout.rows]


def test_numbers_stand_point_below_point():
    assert aligned(["80.2 ± 6.2", "9.5 ± 12.2", "baseline"]) == [
        f"80.2 ± {SPACE}6.2",
        f"{SPACE}9.5 ± 12.2",
        "baseline",
    ]
    assert aligned(["0.82", "0.003", "<0.001", "3"]) == [
        f"0.82{SPACE}",
        "0.003",
        "<0.001",
        f"3{POINT}{SPACE}{SPACE}{SPACE}",
    ]
    assert aligned([f"+8.7 [{MINUS}5.5, +11.8]", "+10.7 [+7.5, +13.8]"]) == [
        f"{SPACE}+8.7 [{MINUS}5.5, +11.8]",
        "+10.7 [+7.5, +13.8]",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [(f"{MINUS}4.0 [+1, +2]", -4), ("<0.001", 0.001), ("+0.3", 0.3), ("baseline", None)],
)
def test_what_a_column_is_sorted_by(text, value):
    assert number(text) == value


def test_the_grid_of_a_study(study):
    found = grid("arms", "Arms", lay_out(summarise(study)))
    arm, _, accuracy, _, gain, p, *_ = found.rows[2]
    assert (arm.text, arm.value) == ("best_practice", None)
    assert (accuracy.text, accuracy.emphasis, accuracy.value) == ("81.7 ± 1.5", "best", 81.7)
    assert (gain.text, gain.value) == ("+10.7 [+7.5, +13.8]", 10.7)
    assert (p.text, p.mark) == ("0.003", "")
    assert (found.rows[1][5].text.strip(SPACE), found.rows[1][5].mark) == ("0.82", "\N{DAGGER}")
    assert found.headings[0] == ("Arm", True)


def test_an_empty_column_of_numbers():
    layout = Layout((Column("n"),), ((Cell("-"),), (Cell(""),)), 2, ("Nothing.",))
    assert [row[0].text for row in grid("none", "None", layout).rows] == ["-", ""]


def test_a_protocol_is_said_entry_by_entry():
    protocol = {
        "name": "laptop",
        "digest": "abc",
        "description": "Two\n cores.",
        "dataset": {"canvas": 64, "images": None},
        "pretrain": {"rungs": [0.5, 1.0], "learning_rate": 0.0005, "compile": False, "crop": []},
        "downstream": [{"name": "a"}, {"name": "b"}],
    }
    layout = lay_out_protocol(protocol)
    assert texts(layout) == [
        ["dataset.canvas", "64"],
        ["dataset.images", "none"],
        ["pretrain.rungs", "0.5, 1"],
        ["pretrain.learning_rate", "0.0005"],
        ["pretrain.compile", "no"],
        ["pretrain.crop", "none"],
        ["downstream.0.name", "a"],
        ["downstream.1.name", "b"],
    ]
    assert layout.caption == ("Protocol laptop: Two cores.",)
    assert lay_out_protocol({"name": "laptop"}) is None


def test_a_search_space_says_what_varies():
    said = definition(vary=["orbits"])
    dash = "\N{EN DASH}"
    assert texts(lay_out_space(said)) == [
        ["frequency", f"0{dash}20", f"0{dash}1000", f"0{dash}1000", "arms"],
        ["orbits", f"1{dash}200", f"1{dash}1000", f"1{dash}1000", "sampler"],
    ]
    perlin = {"formula": "perlin", "parameters": {"scale": {"default": [1, 1]}}}
    rows = texts(lay_out_space({**said, "arm_spaces": {"texture": perlin}}))
    assert [row[0] for row in rows] == ["visual_atom", "visual_atom", "perlin"]
    assert rows[2] == ["perlin", "scale", "1", dash, dash, dash]
    assert lay_out_space({}) is None


def test_failures_are_counted_by_reason(make_study):
    failed = [failure(arm, 2, "OSError: full") for arm in ("none", "high")]
    failed += [failure("scratch", 2, "x" * 400), failure("best_practice", 2, "interrupted: died")]
    layout = lay_out_failures(load(make_study([*finished_trials()[:8], *failed])))
    assert texts(layout) == [
        ["OSError: full", "2", "none, high"],
        [f"{'x' * 300} ...", "1", "scratch"],
    ]
    assert lay_out_failures(load(make_study(finished_trials()))) is None


def test_of_many_reasons_the_rest_is_counted(make_study):
    failed = [failure(f"a{i}", 0, f"reason {i}") for i in range(25)]
    layout = lay_out_failures(load(make_study([*finished_trials(), *failed])))
    assert len(layout.rows) == 20
    assert layout.caption[-1] == "5 further reasons not shown."


def test_machines_with_their_trials_and_hours(make_study):
    trials = [*finished_trials(), trial("none", 0, 0.7, cached_from="other#1")]
    trials[0].user_attrs["host"] = "tower"
    layout = lay_out_machines(load(make_study(trials)))
    assert texts(layout) == [["box", "cpu", "11", "0.18"], ["tower", "cpu", "1", "0.02"]]
    assert layout.caption[-1] == "1 further trial took a result that was known."
    assert lay_out_machines(load(optuna.create_study())) is None


def run(number, **provenance):
    return {
        "host": "box",
        "command": f"explorer run-study {number}",
        "provenance": {"explorer": "0.1.0", "families": None, **provenance},
        "started_at": None,
        "ended_at": None,
    }


def test_versions_say_where_runs_differed():
    layout = lay_out_versions([run(0, torch="2.6"), run(1, torch="2.7"), run(2, torch="2.6")])
    assert texts(layout) == [["explorer", "0.1.0"], ["torch", "2.6, then 2.7"]]
    assert lay_out_versions([]) is None


def test_the_last_runs_are_shown():
    layout = lay_out_runs([run(number) for number in range(13)])
    assert texts(layout)[0][3] == "explorer run-study 3"
    assert len(layout.rows) == 10
    assert layout.caption[-1] == "The first 3 are not shown."
    assert lay_out_runs([]) is None
