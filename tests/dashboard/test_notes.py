"""What notes say."""

from datetime import datetime

import pytest
from optuna.trial import TrialState

from explorer.dashboard.notes import is_ours, signed, study_note, trial_note
from explorer.report import status
from tests.report.conftest import failure, finished_trials, trial


def test_a_trial_in_full():
    ranges = {"frequency": (0, 20), "formula": "visual_atom"}
    tasks = {"accuracy.other": 0.6, "remarks": "few images", "cached_from": "theirs#3"}
    note = trial_note(trial("best_practice", 2, 0.8, **ranges, **tasks), "/artifacts/1/2/ab")
    lines = note.replace("\N{EN SPACE}", "").splitlines()
    assert lines[:7] == [
        "## best\\_practice, replicate 2",
        "",
        "**80.0 %** top-1 in the mean of digits 80.0 %, other 60.0 %, in 60 s on box (cpu).",
        "",
        "Seed 2, its result was taken from theirs\\#3.",
        "",
        "![The first images of the first categories](/artifacts/1/2/ab)",
    ]
    assert "| frequency | 0\N{EN DASH}20 |" in lines
    assert "| 8,192 | 40.0 | \N{EN DASH} |" in lines
    assert "| Edge density | 0.100 | share of pixels |" in lines
    assert "few images" in lines


def test_what_else_can_become_of_a_trial():
    assert "From scratch: not pre-trained." in trial_note(trial("scratch", 0, 0.7), None)
    failed = failure("high", 0, "ValueError: a|b\n`c` **d**")
    assert "**Failed**: `ValueError: a|b 'c' **d**`" in trial_note(failed, None)
    pruned = trial("high", 0, state=TrialState.PRUNED, stopped="stopped at 4,096 images")
    assert "**Stopped early**: stopped at 4,096 images." in trial_note(pruned, None)
    diverged = {"16": {"loss": float("nan")}}
    running = trial("high", 0, state=TrialState.RUNNING, rungs=diverged)
    running.intermediate_values = {16: 0.1}
    assert "| \N{EN SPACE}10.0 | \N{EN SPACE}nan |" in trial_note(running, None)


def test_what_stands_in_a_study_file_is_not_read_as_markdown(make_study):
    study = make_study(finished_trials(), description="a [link](x) | <b> `c`")
    note = study_note(status(study, now=datetime(2026, 1, 1)))  # noqa: DTZ001 - as Optuna's
    assert r"a \[link\](x) \| \<b\> \`c\`" in note


def test_the_note_of_a_study_has_its_best_arms_first(make_study):
    lines = study_note(status(make_study(finished_trials()))).replace("\N{EN SPACE}", "")
    assert "Protocol laptop; of 12 trials 12 done." in lines
    assert lines.index("| best\\_practice | 81.7 ± 1.5 | 3 | 0 |") < lines.index("| scratch |")


@pytest.mark.parametrize(
    ("note", "ours"),
    [
        ("", True),
        (signed(["a", "", "b"]), True),
        (signed(["a"]).replace("a", "my a", 1), False),
        (signed(["a"]) + " and more", False),
        ("a", False),
    ],
)
def test_a_note_that_a_person_has_changed_is_known(note, ours):
    assert is_ours(note) is ours
