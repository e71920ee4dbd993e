"""Which trials of a large study are dressed."""

from optuna.trial import TrialState

from explorer.cli.look import dashboard
from explorer.dashboard.choice import MOST, choose
from tests.report.conftest import failure, trial


def test_the_command_says_how_many_there_are():
    (option,) = [one for one in dashboard.params if one.name == "trials"]
    assert option.default == MOST


def numbered(trials):
    for number, one in enumerate(trials):
        one.number = number
    return trials


def test_all_of_a_small_study_but_what_waits():
    waiting = trial("x", 2, state=TrialState.WAITING)
    trials = numbered([trial("x", 0, 0.5), failure("x", 1, "bad"), waiting])
    assert {one.number for one in choose(trials, None)} == {0, 1}


def test_what_is_looked_at_of_a_large_study():
    scores = [trial("base" if i == 7 else "x", i, 0.5 + i % 2 / 10) for i in range(1000)]
    best, worst = trial("x", 0, 0.9), trial("x", 0, 0.1)
    running = trial("x", 0, state=TrialState.RUNNING)
    trials = numbered([running, best, worst, failure("x", 0, "bad"), *scores])
    chosen = [one.number for one in choose(trials, "base")]
    assert len(chosen) == len(set(chosen)) == MOST
    assert chosen[:2] == [0, 1]
    # Running, best, worst, failed, of the baseline, and the latest.
    assert {0, 1, 2, 3, 11, 1003, 1002, 1001} <= set(chosen)
    assert len(choose(trials, "base", 5000)) == len(trials)
    assert [one.number for one in choose(trials, "base", 3)] == chosen[:3]
