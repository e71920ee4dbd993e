"""How far a study is: what is done, running and failed, and how long the rest will take."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from explorer import store as db
from explorer.report.definition import Definition, definition, find_study
from explorer.report.estimate import RECENT, seconds_left, trials_at_a_time
from explorer.report.slots import latest, progress
from explorer.report.standing import ArmStatus, Failure, RunningTrial, StudyStatus
from explorer.report.statistics import spread

Rows = list[dict[str, Any]]

SHOWN_FAILURES = 5


def status(
    study: optuna.Study | str,
    storage: BaseStorage | None = None,
    *,
    now: datetime | None = None,
) -> StudyStatus:
    """Say how far a study is.

    Trials that the database has as RUNNING although their run has died are counted as waiting:
    the next run takes them up. This is known only where ``storage`` is given and is explorer's.

    Args:
        study: An Optuna study, or its name in ``storage``.
        storage: The storage that the study is in.
        now: Local time that the running trials are measured to; the clock's where ``None``.

    Raises:
        InputError: If there is no study of this name; the nearest name is offered.
    """
    return Watcher(study, storage).status(now=now)


class Watcher:
    """Says again and again how far a study is, and reads only what may have changed.

    A trial that has ended stays as it is: Optuna's cache does not ask for it again, and neither is
    it looked at again here.

    Args:
        study: An Optuna study, or its name in ``storage``.
        storage: The storage that the study is in.

    Raises:
        InputError: If there is no study of this name; the nearest name is offered.
    """

    def __init__(self, study: optuna.Study | str, storage: BaseStorage | None = None) -> None:
        self._study = find_study(study, storage)
        self._storage = storage
        self._ended: dict[int, dict[str, Any]] = {}

    def status(self, *, now: datetime | None = None) -> StudyStatus:
        """Say how far the study is; see :func:`status`."""
        said = definition(self._study)
        trials = self._study.get_trials(deepcopy=False)
        alive, lost = _signs_of_life(trials, self._study, self._storage)
        rows = [self._row(trial) for trial in trials]
        return _status(rows, said, lost, alive, now or datetime.now())  # noqa: DTZ005 - as Optuna's

    def _row(self, trial: FrozenTrial) -> dict[str, Any]:
        known = self._ended.get(trial.number)
        if known is None:
            known = _row(trial)
            if trial.state.is_finished():
                self._ended[trial.number] = known
        return known


def _status(
    rows: Rows, said: Definition, lost: set[int], alive: int | None, moment: datetime
) -> StudyStatus:
    pairs = latest(rows, lost=lost)
    attempts, rows = len(rows), list(pairs.values())
    so_far = progress(pairs, said)
    running = tuple(_running(row, moment) for row in rows if row["state"] == "RUNNING")
    scored = sorted((row for row in rows if _timed(row)), key=lambda row: row["end"])
    spans = [(row["start"], row["end"]) for row in scored]
    durations = [(end - start).total_seconds() for start, end in spans]
    workers = len(running) or max(1, round(trials_at_a_time(spans[-RECENT:])))
    mean = spread(durations[-RECENT:]).mean if durations else 0.0
    failed = sorted((row for row in rows if row["state"] == "FAIL"), key=lambda r: -r["number"])
    moments = [row[key] for row in rows for key in ("start", "end") if row[key] is not None]
    return StudyStatus(
        study=said.name,
        description=said.description,
        protocol=said.protocol,
        progress=so_far,
        retried=attempts - len(rows),
        arms=_arms(rows, said),
        running=tuple(sorted(running, key=lambda trial: trial.number)),
        failures=tuple(
            Failure(
                number=row["number"],
                arm=row["arm"],
                replicate=row["replicate"],
                attempt=row["attempt"] or 1,
                reason=row["failure"] or "no reason given",
            )
            for row in failed[:SHOWN_FAILURES]
        ),
        workers=workers,
        runs=alive,
        rate=3600 * workers / mean if mean > 0 else None,
        seconds_left=0.0
        if so_far.finished
        else seconds_left(
            durations,
            elapsed=[trial.seconds for trial in running],
            waiting=so_far.waiting,
            workers=workers,
        ),
        last=max(moments, default=None),
    )


def overview(storage: BaseStorage) -> list[StudyStatus]:
    """Say how far each study in a storage is, in the order of their names."""
    return [status(name, storage) for name in sorted(optuna.get_all_study_names(storage))]


def _signs_of_life(
    trials: Sequence[FrozenTrial], study: optuna.Study, storage: BaseStorage | None
) -> tuple[int | None, set[int]]:
    """Return how many runs are at work, and the trials that are RUNNING though theirs has died."""
    if not isinstance(storage, RDBStorage):
        return None, set()
    dead = db.dead_runs(storage, study.study_name)
    running = (trial for trial in trials if trial.state == TrialState.RUNNING)
    lost = {trial.number for trial in running if trial.user_attrs.get("run") in dead}
    return len(db.live_runs(storage, study.study_name)), lost


def _row(trial: FrozenTrial) -> dict[str, Any]:
    """Return of a trial what a status is made of."""
    attrs = trial.user_attrs
    row = {key: attrs.get(key) for key in ("arm", "replicate", "attempt", "failure", "cached_from")}
    rungs = db.rung_values(trial)
    rung = max(rungs, default=None)
    accuracy = trial.values[0] if trial.state == TrialState.COMPLETE else None
    return row | {
        "number": trial.number,
        "state": trial.state.name,
        "rungs": rungs,
        "rung": rung,
        "probe": rungs.get(rung) if rung is not None else None,
        "loss": ((attrs.get("rungs") or {}).get(str(rung)) or {}).get("loss"),
        "accuracy": accuracy,
        "start": trial.datetime_start,
        "end": trial.datetime_complete,
    }


def _timed(row: dict[str, Any]) -> bool:
    """Say whether a trial tells how long one takes: not if it was never run."""
    stopped = row["state"] == "PRUNED" and row["rung"] is not None
    done = stopped or (row["state"] == "COMPLETE" and row["cached_from"] is None)
    return done and row["start"] is not None and row["end"] is not None


def _running(row: dict[str, Any], now: datetime) -> RunningTrial:
    return RunningTrial(
        number=row["number"],
        arm=row["arm"],
        replicate=row["replicate"],
        seconds=max(0.0, (now - row["start"]).total_seconds()) if row["start"] else 0.0,
        rung=row["rung"],
        probe=row["probe"],
        loss=row["loss"],
    )


def _arms(rows: Rows, said: Definition) -> tuple[ArmStatus, ...]:
    by_arm: dict[str, Rows] = {arm: [] for arm in said.arms}
    for row in rows:
        by_arm.setdefault(row["arm"], []).append(row)
    return tuple(_arm(name, of_arm, said.replicates) for name, of_arm in by_arm.items())


def _arm(name: str, rows: Sequence[dict[str, Any]], replicates: int) -> ArmStatus:
    states = Counter(row["state"] for row in rows)
    scores = [row["accuracy"] for row in rows if row["state"] == "COMPLETE"]
    return ArmStatus(
        name=name,
        planned=max(replicates, len(rows)),
        complete=states["COMPLETE"],
        pruned=states["PRUNED"],
        running=states["RUNNING"],
        failed=states["FAIL"],
        accuracy=spread(scores) if scores else None,
        curve=_curve([row["rungs"] for row in rows]),
    )


def _curve(reached: Sequence[dict[int, float]]) -> tuple[float, ...]:
    values: dict[int, list[float]] = {}
    for rungs in reached:
        for step, value in rungs.items():
            values.setdefault(step, []).append(value)
    return tuple(sum(found) / len(found) for _, found in sorted(values.items()))
