"""The bridge to Tune, without Ray: what it hands out and what it takes from the database."""

import math
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from explorer import store
from explorer import study as studies
from explorer.errors import OutageError
from explorer.runner.searcher import DriverError, QueueSearcher, RungScheduler
from explorer.runner.trainable import REPORT
from explorer.scores import Rung, Scores
from explorer.store import tables
from tests.conftest import STUDY
from tests.store.play import rows, run_all

RUNG = {REPORT: Rung(128, 0.25, 2.0, 1.5)}


def key_of(replicate) -> str:
    return f"{replicate.ranges} {replicate.seed}"


@pytest.fixture
def database(sqlite_url):
    with store.connect(sqlite_url, create=True) as database:
        yield database


@pytest.fixture
def searcher(database, study):
    with store.Run(database, study.name) as run:
        queue = store.Queue(database, study, run.run_id)
        queue.recover()
        yield QueueSearcher(queue, {}, None)


def drive(database, study, key_of, rungs=(RUNG[REPORT],)):
    """Drive scheduler and searcher as Tune's controller does; returns how many were computed.

    A result goes to the scheduler; the searcher hears of it only if the trial goes on; a trial that
    is stopped comes to its end with that result (``TuneController._process_trial_result``).
    """
    with store.Run(database, study.name) as run:
        queue = store.Queue(database, study, run.run_id)
        queue.recover()
        searcher = QueueSearcher(queue, {"payload": 1}, key_of)
        scheduler = RungScheduler(searcher)
        for number in range(1000):
            config, name = searcher.suggest(str(number)), str(number)
            if config == Searcher.FINISHED:
                return number
            assert config["payload"] == 1
            for rung in rungs if config["ranges"] else ():
                result = {REPORT: rung}
                decision = scheduler.on_trial_result(None, SimpleNamespace(trial_id=name), result)
                if decision == TrialScheduler.STOP:
                    break
                searcher.on_trial_result(name, result)
            else:
                key = f"{config['ranges']} {config['seed']}"
                scores = Scores(0.5 + config["seed"] / 10, {"digits": 0.5}, result_key=key)
                result = {REPORT: scores}
            searcher.on_trial_complete(name, result)
    raise AssertionError


def test_only_what_is_not_known_is_computed(database, write_study):
    write_study()
    assert drive(database, studies.load_study("mine"), key_of) == 6
    write_study(STUDY.replace("[0, 0]", "[0, 1]"), name="other")
    # From scratch and the waves are as before, for both seeds; the circles are not.
    assert drive(database, studies.load_study("other"), key_of) == 2
    cached = [row["arm"] for row in rows(database, "other") if row["cached_from"]]
    assert sorted(cached) == ["scratch", "scratch", "waves", "waves"]
    write_study(name="third")
    assert drive(database, studies.load_study("third"), None) == 6


def test_an_arm_that_is_stopped_is_pruned(database, write_study):
    write_study(
        STUDY.replace("replicates: 2", "replicates: 2\npruner: {name: successive_halving}")
        + "baseline: waves\n"
    )
    study = studies.load_study("mine")
    # The waves come first; the circles, of no number, stop before their second replicate.
    assert drive(database, study, None, [Rung(128, math.nan, 2.0, 1.0)]) == 5
    states = {(row["arm"], row["state"]) for row in rows(database)}
    assert states == {("scratch", "COMPLETE"), ("waves", "COMPLETE"), ("circles", "PRUNED")}


def test_what_goes_wrong_in_the_driver_gets_past_tune(searcher, monkeypatch):
    """Tune logs an Exception of its searcher, and goes on without the trial."""
    error = OutageError("the database has not answered")

    def fail(*_, **__):
        raise error

    searcher.suggest("0")
    for method in ("report", "complete", "take"):
        monkeypatch.setattr(searcher._queue, method, fail)
    for call in (
        lambda: searcher.reached("0", RUNG),
        lambda: searcher.on_trial_complete("0", {REPORT: Scores(0.5)}),
        lambda: searcher.suggest("1"),
    ):
        with pytest.raises(DriverError) as raised:
            call()
        assert raised.value.error is error
    assert not issubclass(DriverError, Exception)


@pytest.mark.parametrize("at", ["rung", "end"])
def test_what_another_run_has_taken_back_is_left_to_it(database, study, searcher, at):
    """A run that was cut off for long, and is not dead at all, comes back."""
    searcher.suggest("0")
    with database.engine.begin() as connection:
        connection.execute(sa.update(tables.runs).values(ended=sa.func.now()))
    run_all(database, study)
    before = rows(database)
    if at == "rung":
        assert searcher.reached("0", RUNG)
    searcher.on_trial_complete("0", {REPORT: Scores(0.5, {"digits": 0.5})})
    assert rows(database) == before


def test_what_ends_at_a_rung_without_being_stopped_has_lost_its_worker(database, searcher):
    """As when a run is interrupted: Tune then ends trials with their last result."""
    searcher.suggest("a")
    assert not searcher.reached("a", RUNG)
    searcher.on_trial_complete("a", RUNG)
    assert [row["failure_kind"] for row in rows(database, state="FAIL")] == ["worker died"]
