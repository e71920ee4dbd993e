"""Optuna's samplers by the names that a study file uses; CMA-ES without its pickles."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import Study as OptunaStudy
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from explorer.store.studies import sample_name

POPULATION = 16
"""Samples in a generation of NSGA-II. Optuna's 50 are more than many a study has in all."""

STARTUP = 10
"""Arms with a result before TPE and the Gaussian process begin to learn, as in Optuna."""

STEP = 1 / 6
"""CMA-ES: standard deviation of the first generation, in units of the space, as in Optuna."""

Space = Mapping[str, BaseDistribution]


def make_sampler(name: str, *, seed: int, sample: int, space: Space) -> BaseSampler:
    """Return a sampler for one sample of a study.

    A sampler lives for one sample, so that a driver that starts again goes on where the last one
    stopped: what a sampler knows comes from the database, and its random state from ``seed`` and
    the number of the sample. With one worker a study that was stopped draws the very ranges that it
    would have drawn. With several, ``random`` and ``qmc`` still do; the others learn from what has
    finished by then, which depends on how fast the workers are. (A driver that is killed in the
    very act of drawing costs ``qmc`` a point of its sequence.)

    Args:
        name: ``random``; ``qmc`` (scrambled Sobol); ``tpe`` (multivariate, constant liar); ``gp``
            (Gaussian process with the expected improvement, which takes torch into this process);
            ``cmaes`` (one objective only); ``nsga2`` (made for two objectives). As long as one of
            them has learned nothing, ``qmc`` spreads its samples over the space.
        seed: The study's seed.
        sample: Index of the sample, from 0.
        space: The distributions of all varied parameters.
    """
    # Multiplication by an odd constant keeps the seeds of neighbouring studies apart.
    mixed = (seed * 1_000_003 + sample) % 2**32
    makers: dict[str, Callable[[], BaseSampler]] = {
        "random": lambda: RandomSampler(seed=mixed),
        "tpe": lambda: TPESampler(
            multivariate=True, constant_liar=True, n_startup_trials=STARTUP, seed=mixed
        ),
        "gp": lambda: GPSampler(
            n_startup_trials=STARTUP, warn_independent_sampling=False, seed=mixed
        ),
        "cmaes": lambda: EvolutionSampler(sample=sample, seed=mixed),
        "nsga2": lambda: NSGAIISampler(population_size=POPULATION, seed=mixed),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Its scrambling must stay the same over a study; Optuna counts its points in the database.
        spread = QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False)
        return WholeSpace(spread if name == "qmc" else makers[name](), spread, space)


def startup(name: str, parameters: int) -> int:
    """Return the number of arms with a result before a sampler begins to learn from them.

    Args:
        name: The sampler.
        parameters: How many Optuna parameters the space has.
    """
    of_cmaes = 4 + int(3 * np.log(parameters))  # Hansen (2016)
    return {"tpe": STARTUP, "gp": STARTUP, "nsga2": POPULATION, "cmaes": of_cmaes}.get(name, 0)


class WholeSpace(BaseSampler):
    """A sampler that is told its space, and need not infer it from all trials for every sample.

    Args:
        sampler: The sampler that is asked.
        spread: The one that is asked where that has learned nothing yet.
        space: The distributions of all varied parameters.
    """

    def __init__(self, sampler: BaseSampler, spread: BaseSampler, space: Space) -> None:
        self._sampler = sampler
        self._spread = spread
        # A parameter of one value only is no matter for a sampler; Optuna sets it.
        self._space = {name: values for name, values in space.items() if not values.single()}

    def infer_relative_search_space(
        self, study: OptunaStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the whole space."""
        del study, trial
        return self._space

    def sample_relative(
        self, study: OptunaStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample what the sampler samples together."""
        if not search_space:
            return {}
        params = self._sampler.sample_relative(study, trial, search_space)
        if params or type(self._sampler) is RandomSampler:
            return params
        return self._spread.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one value that was not sampled together with the others."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: OptunaStudy, trial: FrozenTrial) -> None:
        """Pass the event on."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Pass the event on."""
        self._sampler.after_trial(study, trial, state, values)


class EvolutionSampler(RandomSampler):
    """CMA-ES (Hansen, 2016) by the package ``cmaes``, over the unit cube of the space.

    Optuna's own ``CmaEsSampler`` keeps the pickled optimiser in the database and unpickles it from
    there: whoever can write to the database could run code in the driver. Here the optimiser is
    made anew for every sample and is told all generations so far, which takes less than a
    millisecond each. Sample k belongs to generation k // population; a generation is told when all
    of its samples have ended, after those before it. With several workers some samples of the next
    one are therefore drawn from the distribution of the last.

    CMA-ES looks at ranks alone. Pruned samples rank below finished ones, by how far they came and
    then by their last rung; failed ones below all. A value by itself is drawn at random.

    Args:
        sample: Index of the sample, from 0.
        seed: Of the draw.
    """

    def __init__(self, *, sample: int, seed: int) -> None:
        super().__init__(seed=seed)
        self._sample = sample
        self._seed = seed

    def sample_relative(
        self, study: OptunaStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw from the distribution that all finished generations leave."""
        del trial
        import cmaes

        optimiser = cmaes.CMA(
            mean=np.full(len(search_space), 0.5),
            sigma=STEP,
            bounds=np.tile([0.0, 1.0], (len(search_space), 1)),
            n_max_resampling=10 * len(search_space),
            seed=self._seed,
        )
        size = optimiser.population_size
        # Of several trials of an arm the last one knows most.
        by_arm = {t.user_attrs.get("arm"): t for t in study.get_trials(deepcopy=False)}
        for first in range(0, self._sample // size * size, size):
            members = [by_arm.get(sample_name(i)) for i in range(first, first + size)]
            ended = [t for t in members if t is not None and t.state.is_finished()]
            if len(ended) < size:
                break
            ranked = sorted(ended, key=lambda t: _merit(t, study.direction))
            optimiser.tell(
                [(_to_cube(t.params, search_space), -rank) for rank, t in enumerate(ranked)]
            )
        return _from_cube(optimiser.ask(), search_space)


def _merit(trial: FrozenTrial, direction: StudyDirection) -> tuple[int, int, float]:
    place = (TrialState.FAIL, TrialState.PRUNED, TrialState.COMPLETE).index(trial.state)
    reached = trial.last_step if trial.state == TrialState.PRUNED else None
    if trial.value is None:
        return place, reached or 0, -np.inf
    sign = -1 if direction == StudyDirection.MINIMIZE else 1
    return place, reached or 0, sign * trial.value


def _ends(values: BaseDistribution) -> tuple[float, float]:
    """Return the bounds of a distribution on its scale; whole numbers are one wide, also there."""
    assert isinstance(values, IntDistribution | FloatDistribution)  # noqa: S101 - all are
    margin = 0.5 if isinstance(values, IntDistribution) else 0.0
    low, high = values.low - margin, values.high + margin
    return (log(low), log(high)) if values.log else (low, high)


def _to_cube(params: Mapping[str, float], space: Space) -> NDArray[np.float64]:
    places = []
    for name, values in space.items():
        low, high = _ends(values)
        value = log(params[name]) if getattr(values, "log", False) else params[name]
        places.append((value - low) / (high - low))
    return np.array(places)


def _from_cube(point: NDArray[np.float64], space: Space) -> dict[str, float]:
    params: dict[str, float] = {}
    for place, (name, values) in zip(point, space.items(), strict=True):
        assert isinstance(values, IntDistribution | FloatDistribution)  # noqa: S101 - all are
        low, high = _ends(values)
        value = low + float(place) * (high - low)
        value = exp(value) if values.log else value
        whole = isinstance(values, IntDistribution)
        params[name] = min(max(round(value) if whole else value, values.low), values.high)
    return params
