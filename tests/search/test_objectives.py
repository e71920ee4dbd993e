"""Studies that seek accuracy and a variety measure."""

import math

import optuna
import pytest
from optuna.trial import TrialState

from explorer import report
from explorer import store as db
from explorer import study as config
from explorer.errors import InputError
from explorer.scores import Rung
from explorer.search import Queue, open_study
from tests.conftest import STUDY
from tests.search.test_queue import SAMPLED, trials

TWO = "objectives: [accuracy, variety.vendi_features]\n"


@pytest.fixture
def storage(database_url):
    return db.connect(database_url, create=True)


def run(storage, study, *, measured=True):
    with db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        queue.recover()
        while (proposal := queue.take()) is not None:
            high = 0.0
            if proposal.ranges:
                high = proposal.ranges["frequency"][1]
                queue.report(proposal.number, Rung(128, 0.25, 2.0, 1.0))
            assert not queue.should_stop(proposal.number)
            found = {"variety.vendi_features": 10 + high} if measured and proposal.ranges else {}
            queue.complete(proposal.number, 0.9 - high / 1000, found)
        assert queue.finished()


def test_a_trial_has_two_values_and_its_rungs(storage, write_study):
    write_study(STUDY + TWO)
    run(storage, config.load_study("mine"))
    study = optuna.load_study(study_name="mine", storage=storage)
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MAXIMIZE"]
    assert study.metric_names == ["accuracy", "variety.vendi_features"]
    by_arm = {t.user_attrs["arm"]: t for t in study.get_trials()}
    assert by_arm["waves"].values == [0.88, 30.0]
    assert by_arm["waves"].user_attrs["rungs"] == {
        "128": {"accuracy": 0.25, "loss": 2.0, "seconds": 1.0}
    }
    # From scratch there are no images; it is worse than any.
    assert by_arm["scratch"].values == [0.9, -math.inf]
    frame = report.load(study)
    waves = frame[frame["arm"] == "waves"].iloc[0]
    assert (waves["accuracy"], waves["rung"], waves["probe"]) == (0.88, 128, 0.25)
    assert report.status(study).best.name == "scratch"


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "gp", "random", "qmc"])
def test_samplers_take_two_objectives(sqlite_url, write_study, sampler):
    count = 20 if sampler == "nsga2" else 9
    text = SAMPLED.replace("name: random, samples: 3", f"name: {sampler}, samples: {count}")
    write_study(text.replace("replicates: 2", "replicates: 1") + TWO)
    storage = db.connect(sqlite_url, create=True)
    study = config.load_study("mine")
    run(storage, study)
    done = trials(storage, TrialState.COMPLETE)
    assert len(done) == study.planned == 3 + count
    assert all(low <= high for t in done for low, high in (t.user_attrs["ranges"] or {}).values())


def test_a_measure_that_is_missing_is_a_failure(storage, write_study):
    write_study(STUDY + TWO)
    run(storage, config.load_study("mine"), measured=False)
    failed = trials(storage, TrialState.FAIL)
    assert {t.user_attrs["arm"] for t in failed} == {"circles", "waves"}
    assert {t.user_attrs["failure"] for t in failed} == {
        "no score: variety.vendi_features is missing"
    }


def test_less_may_be_better(storage, write_study):
    write_study(STUDY + "objectives: [accuracy, {variety.vendi_features: minimize}]\n")
    run(storage, config.load_study("mine"))
    study = optuna.load_study(study_name="mine", storage=storage)
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    scratch = next(t for t in study.get_trials() if t.user_attrs["arm"] == "scratch")
    assert scratch.values == [0.9, math.inf]


def test_the_objectives_of_a_study_stay_what_they_were(storage, write_study):
    write_study()
    open_study(storage, config.load_study("mine"))
    write_study(STUDY + TWO)
    with pytest.raises(InputError, match="objectives: differs from the study of this name"):
        open_study(storage, config.load_study("mine"))


def test_a_study_from_before_there_were_objectives_goes_on(storage, study):
    opened = open_study(storage, study)
    said = opened.user_attrs["definition"]
    del said["objectives"], said["pruner"]
    opened.set_user_attr("definition", said)
    open_study(storage, study)


@pytest.mark.parametrize("first", ["", TWO], ids=["from one", "from two"])
def test_a_result_is_taken_from_a_study_that_seeks_something_else(storage, write_study, first):
    """With its rungs, wherever they are; unless it lacks the measure that is sought."""
    write_study(STUDY + first, name="one")
    write_study(STUDY + (TWO if not first else ""), name="other")
    one, other = config.load_study("one"), config.load_study("other")
    with db.Run(storage, "one") as run:
        queue = Queue(storage, one, run.run_id)
        queue.recover()
        for key in ("scratch", "measured", "unmeasured"):
            number = queue.take().number
            queue.report(number, Rung(128, 0.25, 2.0, 1.0))
            found = {"variety.vendi_features": 12.0} if key == "measured" or first else {}
            queue.complete(number, 0.75, found, result_key=key)
    with db.Run(storage, "other") as run:
        queue = Queue(storage, other, run.run_id)
        queue.recover()
        for key in ("scratch", "measured", "unmeasured"):
            number = queue.take().number
            found = queue.recall(number, key)
            if key == "unmeasured" and not first:
                assert found is None
                continue
            assert found == 0.75
            trial = trials(storage, name="other")[number]
            assert trial.state == TrialState.COMPLETE
            assert trial.user_attrs["rungs"]["128"]["loss"] == 2.0
            row = report.load(optuna.load_study(study_name="other", storage=storage)).loc[number]
            assert (row["rung"], row["probe"]) == (128, 0.25)
