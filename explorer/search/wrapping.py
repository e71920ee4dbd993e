"""What all samplers have in common that ask another one over a space that is given to them."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial


class WrappingSampler(BaseSampler):
    """A sampler that asks another one.

    Args:
        sampler: The sampler that is asked.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler

    def infer_relative_search_space(
        self, study: OptunaStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: the space is given with ``sample_relative``."""
        del study, trial
        return {}

    def sample_independent(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one value outside the space that is sampled as a whole."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def sample_all(
        self, study: OptunaStudy, trial: FrozenTrial, space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Ask for the whole of a space; what the sampler leaves out is sampled independently."""
        params = dict(self._sampler.sample_relative(study, trial, dict(space)))
        for name, distribution in space.items():
            if name not in params:
                params[name] = self.sample_independent(study, trial, name, distribution)
        return params
