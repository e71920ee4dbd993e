"""Copying studies from one database to another, row by row, with numbers of the new one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from explorer.errors import InputError, OutageError, nearest
from explorer.store.database import Database, writing
from explorer.store.retry import reason_of
from explorer.store.runs import live_runs
from explorer.store.studies import study_names
from explorer.store.tables import epochs, insert_missing, results, runs

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]

_OF_STUDY = ("study_directions", "study_user_attributes", "study_system_attributes")
_OF_TRIAL = (
    "trial_params",
    "trial_values",
    "trial_intermediate_values",
    "trial_user_attributes",
    "trial_system_attributes",
    "trial_heartbeats",
)
_TRIALS_AT_ONCE = 500


def copy_studies(
    source: Database, target: Database, names: Sequence[str] = (), *, progress: Progress
) -> list[str]:
    """Copy studies with all that belongs to them: trials, epoch curves, runs, remembered results.

    Everything is as it was, except the numbers by which the database itself knows studies and
    trials. All of it is one transaction: an interrupted copy has copied nothing, and can be made
    again. A result that the target remembers already stays the target's.

    Args:
        source: Where the studies are.
        target: Where they are to be as well.
        names: The studies; all of the source where empty.
        progress: Given the number of trials, opens what is called with how many have been copied.

    Returns:
        The names of the studies that were copied.

    Raises:
        InputError: If the source has no study of a name, a run works on one, or the target has one
            of the same name.
        OutageError: If a database went away meanwhile; nothing has been copied.
    """
    names = _chosen(source, names)
    taken = sorted({*names} & {*study_names(target)})
    if taken:
        remedy = "the target has a study of this name already; leave it out, or choose another"
        raise InputError("TO", None, taken[0], remedy)
    try:
        with _snapshot(source.engine) as read, writing(target.engine) as write:
            copier = _Copier(read, write)
            with progress(copier.count(names)) as advance:
                for name in names:
                    copier.copy(name, advance)
    except SQLAlchemyError as error:
        raise OutageError(f"nothing was copied: {reason_of(error)}") from error
    return names


def _chosen(source: Database, names: Sequence[str]) -> list[str]:
    known = study_names(source)
    for name in names:
        if name not in known:
            remedy = f"not in the database; {nearest(name, known)}"
            raise InputError("--study", None, name, remedy)
    chosen = sorted({*(names or known)})
    for name in chosen:
        if live_runs(source, name):
            remedy = "is being run; stop that first, or copy other studies with --study"
            raise InputError("FROM", None, name, remedy)
    return chosen


@contextmanager
def _snapshot(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a transaction that sees the database as it is now, whatever others write."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")
        else:
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


class _Copier:
    """Optuna's tables as both databases have them, and ours, in one transaction of each."""

    def __init__(self, read: sa.Connection, write: sa.Connection) -> None:
        self._read = read
        self._write = write
        wanted = ("studies", "trials", *_OF_STUDY, *_OF_TRIAL)
        self._tables = [sa.MetaData() for _ in range(2)]
        for metadata, connection in zip(self._tables, (read, write), strict=True):
            metadata.reflect(connection, only=wanted)

    def count(self, names: Sequence[str]) -> int:
        studies, trials = (self._tables[0].tables[name] for name in ("studies", "trials"))
        joined = trials.join(studies, trials.c.study_id == studies.c.study_id)
        wanted = sa.select(sa.func.count()).select_from(joined)
        return int(self._read.execute(wanted.where(studies.c.study_name.in_(names))).scalar_one())

    def copy(self, name: str, advance: Callable[[int], None]) -> None:
        studies = self._tables[0].tables["studies"].c
        numbers = {"study_id": self._rows("studies", studies.study_name == name)}
        for table in _OF_STUDY:
            self._rows(table, self._of(table, "study_id", numbers), numbers)
        ours = self._read.execute(sa.select(runs).where(runs.c.study_name == name)).mappings()
        insert_missing(self._write, runs, [dict(row) for row in ours])
        last = 0
        while True:
            trials = self._tables[0].tables["trials"].c
            wanted = sa.and_(self._of("trials", "study_id", numbers), trials.trial_id > last)
            there = self._rows("trials", wanted, numbers, limit=_TRIALS_AT_ONCE)
            if not there:
                return
            self._copy_trials({"trial_id": there})
            advance(len(there))
            last = max(there)

    def _copy_trials(self, numbers: Mapping[str, Mapping[int, int]]) -> None:
        for table in _OF_TRIAL:
            self._rows(table, self._of(table, "trial_id", numbers), numbers)
        for ours in (epochs, results):
            mine = sa.select(ours).where(ours.c.trial_id.in_(numbers["trial_id"]))
            rows = self._read.execute(mine).mappings()
            insert_missing(self._write, ours, [_renumbered(dict(row), numbers) for row in rows])

    def _of(
        self, table: str, column: str, numbers: Mapping[str, Mapping[int, int]]
    ) -> sa.ColumnElement[bool]:
        return self._tables[0].tables[table].c[column].in_(numbers[column])

    def _rows(
        self,
        table: str,
        wanted: sa.ColumnElement[bool],
        numbers: Mapping[str, Mapping[int, int]] | None = None,
        *,
        limit: int | None = None,
    ) -> dict[int, int]:
        """Copy rows in the order of their numbers; returns the new number of each."""
        there, here = (metadata.tables[table] for metadata in self._tables)
        (key,) = (column.name for column in there.primary_key)
        query = sa.select(there).where(wanted).order_by(there.c[key]).limit(limit)
        rows = [dict(row) for row in self._read.execute(query).mappings()]
        if not rows:
            return {}
        old = [row.pop(key) for row in rows]
        insert = sa.insert(here).returning(here.c[key], sort_by_parameter_order=True)
        new = self._write.execute(insert, [_renumbered(row, numbers or {}) for row in rows])
        return dict(zip(old, new.scalars(), strict=True))


def _renumbered(row: Mapping[str, Any], numbers: Mapping[str, Mapping[int, int]]) -> dict[str, Any]:
    return {**row, **{column: new[row[column]] for column, new in numbers.items() if column in row}}
