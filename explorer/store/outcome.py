"""What a trial reports and how it ends: one transaction, whatever it has to say."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from explorer.store import tables
from explorer.store.database import writing
from explorer.store.retry import patient
from explorer.store.rows import (
    Space,
    add_steps,
    add_values,
    now,
    param_rows,
    params,
    put_attrs,
    trials,
)


def write(
    storage: RDBStorage,
    trial_id: int,
    *,
    attrs: Mapping[str, Any] | None = None,
    drawn: Mapping[str, float] | None = None,
    space: Space | None = None,
    steps: Mapping[int, float] | None = None,
    epochs: Iterable[Mapping[str, Any]] = (),
    result_key: str | None = None,
    state: TrialState | None = None,
    values: Sequence[float] | None = None,
) -> None:
    """Write to a trial that is running, in one transaction, and finish it where that is asked.

    Args:
        storage: The database.
        trial_id: The trial's number in it.
        attrs: User attributes; each replaces an earlier one of its name.
        drawn: Optuna parameters, which it has none of yet.
        space: The distributions of these.
        steps: Intermediate values by step; one that is there already is kept.
        epochs: Rows of its epoch curves; one that is there already is kept.
        result_key: What its result is remembered under; the first trial of a key stays.
        state: The state that it ends in; ``None`` if it goes on.
        values: Its values, one an objective.

    Raises:
        UpdateFinishedTrialError: If the trial has ended before.
    """
    tries = 0

    @patient
    def once() -> None:
        nonlocal tries
        tries += 1
        with writing(storage.engine) as connection:
            locked = sa.select(trials.c.state).where(trials.c.trial_id == trial_id)
            found = connection.execute(locked.with_for_update()).scalar_one()
            if found != TrialState.RUNNING:
                if tries > 1 and found == state:
                    return  # by the first try, whose answer was lost
                raise UpdateFinishedTrialError(f"trial {trial_id} is {found.name}")
            put_attrs(connection, trial_id, attrs or {})
            tables.insert_missing(
                connection, params, param_rows(trial_id, drawn or {}, space or {})
            )
            add_steps(connection, trial_id, steps or {})
            rows = [{"trial_id": trial_id, **row} for row in epochs]
            tables.insert_missing(connection, tables.epochs, rows)
            if result_key is not None:
                row = {"result_key": result_key, "trial_id": trial_id}
                tables.insert_missing(connection, tables.results, [row])
            if state is not None:
                add_values(connection, trial_id, values or ())
                ended = {"state": state, "datetime_complete": now()}
                change = sa.update(trials).where(trials.c.trial_id == trial_id)
                connection.execute(change.values(ended))

    once()
