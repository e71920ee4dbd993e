"""Whether a database is sound: what is in it, and what cannot be right."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

from explorer.store.connection import Database, connect
from explorer.store.retry import reason_of
from explorer.store.runs import dead_runs, live_runs
from explorer.store.schema import VERSION_TABLE, UnsoundError
from explorer.store.scoring import measured
from explorer.store.studies import definition, is_whole, optuna_study, study_names
from explorer.store.tables import COMPLETE, OPEN, RUNNING, epochs, replicates, runs

_SHOWN = 5


def check(url: str) -> tuple[list[str], list[str]]:
    """Look through a database, and change nothing in it but an old schema.

    Returns:
        What it holds, and what is wrong with it; nothing, where it is sound.

    Raises:
        InputError: If the URL is wrong, or there is no such database.
    """
    try:
        opened = connect(url, source="database")
    except UnsoundError as error:
        return [], [error.remedy]
    problems: list[str] = []
    with opened as database:
        try:
            problems += [*_damage(database), *_strays(database)]
            for name in study_names(database):
                problems += [f"{name}: {line}" for line in _wrong_in(database, name)]
            return _content(database), problems
        except (SQLAlchemyError, StorageInternalError) as error:
            return [], [*problems, f"cannot be read: {reason_of(error)}"]


def _content(database: Database) -> list[str]:
    version = sa.text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
    with database.engine.connect() as connection:
        ours = connection.execute(version).scalar_one()
        counts = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (replicates, runs)
        ]
    numbers = (len(study_names(database)), *counts)
    words = ("study", "studies"), ("attempt", "attempts"), ("run", "runs")
    parts = [
        f"{n} {single if n == 1 else plural}"
        for n, (single, plural) in zip(numbers, words, strict=True)
    ]
    theirs = database.optuna.get_current_version()
    return [f"schema {ours} of explorer, {theirs} of Optuna", ", ".join(parts)]


def _damage(database: Database) -> Iterator[str]:
    """Yield what SQLite reports of its file; a server looks after its own."""
    if database.engine.dialect.name != "sqlite":
        return
    with database.engine.connect() as connection:
        for line in connection.execute(sa.text("PRAGMA integrity_check")).scalars():
            if line != "ok":
                yield f"the file is damaged: {' '.join(line.split())}"
        lost = Counter(row[0] for row in connection.execute(sa.text("PRAGMA foreign_key_check")))
    for table, count in sorted(lost.items()):
        yield f"{table}: {count} rows belong to nothing (written by a tool without foreign keys)"


def _strays(database: Database) -> Iterator[str]:
    """Yield what our tables say that Optuna's do not bear out."""
    with database.engine.connect() as connection:
        counted = sa.select(replicates.c.study, sa.func.count()).group_by(replicates.c.study)
        for study, count in connection.execute(counted.order_by(replicates.c.study)):
            if study not in study_names(database):
                yield f"{study}: {count} replicates of a study that was deleted by another tool"
        odd = epochs.c.loss.in_([math.inf, -math.inf, math.nan])
        endless = sa.select(sa.func.count()).select_from(epochs).where(odd)
        if count := connection.execute(endless).scalar_one():
            yield f"{epochs.name}: {count} rows have a loss that is not finite"


def _wrong_in(database: Database, name: str) -> Iterator[str]:
    """Yield what is wrong with the replicates and the trials of a study."""
    if not is_whole(database, name):
        yield "is a copy that was cut short; make it again"
        return
    trials = {t.number: t for t in optuna_study(database, name).get_trials(deepcopy=False)}
    query = sa.select(replicates).where(replicates.c.study == name).order_by(replicates.c.id)
    rows = database.read(query)
    yield from _wrong_replicates(database, name, rows)
    yield from _wrong_trials(name, rows, trials)


def _wrong_replicates(
    database: Database, name: str, rows: Sequence[sa.RowMapping]
) -> Iterator[str]:
    complete = [row for row in rows if row["state"] == COMPLETE]
    first = next(iter(definition(database, name)["objectives"][0]))
    twice = Counter((row["arm"], row["replicate"]) for row in complete)
    for (arm, replicate), count in twice.items():
        if count > 1:
            yield f"arm {arm}, replicate {replicate} is COMPLETE {count} times"
    for row in complete:
        value = measured(row).get(first)
        if value is None or not math.isfinite(value):
            yield f"{_title(row)} is COMPLETE without a score"
    alive, dead = live_runs(database, name), dead_runs(database, name)
    running = [row for row in rows if row["state"] == RUNNING]
    if lost := [_title(row) for row in running if row["run"] in dead]:
        remedy = f"explorer run-study {name} takes them up again"
        yield f"{_listed(lost)}: RUNNING, but the run has died; {remedy}"
    if stray := [_title(row) for row in running if row["run"] not in alive | dead]:
        yield f"{_listed(stray)}: RUNNING in no known run"


def _wrong_trials(
    name: str, rows: Sequence[sa.RowMapping], trials: dict[int, FrozenTrial]
) -> Iterator[str]:
    owned = {row["trial"]: row["arm"] for row in rows if row["trial"] is not None}
    for number, arm in owned.items():
        if number not in trials:
            yield f"arm {arm}: its Optuna trial {number} is missing"
    busy = {row["trial"] for row in rows if row["state"] in OPEN}
    behind = [
        f"trial {number}"
        for number, trial in trials.items()
        if number in owned and number not in busy and not trial.state.is_finished()
    ]
    if behind:
        remedy = f"explorer run-study {name} ends them"
        yield f"{_listed(behind)}: not ended, though all replicates are; {remedy}"


def _title(row: sa.RowMapping) -> str:
    return f"arm {row['arm']}, replicate {row['replicate']}"


def _listed(titles: Sequence[str]) -> str:
    more = f" and {len(titles) - _SHOWN} more" if len(titles) > _SHOWN else ""
    return f"{'; '.join(titles[:_SHOWN])}{more}"
