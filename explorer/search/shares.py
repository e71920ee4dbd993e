"""Ordered ranges as a box, for samplers that model the whole of their space."""

import copy
import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial

from explorer.search.space import bounds, pairs
from explorer.search.view import View
from explorer.search.wrapping import WrappingSampler

Space = Mapping[str, BaseDistribution]


class SharedRanges(WrappingSampler):
    """A sampler that proposes the low end of a range as a share of what the high end leaves it.

    Half of the square of two ends is never run, as they would be exchanged. A Gaussian process is
    as unsure of that half as at the beginning, and goes on proposing points in it. In these
    coordinates there is no such half.

    Args:
        sampler: The sampler that is asked.
    """

    def sample_relative(
        self, study: OptunaStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample both ends of every range."""
        box: dict[str, BaseDistribution] = {
            **search_space,
            **{low: FloatDistribution(0.0, 1.0) for low, _ in pairs(search_space)},
        }

        def boxed(found: FrozenTrial) -> FrozenTrial:
            shown = copy.copy(found)
            shown.params = {**found.params, **_to_shares(found.params, search_space)}
            shown.distributions = {**found.distributions, **box}
            return shown

        seen = View(study, lambda trials: [boxed(found) for found in trials])
        params = self.sample_all(seen, trial, box)
        return {**params, **_from_shares(params, search_space)}


def _room(low: str, high: float, space: Space) -> tuple[float, float]:
    """Return the least value of a low end, and how much room a high end leaves above that."""
    least, greatest = bounds(space[low])
    return least, min(greatest, high) - least


def _to_shares(params: Mapping[str, float], space: Space) -> dict[str, float]:
    shares = {}
    for low, high in pairs(space):
        least, room = _room(low, params[high], space)
        if isinstance(space[low], IntDistribution):
            shares[low] = (params[low] - least + 0.5) / (room + 1)
        else:
            shares[low] = (params[low] - least) / room if room else 0.5
    return shares


def _from_shares(params: Mapping[str, float], space: Space) -> dict[str, float]:
    ends: dict[str, float] = {}
    for low, high in pairs(space):
        least, room = _room(low, params[high], space)
        if isinstance(space[low], IntDistribution):
            ends[low] = int(least) + min(math.floor(params[low] * (room + 1)), int(room))
        else:
            ends[low] = least + params[low] * room
    return ends
