"""Studies as a whole, and the epoch curves of their trials."""

import json
from datetime import UTC, datetime
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from explorer.errors import InputError, nearest
from explorer.storage.retry import patient
from explorer.storage.tables import epochs, insert_missing, results, runs

# The few columns of Optuna's tables that are written here because Optuna has no call for it.
_studies = sa.table("studies", sa.column("study_id"), sa.column("study_name"))
_trials = sa.table(
    "trials",
    sa.column("trial_id"),
    sa.column("study_id"),
    sa.column("number"),
    sa.column("state", sa.Enum(TrialState, name="trialstate")),
    sa.column("datetime_start", sa.DateTime),
)
_trial_attrs = sa.table(
    "trial_user_attributes",
    sa.column("trial_id"),
    sa.column("key"),
    sa.column("value_json"),
)


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
        for table in (_studies, runs):
            statement = sa.update(table).where(table.c.study_name == name)
            connection.execute(statement.values(study_name=new_name))


@patient
def claim(storage: RDBStorage, trial_id: int, run_id: str) -> bool:
    """Take a waiting trial for a run; ``False`` where another run was faster.

    The trial is RUNNING and carries the name of its run, both or neither. Optuna's own
    ``set_trial_state_values`` reads before it writes; on SQLite, which has no row locks, two
    processes can then take the same trial.
    """
    waiting = sa.and_(_trials.c.trial_id == trial_id, _trials.c.state == TrialState.WAITING)
    # Optuna's times are naive, and in UTC where they are stored.
    now = datetime.now(UTC).replace(tzinfo=None)
    values = {"state": TrialState.RUNNING, "datetime_start": now}
    row = {"trial_id": trial_id, "key": "run", "value_json": json.dumps(run_id)}
    with storage.engine.begin() as connection:
        if connection.execute(sa.update(_trials).where(waiting).values(values)).rowcount == 1:
            connection.execute(sa.insert(_trial_attrs), row)
            return True
        # It is this run's already where the answer to an earlier attempt was lost.
        mine = sa.select(_trial_attrs).join(_trials, _trials.c.trial_id == _trial_attrs.c.trial_id)
        same = [_trial_attrs.c[name] == value for name, value in row.items()]
        running = _trials.c.state == TrialState.RUNNING
        return connection.execute(mine.where(running, *same)).first() is not None


@patient
def add_epochs(storage: RDBStorage, trial_id: int, rows: list[dict[str, Any]]) -> None:
    """Store rows of a trial's epoch curves; a row that is already there is kept."""
    with storage.engine.begin() as connection:
        insert_missing(connection, epochs, [{"trial_id": trial_id, **row} for row in rows])


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
        sa.select(_studies.c.study_name, _trials.c.number)
        .join(_trials, _trials.c.study_id == _studies.c.study_id)
        .where(_trials.c.trial_id == trial_id)
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
def remember(storage: RDBStorage, result_key: str, trial_id: int) -> None:
    """Note that a trial holds the result of this key; the first one that does stays."""
    with storage.engine.begin() as connection:
        insert_missing(connection, results, [{"result_key": result_key, "trial_id": trial_id}])


@patient
def recall(storage: RDBStorage, result_key: str) -> int | None:
    """Return the trial that holds the result of this key, in whatever study; else ``None``."""
    known = sa.select(results.c.trial_id).where(results.c.result_key == result_key)
    with storage.engine.connect() as connection:
        found = connection.execute(known).scalar()
    return None if found is None else int(found)
