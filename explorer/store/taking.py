"""Putting trials into the queue of a study, and taking them out.

Every call is one transaction. Optuna's would read all trials to find one that waits, and read an
attribute's trial before they write it.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from explorer.store.attempts import first_in
from explorer.store.database import writing
from explorer.store.retry import patient
from explorer.store.rows import (
    Space,
    attr_rows,
    attrs,
    now,
    param_rows,
    params,
    put_attrs,
    studies,
    trials,
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A trial that a run has taken.

    Attributes:
        trial_id: Its number in the database.
        number: Its number in the study.
        attrs: Its user attributes, kept up to date by who writes them.
    """

    trial_id: int
    number: int
    attrs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """A trial that is to wait.

    Attributes:
        attrs: Its user attributes.
        params: Its Optuna parameters.
    """

    attrs: Mapping[str, Any]
    params: Mapping[str, float] = field(default_factory=dict)


def take_waiting(
    storage: RDBStorage, study_id: int, run_id: str, held: Collection[int]
) -> Taken | None:
    """Take the first trial of a study that waits; ``None`` where there is none.

    It is RUNNING and carries the name of its run, both or neither. Optuna's own
    ``set_trial_state_values`` reads before it writes; on SQLite, which has no row locks, two
    processes can then take the same trial.

    Args:
        storage: The database.
        study_id: The study's number in it.
        run_id: The run that takes it.
        held: What the run has taken already, by the number in the database.
    """

    def take(connection: sa.Connection) -> tuple[int, int] | None:
        first = first_in(study_id, TrialState.WAITING)
        # One that another run is just taking is passed over, not waited for.
        found = connection.execute(first.with_for_update(skip_locked=True)).first()
        if found is None:
            return None
        change = sa.update(trials).where(trials.c.trial_id == found.trial_id)
        running = {"state": TrialState.RUNNING, "datetime_start": now()}
        connection.execute(change.values(running))
        put_attrs(connection, found.trial_id, {"run": run_id})
        return found.trial_id, found.number

    if not _any_waiting(storage, study_id):
        return None  # a run that only waits for others does not write
    return _taken_once(storage, study_id, run_id, held, take)


def begin(
    storage: RDBStorage,
    study_id: int,
    run_id: str,
    held: Collection[int],
    said: Mapping[str, Any],
) -> Taken:
    """Create a trial that this run works on, of which the rest is written later.

    Args:
        storage: The database.
        study_id: The study's number in it.
        run_id: The run, whose name the trial carries.
        held: What the run has taken already, by the number in the database.
        said: User attributes to begin with.
    """

    def create(connection: sa.Connection) -> tuple[int, int]:
        ((trial_id, number),) = _insert_trials(connection, study_id, 1, TrialState.RUNNING)
        put_attrs(connection, trial_id, {"run": run_id, **said})
        return trial_id, number

    taken = _taken_once(storage, study_id, run_id, held, create)
    assert taken is not None  # noqa: S101 - create always returns one
    return taken


def enqueue(storage: RDBStorage, study_id: int, drafts: Sequence[Draft], space: Space) -> None:
    """Put trials into the queue of a study, all or none.

    Not repeatable: the caller looks, and calls this, in one go that is repeated as a whole.
    """
    if not drafts:
        return
    with writing(storage.engine) as connection:
        made = _insert_trials(connection, study_id, len(drafts), TrialState.WAITING)
        said, ranges = [], []
        for (trial_id, _), draft in zip(made, drafts, strict=True):
            said += attr_rows(trial_id, draft.attrs)
            ranges += param_rows(trial_id, draft.params, space)
        connection.execute(sa.insert(attrs), said)
        if ranges:
            connection.execute(sa.insert(params), ranges)


@patient
def _any_waiting(storage: RDBStorage, study_id: int) -> bool:
    with storage.engine.connect() as connection:
        return connection.execute(first_in(study_id, TrialState.WAITING)).first() is not None


def _taken_once(
    storage: RDBStorage,
    study_id: int,
    run_id: str,
    held: Collection[int],
    take: Callable[[sa.Connection], tuple[int, int] | None],
) -> Taken | None:
    """Make a run take a trial, and find the one that it took where that answer was lost."""
    tries = 0

    @patient
    def once() -> Taken | None:
        nonlocal tries
        tries += 1
        with writing(storage.engine) as connection:
            found = tries > 1 and _unheard(connection, study_id, run_id, held)
            found = found or take(connection)
            if not found:
                return None
            wanted = sa.select(attrs.c.key, attrs.c.value_json)
            rows = connection.execute(wanted.where(attrs.c.trial_id == found[0]))
            return Taken(*found, attrs={row.key: json.loads(row.value_json) for row in rows})

    return once()


def _unheard(
    connection: sa.Connection, study_id: int, run_id: str, held: Collection[int]
) -> tuple[int, int] | None:
    """Return the trial that is this run's without its knowledge, if there is one."""
    wanted = (
        sa.select(trials.c.trial_id, trials.c.number)
        .join(attrs, attrs.c.trial_id == trials.c.trial_id)
        .where(trials.c.study_id == study_id, trials.c.state == TrialState.RUNNING)
        .where(attrs.c.key == "run", attrs.c.value_json == json.dumps(run_id))
        .where(trials.c.trial_id.not_in(list(held)))
    )
    found = connection.execute(wanted).first()
    return None if found is None else (found.trial_id, found.number)


def _insert_trials(
    connection: sa.Connection, study_id: int, count: int, state: TrialState
) -> list[tuple[int, int]]:
    """Create trials; returns their numbers in the database and in the study, in order."""
    # As Optuna does, lock the study: numbers follow from counting its trials.
    locked = sa.select(studies.c.study_id).where(studies.c.study_id == study_id)
    connection.execute(locked.with_for_update()).one()
    counted = sa.select(sa.func.count()).where(trials.c.study_id == study_id)
    first = connection.execute(counted).scalar_one()
    start = now() if state == TrialState.RUNNING else None
    rows = [
        {"study_id": study_id, "number": first + i, "state": state, "datetime_start": start}
        for i in range(count)
    ]
    made = sa.insert(trials).returning(trials.c.trial_id, sort_by_parameter_order=True)
    ids = connection.execute(made, rows).scalars().all()
    return [(trial_id, first + i) for i, trial_id in enumerate(ids)]
