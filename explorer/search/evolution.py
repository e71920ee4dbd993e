"""CMA-ES, replayed from what the database says."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, TrialState

from explorer.search.space import bounds
from explorer.search.wrapping import WrappingSampler

GENERATION = "cmaes:generation"
"""System attribute of a sample: the generation that it was drawn for."""

STEP = 1 / 6
"""Standard deviation of the first generation, in units of the space, as in Optuna."""


class EvolutionSampler(WrappingSampler):
    """CMA-ES (Hansen, 2016) by the package ``cmaes``, over the unit cube of the space.

    Optuna's own ``CmaEsSampler`` keeps the pickled optimiser in the database and unpickles it from
    there: whoever can write to the database could run code in the driver. Here the optimiser is
    made anew for every sample and is told all generations that have been finished, which takes
    less than a millisecond each. With several workers it is asked for more of a generation than it
    needs; the first that finish in the order of their numbers count, and a generation is replayed
    with what is known of it now.

    Pruned samples count as worse than finished ones, by how far they came and then by their last
    rung: CMA-ES looks at ranks alone. A value by itself is drawn at random.

    Args:
        seed: Of the draw.
    """

    def __init__(self, *, seed: int) -> None:
        super().__init__(RandomSampler(seed=seed))
        self._seed = seed

    def sample_relative(
        self, study: OptunaStudy, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw from the distribution of the newest generation, and note which one that is."""
        import cmaes

        optimiser = cmaes.CMA(
            mean=np.full(len(search_space), 0.5),
            sigma=STEP,
            bounds=np.tile([0.0, 1.0], (len(search_space), 1)),
            n_max_resampling=10 * len(search_space),
            seed=self._seed,
        )
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        for generation in count():
            members = [t for t in finished if t.system_attrs.get(GENERATION) == generation]
            if len(members) < optimiser.population_size:
                break
            told = _worst_first(members[: optimiser.population_size])
            optimiser.tell(
                [(_to_cube(t.params, search_space), -rank) for rank, t in enumerate(told)]
            )
        study._storage.set_trial_system_attr(  # noqa: SLF001 - as Optuna's samplers do
            trial._trial_id,  # noqa: SLF001
            GENERATION,
            generation,
        )
        return _from_cube(optimiser.ask(), search_space)


def _worst_first(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    def merit(trial: FrozenTrial) -> tuple[int, float]:
        reached = -1 if trial.last_step is None else trial.last_step
        value = -np.inf if trial.value is None else trial.value
        return (reached, value) if trial.state == TrialState.PRUNED else (_ALL, value)

    return sorted(trials, key=merit)


_ALL = 2**63
"""More images than any trial that was stopped has seen."""


def _ends(distribution: BaseDistribution) -> tuple[float, float]:
    """Return the bounds of a distribution; whole numbers have a width of one, also at the ends."""
    low, high = bounds(distribution)
    margin = 0.5 if isinstance(distribution, IntDistribution) else 0.0
    return low - margin, high + margin


def _to_cube(
    params: Mapping[str, float], space: Mapping[str, BaseDistribution]
) -> NDArray[np.float64]:
    ends = {name: _ends(one) for name, one in space.items()}
    return np.array([(params[n] - low) / (high - low) for n, (low, high) in ends.items()])


def _from_cube(
    point: NDArray[np.float64], space: Mapping[str, BaseDistribution]
) -> dict[str, float]:
    params: dict[str, float] = {}
    for share, (name, one) in zip(point, space.items(), strict=True):
        low, high = _ends(one)
        value = low + float(share) * (high - low)
        if isinstance(one, IntDistribution):
            params[name] = min(max(round(value), one.low), one.high)
        else:
            params[name] = value
    return params
