"""What counts, what is compared, and what is refused."""

import math

import optuna
import pytest
from optuna.trial import TrialState
from scipy import stats

from explorer.errors import InputError
from explorer.report import summarise
from tests.report.conftest import SCORES, failure, finished_trials, trial


def arms(report):
    return {arm.name: arm for arm in report.arms}


def test_arms_in_file_order_with_their_statistics(study):
    report = summarise(study)
    assert [arm.name for arm in report.arms] == list(SCORES)
    best = arms(report)["best_practice"]
    assert best.ranges == {"frequency": (0, 20)}  # orbits do not vary
    assert [r.accuracy for r in best.replicates] == SCORES["best_practice"]
    assert [r.seed for r in best.replicates] == [0, 1, 2]
    assert best.accuracy.mean == pytest.approx(0.8166667)
    assert best.accuracy.std == pytest.approx(math.sqrt(0.0007 / 3))
    assert best.variety == {
        "vendi_features": pytest.approx(121),
        "edge_density": pytest.approx(0.1),
    }
    assert best.seconds == 60
    assert arms(report)["scratch"].ranges == {}
    assert report.tasks == ("digits",)
    assert report.progress.finished


def test_every_arm_is_compared_with_the_baseline_and_corrected(study):
    found = arms(summarise(study))
    assert found["scratch"].difference is None
    raw = {
        name: stats.ttest_ind(SCORES[name], SCORES["scratch"], equal_var=False).pvalue
        for name in SCORES
        if name != "scratch"
    }
    for name, p in raw.items():
        assert found[name].difference.p == pytest.approx(p)
    # best_practice < high < none
    assert found["best_practice"].difference.p_corrected == pytest.approx(3 * raw["best_practice"])
    assert found["high"].difference.p_corrected == pytest.approx(2 * raw["high"])
    assert found["none"].difference.p_corrected == pytest.approx(raw["none"])
    assert found["best_practice"].difference.resolved
    assert not found["none"].difference.resolved


def test_another_baseline(make_study):
    report = summarise(make_study(finished_trials(), baseline="best_practice"))
    assert arms(report)["best_practice"].difference is None
    assert arms(report)["scratch"].difference.gain < 0


def test_the_best_two_are_compared(study):
    lead = summarise(study).lead
    expected = stats.ttest_ind(SCORES["best_practice"], SCORES["high"], equal_var=False)
    assert lead.p == pytest.approx(expected.pvalue)
    assert not lead.resolved


def test_only_complete_trials_count_and_one_a_replicate(make_study):
    report = summarise(
        make_study(
            [
                trial("none", 0, 0.10),  # done over: the later one counts
                failure("none", 1, "interrupted: its run died"),
                trial("none", 0, 0.60),
                trial("none", 1, 0.62, attempt=2, continues=1),
                trial("none", 2, state=TrialState.PRUNED, frequency=(0, 0)),
                trial("scratch", 0, state=TrialState.RUNNING),
                failure("none", 0, "ValueError: later, but without a score"),
            ]
        )
    )
    none = arms(report)["none"]
    assert [(r.number, r.accuracy) for r in none.replicates] == [(2, 0.60), (3, 0.62)]
    assert (report.progress.complete, report.progress.pruned, report.progress.running) == (2, 1, 1)
    assert report.progress.failed == 0
    assert report.progress.waiting == 12 - 4
    assert not report.progress.finished


def test_without_a_scored_baseline_there_is_no_gain(make_study):
    scored = [trial("none", 0, 0.6), trial("none", 1, 0.7), trial("high", 0, 0.6)]
    report = summarise(make_study([*scored, failure("scratch", 0, "x")]))
    assert all(arm.difference is None for arm in report.arms)
    assert arms(report)["scratch"].accuracy is None


def test_an_arm_without_trials_shows_the_ranges_it_will_have(make_study):
    changed = {
        "scratch": None,
        "few": {"orbits": [1, 5]},
        "circles": {"frequency": [0, 0]},
    }
    report = summarise(make_study([trial("scratch", 0, 0.5)], arms=changed))
    assert report.varied == ("frequency", "orbits")
    assert arms(report)["few"].ranges == {"frequency": (0, 20), "orbits": (1, 5)}
    assert arms(report)["circles"].ranges == {"frequency": (0, 0), "orbits": (1, 200)}
    assert arms(report)["scratch"].ranges == {}


def test_sampled_arms_come_after_the_named_ones_best_first(make_study):
    trials = [
        trial(f"sample-{i:04d}", r, 0.5 + i / 10 + r / 100, frequency=(i, 9))
        for i in (0, 2, 1)
        for r in (0, 1)
    ]
    study = make_study(
        [trial("scratch", 0, 0.4), trial("scratch", 1, 0.42), *trials],
        arms={"scratch": None},
        sampler={"name": "tpe", "samples": 3},
        vary=["frequency"],
        replicates=2,
    )
    report = summarise(study)
    assert [arm.name for arm in report.arms] == [
        "scratch",
        "sample-0002",
        "sample-0001",
        "sample-0000",
    ]
    assert [arm.sampled for arm in report.arms] == [False, True, True, True]
    assert report.arms[1].ranges == {"frequency": (2, 9)}
    assert report.progress.total == 8
    assert report.progress.finished


def test_means_over_tasks_keep_each_task(make_study):
    trials = [
        trial("none", r, 0.5, **{"accuracy.digits": 0.6 + r / 10, "accuracy.flowers": 0.4})
        for r in range(2)
    ]
    report = summarise(make_study(trials))
    assert report.tasks == ("digits", "flowers")
    none = arms(report)["none"]
    assert none.tasks["digits"].mean == pytest.approx(0.65)
    assert none.tasks["flowers"].std == 0


def test_no_finished_trial(make_study):
    with pytest.raises(InputError) as caught:
        summarise(make_study([trial("none", 0, state=TrialState.RUNNING), failure("none", 1, "x")]))
    assert str(caught.value) == (
        "study: 'frequency_range': has no finished trial to report on yet "
        "(1 running, 10 waiting, 1 failed)"
    )


def test_all_failed_counts_the_reasons(make_study):
    failures = [failure("none", r, "OSError: no space") for r in range(2)]
    failures += [failure("scratch", 0, "ValueError: too few"), failure("scratch", 1, "a")]
    study = make_study(failures, arms={"scratch": None, "none": {}}, replicates=2)
    with pytest.raises(InputError) as caught:
        summarise(study)
    assert str(caught.value) == (
        "study: 'frequency_range': all 4 trials failed: OSError: no space (2 x); "
        "ValueError: too few (1 x); a (1 x)"
    )


def test_a_study_of_someone_else():
    with pytest.raises(InputError, match="not made by explorer"):
        summarise(optuna.create_study(study_name="mine"))
