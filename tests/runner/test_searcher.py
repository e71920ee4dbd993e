"""The bridge to Tune, without Ray: what it hands out and what it takes from the database."""

import math
from datetime import datetime
from types import SimpleNamespace

import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from explorer import store as db
from explorer import study as config
from explorer.errors import OutageError
from explorer.runner.scheduler import RungScheduler
from explorer.runner.searcher import DriverError, QueueSearcher
from explorer.runner.trainable import REPORT
from explorer.scores import Rung, Scores
from explorer.search import Queue
from explorer.store import tables
from tests.conftest import STUDY
from tests.runner.test_driver import Told


def key_of(proposal) -> str:
    return f"{proposal.ranges} {proposal.seed}"


@pytest.fixture
def storage(sqlite_url):
    return db.connect(sqlite_url, create=True)


def run_out(storage, study, told, key_of, work):
    """Drive a searcher as Tune does; every trial gets one rung and its scores."""
    with db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        queue.recover()
        searcher = QueueSearcher(queue, {"threads": 1}, told, key_of)
        number = 0
        while (asked := searcher.suggest(str(number))) != Searcher.FINISHED:
            searcher.reached(str(number), {REPORT: Rung(10, 0.25, 2.0, 1.5)})
            searcher.on_trial_complete(str(number), {REPORT: work(asked)})
            number += 1
        return number


def work(asked) -> Scores:
    key = f"{asked['ranges']} {asked['seed']}"
    return Scores(0.5 + asked["seed"] / 10, {"digits": 0.5}, result_key=key)


def test_a_known_result_is_not_computed_again(storage, write_study):
    write_study()
    assert run_out(storage, config.load_study("mine"), Told(), key_of, work) == 6
    write_study(name="other")
    told = Told()
    other = config.load_study("other")
    assert run_out(storage, other, told, key_of, work) == 0
    assert len(told.of("started")) == len(told.of("finished")) == 6
    trials = optuna.load_study(study_name="other", storage=storage).get_trials()
    assert sorted(trial.value for trial in trials) == [0.5] * 3 + [0.6] * 3
    assert all(trial.user_attrs["cached_from"].startswith("mine#") for trial in trials)
    assert {tuple(trial.intermediate_values.items()) for trial in trials} == {((10, 0.25),)}


def test_only_what_is_known_is_taken(storage, write_study):
    write_study()
    run_out(storage, config.load_study("mine"), Told(), key_of, work)
    text = (config.load_study("mine").path).read_text().replace("[0, 0]", "[0, 1]")
    write_study(text, name="other")
    # From scratch and the waves are as before, for both seeds; the circles are not.
    assert run_out(storage, config.load_study("other"), Told(), key_of, work) == 2


def test_what_goes_wrong_in_the_driver_gets_past_tune(storage, study, monkeypatch):
    """Tune logs an Exception of its searcher, and goes on without the trial."""
    error = OutageError("the database has not answered")

    def fail(*_, **__):
        raise error

    with db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        queue.recover()
        searcher = QueueSearcher(queue, {}, Told(), None)
        searcher.suggest("0")
        for method in ("report", "complete", "take"):
            monkeypatch.setattr(queue, method, fail)
        for call in (
            lambda: searcher.reached("0", {REPORT: Rung(10, 0.25, 2.0, 1.5)}),
            lambda: searcher.on_trial_complete("0", {REPORT: Scores(0.5)}),
            lambda: searcher.suggest("1"),
        ):
            with pytest.raises(DriverError) as raised:
                call()
            assert raised.value.error is error
    assert not issubclass(DriverError, Exception)


@pytest.mark.parametrize("at", ["rung", "end", "release"])
def test_a_trial_that_another_run_has_taken_back_is_left_to_it(storage, study, at):
    """A run that was cut off for long, and is not dead at all, comes back."""
    told = Told()
    with db.Run(storage, study.name) as cut_off, db.Run(storage, study.name) as run:
        mine = Queue(storage, study, cut_off.run_id)
        mine.recover()
        searcher = QueueSearcher(mine, {}, told, None)
        searcher.suggest("0")
        gone = {"host": "elsewhere", "seen_at": datetime(2000, 1, 1)}  # noqa: DTZ001 - as stored
        row = sa.update(tables.runs).where(tables.runs.c.run_id == cut_off.run_id)
        with storage.engine.begin() as connection:
            connection.execute(row.values(gone))
        other = Queue(storage, study, run.run_id)
        (lost,) = other.recover()
        if at == "rung":
            assert searcher.reached("0", {REPORT: Rung(10, 0.25, 2.0, 1.5)})
        elif at == "end":
            searcher.on_trial_complete("0", {REPORT: Scores(0.5, {"digits": 0.5})})
        if at != "release":
            ((number, state, _, reason),) = told.of("finished")
            assert (number, state) == (lost.number, "FAIL")
            assert "taken it back" in reason
            searcher.on_trial_complete("0", {REPORT: Scores(0.5, {"digits": 0.5})})
        mine.release()
        while (proposal := other.take()) is not None:
            other.complete(proposal.number, 0.5)
        assert other.finished()
    trials = optuna.load_study(study_name="mine", storage=storage).get_trials()
    assert [t.number for t in trials if t.state == TrialState.FAIL] == [lost.number]
    assert trials[lost.number].user_attrs["failure"] == "interrupted: its run died"
    assert sum(t.state == TrialState.COMPLETE for t in trials) == 6


def test_everything_is_computed_where_that_is_asked_for(storage, write_study):
    write_study()
    run_out(storage, config.load_study("mine"), Told(), key_of, work)
    write_study(name="other")
    assert run_out(storage, config.load_study("other"), Told(), None, work) == 6


# -- early stopping and scores that are none -----------------------------------------------------


def drive(storage, study, told, rungs, score):
    """Drive scheduler and searcher in the order in which Tune's controller does.

    A result goes to the scheduler; the searcher hears of it only if the trial goes on; a trial that
    is stopped comes to its end with that result (``TuneController._process_trial_result``).
    """
    with db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        queue.recover()
        searcher = QueueSearcher(queue, {"threads": 1}, told, None)
        scheduler = RungScheduler(searcher)
        for name in map(str, range(1000)):
            asked = searcher.suggest(name)
            if asked == Searcher.FINISHED:
                return
            for rung in rungs(asked):
                result = {REPORT: rung}
                decision = scheduler.on_trial_result(None, SimpleNamespace(trial_id=name), result)
                if decision == TrialScheduler.STOP:
                    break
                searcher.on_trial_result(name, result)
            else:
                result = {REPORT: Scores(score(asked), {"digits": 0.5})}
            searcher.on_trial_complete(name, result)


def test_a_trial_that_is_stopped_is_pruned_with_its_last_rung(storage, write_study):
    text = STUDY.replace("replicates: 2", "replicates: 2\npruner: {name: median, startup: 1}")
    write_study(text + "baseline: circles\n")
    told = Told()

    def rungs(asked):
        good = asked["ranges"] and asked["ranges"]["frequency"] == (0, 0)
        values = [0.4, 0.5] if good else [0.3, 0.6]
        return [Rung(n, v, 2.0, 1.0) for n, v in zip((128, 256), values, strict=True)] * bool(
            asked["ranges"]
        )

    drive(storage, config.load_study("mine"), told, rungs, lambda _: 0.7)
    trials = optuna.load_study(study_name="mine", storage=storage).get_trials()
    pruned = [t for t in trials if t.state == TrialState.PRUNED]
    assert [t.user_attrs["arm"] for t in pruned] == ["waves", "waves"]
    assert [t.value for t in pruned] == [0.3, 0.3]
    assert [t.intermediate_values for t in pruned] == [{128: 0.3}] * 2
    assert {t.user_attrs["stopped"] for t in pruned} == {"stopped at 128 images"}
    assert len(trials) == 6
    ended = {number: (state, accuracy) for number, state, accuracy, _ in told.of("finished")}
    assert ended[pruned[0].number] == ("PRUNED", None)
    assert sorted(state for state, _ in ended.values()) == ["COMPLETE"] * 4 + ["PRUNED"] * 2


def test_a_replicate_that_is_not_worth_running_is_not_run(storage, write_study):
    text = STUDY.replace("replicates: 2", "replicates: 6\npruner: {name: wilcoxon}")
    write_study(text)
    told = Told()

    def score(asked):
        good = asked["ranges"] and asked["ranges"]["frequency"] == (0, 0)
        return (0.8 if good else 0.5) + asked["seed"] / 100

    drive(storage, config.load_study("mine"), told, lambda _: [], score)
    states = [state for _, state, _, _ in told.of("finished")]
    assert (states.count("COMPLETE"), states.count("PRUNED")) == (16, 2)
    assert len(told.of("started")) == 18


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_a_failure(database_url, study, value):
    storage = db.connect(database_url, create=True)
    told = Told()
    drive(storage, study, told, lambda _: [], lambda asked: value if asked["seed"] == 1 else 0.5)
    trials = optuna.load_study(study_name="mine", storage=storage).get_trials()
    failed = [t for t in trials if t.state == TrialState.FAIL]
    assert len(failed) == 3
    assert {t.user_attrs["failure"] for t in failed} == {f"no score: accuracy is {value}"}
    assert {t.user_attrs["failure_kind"] for t in failed} == {"error"}
    assert sum(t.state == TrialState.COMPLETE for t in trials) == 3
    assert [e[3] for e in told.of("finished") if e[1] == "FAIL"] == [
        f"no score: accuracy is {value}"
    ] * 3


def test_what_ends_at_a_rung_without_being_stopped_has_lost_its_worker(storage, study):
    """As when a run is interrupted: Tune then ends trials with their last result."""
    with db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        queue.recover()
        searcher = QueueSearcher(queue, {"threads": 1}, Told(), None)
        searcher.suggest("a")
        result = {REPORT: Rung(10, 0.25, 2.0, 1.5)}
        RungScheduler(searcher).on_trial_result(None, SimpleNamespace(trial_id="a"), result)
        searcher.on_trial_complete("a", result)
    (failed,) = optuna.load_study(study_name="mine", storage=storage).get_trials(
        states=(TrialState.FAIL,)
    )
    assert failed.user_attrs["failure_kind"] == "worker died"
