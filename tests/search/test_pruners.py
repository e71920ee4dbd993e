"""What is stopped early, by each pruner, from the database alone."""

import json
import math

import pytest
from optuna.trial import TrialState

from explorer import store as db
from explorer import study as config
from explorer.scores import Rung
from explorer.search import Queue
from explorer.search.pruners import bracket
from tests.search.test_queue import trials

ARMS = """\
description: A study for a test.
search_space: visual_atom
protocol: smoke
replicates: 1
baseline: a0
pruner: {pruner}
arms:
"""
RUNGS = (128, 256)  # of smoke: a half and the whole of 256 images


def write(write_study, pruner, arms=8, replicates=1, more=""):
    text = ARMS.replace("{pruner}", pruner).replace("replicates: 1", f"replicates: {replicates}")
    lines = [f"  a{i}: {{frequency: [0, {i}]}}\n" for i in range(arms)]
    write_study(text + "".join(lines) + more)
    return config.load_study("mine")


@pytest.fixture
def storage(sqlite_url):
    return db.connect(sqlite_url, create=True)


def run_all(storage, study, probe, *, stop_after=None):
    """Run what a study lacks; returns the arms and rungs at which trials were stopped.

    A run takes a trial at a time and dies after ``stop_after`` of them, with one in flight.
    """
    stopped, taken = {}, 0
    with db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        queue.recover()
        while (proposal := queue.take()) is not None:
            if queue.skip(proposal.number) is not None:
                continue
            taken += 1
            for images in RUNGS if proposal.ranges is not None else ():
                queue.report(proposal.number, Rung(images, probe(proposal), 2.0, 1.0))
                stop = queue.should_stop(proposal.number)
                if taken == stop_after:
                    return stopped
                if stop:
                    queue.prune(proposal.number, "a reason")
                    stopped[proposal.arm, proposal.replicate] = images
                    break
            else:
                queue.complete(proposal.number, 0.5)
        assert queue.finished()
        queue.recover()
        assert queue.take() is None  # what is pruned is done
    return stopped


def worth(proposal):
    """Of the arms a0 to a7 the later are the better; a0, the baseline, is the worst."""
    return int(proposal.arm[1:]) / 10


def best_first(proposal):
    return 1 - worth(proposal)


def test_without_a_pruner_nothing_is_stopped(storage, write_study):
    study = write(write_study, "{name: none}")
    assert run_all(storage, study, best_first) == {}


def test_median(storage, write_study):
    study = write(write_study, "{name: median, startup: 4}")
    # The fifth arm is the first that has four to be compared with, and worse than their median.
    assert run_all(storage, study, best_first) == {(f"a{i}", 0): 128 for i in (4, 5, 6, 7)}
    pruned = trials(storage, TrialState.PRUNED)
    assert [trial.value for trial in pruned] == pytest.approx([0.6, 0.5, 0.4, 0.3])
    assert {trial.user_attrs["stopped"] for trial in pruned} == {"a reason"}


@pytest.mark.parametrize("name", ["successive_halving", "hyperband"])
def test_halving_lets_the_better_half_on(storage, write_study, name):
    study = write(write_study, f"{{name: {name}}}")
    stopped = run_all(storage, study, best_first)
    brackets = {f"a{i}": bracket(study, f"a{i}") for i in range(1, 8)}
    if name == "hyperband":
        assert set(brackets.values()) == {0, 1}
    # In a bracket of its own the first is promoted, and the worse ones after it are not.
    first = {min(a for a in brackets if brackets[a] == b) for b in set(brackets.values())}
    assert {arm for arm, _ in stopped} >= {f"a{i}" for i in (4, 5, 6, 7)} - first
    if name == "hyperband":
        # The second bracket begins to judge a rung later.
        assert {(arm, at) for (arm, _), at in stopped.items()} == {
            (arm, RUNGS[brackets[arm]]) for arm, _ in stopped
        }
    else:
        assert set(stopped.values()) == {128}
        assert brackets.keys() - {arm for arm, _ in stopped} == set()


def test_halving_goes_by_the_rungs_of_the_protocol(storage, write_study, folder):
    """Where they are no powers of the factor, and no whole numbers of images."""
    text = config.load_protocol("smoke").model_dump(mode="json")
    text["pretrain"]["rungs"] = [0.3, 0.6, 0.9]
    (folder / "protocols").mkdir()
    (folder / "protocols" / "odd.yaml").write_text(json.dumps(text))
    write(write_study, "{name: successive_halving}")
    odd = config.load_study("mine", protocol="odd")
    found = []
    with db.Run(storage, odd.name) as run:
        queue = Queue(storage, odd, run.run_id)
        queue.recover()
        for _ in range(9):
            proposal = queue.take()
            if proposal.ranges is None:
                continue
            reached = 0
            for images in (64, 160, 224):  # of 77, 154 and 230: whole batches
                queue.report(proposal.number, Rung(images, worth(proposal), 2.0, 1.0))
                reached += 1
                if queue.should_stop(proposal.number):
                    break
            found.append(reached)
            queue.complete(proposal.number, 0.5)
    kept = trials(storage, name="mine@odd")[-1].system_attrs
    # The best is promoted at the first two; the third is less than four times the first.
    assert {key for key in kept if key.startswith("completed_rung")} == {
        "completed_rung_0",
        "completed_rung_1",
    }
    assert found == [3] * 8


@pytest.mark.parametrize("name", ["median, startup: 2", "successive_halving", "hyperband"])
def test_what_is_stopped_is_the_same_after_a_restart(tmp_path, write_study, name):
    study = write(write_study, f"{{name: {name}}}", replicates=2)

    def probe(proposal):
        return (int(proposal.arm[1:]) * 37 % 11 + proposal.replicate) / 20

    straight = run_all(db.connect(f"sqlite:///{tmp_path}/a.db", create=True), study, probe)
    storage = db.connect(f"sqlite:///{tmp_path}/b.db", create=True)
    parts = {}
    # Killed in the middle of the last trial of the first and of the second run.
    parts |= run_all(storage, study, probe, stop_after=18)
    killed = trials(storage, TrialState.RUNNING)
    assert len(killed) == 1
    parts |= run_all(storage, study, probe)
    assert parts == straight
    assert straight
    assert killed[0].number in {t.user_attrs.get("continues") for t in trials(storage)}


def test_a_taken_back_trial_is_not_compared_with_its_own_first_attempt(storage, write_study):
    study = write(write_study, "{name: successive_halving}", arms=2)
    run_all(storage, study, lambda p: 0.3 if p.arm == "a0" else 0.5, stop_after=3)
    (killed,) = trials(storage, TrialState.RUNNING)
    assert (killed.user_attrs["arm"], killed.intermediate_values) == ("a1", {128: 0.5})
    assert run_all(storage, study, lambda _: 0.4) == {}


def test_the_baseline_and_from_scratch_go_on(storage, write_study):
    study = write(write_study, "{name: median, startup: 1}", replicates=2)
    stopped = run_all(storage, study, worth)
    assert ("a0", 1) not in stopped
    assert ("a1", 1) in stopped
    assert {t.user_attrs["arm"] for t in trials(storage, TrialState.PRUNED)}.isdisjoint(
        {"scratch", "a0"}
    )


def test_an_arm_with_a_protocol_of_its_own_is_not_judged(storage, write_study):
    study = write(
        write_study,
        "{name: median, startup: 1}",
        arms=3,
        more="  other: {protocol: {dataset: {categories: 4}}}\n",
    )
    stopped = run_all(storage, study, lambda p: 0.0 if p.arm == "other" else best_first(p))
    assert stopped == {("a1", 0): 128, ("a2", 0): 128}


@pytest.mark.parametrize("pruner", ["none", "median, startup: 1", "successive_halving"])
def test_a_rung_that_is_no_number(database_url, write_study, pruner):
    """It is stored, does not leave the trial running, and pruners stop the trial."""
    storage = db.connect(database_url, create=True)
    study = write(write_study, f"{{name: {pruner}}}", arms=2)
    stopped = run_all(storage, study, lambda p: math.nan if p.arm == "a1" else 0.5)
    (trial,) = (t for t in trials(storage) if t.user_attrs["arm"] == "a1")
    assert math.isnan(trial.intermediate_values[128])
    if pruner == "none":
        assert trial.state == TrialState.COMPLETE
    else:
        assert stopped == {("a1", 0): 128}
        assert (trial.state, trial.values) == (TrialState.PRUNED, None)
    assert not trials(storage, TrialState.RUNNING)


# -- Wilcoxon ------------------------------------------------------------------------------------


def accuracies(storage, study, score):
    with db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        queue.recover()
        while (proposal := queue.take()) is not None:
            if queue.skip(proposal.number) is None:
                queue.complete(proposal.number, score(proposal.arm, proposal.replicate))
        assert queue.finished()


def test_wilcoxon_gives_up_what_is_below_the_best(storage, write_study):
    study = write(write_study, "{name: wilcoxon}", arms=3, replicates=7)
    noise = [0.03, -0.02, 0.01, 0.0, -0.01, 0.02, 0.04]
    means = {"scratch": 0.2, "a0": 0.4, "a1": 0.7, "a2": 0.6}
    accuracies(storage, study, lambda arm, r: means[arm] + noise[r] + r / 1000 * (arm == "a2"))
    done = [t.user_attrs["arm"] for t in trials(storage, TrialState.COMPLETE)]
    # After four pairs p is 1/16; from scratch and the baseline are run whatever comes.
    assert {arm: done.count(arm) for arm in means} == {"scratch": 7, "a0": 7, "a1": 7, "a2": 4}
    pruned = trials(storage, TrialState.PRUNED)
    assert [(t.user_attrs["arm"], t.user_attrs["replicate"]) for t in pruned] == [
        ("a2", r) for r in (4, 5, 6)
    ]
    reason = pruned[0].user_attrs["stopped"]
    assert reason == "not run: 4 replicates are below those of a1 (p = 0.062)"
    assert {t.value for t in pruned} == {None}


def test_wilcoxon_keeps_what_it_cannot_tell_apart(storage, write_study):
    study = write(write_study, "{name: wilcoxon}", arms=3, replicates=6)
    accuracies(storage, study, lambda arm, r: 0.5 + ((r + len(arm)) % 2) * (arm == "a1") / 9)
    assert not trials(storage, TrialState.PRUNED)
    equal = write(write_study, "{name: wilcoxon}", arms=3, replicates=6)
    accuracies(storage, equal, lambda *_: 0.5)
    assert not trials(storage, TrialState.PRUNED)
