"""What samplers and pruners are shown of a study.

Optuna's take every trial for a new point of the search space. Here an arm has several trials, its
replicates, and a replicate may have taken several attempts; some arms are no points of the space.
A :class:`View` shows an Optuna study with other trials than those in the database.

The trials of a view are numbered anew, arm by arm in the order in which they first appeared. An
attempt that was lost and made up for later thus changes neither their order nor their number:
what reads a view goes on after an interruption as it would have without.
"""

import copy
from collections.abc import Callable, Collection, Container, Iterable, Sequence
from functools import cache as cached
from statistics import fmean
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from explorer.search.slots import attempts

_PREFERRED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
"""What is shown of several trials, the first of these that there is; else there is nothing."""

_RELATIVE = ("tpe:relative_params", "gp:relative_params")
"""What a sampler has noted of its own proposal, from before the ends of ranges were exchanged."""


class View(optuna.Study):
    """An Optuna study that shows other trials; what is written goes to the study itself.

    Args:
        study: The study.
        show: Makes what is shown of its trials, once somebody looks.
    """

    def __init__(
        self,
        study: optuna.Study,
        show: Callable[[list[FrozenTrial]], list[FrozenTrial]],
    ) -> None:
        super().__init__(study.study_name, study._storage)  # noqa: SLF001 - as Hyperband's does
        self._shown = cached(lambda: show(study.get_trials(deepcopy=False)))

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        del deepcopy, use_cache
        return [trial for trial in self._shown() if states is None or trial.state in states]


def arms(trials: Iterable[FrozenTrial], space: Collection[str]) -> list[FrozenTrial]:
    """Show one trial an arm, with the mean of its finished replicates, for samplers.

    A sampler learns from the average that is paid for, counts arms where it counts trials, and
    does not take a second replicate for a second point. An arm of which nothing is finished is
    PRUNED if a replicate is, else RUNNING if one is. Arms outside the space of ranges (from
    scratch, another formula) are not shown.
    """
    by_arm: dict[str, list[FrozenTrial]] = {}
    for (arm, _), tried in attempts(trials).items():
        by_arm.setdefault(arm, []).extend(tried)
    shown: list[FrozenTrial] = []
    for tried in by_arm.values():
        state, best = _preferred(tried)
        if state is None or not all(name in best[0].params for name in space):
            continue
        # The first one is the sample itself; samplers have put their notes there.
        trial = _renumbered(tried[0], len(shown))
        trial.system_attrs = {
            key: value
            for key, value in tried[0].system_attrs.items()
            if not key.startswith(_RELATIVE)
        }
        trial.state = state
        trial.params, trial.distributions = best[0].params, best[0].distributions
        trial.intermediate_values = best[0].intermediate_values
        trial.values = _mean(best) if state == TrialState.COMPLETE else best[0].values
        shown.append(trial)
    return shown


def slots(
    trials: Iterable[FrozenTrial], *, shown: Callable[[str], bool], resource: Callable[[int], int]
) -> list[FrozenTrial]:
    """Show one trial a slot, its best attempt, for pruners.

    Args:
        trials: All trials of a study.
        shown: Says whether an arm is shown.
        resource: Says at which step a rung is shown, from the images seen there.
    """
    found: list[FrozenTrial] = []
    for (arm, _), tried in attempts(trials).items():
        state, best = _preferred(tried)
        if state is None or not shown(arm):
            continue
        trial = _renumbered(best[-1], len(found))
        trial.intermediate_values = {
            resource(step): value for step, value in best[-1].intermediate_values.items()
        }
        found.append(trial)
    return found


def _preferred(tried: Sequence[FrozenTrial]) -> tuple[TrialState | None, list[FrozenTrial]]:
    for state in _PREFERRED:
        best = [trial for trial in tried if trial.state == state]
        if best:
            return state, best
    return None, []


def _renumbered(trial: FrozenTrial, number: int) -> FrozenTrial:
    shown = copy.copy(trial)  # what the storage has given is its own
    shown.number = number
    return shown


def _mean(trials: Sequence[FrozenTrial]) -> list[float]:
    rows: list[Any] = [trial.values for trial in trials]
    return [fmean(values) for values in zip(*rows, strict=True)]
