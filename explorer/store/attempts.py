"""What a queue has to know of the trials of a study: far less than Optuna's calls read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from explorer.store.retry import patient
from explorer.store.rows import attrs, trials

_SAID = ("arm", "replicate", "run", "sampled", "failure_kind")
_OPEN = (TrialState.WAITING, TrialState.RUNNING)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a queue has to know of a trial.

    Attributes:
        trial_id: Its number in the database.
        number: Its number in the study.
        state: How far it is.
        said: Those of the user attributes ``arm``, ``replicate``, ``run``, ``sampled`` and
            ``failure_kind`` that it has.
    """

    trial_id: int
    number: int
    state: TrialState
    said: Mapping[str, Any]


@patient
def read_attempts(storage: RDBStorage, study_id: int, *, since: int) -> list[Attempt]:
    """Return the trials of a study from a number in the database on, in their order."""
    mine = sa.and_(trials.c.study_id == study_id, trials.c.trial_id >= since)
    wanted = sa.select(trials.c.trial_id, trials.c.number, trials.c.state).where(mine)
    more = (
        sa.select(attrs.c.trial_id, attrs.c.key, attrs.c.value_json)
        .join(trials, trials.c.trial_id == attrs.c.trial_id)
        .where(mine, attrs.c.key.in_(_SAID))
    )
    with storage.engine.connect() as connection:
        # States first: an attribute is never taken away, so that one too many does no harm.
        found = connection.execute(wanted.order_by(trials.c.trial_id)).all()
        said: dict[int, dict[str, Any]] = {row.trial_id: {} for row in found}
        for trial_id, key, value in connection.execute(more):
            if trial_id in said:
                said[trial_id][key] = json.loads(value)
    return [Attempt(row.trial_id, row.number, row.state, said[row.trial_id]) for row in found]


@patient
def read_attrs(storage: RDBStorage, trial_ids: Sequence[int], key: str) -> dict[int, Any]:
    """Return one user attribute of several trials, of those that have it."""
    found: dict[int, Any] = {}
    with storage.engine.connect() as connection:
        for begin in range(0, len(trial_ids), 500):  # a statement holds so and so many names
            some = attrs.c.trial_id.in_(trial_ids[begin : begin + 500])
            wanted = sa.select(attrs.c.trial_id, attrs.c.value_json).where(some, attrs.c.key == key)
            found |= {
                row.trial_id: json.loads(row.value_json) for row in connection.execute(wanted)
            }
    return found


@patient
def any_open(storage: RDBStorage, study_id: int) -> bool:
    """Say whether any trial of a study waits or runs."""
    with storage.engine.connect() as connection:
        return any(connection.execute(first_in(study_id, state)).first() for state in _OPEN)


def first_in(study_id: int, state: TrialState) -> sa.Select[Any]:
    """Select the first trial of a study that is in a state."""
    wanted = sa.select(trials.c.trial_id, trials.c.number)
    mine = wanted.where(trials.c.study_id == study_id, trials.c.state == state)
    return mine.order_by(trials.c.number).limit(1)
