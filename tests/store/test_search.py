"""Where new arms come from, and which are stopped early: by Optuna's samplers and pruners."""

import json
import math
import random

import pytest
from optuna.trial import TrialState, create_trial

from explorer import store
from explorer import study as studies
from explorer.scores import Rung, Scores
from explorer.store import points, pruning
from tests.store.play import SAMPLED, arms, rows, run_all, scores

SAMPLERS = ("random", "qmc", "tpe", "gp", "cmaes", "nsga2")

ARMS = """\
description: A study for a test.
search_space: visual_atom
protocol: {protocol}
replicates: {replicates}
baseline: a0
pruner: {pruner}
arms:
"""


def sampled(write_study, sampler, samples, more=""):
    old = "name: random, samples: 3"
    write_study(SAMPLED.replace(old, f"name: {sampler}, samples: {samples}") + more)
    return studies.load_study("mine")


def pruned(write_study, pruner, count=8, replicates=1, protocol="smoke"):
    text = ARMS.format(pruner=pruner, replicates=replicates, protocol=protocol)
    write_study(text + "".join(f"  a{i}: {{frequency: [0, {i}]}}\n" for i in range(count)))
    return studies.load_study("mine")


def worth(one):
    """Of the arms a0 to a7 the earlier are the better; a0 is the baseline."""
    return 1 - int(one.arm[1:]) / 10 if one.ranges else 0.1


@pytest.mark.parametrize("seed", range(20))
def test_any_point_is_a_range_and_any_range_a_point(write_study, seed):
    study = sampled(write_study, "random", 1)
    draw = random.Random(seed)
    space = points.distributions(study)
    params = {
        name: draw.choice([d.low, d.high, draw.uniform(d.low, d.high)]) for name, d in space.items()
    }
    params["frequency.low+1"] = int(params["frequency.low+1"])
    ranges = points.to_ranges(study, params)
    for parameter in ("frequency", "noise"):
        assert study.space.parameters[parameter].problem(ranges[parameter]) is None
    again = points.to_params(study, ranges)
    assert points.to_ranges(study, again)["frequency"] == ranges["frequency"]
    assert points.to_ranges(study, again)["noise"] == pytest.approx(ranges["noise"])
    create_trial(params=again, distributions=space, value=0.0)  # Optuna takes it


def proposed(database, study):
    """The ranges of the samples of a study, in their order."""
    run_all(database, study, score=lambda one: one.replicate / 100)
    first = (row for row in rows(database, replicate=0) if row["arm"].startswith("sample-"))
    return [json.loads(row["ranges"]) for row in first]


def test_a_search_begins_at_best_practice_and_spreads_over_decades(tmp_path, write_study):
    """Best practice is at 0 to 20 of 1,000: evenly drawn, 94 of 100 ranges begin above 60."""
    ranges = {}
    for sampler in ("qmc", "tpe"):
        study = sampled(write_study, sampler, 33 if sampler == "qmc" else 11)
        text = study.path.read_text().replace(
            "waves: {frequency: [0, 20]}", "wide: {noise: [0, 20]}"
        )
        study = studies.load_study(str(write_study(text.replace("cy, noise]", "cy, line_width]"))))
        with store.connect(f"sqlite:///{tmp_path}/{sampler}.db", create=True) as database:
            ranges[sampler] = proposed(database, study)
    assert ranges["qmc"][0] == {p: list(r) for p, r in study.space.complete({}).items()}
    lows, highs = zip(*(sample["frequency"] for sample in ranges["qmc"][1:]), strict=True)
    # Of log(1 + n) from 0 to 1,000, n <= 60 is 60 %, and of the high ends 23 %.
    assert sum(low <= 60 for low in lows) == pytest.approx(0.6 * 32, abs=2)
    assert sum(high <= 60 for high in highs) == pytest.approx(0.23 * 32, abs=3)
    narrow = [sample["line_width"][0] for sample in ranges["qmc"][1:]]
    assert sum(low <= 0.9 for low in narrow) == pytest.approx(0.5 * 32, abs=1)
    assert ranges["tpe"][:9] == ranges["qmc"][:9]  # with the named arm, TPE has learned from ten
    assert ranges["tpe"][9] != ranges["qmc"][9]


def test_a_study_may_narrow_what_it_searches(database, write_study):
    """An arm beyond is run, and is no point of the search."""
    study = sampled(write_study, "tpe", 12)
    text = study.path.read_text().replace("[frequency, noise]", "{frequency: [2, 60]}")
    study = studies.load_study(str(write_study(text)))
    ends = [sample["frequency"] for sample in proposed(database, study)]
    assert len(ends) == 12
    assert all(2 <= low <= high <= 60 for low, high in ends)
    assert study.definition()["vary"] == {"frequency": [2, 60]}
    assert [t.user_attrs["arm"] for t in arms(database)] == [f"sample-{i:04d}" for i in range(12)]
    assert "frequency.low" in arms(database)[0].params  # no 0, so that nothing is added
    assert len(rows(database, arm="waves", state="COMPLETE")) == 2


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampled_study_goes_on_where_it_stopped(tmp_path, write_study, sampler):
    """A run that is stopped every other replicate samples the same ranges as one that is not.

    It is stopped with one in flight, of a sample or a named arm, that it has to run anew.
    """
    # Ten arms are drawn at random before TPE and the Gaussian process begin.
    count = {"random": 3, "qmc": 3, "gp": 10, "nsga2": 20}.get(sampler, 12)
    study = sampled(write_study, sampler, count)

    def score(one):
        low, high = (one.ranges or {"noise": (0, 0)})["noise"]
        return high - low + one.replicate / 100

    def ranges(name, stop_after):
        with store.connect(f"sqlite:///{tmp_path}/{name}.db", create=True) as database:
            for _ in range(1000):
                run_all(database, study, score=score, stop_after=stop_after, release=True)
                done = rows(database, state="COMPLETE")
                if len(done) == study.planned:
                    break
            assert len(arms(database)) == count + 1
            return {row["arm"]: row["ranges"] for row in done}

    straight = ranges("straight", None)
    assert len(straight) == 2 + count
    assert len(set(straight.values())) == 2 + count
    assert ranges("stopped", 3) == straight


def test_cmaes_replays_its_generations_and_finds_the_best(database, write_study):
    study = sampled(write_study, "cmaes", 48)
    run_all(database, study, score=lambda one: -abs((one.ranges or {"noise": (9, 9)})["noise"][0]))
    lows = [
        json.loads(row["ranges"])["noise"][0]
        for row in rows(database, replicate=0)
        if row["arm"].startswith("sample-")
    ]
    first, last = lows[:8], lows[-8:]
    assert sum(last) < sum(first) / 2
    assert not any("cma" in key for trial in arms(database) for key in trial.system_attrs)


def test_a_study_of_two_objectives(either, write_study):
    more = "objectives: [accuracy, variety.vendi_features]\n"
    study = sampled(write_study, "nsga2", 18, more)
    with store.Run(either, "mine") as run:
        queue = store.Queue(either, study, run.run_id)
        queue.recover()
        while (one := queue.take()) is not None:
            variety = {}
            if one.ranges is not None:
                assert not queue.report(one, Rung(128, math.nan, 2.0, 1.0))
                variety = {"vendi_features": 10.0 + one.replicate}
            if (one.arm, one.replicate) == ("sample-0003", 1):
                variety = {}
            problem = queue.complete(one, scores(0.5, variety=variety))
            missing = "no score: variety.vendi_features is missing"
            assert problem == (missing if one.ranges is not None and not variety else None)
    trials = arms(either)
    assert len(trials) == 19  # from scratch has no images to be measured, and is no trial
    values = {t.user_attrs["arm"]: t.values for t in trials}
    assert values.pop("sample-0003") == [0.5, 10.0]
    assert set(map(tuple, values.values())) == {(0.5, 10.5)}
    assert not any(trial.intermediate_values for trial in trials)


def test_a_study_that_trains_nothing(either, database_url, write_study):
    more = "objectives: [{variety.ink_coverage: minimize}]\nbaseline: waves\n"
    study = sampled(write_study, "cmaes", 3, more)
    assert list(study.arms) == ["waves"]
    assert not study.protocol.train
    with store.Run(either, "mine") as run:
        queue = store.Queue(either, study, run.run_id)
        queue.recover()
        while (one := queue.take()) is not None:
            found = {} if one.arm == "sample-0001" else {"ink_coverage": one.id / 10}
            problem = queue.complete(one, Scores(variety=found))
            assert (problem is None) == bool(found)
    values = [trial.values for trial in arms(either)]
    assert values == [[pytest.approx(0.15)], [pytest.approx(0.35)], None, [pytest.approx(0.75)]]
    assert [row["accuracy"] for row in rows(either)] == [None] * 8
    assert store.check(database_url)[1] == []


def test_without_a_pruner_nothing_is_stopped(database, write_study):
    assert run_all(database, pruned(write_study, "{name: none}"), probe=worth) == {}


def test_median(either, write_study):
    study = pruned(write_study, "{name: median, startup: 4}", replicates=2)
    # The fifth arm is the first that has four to be compared with, and worse than their median.
    stopped = run_all(either, study, probe=worth)
    assert stopped == {(f"a{i}", 0): 128 for i in (4, 5, 6, 7)}
    found = [trial for trial in arms(either) if trial.state == TrialState.PRUNED]
    assert [trial.value for trial in found] == pytest.approx([0.6, 0.5, 0.4, 0.3])
    both = rows(either, arm="a4")
    assert [row["state"] for row in both] == ["PRUNED", "PRUNED"]
    assert both[1]["reason"] == "stopped at 128 images"
    more = pruned(write_study, "{name: median, startup: 4}", replicates=3)
    run_all(either, more, probe=worth)
    assert [row["state"] for row in rows(either, arm="a4")] == ["PRUNED"] * 3


def test_halving_lets_the_better_half_on(database, write_study):
    study = pruned(write_study, "{name: successive_halving}")
    stopped = run_all(database, study, probe=worth)
    # The first is promoted, and of the worse ones after it none.
    assert stopped == {(f"a{i}", 0): 128 for i in range(1, 8)}


def test_hyperband_has_brackets(database, write_study):
    stopped = run_all(database, pruned(write_study, "{name: hyperband}", 24), probe=worth)
    assert set(stopped.values()) == {128, 256}
    assert ("a0", 0) not in stopped


def test_wilcoxon_gives_up_an_arm_that_is_worse_in_replicate_after_replicate(database, write_study):
    study = pruned(write_study, "{name: wilcoxon, threshold: 0.1}", 3, replicates=8)

    def score(one):
        return {"a0": 0.7, "a1": 0.5, "a2": 0.8}.get(one.arm, 0.4) + one.seed / 1000

    run_all(database, study, score=score)
    done = [len(rows(database, arm=f"a{i}", state="COMPLETE")) for i in range(3)]
    assert done[0] == done[2] == 8
    assert 2 < done[1] < 8
    first, second, _ = arms(database)
    assert first.intermediate_values == {seed: 0.7 + seed / 1000 for seed in range(8)}
    assert (second.state, second.user_attrs["n"]) == (TrialState.PRUNED, done[1])


def test_a_rung_that_is_no_number_stops_an_arm_but_not_the_baseline(database, write_study):
    study = pruned(write_study, "{name: successive_halving}", 2)
    stopped = run_all(database, study, probe=lambda _: math.nan)
    assert stopped == {("a1", 0): 128}


def test_rungs_are_steps_of_their_share_end_to_end(folder, write_study):
    """Rungs are reported at whole batches; pruners see the protocol's shares."""
    content = studies.load_protocol("smoke").model_dump(mode="json")
    content["pretrain"]["rungs"] = [0.3, 0.6, 0.9]
    (folder / "protocols").mkdir()
    (folder / "protocols" / "odd.yaml").write_text(json.dumps(content))
    study = pruned(write_study, "{name: successive_halving}", protocol="odd")
    probes = {(0, 96): 0.1, (0, 160): 0.2, (1, 96): 0.3, (2, 96): None}
    steps = pruning.steps(study.protocol, probes)
    assert math.isnan(steps.pop(2 * 256 + 77))
    assert steps == {77: 0.1, 154: 0.2, 256 + 77: pytest.approx(0.2)}
