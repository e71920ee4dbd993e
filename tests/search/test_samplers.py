"""Every sampler by itself: valid ranges, the same ones again, and whether it learns."""

import sys

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState
from scipy.stats import kstest

from explorer.search.evolution import GENERATION
from explorer.search.samplers import POPULATION, make_sampler
from explorer.search.shares import _from_shares, _to_shares

SPACE = {
    "frequency.low": IntDistribution(0, 50),
    "frequency.high": IntDistribution(10, 60),
    "noise.low": FloatDistribution(0, 1),
    "noise.high": FloatDistribution(0, 1),
}
BEST = {"frequency.low": 6, "frequency.high": 22, "noise.low": 0.15, "noise.high": 0.55}
ALL = ["random", "qmc", "tpe", "gp", "cmaes", "nsga2"]

optuna.logging.set_verbosity(optuna.logging.WARNING)


def loss(params):
    """Squared distance from the best ranges; an objective that is known."""
    width = {name: one.high - one.low for name, one in SPACE.items()}
    return sum(((params[name] - BEST[name]) / width[name]) ** 2 for name in params)


def sample(name, count, *, seed=3, value=lambda params: -loss(params), directions=("maximize",)):
    study = optuna.create_study(directions=directions)
    for index in range(count):
        ask(study, name, index, seed=seed, value=value)
    return study.get_trials()


def ask(study, name, index, *, seed=3, value=None, space=SPACE):
    study.sampler = make_sampler(name, seed=seed, sample=index, space=space)
    trial = study.ask(space)
    trial.set_user_attr("arm", f"sample-{index}")
    trial.set_user_attr("replicate", 0)
    if value is not None:
        study.tell(trial, value(trial.params))
    return trial


@pytest.mark.parametrize("name", ALL)
def test_ranges_are_ordered_and_within_their_bounds(name):
    for trial in sample(name, 12 if name == "gp" else 40):
        assert trial.state == TrialState.COMPLETE
        for parameter in ("frequency", "noise"):
            assert trial.params[f"{parameter}.low"] <= trial.params[f"{parameter}.high"]
        for end, distribution in SPACE.items():
            assert distribution.low <= trial.params[end] <= distribution.high
            if isinstance(distribution, IntDistribution):
                assert isinstance(trial.params[end], int)


@pytest.mark.parametrize("name", ["random", "qmc"])
def test_uniform_samplers_are_uniform_over_ordered_pairs(name):
    # Of a uniform ordered pair in the unit square, the square of the high end is uniform.
    high = np.array([t.params["noise.high"] for t in sample(name, 256)])
    assert kstest(high**2, "uniform").pvalue > 0.001


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_ranges(name):
    count = {"gp": 12, "nsga2": POPULATION + 4}.get(name, 20)
    first = [t.params for t in sample(name, count)]
    assert first == [t.params for t in sample(name, count)]
    assert first != [t.params for t in sample(name, count, seed=4)]


@pytest.mark.parametrize(("name", "count"), [("tpe", 60), ("gp", 18), ("cmaes", 60)])
def test_what_learns_comes_closer_than_chance(name, count):
    """In every one of a few seeds, the last samples are nearer than the best half of random ones.

    With random ranges the mean loss is 0.5.
    """
    for seed in range(2 if name == "gp" else 5):
        late = [loss(t.params) for t in sample(name, count, seed=seed)[-count // 4 :]]
        chance = [loss(t.params) for t in sample("random", count, seed=seed)]
        assert np.mean(late) < np.median(chance) / 2, seed


def test_nsga2_finds_both_ends_of_a_trade_off():
    """Little noise and much of it are sought at once: whatever their weights, it comes closer."""

    def two(params):
        return -loss(params), -loss({**params, "noise.low": 0.85, "noise.high": 0.95})

    def best(trials):
        values = np.array([t.values for t in trials])
        return [max(values @ (share, 1 - share)) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]

    for seed in range(3):
        found, random = (
            sample(name, 8 * POPULATION, seed=seed, value=two, directions=["maximize"] * 2)
            for name in ("nsga2", "random")
        )
        generations = [t.system_attrs["NSGAIISampler:generation"] for t in found]
        assert generations == [index // POPULATION for index in range(len(found))]
        late = found[-2 * POPULATION :]
        assert np.mean([sum(t.values) for t in late]) > np.mean([sum(t.values) for t in random])
        assert np.mean(best(found)) > np.mean(best(random))


# -- what samplers are shown ---------------------------------------------------------------------


def test_an_evolution_goes_on_over_samples_and_over_workers():
    """Three samples are in flight at a time, and some never come to their end."""
    study = optuna.create_study(direction="maximize")
    flying = []
    for index in range(90):
        flying.append(ask(study, "cmaes", index))
        if len(flying) == 3:
            trial = flying.pop(index % 2)
            if index % 10 == 9:
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, -loss(trial.params))
    found = study.get_trials()
    generations = [t.system_attrs[GENERATION] for t in found]
    assert generations == sorted(generations)
    assert generations[-1] >= 6
    losses = [loss(t.params) for t in found]
    assert np.mean(losses[-20:]) < np.mean(losses[:8]) / 2


def test_an_evolution_is_driven_by_what_it_was_told():
    for sign in (1, -1):
        found = sample("cmaes", 80, value=lambda params, sign=sign: sign * params["noise.high"])
        late = np.mean([t.params["noise.high"] for t in found[-16:]])
        assert late > 0.85 if sign > 0 else late < 0.3


def test_pruned_samples_count_as_worse_in_an_evolution():
    study = optuna.create_study(direction="maximize")
    for index in range(80):
        trial = ask(study, "cmaes", index)
        if trial.params["noise.high"] > 0.5:
            trial.report(trial.params["noise.high"], step=128)  # the higher, the better it looks
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, -1.0)
    late = [t.params["noise.high"] for t in study.get_trials()[-16:]]
    assert np.mean(np.array(late) <= 0.5) > 0.8


def test_shares_are_another_way_to_say_the_same_range():
    for trial in sample("random", 50):
        shares = _to_shares(trial.params, SPACE)
        assert all(0 <= share <= 1 for share in shares.values())
        back = _from_shares({**trial.params, **shares}, SPACE)
        assert {**trial.params, **back} == pytest.approx(trial.params)
    for share in (0.0, 0.5, 1.0):
        params = {"frequency.high": 10, "noise.high": 0.0}
        ends = _from_shares({**params, "frequency.low": share, "noise.low": share}, SPACE)
        assert 0 <= ends["frequency.low"] <= 10
        assert ends["noise.low"] == 0.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ALL)
def test_a_parameter_without_room_is_no_obstacle(name):
    space = {**SPACE, "frequency.low": IntDistribution(4, 4), "noise.high": FloatDistribution(1, 1)}
    study = optuna.create_study(direction="maximize")
    for index in range(12):
        trial = ask(study, name, index, space=space, value=lambda p: p["noise.low"])
        assert trial.params["frequency.low"] == 4
        assert trial.params["noise.high"] == 1


def test_torch_is_imported_for_the_gaussian_process_alone():
    import subprocess

    program = (
        "import sys\nfrom tests.search.test_samplers import sample\n"
        "[sample(name, 12) for name in ('random', 'qmc', 'tpe', 'cmaes', 'nsga2')]\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
