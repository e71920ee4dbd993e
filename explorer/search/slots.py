"""Slots, the (arm, replicate) pairs of a study, and the attempts at them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from explorer.store import Attempt

Slot = tuple[str, int]

MAX_DEATHS = 3
"""A slot whose worker dies this often is given up: it would kill every worker in turn."""

ERROR, DIED, INTERRUPTED = "error", "worker died", "interrupted"
"""The kinds of failure: the evaluation raised, its worker died, its run ended."""


def slot_of(attrs: Mapping[str, Any]) -> Slot:
    """Return the slot that a trial with these user attributes is an attempt at."""
    return attrs["arm"], attrs["replicate"]


def attempts(trials: Iterable[FrozenTrial]) -> dict[Slot, list[FrozenTrial]]:
    """Group trials by slot, in their order.

    A trial without an arm died between its creation and its first attribute; it is left out.
    """
    found: dict[Slot, list[FrozenTrial]] = defaultdict(list)
    for trial in trials:
        if "arm" in trial.user_attrs:
            found[slot_of(trial.user_attrs)].append(trial)
    return found


def wanted(tried: list[Attempt], *, retry_failed: bool) -> bool:
    """Say whether a slot needs another attempt."""
    if any(one.state != TrialState.FAIL for one in tried):
        return False  # waiting, running or at its end
    kinds = [one.said.get("failure_kind") for one in tried]
    return retry_failed or (ERROR not in kinds and kinds.count(DIED) < MAX_DEATHS)
