"""How far a study is, by hand-made databases."""

import io
from datetime import timedelta

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState
from rich.console import Console

from explorer import store as db
from explorer.errors import InputError
from explorer.report import overview, overview_screen, status, status_screen
from explorer.report.estimate import seconds_left, trials_at_a_time
from explorer.report.numerals import MISSING
from tests.report.conftest import BEGIN, MINUTE, failure, finished_trials, trial


def show(renderable, width=80):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(renderable)
    return console.file.getvalue()


def running(arm, replicate, **attrs):
    return trial(arm, replicate, state=TrialState.RUNNING, **attrs)


@pytest.fixture
def under_way(make_study):
    """Seven done, one failed, one interrupted, two running of twelve."""
    return make_study(
        [
            *finished_trials()[:7],
            failure("high", 1, "ValueError: bad"),
            failure("scratch", 2, "interrupted: its run died"),
            running("none", 2, frequency=(0, 0)),
            running("best_practice", 2),
        ]
    )


def test_counts_are_of_replicates_and_not_of_attempts(under_way):
    found = status(under_way)
    state = found.progress
    assert (state.total, state.complete, state.pruned) == (12, 7, 0)
    assert (state.running, state.failed, state.waiting) == (2, 1, 2)
    assert not state.finished
    assert found.retried == 0
    under_way.add_trial(trial("high", 1, 0.8, attempt=2, continues=7))
    again = status(under_way)
    assert (again.progress.complete, again.progress.failed, again.retried) == (8, 0, 1)


def test_arms_running_and_failures(under_way):
    found = status(under_way, now=BEGIN + MINUTE / 2)
    arms = {arm.name: arm for arm in found.arms}
    assert list(arms) == ["scratch", "none", "best_practice", "high"]
    assert (arms["none"].planned, arms["none"].complete, arms["none"].running) == (3, 2, 1)
    assert (arms["high"].complete, arms["high"].failed) == (1, 1)
    assert found.best.name == "best_practice"
    assert found.best.accuracy.mean == pytest.approx(0.81)
    first, second = found.running
    assert (first.number, first.arm, first.replicate) == (9, "none", 2)
    assert (first.seconds, first.rung, first.probe) == (30, 8192, 0.4)
    assert (second.rung, second.probe) == (None, None)
    (failed,) = found.failures
    assert (failed.number, failed.reason) == (7, "ValueError: bad")


def test_rate_and_time_left(under_way):
    found = status(under_way, now=BEGIN + MINUTE / 2)
    assert found.workers == 2
    # One-minute trials, two at a time; both are half done and two more wait.
    assert found.rate == pytest.approx(120)
    assert found.seconds_left == pytest.approx(90)
    assert found.last == BEGIN + MINUTE


def test_a_study_that_has_not_begun(make_study):
    found = status(make_study([]))
    assert found.progress.waiting == 12
    assert (found.rate, found.seconds_left, found.best, found.last) == (None,) * 4
    assert "time left unknown" in show(status_screen(found))


def test_a_finished_study(study):
    found = status(study)
    assert found.progress.finished
    assert found.seconds_left == 0
    assert "finished" in show(status_screen(found))


def test_trials_of_dead_runs_wait(make_study, tmp_path):
    storage = db.connect(f"sqlite:///{tmp_path / 'a.db'}", create=True)
    with db.Run(storage, "frequency_range") as alive:
        with db.Run(storage, "frequency_range") as dead:
            trials = [running("none", 0, run=dead.run_id), running("none", 1, run=alive.run_id)]
            study = make_study(trials, storage=storage)
            assert status(study, storage).progress.running == 2
        found = status(study, storage)
        assert [trial.number for trial in found.running] == [1]
        assert found.progress.waiting == 11
        assert status(study).progress.running == 2  # nothing known without the storage


def test_status_screen(under_way):
    text = show(status_screen(status(under_way, now=BEGIN + MINUTE / 2)))
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines[0] == "frequency_range under protocol laptop"
    assert lines[1].startswith("7/12 ")
    assert lines[1].endswith("120 trials/h, 90 s left")
    assert lines[2] == "7 complete, 2 running, 2 waiting, 1 failed"
    assert lines[3] == "best so far: best_practice  81.0 ± 1.4 %  (n = 2)"
    assert "    9  none                   2  30 s        8,192       40.0" in lines
    assert "arm            done  running  failed  accuracy [%]  course" in lines
    assert "high            1/3        0       1          78.0  ▁█" in lines
    assert "7 high #1  ValueError: bad" in lines


def test_what_was_stopped_early_is_counted_and_shown(under_way):
    under_way.add_trial(trial("high", 1, 0.3, state=TrialState.PRUNED, frequency=(20, 60)))
    unrun = trial("high", 2, state=TrialState.PRUNED, stopped="not run: 4 replicates are below")
    unrun.datetime_complete = BEGIN
    before = status(under_way)
    under_way.add_trial(unrun)
    found = status(under_way, now=BEGIN)
    assert (found.progress.pruned, found.progress.done, found.progress.failed) == (2, 9, 0)
    assert found.arms[-1].pruned == 2
    # A pruned trial has no accuracy, and one that was not run says nothing of how long one takes.
    assert found.arms[-1].accuracy.n == 1
    assert found.rate == before.rate
    lines = [line.rstrip() for line in show(status_screen(found)).splitlines()]
    assert "7 complete, 2 pruned, 2 running, 1 waiting, 0 failed, 1 retried" in lines
    assert "arm            done  stopped  running  failed  accuracy [%]  course" in lines
    assert "high            1/3        2        0       0          78.0  ▁█" in lines


def test_a_failure_says_which_attempt_it_was(under_way):
    under_way.add_trial(failure("high", 1, "ValueError: worse", attempt=2))
    found = status(under_way)
    assert [(one.attempt, one.reason) for one in found.failures] == [(2, "ValueError: worse")]
    assert "11 high #1 (attempt 2)  ValueError: worse" in show(status_screen(found))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_status_screen_never_wraps(under_way, width):
    under_way.add_trial(failure("high", 2, "a reason " * 40))
    found = status(under_way, now=BEGIN)
    lines = show(status_screen(found), width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) == len(show(status_screen(found), 500).splitlines())


def test_many_arms_are_cut_to_the_best(make_study):
    trials = [trial(f"sample-{i:04d}", 0, i / 100) for i in range(40)]
    study = make_study(trials, arms={}, sampler={"name": "qmc", "samples": 40}, replicates=1)
    text = show(status_screen(status(study)))
    assert "sample-0039" in text
    assert "sample-0019" not in text
    assert "(the best 20 of 40 arms)" in text


def test_overview_of_a_storage(make_study):
    storage = InMemoryStorage()
    make_study(finished_trials(), storage=storage)
    make_study([failure("none", 0, "x")], name="another", storage=storage)
    optuna.create_study(study_name="theirs", storage=storage)
    found = overview(storage)
    assert [study.study for study in found] == ["another", "frequency_range", "theirs"]
    assert [study.progress.total for study in found] == [12, 12, 0]
    lines = show(overview_screen(found)).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "study protocol done failed best arm accuracy left",
        f"another laptop 0/12 1 {MISSING} {MISSING} {MISSING}",
        "frequency_range laptop 12/12 0 best_practice 81.7 ± 1.5 finished",
        f"theirs {MISSING} 0/0 0 {MISSING} {MISSING} {MISSING}",
    ]
    assert overview(InMemoryStorage()) == []


def test_a_study_that_does_not_exist(make_study):
    storage = InMemoryStorage()
    make_study([], storage=storage)
    with pytest.raises(InputError, match="did you mean 'frequency_range'"):
        status("frequencyrange", storage)


# -- the estimate --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elapsed", "waiting", "workers", "expected"),
    [
        ([], 4, 2, 20),
        ([], 5, 2, 30),
        ([4, 0], 0, 2, 10),
        ([4, 0], 1, 2, 16),
        ([50], 1, 1, 10),
        ([4, 0], 1, 4, 10),
        ([], 0, 3, 0),
    ],
)
def test_seconds_left_deals_trials_out_to_workers(elapsed, waiting, workers, expected):
    found = seconds_left([8, 12], elapsed=elapsed, waiting=waiting, workers=workers)
    assert found == pytest.approx(expected)


def test_seconds_left_needs_a_measured_trial():
    assert seconds_left([], elapsed=[3], waiting=2, workers=1) is None


def test_seconds_left_looks_at_recent_trials():
    assert seconds_left([1000.0] * 9 + [10.0] * 50, elapsed=[], waiting=1, workers=1) == 10


def test_trials_at_a_time():
    def span(start, end):
        return BEGIN + timedelta(seconds=start), BEGIN + timedelta(seconds=end)

    assert trials_at_a_time([]) == 1
    assert trials_at_a_time([span(0, 0)]) == 1
    assert trials_at_a_time([span(0, 10), span(10, 20)]) == 1
    assert trials_at_a_time([span(0, 10), span(0, 10), span(100, 110), span(100, 110)]) == 2
    assert trials_at_a_time([span(0, 10), span(5, 15)]) == pytest.approx(20 / 15)
    assert trials_at_a_time([span(0, 30), span(5, 10)]) == pytest.approx(35 / 30)
