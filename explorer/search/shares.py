"""Ordered ranges as a box, for samplers that model the whole of their space."""

import copy
import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial

from explorer.search.space import bounds
from explorer.search.view import View

Space = Mapping[str, BaseDistribution]


class SharedRanges(BaseSampler):
    """A sampler that proposes the low end of a range as a share of what the high end leaves it.

    Half of the square of two ends is never run, as they would be exchanged. A Gaussian process is
    as unsure of that half as at the beginning, and goes on proposing points in it. In these
    coordinates there is no such half.

    Args:
        sampler: The sampler that is asked.
    """

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler

    def infer_relative_search_space(
        self, study: OptunaStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: the space is given with :meth:`sample_relative`."""
        del study, trial
        return {}

    def sample_relative(
        self, study: OptunaStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample both ends of every range."""
        box: dict[str, BaseDistribution] = {
            **search_space,
            **{low: FloatDistribution(0.0, 1.0) for low, _ in _pairs(search_space)},
        }

        def boxed(found: FrozenTrial) -> FrozenTrial:
            shown = copy.copy(found)
            shown.params = {**found.params, **_to_shares(found.params, search_space)}
            shown.distributions = {**found.distributions, **box}
            return shown

        seen = View(study, lambda trials: [boxed(found) for found in trials])
        params = dict(self._sampler.sample_relative(seen, trial, box))
        for name, distribution in box.items():
            if name not in params:
                params[name] = self._sampler.sample_independent(seen, trial, name, distribution)
        return {**params, **_from_shares(params, search_space)}

    def sample_independent(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Sample one value outside the space of ranges."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)


def _pairs(space: Space) -> list[tuple[str, str]]:
    """Return the names of the ends of every range of which both move."""
    lows = (name for name in space if name.endswith(".low"))
    pairs = ((low, low.removesuffix("low") + "high") for low in lows)
    return [(low, high) for low, high in pairs if high in space]


def _room(low: str, high: float, space: Space) -> tuple[float, float]:
    """Return the least value of a low end, and how much room a high end leaves above that."""
    least, greatest = bounds(space[low])
    return least, min(greatest, high) - least


def _to_shares(params: Mapping[str, float], space: Space) -> dict[str, float]:
    shares = {}
    for low, high in _pairs(space):
        least, room = _room(low, params[high], space)
        if isinstance(space[low], IntDistribution):
            shares[low] = (params[low] - least + 0.5) / (room + 1)
        else:
            shares[low] = (params[low] - least) / room if room else 0.5
    return shares


def _from_shares(params: Mapping[str, float], space: Space) -> dict[str, float]:
    ends: dict[str, float] = {}
    for low, high in _pairs(space):
        least, room = _room(low, params[high], space)
        if isinstance(space[low], IntDistribution):
            ends[low] = int(least) + min(math.floor(params[low] * (room + 1)), int(room))
        else:
            ends[low] = least + params[low] * room
    return ends
