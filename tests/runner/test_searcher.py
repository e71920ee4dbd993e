"""The bridge to Tune, without Ray: what it hands out and what it takes from the database."""

import optuna
import pytest
from ray.tune.search import Searcher

from explorer import config
from explorer import storage as db
from explorer.runner.searcher import QueueSearcher
from explorer.runner.trainable import REPORT
from explorer.scores import Rung, Scores
from explorer.search import Queue
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
            searcher.on_trial_result(str(number), {REPORT: Rung(10, 0.25, 2.0, 1.5)})
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


def test_everything_is_computed_where_that_is_asked_for(storage, write_study):
    write_study()
    run_out(storage, config.load_study("mine"), Told(), key_of, work)
    write_study(name="other")
    assert run_out(storage, config.load_study("other"), Told(), None, work) == 6
