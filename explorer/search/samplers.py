"""Optuna's samplers by the names that a study file uses, over ordered ranges."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, TrialState


def make_sampler(
    name: str, *, seed: int, sample: int, space: Mapping[str, BaseDistribution]
) -> BaseSampler:
    """Return a sampler for one sample of a study.

    A sampler lives for one sample, so that a driver that starts again goes on where the last one
    stopped: what a sampler knows comes from the database, and its random state from ``seed`` and
    the number of the sample.

    Args:
        name: ``random``, ``qmc`` (scrambled Sobol) or ``tpe`` (multivariate, constant liar).
        seed: The study's seed.
        sample: Index of the sample, from 0.
        space: Distributions of the ends of the varied ranges.
    """
    makers: dict[str, Callable[[], BaseSampler]] = {
        "random": lambda: RandomSampler(seed=_mixed(seed, sample)),
        # Its scrambling must stay the same over a study; Optuna counts its points in the database.
        "qmc": lambda: QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False),
        "tpe": lambda: TPESampler(multivariate=True, constant_liar=True, seed=_mixed(seed, sample)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return OrderedRanges(makers[name](), space)


class OrderedRanges(BaseSampler):
    """Any sampler, such that the low end of a range is never above its high end.

    Where the two ends come out in the wrong order they are exchanged *before* they are recorded.
    Every trial is thus valid, uniform samplers are uniform over all ordered pairs, and samplers
    that learn from a study learn from what was run.

    Args:
        sampler: The sampler that is asked.
        space: Distributions of ``<parameter>.low`` and ``<parameter>.high``.
    """

    def __init__(self, sampler: BaseSampler, space: Mapping[str, BaseDistribution]) -> None:
        self._sampler = sampler
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
        """Sample all ends, those that the sampler leaves out independently, and order them."""
        params = dict(self._sampler.sample_relative(study, trial, search_space))
        for name, distribution in search_space.items():
            if name not in params:
                params[name] = self._sampler.sample_independent(study, trial, name, distribution)
        for low in (name for name in search_space if name.endswith(".low")):
            high = low.removesuffix("low") + "high"
            if params[low] > params[high]:
                params[low], params[high] = params[high], params[low]
        return params

    def sample_independent(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one value outside the space of ranges."""
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

    def reseed_rng(self) -> None:
        """Pass the event on."""
        self._sampler.reseed_rng()


def _mixed(seed: int, sample: int) -> int:
    # Multiplication by an odd constant keeps the seeds of neighbouring studies apart.
    return (seed * 1_000_003 + sample) % 2**32
