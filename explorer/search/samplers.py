"""Optuna's samplers by the names that a study file uses, over ordered ranges."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
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
from optuna.trial import FrozenTrial, TrialState

from explorer.search.evolution import EvolutionSampler
from explorer.search.shares import SharedRanges
from explorer.search.space import bounds, pairs
from explorer.search.view import View, arms
from explorer.search.wrapping import WrappingSampler

POPULATION = 16
"""Samples in a generation of NSGA-II. Optuna's 50 are more than many a study has in all."""


def make_sampler(
    name: str, *, seed: int, sample: int, space: Mapping[str, BaseDistribution]
) -> BaseSampler:
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
            ``cmaes`` (one objective only); ``nsga2`` (made for two objectives).
        seed: The study's seed.
        sample: Index of the sample, from 0.
        space: Distributions of the ends of the varied ranges.
    """
    makers: dict[str, Callable[[], BaseSampler]] = {
        "random": lambda: RandomSampler(seed=_mixed(seed, sample)),
        # Its scrambling must stay the same over a study; Optuna counts its points in the database.
        "qmc": lambda: QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False),
        "tpe": lambda: TPESampler(multivariate=True, constant_liar=True, seed=_mixed(seed, sample)),
        "gp": lambda: SharedRanges(
            GPSampler(seed=_mixed(seed, sample), warn_independent_sampling=False)
        ),
        "cmaes": lambda: SharedRanges(EvolutionSampler(seed=_mixed(seed, sample))),
        "nsga2": lambda: NSGAIISampler(population_size=POPULATION, seed=_mixed(seed, sample)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return OrderedRanges(makers[name](), space)


class OrderedRanges(WrappingSampler):
    """Any sampler, over arms, such that the low end of a range is never above its high end.

    It is shown one trial an arm (:func:`~explorer.search.view.arms`). Where the two ends come out
    in the wrong order they are exchanged *before* they are recorded. Every trial is thus valid,
    uniform samplers are uniform over all ordered pairs, and samplers that learn from a study learn
    from what was run.

    Args:
        sampler: The sampler that is asked.
        space: Distributions of ``<parameter>.low`` and ``<parameter>.high``.
    """

    def __init__(self, sampler: BaseSampler, space: Mapping[str, BaseDistribution]) -> None:
        super().__init__(sampler)
        self._space = dict(space)

    def infer_relative_search_space(
        self, study: OptunaStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the whole space: it is known, and trials of the scratch arm have no part in it."""
        del study, trial
        return self._space

    def sample_relative(
        self, study: OptunaStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample all ends, those that the sampler leaves out independently, and order them.

        An end that has one value only is no matter for a sampler; TPE would divide by its width.
        """
        seen = View(study, lambda trials: arms(trials, search_space))
        moving = {name: one for name, one in search_space.items() if not one.single()}
        params = self.sample_all(seen, trial, moving) if moving else {}
        params |= {name: bounds(search_space[name])[0] for name in search_space.keys() - moving}
        for low, high in pairs(search_space):
            if params[low] > params[high]:
                params[low], params[high] = params[high], params[low]
        return params

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

    def reseed_rng(self) -> None:
        """Pass the event on."""
        self._sampler.reseed_rng()


def _mixed(seed: int, sample: int) -> int:
    # Multiplication by an odd constant keeps the seeds of neighbouring studies apart.
    return (seed * 1_000_003 + sample) % 2**32
