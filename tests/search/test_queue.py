import threading
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.trial import TrialState

from explorer import store as db
from explorer import study as config
from explorer.errors import InputError
from explorer.scores import Rung
from explorer.search import Queue, to_params, to_ranges
from explorer.search.slots import MAX_DEATHS
from tests.conftest import STUDY

SAMPLED = STUDY.replace(
    "arms:", "sampler: {name: random, samples: 3}\nvary: [frequency, noise]\narms:"
)


@pytest.fixture
def storage(sqlite_url):
    return db.connect(sqlite_url, create=True)


@pytest.fixture
def run(storage, study):
    with db.Run(storage, study.name) as run:
        yield run


@pytest.fixture
def queue(storage, study, run):
    queue = Queue(storage, study, run.run_id)
    queue.recover()
    return queue


def trials(storage, *states, name="mine"):
    return optuna.load_study(study_name=name, storage=storage).get_trials(states=states or None)


def slots(found):
    return sorted((t.user_attrs["arm"], t.user_attrs["replicate"]) for t in found)


EVERY_SLOT = [(arm, r) for arm in ("circles", "scratch", "waves") for r in (0, 1)]


def test_every_slot_is_queued_once_replicate_by_replicate(storage, queue):
    waiting = trials(storage, TrialState.WAITING)
    assert slots(waiting) == EVERY_SLOT
    assert [t.user_attrs["replicate"] for t in waiting] == [0, 0, 0, 1, 1, 1]
    queue.recover()
    assert len(trials(storage)) == 6


def test_a_proposal_says_all_that_a_worker_needs(storage, queue):
    scratch, circles, waves = (queue.take() for _ in range(3))
    assert scratch.ranges is None
    assert circles.ranges["frequency"] == (0, 0)
    assert circles.ranges["orbits"] == (1, 200)
    assert waves.ranges["orbits"] == (1, 50)
    assert {p.seed for p in (scratch, circles, waves)} == {0}
    stored = trials(storage, TrialState.RUNNING)
    assert stored[0].params == {}
    assert stored[2].params == {
        "frequency.low": 0,
        "frequency.high": 20,
        "orbits.low": 1,
        "orbits.high": 50,
    }


def test_replicates_have_their_own_seed_and_arms_share_it(queue):
    taken = [queue.take() for _ in range(6)]
    assert {(p.replicate, p.seed) for p in taken} == {(0, 0), (1, 1)}
    assert queue.take() is None


def test_what_is_reported_is_stored(storage, queue):
    number = queue.take().number
    queue.report(number, Rung(128, 0.4, 2.0, 2.5))
    queue.report(number, Rung(256, 0.5, 1.5, 4.0))
    queue.complete(number, 0.75, {"variety.vendi_pixels": 3.5})
    trial = trials(storage)[number]
    assert trial.state == TrialState.COMPLETE
    assert trial.value == 0.75
    assert trial.intermediate_values == {128: 0.4, 256: 0.5}
    assert trial.user_attrs["rungs"] == {
        "128": {"loss": 2.0, "seconds": 2.5},
        "256": {"loss": 1.5, "seconds": 4.0},
    }
    assert trial.user_attrs["variety.vendi_pixels"] == 3.5


def test_an_error_is_not_tried_again_until_it_is_asked_for(storage, queue):
    number = queue.take().number
    queue.fail(number, "ValueError: no such luck")
    queue.recover()
    failed = trials(storage, TrialState.FAIL)
    assert [t.user_attrs["failure"] for t in failed] == ["ValueError: no such luck"]
    assert len(trials(storage)) == 6
    queue.recover(retry_failed=True)
    again = trials(storage, TrialState.WAITING)[-1]
    assert again.user_attrs["continues"] == number
    assert again.user_attrs["attempt"] == 2


def test_a_slot_that_kills_its_workers_is_given_up(storage, queue):
    deaths = 0
    while (proposal := queue.take()) is not None:
        if proposal.arm == "circles" and proposal.replicate == 0:
            deaths += 1
            assert proposal.attempt == deaths
            assert queue.die(proposal.number, "worker died") == (deaths < MAX_DEATHS)
        else:
            queue.complete(proposal.number, 0.5)
    assert deaths == MAX_DEATHS
    assert queue.finished()
    assert len(trials(storage, TrialState.COMPLETE)) == 5


def test_what_a_stopped_run_had_in_flight_is_run_anew(storage, study, queue):
    first = [queue.take(), queue.take()]
    queue.complete(first[0].number, 0.5)
    queue.release()
    with db.Run(storage, study.name) as later:
        other = Queue(storage, study, later.run_id)
        assert other.recover() == []
        taken = []
        while (proposal := other.take()) is not None:
            taken.append(proposal)
            other.complete(proposal.number, 0.5)
        assert other.finished()
    repeated = next(p for p in taken if p.attempt == 2)
    assert (repeated.arm, repeated.replicate) == (first[1].arm, first[1].replicate)
    assert (repeated.ranges, repeated.seed) == (first[1].ranges, first[1].seed)
    assert trials(storage)[repeated.number].user_attrs["continues"] == first[1].number
    assert slots(trials(storage, TrialState.COMPLETE)) == EVERY_SLOT


def test_what_a_dead_run_had_in_flight_is_run_anew(storage, study):
    with db.Run(storage, study.name) as killed:
        queue = Queue(storage, study, killed.run_id)
        queue.recover()
        lost = queue.take()
    # The run has ended without a word on its trial, as after kill -9.
    with db.Run(storage, study.name) as later:
        other = Queue(storage, study, later.run_id)
        assert [t.number for t in other.recover()] == [lost.number]
        while (proposal := other.take()) is not None:
            other.complete(proposal.number, 0.5)
    failed = trials(storage, TrialState.FAIL)
    assert [t.user_attrs["failure"] for t in failed] == ["interrupted: its run died"]
    assert slots(trials(storage, TrialState.COMPLETE)) == EVERY_SLOT


def test_a_trial_of_a_run_that_lives_is_left_alone(storage, study, queue):
    mine = queue.take()
    with db.Run(storage, study.name) as second:
        other = Queue(storage, study, second.run_id)
        assert other.recover() == []
        taken = 0
        while (proposal := other.take()) is not None:
            other.complete(proposal.number, 0.5)
            taken += 1
        assert taken == 5
        assert not other.finished()
        queue.complete(mine.number, 0.5)
        assert other.finished()


def test_added_arms_and_replicates_are_run_and_nothing_else(storage, write_study, queue):
    while (proposal := queue.take()) is not None:
        queue.complete(proposal.number, 0.5)
    write_study(STUDY.replace("replicates: 2", "replicates: 3") + "  many: {orbits: [200, 200]}\n")
    study = config.load_study("mine")
    with db.Run(storage, study.name) as run:
        more = Queue(storage, study, run.run_id)
        more.recover()
    added = slots(trials(storage, TrialState.WAITING))
    assert added == [
        ("circles", 2),
        ("many", 0),
        ("many", 1),
        ("many", 2),
        ("scratch", 2),
        ("waves", 2),
    ]


@pytest.mark.parametrize(
    ("right", "wrong", "key"),
    [
        ("protocol: smoke", "protocol: laptop", "protocol"),
        ("replicates: 2", "replicates: 2\nseed: 5", "seed"),
        ("frequency: [0, 0]", "frequency: [0, 1]", "arms.circles"),
    ],
)
def test_what_would_make_trials_incomparable_is_refused(
    storage, write_study, queue, right, wrong, key
):
    del queue
    write_study(STUDY.replace(right, wrong))
    changed = config.load_study("mine")
    before = len(trials(storage))
    with pytest.raises(InputError, match=rf"studies/mine.yaml: {key}: .*--fresh"):
        Queue(storage, changed, "run")
    assert len(trials(storage)) == before


def test_params_and_ranges_are_one_thing(study):
    ranges = study.space.complete(study.arms["waves"])
    assert to_ranges(study, to_params(study, ranges)) == ranges


SAMPLERS = ["random", "qmc", "tpe", "gp", "cmaes", "nsga2"]


@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes"])
def test_samples_are_ordered_counted_and_replicated(database_url, write_study, sampler):
    write_study(SAMPLED.replace("name: random, samples: 3", f"name: {sampler}, samples: 12"))
    study = config.load_study("mine")
    storage = db.connect(database_url, create=True)
    with db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        queue.recover()
        while (proposal := queue.take()) is not None:
            queue.complete(proposal.number, proposal.number / 1000)
        assert queue.finished()
    done = trials(storage, TrialState.COMPLETE)
    assert len(done) == study.planned == (3 + 12) * 2
    sampled = [t for t in done if t.user_attrs.get("sampled")]
    assert len({t.user_attrs["arm"] for t in sampled}) == 12
    for trial in sampled:
        for low, high in trial.user_attrs["ranges"].values():
            assert low <= high
        assert trial.params["frequency.low"] == trial.user_attrs["ranges"]["frequency"][0]
    drawn = {tuple(t.params.values()) for t in sampled}
    assert len(drawn) == 12


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampled_study_goes_on_where_it_stopped(tmp_path, write_study, sampler):
    """A run that is stopped every other trial samples the same ranges as one that is not.

    It is stopped with a trial in flight, a sample or a replicate of one, that it has to run anew.
    """
    # Ten arms are drawn at random before TPE and the Gaussian process begin.
    count = {"random": 3, "qmc": 3, "gp": 10, "nsga2": 20}.get(sampler, 12)
    write_study(SAMPLED.replace("name: random, samples: 3", f"name: {sampler}, samples: {count}"))
    study = config.load_study("mine")

    def ranges(url, stop_after):
        storage = db.connect(url, create=True)
        while True:
            with db.Run(storage, study.name) as run:
                queue = Queue(storage, study, run.run_id)
                queue.recover()
                for done in range(1000):
                    if (proposal := queue.take()) is None:
                        found = trials(storage, TrialState.COMPLETE)
                        return {t.user_attrs["arm"]: t.user_attrs["ranges"] for t in found}
                    if done == stop_after:
                        queue.release()
                        break
                    low, high = (proposal.ranges or {"noise": (0, 0)})["noise"]
                    queue.complete(proposal.number, high - low + proposal.replicate / 100)

    straight = ranges(f"sqlite:///{tmp_path}/a.db", None)
    stopped = ranges(f"sqlite:///{tmp_path}/b.db", 2)
    assert len(straight) == 3 + count
    assert straight == stopped


@pytest.mark.parametrize(
    ("sampler", "pruner"), [("random", "none"), ("cmaes", "successive_halving")]
)
def test_runs_that_start_at_once_share_the_work(database_url, write_study, sampler, pruner):
    """Every slot and every sample is run once, whoever gets there first, or stopped once."""
    text = SAMPLED.replace("name: random, samples: 3", f"name: {sampler}, samples: 5")
    write_study(f"{text}pruner: {{name: {pruner}}}\n")
    study = config.load_study("mine")
    db.connect(database_url, create=True)
    start = threading.Barrier(3)

    def work() -> int:
        storage = db.connect(database_url)
        done = 0
        with db.Run(storage, study.name) as run:
            start.wait()
            queue = Queue(storage, study, run.run_id)
            queue.recover()
            while not queue.finished():
                if (proposal := queue.take()) is not None:
                    if proposal.ranges:
                        queue.report(proposal.number, Rung(128, proposal.number / 100, 2.0, 1.0))
                    if queue.should_stop(proposal.number):
                        queue.prune(proposal.number, "a reason")
                    else:
                        queue.complete(proposal.number, 0.5)
                    done += 1
        return done

    with ThreadPoolExecutor(3) as pool:
        done = sum(f.result() for f in [pool.submit(work) for _ in range(3)])
    finished = trials(db.connect(database_url))
    assert done == len(finished) == study.planned == (3 + 5) * 2
    assert len(set(slots(finished))) == study.planned
    states = {t.state for t in finished}
    assert TrialState.COMPLETE in states
    assert states <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert (TrialState.PRUNED in states) <= (pruner != "none")


def test_a_result_is_taken_from_another_study(storage, study, write_study):
    with db.Run(storage, study.name) as first:
        queue = Queue(storage, study, first.run_id)
        queue.recover()
        one = queue.take()
        queue.report(one.number, Rung(128, 0.4, 2.0, 2.5))
        found = {"variety.vendi_pixels": 3.5, "seconds.total": 7.0, "host": "a"}
        row = {"images_seen": 128, "loss": 2.0, "accuracy": 0.3, "seconds": 1.0}
        epochs = [{"phase": "pretrain", "epoch": 1, **row}]
        queue.complete(one.number, 0.75, found, epochs=epochs, result_key="k" * 64)
    write_study(name="other")
    other = config.load_study("other")
    with db.Run(storage, other.name) as second:
        queue = Queue(storage, other, second.run_id)
        queue.recover()
        two = queue.take()
        assert queue.recall(two.number, "unknown") is None
        assert queue.recall(two.number, "k" * 64) == 0.75
    trials_ = optuna.load_study(study_name="other", storage=storage).get_trials()
    cached = trials_[two.number]
    assert (cached.state, cached.value) == (TrialState.COMPLETE, 0.75)
    assert cached.intermediate_values == {128: 0.4}
    said = cached.user_attrs
    assert said["cached_from"] == f"mine#{one.number}"
    assert (said["variety.vendi_pixels"], said["seconds.total"], said["host"]) == (3.5, 7.0, "a")
    assert said["run"] == second.run_id
    rows = db.load_epochs(storage, cached._trial_id)
    assert [(row["phase"], row["epoch"], row["loss"]) for row in rows] == [("pretrain", 1, 2.0)]


def test_a_result_that_is_gone_is_computed_anew(storage, queue):
    gone = optuna.create_study(study_name="gone", storage=storage)
    db.write(storage, gone.ask()._trial_id, result_key="g" * 64)
    optuna.delete_study(study_name="gone", storage=storage)
    number = queue.take().number
    assert queue.recall(number, "g" * 64) is None
    queue.complete(number, 0.5)


def test_the_first_of_two_equal_results_stays(storage):
    study = optuna.create_study(storage=storage)
    first, second = (study.ask()._trial_id for _ in range(2))
    db.write(storage, first, result_key="f" * 64)
    db.write(storage, second, result_key="f" * 64)
    assert db.recall(storage, "f" * 64) == first
