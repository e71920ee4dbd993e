"""Two objectives in a report, by hand-made studies."""

import json
import math

import optuna
import pytest

from explorer.report import render, summarise, terminal
from explorer.report.pareto import front
from tests.report.conftest import ARMS, SCORES, definition, trial
from tests.report.test_tables import DASH

VARIETY = {"none": 30.0, "best_practice": 10.0, "high": 20.0}


@pytest.fixture
def make():
    def make(direction="maximize", values=VARIETY, scores=SCORES):
        study = optuna.create_study(
            study_name="frequency_range", directions=["maximize", direction]
        )
        sought = [{"accuracy": "maximize"}, {"variety.edge_density": direction}]
        study.set_user_attr("definition", definition(objectives=sought))
        for arm, ranges in ARMS.items():
            for replicate in range(3):
                accuracy = scores[arm][replicate]
                made = trial(
                    arm,
                    replicate,
                    accuracy,
                    frequency=ranges and tuple(ranges["frequency"]),
                )
                second = -math.inf
                if ranges:
                    second = made.user_attrs["variety.edge_density"] = values[arm] + replicate
                    rungs = {"8192": {"accuracy": 0.4, "loss": 1.0, "seconds": 2.0}}
                    made.user_attrs["rungs"] = rungs
                made.intermediate_values = {}
                made.values = [accuracy, second]
                study.add_trial(made)
        return study

    return make


def names(study):
    return [arm.name for arm in front(summarise(study))]


def test_the_front_is_what_no_other_arm_is_better_than_in_both(make):
    # The most accurate is the least various; high lies between; from scratch has no images.
    assert names(make()) == ["best_practice", "high", "none"]
    assert names(make("minimize")) == ["best_practice"]
    assert names(make(values={"none": 15.0, "best_practice": 10.0, "high": 20.0})) == [
        "best_practice",
        "high",
    ]


def test_equal_arms_are_both_on_the_front(make):
    scores = {**SCORES, "high": SCORES["best_practice"], "none": [0.1, 0.1, 0.1]}
    assert names(make(values=dict.fromkeys(VARIETY, 5.0), scores=scores)) == [
        "best_practice",
        "high",
    ]


def test_a_study_of_one_objective_has_no_front(study):
    found = summarise(study)
    assert front(found) == []
    assert "Pareto" not in render(found, "markdown")
    assert "front" not in render(found, "csv").splitlines()[0].split(",")


def test_the_report_marks_the_front_and_has_a_table_of_it(make):
    found = summarise(make())
    tables = render(found, "markdown").split("\n\n")
    assert f"| best\\_practice \\* | frequency 0{DASH}20 |" in tables[0]
    assert "| scratch |" in tables[0]
    assert "\\* on the Pareto front of accuracy and Edge density." in tables[1]
    lines = [line for table in tables for line in table.splitlines()]
    head = lines.index("| Arm | Ranges | Accuracy \\[%\\] | n | Edge density |")
    assert [line.split("|")[1].strip() for line in lines[head + 2 : head + 5]] == [
        "best\\_practice",
        "high",
        "none",
    ]
    assert "Edge density (the higher the better)" in "\n".join(lines)
    assert r"\label{tab:frequency-range-front}" in render(found, "latex")
    rows = render(found, "csv").splitlines()
    column = rows[0].split(",").index("front")
    assert [row.split(",")[column] for row in rows[1:]] == ["0", "1", "1", "1"]
    content = json.loads(render(found, "json"))
    assert content["front"] == ["best_practice", "high", "none"]
    assert content["objectives"] == {"accuracy": "maximize", "variety.edge_density": "maximize"}


def test_what_is_sought_is_shown_on_any_terminal(make):
    table = terminal(summarise(make()), width=20).renderables[0]
    assert "density" in str(table.columns[-1].header)
