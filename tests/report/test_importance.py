"""Which ends of ranges matter: where it is known what the answer must be."""

import numpy as np
import optuna
import pytest

from explorer.report import importances, points, summarise
from explorer.report.importance import FEWEST_ARMS, TREES
from tests.report.conftest import definition, trial

PARAMETERS = {
    "frequency": {"low": [0, 100], "high": [0, 100], "default": [0, 20]},
    "noise": {"low": [0.0, 0.0], "high": [0.0, 1.0], "default": [0.0, 0.5]},
}
SPACE = {"name": "visual_atom", "formula": "visual_atom", "parameters": PARAMETERS}


def sampled(
    count: int, *, effect: float = 0.5, scatter: float = 0.02, seed: int = 0, named=(), **changes
) -> optuna.Study:
    """Make a study whose accuracy follows from the high end of the frequencies alone."""
    random = np.random.default_rng(seed)
    study = optuna.create_study(study_name="s", direction="maximize")
    said = {"arms": {"scratch": None}, "sampler": {"name": "random", "samples": count}}
    said |= {"vary": ["frequency", "noise"], "search_space": SPACE, "replicates": 2}
    said |= changes
    study.set_user_attr("definition", definition(**said))
    study.add_trials([trial("scratch", r, 0.1) for r in range(2)])
    for i in range(count):
        low, high = sorted(int(end) for end in random.integers(0, 100, size=2))
        ranges = {"frequency": [low, high], "noise": [0.0, float(random.random())]}
        for r in range(said["replicates"]):
            score = 0.2 + effect * high / 100 + scatter * float(random.normal())
            study.add_trial(trial(f"sample-{i:04d}", r, score, ranges=ranges))
    study.add_trials(list(named))
    return study


@pytest.fixture(scope="module")
def found():
    return importances(summarise(sampled(40)))


def test_the_end_that_decides_comes_first_in_both(found):
    assert found.lack == ""
    assert (found.objective, found.arms, found.best) == ("accuracy", 40, 5)
    # The low end of the noise cannot move.
    assert {row.end for row in found.rows} == {"frequency.low", "frequency.high", "noise.high"}
    first = found.rows[0]
    assert first.end == "frequency.high"
    assert first.fanova.value > 0.7
    assert first.ped_anova.value == max(row.ped_anova.value for row in found.rows)
    assert sum(row.ped_anova.value for row in found.rows) == pytest.approx(1)
    assert sum(row.fanova.value for row in found.rows) <= 1


def test_each_has_an_interval_and_what_matters_is_set_apart(found):
    first, *others = found.rows
    for row in found.rows:
        assert 0 <= row.fanova.low <= row.fanova.value <= row.fanova.high <= 1
        assert 0 <= row.ped_anova.low < row.ped_anova.high <= 1
        assert row.fanova.n == row.ped_anova.n == 40
    assert first.fanova.low > max(row.fanova.high for row in others)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_it_is_what_optuna_says(found):
    """The mean of forests of one tree is the forest; PED-ANOVA's shares are Optuna's own."""
    study = optuna.create_study(direction="maximize")
    for arm in points(summarise(sampled(40))):
        low, high = arm.ranges["frequency"]
        params = {"frequency.low": int(low), "frequency.high": int(high)}
        params["noise.high"] = arm.ranges["noise"][1]
        ends = dict.fromkeys(params, optuna.distributions.IntDistribution(0, 100))
        ends["noise.high"] = optuna.distributions.FloatDistribution(0, 1)
        made = {"params": params, "distributions": ends}
        study.add_trial(optuna.create_trial(value=arm.accuracy.mean, **made))
    share = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.PedAnovaImportanceEvaluator(target_quantile=5 / 40)
    )
    assert {row.end: row.ped_anova.value for row in found.rows} == pytest.approx(share)
    forest = optuna.importance.get_param_importances(
        study,
        evaluator=optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=0),
        normalize=False,
    )
    for row in found.rows:
        assert row.fanova.value == pytest.approx(forest[row.end], abs=0.05)


def test_it_is_seeded(found):
    assert importances(summarise(sampled(40))) == found


def test_too_few_arms_are_said():
    few = importances(summarise(sampled(FEWEST_ARMS - 1)))
    assert few.rows == ()
    assert few.lack == "9 arms of the search space with a score, at least 10 are needed"
    # From scratch and what has another protocol are no points of the space.
    changed = {"scratch": None, "larger": {"frequency": [0, 5]}, "far": {"frequency": [0, 500]}}
    ranges = {"frequency": [0, 5], "noise": [0.0, 0.5]}
    named = [trial("larger", 0, 0.5, ranges=ranges)]
    named += [trial("far", 0, 0.5, ranges={**ranges, "frequency": [0, 500]})]
    study = sampled(
        FEWEST_ARMS - 1,
        named=named,
        arms=changed,
        arm_changes={"larger": {"model": {"name": "vit_small_patch16_224"}}},
    )
    assert importances(summarise(study)) == few


def test_arms_that_do_not_differ_are_said():
    found = importances(summarise(sampled(12, effect=0.0, scatter=0.0)))
    assert found.lack == "all 12 arms have the same score"


def test_nothing_varies():
    fixed = {"frequency": {"low": [3, 3], "high": [9, 9], "default": [3, 9]}}
    study = sampled(0, search_space={**SPACE, "parameters": fixed})
    assert importances(summarise(study)).lack == "no end of a range varies"
