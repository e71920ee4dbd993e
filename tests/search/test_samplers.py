import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from scipy.stats import kstest

from explorer.search.samplers import make_sampler

SPACE = {
    "frequency.low": IntDistribution(0, 50),
    "frequency.high": IntDistribution(10, 60),
    "noise.low": FloatDistribution(0, 1),
    "noise.high": FloatDistribution(0, 1),
}


def sample(name, count):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for index in range(count):
        study.sampler = make_sampler(name, seed=3, sample=index, space=SPACE)
        trial = study.ask(SPACE)
        study.tell(trial, trial.params["noise.high"])
    return study.get_trials()


@pytest.mark.parametrize("name", ["random", "qmc", "tpe"])
def test_ranges_are_ordered_and_within_their_bounds(name):
    for trial in sample(name, 40):
        for parameter in ("frequency", "noise"):
            assert trial.params[f"{parameter}.low"] <= trial.params[f"{parameter}.high"]
        for end, distribution in SPACE.items():
            assert distribution.low <= trial.params[end] <= distribution.high


@pytest.mark.parametrize("name", ["random", "qmc"])
def test_uniform_samplers_are_uniform_over_ordered_pairs(name):
    # Of a uniform ordered pair in the unit square, the square of the high end is uniform.
    high = np.array([t.params["noise.high"] for t in sample(name, 256)])
    assert kstest(high**2, "uniform").pvalue > 0.001


def test_tpe_learns_from_what_was_run():
    trials = sample("tpe", 80)
    early = np.mean([t.value for t in trials[:10]])
    late = np.mean([t.value for t in trials[-20:]])
    assert late > early + 0.1


def test_the_same_seed_gives_the_same_ranges():
    assert [t.params for t in sample("tpe", 15)] == [t.params for t in sample("tpe", 15)]
