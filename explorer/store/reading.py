"""Reading a whole study by a few queries, where Optuna would build an object a trial."""

from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage

from explorer.store.retry import patient
from explorer.store.rows import attrs, trials
from explorer.store.tables import epochs


def database_of(study: optuna.Study) -> RDBStorage | None:
    """Return the database that a study is in; ``None`` where it is in none."""
    # A study keeps a cache around its storage, which is what would be asked trial by trial.
    storage = study._storage  # noqa: SLF001
    found = getattr(storage, "_backend", storage)
    return found if isinstance(found, RDBStorage) else None


@patient
def read_epochs(storage: RDBStorage, study_id: int) -> list[tuple[Any, ...]]:
    """Read the epoch curves of all trials of a study, by one query.

    Returns:
        For each epoch the number of the trial, its arm and its replicate (as JSON, ``None`` where
        a trial has none), phase, epoch, images_seen, loss, accuracy and seconds.
    """
    arm, replicate = attrs.alias("arm"), attrs.alias("replicate")
    joined = epochs.join(trials, epochs.c.trial_id == trials.c.trial_id)
    for name, attr in (("arm", arm), ("replicate", replicate)):
        of_trial = sa.and_(attr.c.trial_id == epochs.c.trial_id, attr.c.key == name)
        joined = joined.outerjoin(attr, of_trial)
    wanted = sa.select(
        trials.c.number,
        arm.c.value_json,
        replicate.c.value_json,
        *(column for column in epochs.c if column.name != "trial_id"),
    )
    of_study = wanted.select_from(joined).where(trials.c.study_id == study_id)
    with storage.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(of_study)]
