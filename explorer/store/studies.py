"""Studies as a whole, and what is remembered of their trials."""

from datetime import UTC, datetime
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from explorer.errors import InputError, nearest
from explorer.store.retry import patient
from explorer.store.rows import studies, trials
from explorer.store.tables import epochs, results, runs


def study_names(storage: RDBStorage) -> list[str]:
    """Return the names of all studies in a database, sorted."""
    return sorted(optuna.get_all_study_names(storage))


def load_study(storage: RDBStorage, name: str) -> optuna.Study:
    """Return a study that exists.

    Raises:
        InputError: If there is none of this name; the nearest name is offered.
    """
    names = study_names(storage)
    if name not in names:
        raise InputError("study", None, name, f"not in this database; {nearest(name, names)}")
    return optuna.load_study(study_name=name, storage=storage)


def archive_name(name: str) -> str:
    """Return a name under which a study can be kept while another takes its own."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return f"{name}.archived-{moment}"


@patient
def rename(storage: RDBStorage, name: str, new_name: str) -> None:
    """Give a study another name; everything else of it stays.

    Optuna cannot rename a study; copying it and deleting the original could lose trials when
    interrupted, one transaction of UPDATEs cannot.
    """
    with storage.engine.begin() as connection:
        for table in (studies, runs):
            statement = sa.update(table).where(table.c.study_name == name)
            connection.execute(statement.values(study_name=new_name))


def rung_values(trial: FrozenTrial) -> dict[int, float]:
    """Return the values of the rungs of a trial, in the order of the images seen there.

    Optuna has no place for them where a study has two objectives; they are in the user attribute
    ``rungs`` then.
    """
    noted = trial.user_attrs.get("rungs", {})
    found = {int(step): one["accuracy"] for step, one in noted.items() if "accuracy" in one}
    return dict(sorted({**found, **trial.intermediate_values}.items()))


@patient
def trial_name(storage: RDBStorage, trial_id: int) -> str:
    """Return the name of a trial across studies: ``<study>#<number>``."""
    wanted = (
        sa.select(studies.c.study_name, trials.c.number)
        .join(trials, trials.c.study_id == studies.c.study_id)
        .where(trials.c.trial_id == trial_id)
    )
    with storage.engine.connect() as connection:
        study, number = connection.execute(wanted).one()
    return f"{study}#{number}"


@patient
def load_epochs(storage: RDBStorage, trial_id: int) -> list[dict[str, Any]]:
    """Return the rows of a trial's epoch curves, phase by phase."""
    columns = [column for column in epochs.c if column.name != "trial_id"]
    wanted = sa.select(*columns).where(epochs.c.trial_id == trial_id)
    with storage.engine.connect() as connection:
        rows = connection.execute(wanted.order_by(epochs.c.phase.desc(), epochs.c.epoch))
        return [dict(row) for row in rows.mappings()]


@patient
def recall(storage: RDBStorage, result_key: str) -> int | None:
    """Return the trial that holds the result of this key, in whatever study; else ``None``."""
    known = sa.select(results.c.trial_id).where(results.c.result_key == result_key)
    with storage.engine.connect() as connection:
        found = connection.execute(known).scalar()
    return None if found is None else int(found)
