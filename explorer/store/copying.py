"""Copying studies from one database to another, and keeping one under another name.

Optuna's trials are copied by its public calls, one at a time, so that a copy may be cut short.
Until it is whole it says so in a user attribute, and has no definition; it is deleted then and made
again.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import optuna
import sqlalchemy as sa

from explorer.errors import InputError, nearest
from explorer.store.connection import Database
from explorer.store.retry import patient
from explorer.store.runs import live_runs
from explorer.store.studies import ARCHIVE, COPYING, DEFINITION, is_whole, study_names
from explorer.store.tables import epochs, insert_missing, replicates, rungs, runs

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]

_ROWS_AT_ONCE = 500


def copy_studies(
    source: Database, target: Database, names: Sequence[str] = (), *, progress: Progress
) -> list[str]:
    """Copy studies with all that belongs to them: trials, replicates, rungs, epochs, runs.

    They are whole once all of them are copied; a copy that was cut short can be made again.

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
        OutageError: If a database went away meanwhile.
    """
    names = _chosen(source, names)
    for name in study_names(target):
        if name in names and is_whole(target, name):
            remedy = "the target has a study of this name already; leave it out, or choose another"
            raise InputError("TO", None, name, remedy)
    studies = [_load(source, name) for name in names]
    counts = [len(study.get_trials(deepcopy=False)) for study in studies]
    with progress(sum(counts)) as advance:
        for study in studies:
            _copy_trials(study, source, target, study.study_name, advance)
            _copy_rows(source, target, study.study_name)
    for study in studies:
        _complete(study, target, study.study_name)
    return list(names)


def archive(database: Database, name: str) -> str | None:
    """Keep a study under another name, so that its own is free; ``None`` if there is no such study.

    It may be cut short anywhere and called again: what the study is archived as is noted first, its
    trials are copied, its replicates get the new name in one transaction, and last of all Optuna's
    study of the old name is deleted.

    Raises:
        InputError: If a run works on it.
    """
    if name not in study_names(database):
        return None
    if live_runs(database, name):
        remedy = "is being run by another process; stop that first"
        raise InputError("--fresh", None, name, remedy)
    study = _load(database, name)
    noted = study.user_attrs.get(ARCHIVE)
    kept = noted or f"{name}.archived-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    if not noted:
        patient(study.set_user_attr)(ARCHIVE, kept)
    if kept not in study_names(database) or not is_whole(database, kept):
        _copy_trials(study, database, database, kept, lambda _: None)
        _complete(study, database, kept)
    _rename_rows(database, name, kept)
    patient(optuna.delete_study)(study_name=name, storage=database.optuna)
    return kept


def _chosen(source: Database, names: Sequence[str]) -> list[str]:
    there = study_names(source)
    chosen = list(dict.fromkeys(names)) or there
    for name in chosen:
        if name not in there:
            raise InputError("--study", None, name, f"not in FROM; {nearest(name, there)}")
        if live_runs(source, name):
            # What is in flight would be in two databases, and end in one.
            remedy = "is being run; copy it when that has ended, or stop it first"
            raise InputError("FROM", None, name, remedy)
    return chosen


@patient
def _load(database: Database, name: str) -> optuna.Study:
    return optuna.load_study(study_name=name, storage=database.optuna)


def _copy_trials(
    study: optuna.Study,
    source: Database,
    target: Database,
    name: str,
    advance: Callable[[int], None],
) -> None:
    """Copy the trials of a study, and its attributes but for the definition."""
    if name in study_names(target):  # a copy that was cut short
        patient(optuna.delete_study)(study_name=name, storage=target.optuna)
        with target.writing() as connection:
            connection.execute(sa.delete(replicates).where(replicates.c.study == name))
    copy = optuna.create_study(study_name=name, storage=target.optuna, directions=study.directions)
    copy.set_user_attr(COPYING, True)
    ids = [
        database.optuna.get_study_id_from_name(title)
        for database, title in ((source, study.study_name), (target, name))
    ]
    for key, value in source.optuna.get_study_system_attrs(ids[0]).items():
        target.optuna.set_study_system_attr(ids[1], key, value)
    for key, value in study.user_attrs.items():
        if key not in {COPYING, DEFINITION, ARCHIVE}:
            copy.set_user_attr(key, value)
    for trial in study.get_trials(deepcopy=False):
        copy.add_trial(trial)
        advance(1)


def _complete(study: optuna.Study, target: Database, name: str) -> None:
    """Say of a copy that it is whole."""
    copy = _load(target, name)
    if DEFINITION in study.user_attrs:
        patient(copy.set_user_attr)(DEFINITION, study.user_attrs[DEFINITION])
    patient(copy.set_user_attr)(COPYING, False)


def _copy_rows(source: Database, target: Database, name: str) -> None:
    """Copy the rows of a study, in one transaction, with numbers of the new database."""
    mine = sa.select(replicates).where(replicates.c.study == name).order_by(replicates.c.id)
    with source.engine.connect() as read, target.writing() as write:
        for some in read.execute(mine).mappings().partitions(_ROWS_AT_ONCE):
            rows = [dict(row) for row in some]
            old = [row.pop("id") for row in rows]
            insert = sa.insert(replicates).returning(replicates.c.id, sort_by_parameter_order=True)
            new = dict(zip(old, write.execute(insert, rows).scalars(), strict=True))
            for table in (rungs, epochs):
                theirs = sa.select(table).where(table.c.replicate_id.in_(old))
                content = [_renumbered(row, new) for row in read.execute(theirs).mappings()]
                insert_missing(write, table, content)
        theirs = sa.select(runs).where(runs.c.study == name)
        insert_missing(write, runs, [dict(row) for row in read.execute(theirs).mappings()])


def _renumbered(row: Mapping[Any, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    return {**row, "replicate_id": numbers[row["replicate_id"]]}


@patient
def _rename_rows(database: Database, name: str, new_name: str) -> None:
    with database.writing() as connection:
        for table in (replicates, runs):
            mine = sa.update(table).where(table.c.study == name)
            connection.execute(mine.values(study=new_name))
