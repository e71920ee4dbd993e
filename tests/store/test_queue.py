"""The queue: what is taken, reported, lost and put back, and the Optuna trial that follows."""

import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean, stdev

import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from explorer import store
from explorer import study as studies
from explorer.errors import InputError
from explorer.scores import Rung
from explorer.store import tables
from explorer.store.queue import MAX_DEATHS
from tests.conftest import STUDY
from tests.store.play import SAMPLED, arms, rows, run_all, scores

RUNG = Rung(128, 0.4, 2.0, 2.5)
EVERY = [(arm, replicate) for arm in ("circles", "scratch", "waves") for replicate in (0, 1)]


@pytest.fixture
def run(either, study):
    with store.Run(either, study.name) as run:
        yield run


@pytest.fixture
def queue(either, study, run):
    queue = store.Queue(either, study, run.run_id)
    queue.recover()
    return queue


def of_state(database, state, study="mine"):
    return sorted((r["arm"], r["replicate"]) for r in rows(database, study, state=state))


def test_replicates_are_taken_in_rounds_with_the_seeds_that_arms_share(either, queue):
    taken = [queue.take() for _ in range(6)]
    assert [(one.arm, one.replicate, one.seed) for one in taken] == [
        (arm, seed, seed) for seed in (0, 1) for arm in ("scratch", "circles", "waves")
    ]
    assert queue.take() is None
    assert not queue.finished()
    scratch, circles, waves = taken[:3]
    assert (scratch.ranges, scratch.trial) == (None, None)
    assert circles.ranges["frequency"] == (0, 0)
    assert waves.ranges["orbits"] == (1, 50)
    row = rows(either, arm="waves")[0]
    assert json.loads(row["ranges"]) == {p: list(ends) for p, ends in waves.ranges.items()}
    assert (row["state"], row["formula"], row["attempt"]) == ("RUNNING", "visual_atom", 1)
    # Only points of the search space are trials, one per arm.
    trials = arms(either)
    assert [trial.user_attrs["arm"] for trial in trials] == ["circles", "waves"]
    assert {trial.state for trial in trials} == {TrialState.RUNNING}
    assert trials[1].params["frequency.low+1"] == 1
    assert trials[1].user_attrs["frequency.high"] == 20
    assert {r["trial"] for r in rows(either, arm="waves")} == {1}


def test_what_is_reported_is_stored_and_the_arm_is_its_mean(either, queue):
    taken = [queue.take() for _ in range(6)]
    curve = {"phase": "pretrain", "epoch": 1, "images_seen": 128, "loss": 2.0}
    for one in taken:
        if one.ranges is not None:
            assert not queue.report(one, RUNG)
        more = {"variety": {"vendi_pixels": 3.0 + one.seed}, "companions": {"knn": 0.1}}
        row = {**curve, "accuracy": None, "seconds": 1.0}
        found = scores(0.5 + one.seed / 10, epochs=[row], host="a", device="cpu", **more)
        assert queue.complete(one, found) is None
    assert queue.finished()
    stored = rows(either, arm="waves")[1]
    assert (stored["state"], stored["accuracy"], stored["seconds"]) == ("COMPLETE", 0.6, 1.5)
    assert json.loads(stored["scores"])["companions"] == {"knn": 0.1}
    assert stored["started"] <= stored["ended"]
    with either.engine.connect() as connection:
        (rung, _) = connection.execute(
            sa.select(tables.rungs).where(tables.rungs.c.replicate_id.in_([2, 3]))
        ).all()
        assert rung[1:] == (128, 0.4, 2.0, 2.5)
        assert len(connection.execute(sa.select(tables.epochs)).all()) == 6
    for trial in arms(either):
        assert (trial.state, trial.value) == (TrialState.COMPLETE, fmean([0.5, 0.6]))
        # With 256 images of pre-training: the rung of the first replicate, and of the second.
        assert trial.intermediate_values == {128: 0.4, 384: 0.4}
        attrs = trial.user_attrs
        assert (attrs["n"], attrs["accuracy.std"]) == (2, stdev([0.5, 0.6]))
        assert (attrs["variety.vendi_pixels"], attrs["companions.knn"]) == (3.5, 0.1)
        assert attrs["seconds"] == 1.5
        assert "accuracy.digits" not in attrs  # the only task


def test_an_error_is_not_tried_again_until_that_is_wanted(either, queue):
    one = queue.take()
    queue.fail(one, "ValueError: no such luck")
    while (other := queue.take()) is not None:
        queue.complete(other, scores())
    queue.recover()
    assert queue.finished()
    (failed,) = rows(either, state="FAIL")
    assert (failed["reason"], failed["failure_kind"]) == ("ValueError: no such luck", "error")
    queue.recover(retry_failed=True)
    again = queue.take()
    assert (again.arm, again.replicate, again.attempt, again.seed) == (one.arm, 0, 2, one.seed)


def test_a_score_that_is_no_number_fails(either, queue):
    taken = [queue.take() for _ in range(6)]
    for one in taken:
        bad = one.arm == "waves" or one == taken[0]
        problem = queue.complete(one, scores(math.nan if bad else 0.5))
        assert problem == ("no score: accuracy is nan" if bad else None)
    states = {trial.user_attrs["arm"]: trial.state for trial in arms(either)}
    assert states == {"circles": TrialState.COMPLETE, "waves": TrialState.FAIL}
    assert {row["reason"] for row in rows(either, state="FAIL")} == {"no score: accuracy is nan"}


def test_a_replicate_that_kills_its_workers_is_given_up(either, queue):
    deaths = 0
    while (one := queue.take()) is not None:
        if one.arm == "circles" and one.replicate == 0:
            deaths += 1
            assert one.attempt == deaths
            assert queue.die(one, "worker died") == (deaths < MAX_DEATHS)
        else:
            queue.complete(one, scores(0.7))
    assert deaths == MAX_DEATHS
    queue.recover()
    assert queue.finished()
    circles = arms(either)[0]
    assert (circles.state, circles.value, circles.user_attrs["n"]) == (TrialState.COMPLETE, 0.7, 1)


@pytest.mark.parametrize("release", [True, False], ids=["stopped", "died"])
def test_what_a_run_had_in_flight_is_run_anew(either, study, release):
    run_all(either, study, stop_after=4, release=release)
    (lost,) = rows(either, state="FAIL" if release else "RUNNING")
    run_all(either, study)
    assert of_state(either, "COMPLETE") == EVERY
    first, second = rows(either, arm=lost["arm"], replicate=lost["replicate"])
    assert (first["failure_kind"], second["attempt"]) == ("interrupted", 2)
    for kept in ("seed", "ranges", "trial"):
        assert first[kept] == second[kept]
    assert len(arms(either)) == 2  # the arm's trial went on


def test_what_a_run_that_lives_has_is_left_alone(either, study, queue):
    mine = queue.take()
    with store.Run(either, study.name) as second:
        other = store.Queue(either, study, second.run_id)
        assert other.recover() == 0
        while (one := other.take()) is not None:
            other.complete(one, scores())
        assert not other.finished()
        queue.complete(mine, scores())
        assert other.finished()
    assert of_state(either, "COMPLETE") == EVERY


def test_what_another_run_has_taken_back_is_dropped(either, study, queue):
    mine = [queue.take() for _ in range(6)]
    with either.engine.begin() as connection:  # silent for so long that it is taken for dead
        connection.execute(sa.update(tables.runs).values(ended=sa.func.now()))
    run_all(either, study)
    before = rows(either)
    assert queue.report(mine[1], RUNG)
    for one in mine:
        queue.complete(one, scores(0.1))
    queue.release()
    assert rows(either) == before


def test_an_arm_that_another_run_stops_at_the_same_moment(either, write_study, monkeypatch):
    write_study(STUDY + "pruner: {name: successive_halving}\n")
    study = studies.load_study("mine")
    with store.Run(either, "mine") as first, store.Run(either, "mine") as second:
        queue, other = (store.Queue(either, study, run.run_id) for run in (first, second))
        queue.recover()
        _, one, _, _, same = queue.take(), queue.take(), queue.take(), queue.take(), other.take()
        assert one.arm == same.arm == "circles"
        write = queue._write

        def write_and_be_overtaken(*arguments, **more):
            done = write(*arguments, **more)
            monkeypatch.undo()
            other.prune("circles", "stopped by the other")
            return done

        monkeypatch.setattr(queue, "_write", write_and_be_overtaken)
        assert queue.report(one, RUNG)
    assert [row["state"] for row in rows(either, arm="circles")] == ["PRUNED", "PRUNED"]
    assert [trial.state for trial in arms(either)][:1] == [TrialState.PRUNED]


def test_added_arms_and_replicates_are_run_and_nothing_else(either, study, write_study):
    run_all(either, study, score=lambda one: 0.5 + one.seed / 10)
    write_study(STUDY.replace("replicates: 2", "replicates: 3") + "  many: {orbits: [200, 200]}\n")
    more = studies.load_study("mine")
    with store.Run(either, more.name) as run:
        store.Queue(either, more, run.run_id).recover()
    added = [("circles", 2), *(("many", r) for r in range(3)), ("scratch", 2), ("waves", 2)]
    assert of_state(either, "WAITING") == added
    run_all(either, more, score=lambda one: 0.5 + one.seed / 10)
    # A trial that has ended cannot be changed: an arm with more replicates has another.
    of_waves = [t for t in arms(either) if t.user_attrs["arm"] == "waves"]
    assert [t.value for t in of_waves] == [fmean([0.5, 0.6]), fmean([0.5, 0.6, 0.7])]
    assert of_waves[0].params == of_waves[1].params
    assert of_waves[1].intermediate_values.keys() >= {128, 256, 384, 512, 640, 768}


@pytest.mark.parametrize(
    ("right", "wrong", "key"),
    [
        ("protocol: smoke", "protocol: laptop", "protocol"),
        ("replicates: 2", "replicates: 2\nseed: 5", "seed"),
        ("frequency: [0, 0]", "frequency: [0, 1]", "arms.circles"),
        (
            "replicates: 2",
            "replicates: 2\nsampler: {name: tpe, samples: 1}\nvary: [noise]",
            "(vary|sampler)",
        ),
        ("circles:", "sample-x:", "arms.sample-x"),
    ],
)
@pytest.mark.usefixtures("queue")
def test_what_would_make_scores_incomparable_is_refused(either, write_study, right, wrong, key):
    write_study(STUDY.replace(right, wrong))
    changed, before = studies.load_study("mine"), rows(either)
    with pytest.raises(InputError, match=rf"studies/mine.yaml: {key}: "):
        store.Queue(either, changed, "run")
    assert rows(either) == before


def test_a_study_of_another_tool_is_refused(database, study):
    optuna.create_study(study_name="mine", storage=database.optuna).ask()
    with pytest.raises(InputError, match="another tool than explorer"):
        store.Queue(database, study, "run")


def test_an_arm_outside_the_space_is_no_trial(database, write_study):
    write_study(
        STUDY.replace("replicates: 2", "replicates: 1")
        + "  noise: {search_space: perlin}\n"
        + "  few: {frequency: [0, 0], protocol: {dataset: {categories: 4}}}\n"
    )
    run_all(database, studies.load_study("mine"))
    assert len(rows(database, state="COMPLETE")) == 5
    assert [trial.user_attrs["arm"] for trial in arms(database)] == ["circles", "waves"]
    assert [row["formula"] for row in rows(database, arm="noise")] == ["perlin"]


@pytest.mark.parametrize("pruner", ["none", "successive_halving"])
def test_runs_that_start_at_once_share_the_work(either, database_url, write_study, pruner):
    """Every replicate and every sample is run once, whoever gets there first, or stopped once."""
    text = SAMPLED.replace("name: random, samples: 3", "name: cmaes, samples: 5")
    write_study(f"{text}pruner: {{name: {pruner}}}\n")
    study = studies.load_study("mine")
    start = threading.Barrier(3)

    def work() -> int:
        taken = 0
        with store.connect(database_url) as mine, store.Run(mine, study.name) as run:
            start.wait()
            queue = store.Queue(mine, study, run.run_id)
            queue.recover()
            while not queue.finished():
                if (one := queue.take()) is not None:
                    taken += 1
                    if one.ranges and queue.report(one, Rung(128, one.id / 100, 2.0, 1.0)):
                        continue
                    queue.complete(one, scores())
        return taken

    with ThreadPoolExecutor(3) as pool:
        taken = sum(future.result() for future in [pool.submit(work) for _ in range(3)])
    with store.Run(either, study.name) as run:
        store.Queue(either, study, run.run_id).recover()
    stored = rows(either)
    assert len(stored) == len({(r["arm"], r["replicate"]) for r in stored}) == study.planned == 14
    assert {r["state"] for r in stored} <= {"COMPLETE", "PRUNED"}
    assert taken >= sum(r["state"] == "COMPLETE" for r in stored) > 0
    trials = arms(either)
    assert {trial.user_attrs["arm"] for trial in trials} == {r["arm"] for r in stored} - {"scratch"}
    assert len(trials) == 6
    assert all(trial.state.is_finished() for trial in trials)


def test_a_result_is_taken_from_another_study(either, queue, write_study):
    one = queue.take()
    while one.arm != "waves":
        one = queue.take()
    queue.report(one, RUNG)
    row = {"phase": "pretrain", "epoch": 1, "images_seen": 128, "loss": 2.0}
    found = scores(0.75, variety={"vendi_pixels": 3.5}, host="a", result_key="k" * 64)
    found.epochs = [{**row, "accuracy": 0.3, "seconds": 1.0}]
    queue.complete(one, found)
    write_study(STUDY.replace("replicates: 2", "replicates: 1"), name="other")
    other = studies.load_study("other")
    with store.Run(either, other.name) as run:
        second = store.Queue(either, other, run.run_id)
        second.recover()
        taken = [second.take() for _ in range(3)][-1]
        assert not second.recall(taken, "unknown")
        assert second.recall(taken, "k" * 64)
    (cached,) = rows(either, "other", arm="waves")
    assert (cached["state"], cached["cached_from"], cached["host"]) == (
        "COMPLETE",
        "mine/waves#0",
        "a",
    )
    assert json.loads(cached["scores"])["variety"] == {"vendi_pixels": 3.5}
    assert cached["run"] == run.run_id
    for table in (tables.rungs, tables.epochs):
        mine = sa.select(table).where(table.c.replicate_id == cached["id"])
        with either.engine.connect() as connection:
            assert len(connection.execute(mine).all()) == 1
    trial = next(t for t in arms(either, "other") if t.user_attrs["arm"] == "waves")
    assert (trial.value, trial.intermediate_values) == (0.75, {128: 0.4})


def test_a_driver_that_dies_between_our_table_and_optunas(database, study, monkeypatch):
    """The trials of arms follow from our rows, whatever of them is missing."""

    class DeathError(Exception):
        pass

    def die(*_, **__):
        raise DeathError

    deaths = [
        (optuna.storages.RDBStorage, "get_trial_number_from_id"),
        (store.queue.Arms, "begin"),
        (optuna.storages.RDBStorage, "set_trial_intermediate_value"),
        (optuna.Study, "tell"),
    ]
    for owner, name in deaths:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, die)
            with pytest.raises(DeathError):
                run_all(database, study)
    run_all(database, study)
    assert of_state(database, "COMPLETE") == EVERY
    trials = [t for t in arms(database) if t.state == TrialState.COMPLETE]
    assert [t.user_attrs["arm"] for t in trials] == ["circles", "waves"]
    assert [t.intermediate_values.keys() for t in trials] == [{128, 256, 384, 512}] * 2
    assert TrialState.RUNNING not in {t.state for t in arms(database)}


def test_an_arm_is_described_before_its_trial_ends(database, study, caplog):
    described = []

    def describe(where, name, arm, number):
        trial = store.optuna_study(where, name).get_trials()[number]
        described.append((arm, trial.state, trial.user_attrs["n"]))
        raise ValueError("no picture")

    with store.Run(database, study.name) as run:
        queue = store.Queue(database, study, run.run_id, describe)
        queue.recover()
        while (one := queue.take()) is not None:
            queue.complete(one, scores())
    assert described == [(arm, TrialState.RUNNING, 2) for arm in ("circles", "waves")]
    assert "no picture" in caplog.text
    assert {trial.state for trial in arms(database)} == {TrialState.COMPLETE}
