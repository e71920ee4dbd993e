"""Whether a database is sound: what is in it, and what cannot be right."""

import math
from collections import Counter
from collections.abc import Iterator

import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from explorer.store.connection import connect, disposing
from explorer.store.database import Database
from explorer.store.retry import reason_of
from explorer.store.runs import dead_runs, live_runs
from explorer.store.schema import VERSION_TABLE, UnsoundError
from explorer.store.studies import load_study, study_names
from explorer.store.tables import epochs, results, runs

_trials = sa.table("trials", sa.column("trial_id"), sa.column("state"))
_SHOWN = 5


def check(url: str) -> tuple[list[str], list[str]]:
    """Look through a database, and change nothing in it but an old schema.

    Returns:
        What it holds, and what is wrong with it; nothing, where it is sound.

    Raises:
        InputError: If the URL is wrong, or there is no such database.
    """
    try:
        storage = connect(url, source="database")
    except UnsoundError as error:
        return [], [error.remedy]
    problems: list[str] = []
    with disposing(storage):
        try:
            problems += [*_damage(storage), *_strays(storage)]
            for name in study_names(storage):
                problems += [f"{name}: {line}" for line in _wrong_in(storage, name)]
            return _holds(storage), problems
        except (SQLAlchemyError, StorageInternalError) as error:
            return [], [*problems, f"cannot be read: {reason_of(error)}"]


def _holds(storage: Database) -> list[str]:
    version = sa.text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
    with storage.engine.connect() as connection:
        ours = connection.execute(version).scalar_one()
        trials, ran = (
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (_trials, runs)
        )
    studies = len(study_names(storage))
    return [
        f"schema {ours} of explorer, {storage.get_current_version()} of Optuna",
        f"{studies} studies, {trials} trials, {ran} runs",
    ]


def _damage(storage: RDBStorage) -> Iterator[str]:
    """Yield what SQLite finds wrong with its file; a server looks after its own."""
    if storage.engine.dialect.name != "sqlite":
        return
    with storage.engine.connect() as connection:
        for said in connection.execute(sa.text("PRAGMA integrity_check")).scalars():
            if said != "ok":
                yield f"the file is damaged: {' '.join(said.split())}"
        lost = Counter(row[0] for row in connection.execute(sa.text("PRAGMA foreign_key_check")))
    for table, count in sorted(lost.items()):
        yield f"{table}: {count} rows belong to nothing (written by a tool without foreign keys)"


def _strays(storage: RDBStorage) -> Iterator[str]:
    """Yield what our tables say that Optuna's do not bear out."""
    with storage.engine.connect() as connection:
        for table in (epochs, results):
            if storage.engine.dialect.name != "sqlite":  # there foreign_key_check has said it
                there = sa.select(_trials.c.trial_id)
                missing = sa.select(sa.func.count()).select_from(table)
                stray = missing.where(table.c.trial_id.not_in(there))
                if count := connection.execute(stray).scalar():
                    yield f"{table.name}: {count} rows belong to no trial"
        endless = sa.select(sa.func.count()).select_from(epochs)
        odd = epochs.c.loss.in_([math.inf, -math.inf, math.nan])
        if count := connection.execute(endless.where(odd)).scalar():
            yield f"{epochs.name}: {count} rows have a loss that is not finite"
        unfinished = (
            sa.select(sa.func.count())
            .select_from(results.join(_trials, results.c.trial_id == _trials.c.trial_id))
            .where(sa.cast(_trials.c.state, sa.String) != TrialState.COMPLETE.name)
        )
        if count := connection.execute(unfinished).scalar():
            yield f"{results.name}: {count} rows name a trial that is not COMPLETE"


def _wrong_in(storage: Database, name: str) -> Iterator[str]:
    """Yield what is wrong with the trials of a study."""
    study = load_study(storage, name)
    # Not the study's own: its cache knows trials by their numbers.
    trials = storage.get_all_trials(study._study_id, deepcopy=False)  # noqa: SLF001
    numbers = [trial.number for trial in trials]
    if numbers != list(range(len(trials))):
        yield "its trials are not numbered from 0 on, each once"
    if "definition" in study.user_attrs:
        yield from _wrong_slots(storage, name, trials)
    for trial in trials:
        measured = [*(trial.values or ()), *trial.intermediate_values.values()]
        if trial.state == TrialState.COMPLETE and not trial.values:
            yield f"trial {trial.number} is COMPLETE without a value"
        if not all(map(math.isfinite, measured)):
            yield f"trial {trial.number} has a value or a rung that is not finite"


def _wrong_slots(storage: Database, name: str, trials: list[FrozenTrial]) -> Iterator[str]:
    done: dict[tuple[str, int], list[int]] = {}
    for trial in trials:
        slot = (trial.user_attrs.get("arm", ""), trial.user_attrs.get("replicate", 0))
        if trial.state == TrialState.COMPLETE:
            done.setdefault(slot, []).append(trial.number)
    for (arm, replicate), numbers in done.items():
        if len(numbers) > 1:
            yield f"arm {arm}, replicate {replicate} is COMPLETE in {_listed(numbers)}"
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    alive, dead = live_runs(storage, name), dead_runs(storage, name)
    lost = [trial.number for trial in running if trial.user_attrs.get("run") in dead]
    if lost:
        remedy = f"explorer run-study {name} takes them up again"
        yield f"{_listed(lost)}: RUNNING, but the run has died; {remedy}"
    stray = [t.number for t in running if t.user_attrs.get("run") not in alive | dead]
    if stray:
        yield f"{_listed(stray)}: RUNNING in no known run; end them with 'optuna tell --state fail'"


def _listed(numbers: list[int]) -> str:
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"trials {', '.join(map(str, numbers[:_SHOWN]))}{more}"
