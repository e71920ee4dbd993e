"""How far a study is: what is done, running and failed, and how long the rest will take."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage

from explorer import storage as db
from explorer.report.definition import Definition, definition, find_study
from explorer.report.estimate import RECENT, seconds_left, trials_at_a_time
from explorer.report.frame import load
from explorer.report.slots import Progress, progress, slots
from explorer.report.statistics import Spread, spread

Rows = list[dict[str, Any]]

SHOWN_FAILURES = 5


@dataclass(frozen=True, slots=True)
class ArmStatus:
    """How far one arm is.

    Attributes:
        name: Its name.
        planned: Replicates that the study asks for.
        complete: Replicates with a score.
        pruned: Replicates stopped early.
        running: Replicates in flight.
        failed: Replicates whose last attempt failed.
        accuracy: Mean and spread of the scores, in [0, 1]; ``None`` where there is none.
    """

    name: str
    planned: int
    complete: int
    pruned: int
    running: int
    failed: int
    accuracy: Spread | None


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A trial in flight.

    Attributes:
        number: Its number.
        arm: Its arm.
        replicate: Index of its replicate.
        seconds: How long it has run.
        rung: Images seen at its last rung; ``None`` before the first.
        probe: Accuracy of the probe there, in [0, 1].
    """

    number: int
    arm: str
    replicate: int
    seconds: float
    rung: int | None
    probe: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A trial that failed.

    Attributes:
        number: Its number.
        arm: Its arm.
        replicate: Index of its replicate.
        attempt: The how many-eth attempt at that replicate it was.
        reason: Why it failed.
    """

    number: int
    arm: str
    replicate: int
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """How far a study is.

    Attributes:
        study: Its name.
        description: What it asks.
        protocol: Name of the protocol that it runs under.
        progress: Its (arm, replicate) pairs by state.
        retried: Attempts that were lost or failed and made up for by a later one.
        arms: The arms in the order of the study file, then sampled ones as they were drawn.
        running: The trials in flight, by number.
        failures: The last failures that nothing has made up for, latest first.
        workers: Trials at a time: those in flight now, else as many as there were on average.
        rate: Trials an hour with so many workers; ``None`` before the first is done.
        seconds_left: Until the study is done with so many workers; ``None`` likewise.
        last: When a trial last started or ended, local time.
    """

    study: str
    description: str
    protocol: str
    progress: Progress
    retried: int
    arms: tuple[ArmStatus, ...]
    running: tuple[RunningTrial, ...]
    failures: tuple[Failure, ...]
    workers: int
    rate: float | None
    seconds_left: float | None
    last: datetime | None

    @property
    def best(self) -> ArmStatus | None:
        """The arm with the highest mean accuracy so far."""
        scored = [arm for arm in self.arms if arm.accuracy]
        return max(scored, key=lambda arm: arm.accuracy.mean if arm.accuracy else 0, default=None)


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
    found = find_study(study, storage)
    said = definition(found)
    frame = load(found)
    pairs = slots(frame, lost=_lost(found, storage))
    rows = list(pairs.values())
    so_far = progress(pairs, said)
    moment = now or datetime.now()  # noqa: DTZ005 - Optuna's times are naive local ones
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
        retried=len(frame) - len(rows),
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


def _lost(study: optuna.Study, storage: BaseStorage | None) -> set[int]:
    """Return the trials that are RUNNING in the database, but whose run has died."""
    if not isinstance(storage, RDBStorage):
        return set()
    dead = db.dead_runs(storage, study.study_name)
    states = (optuna.trial.TrialState.RUNNING,)
    trials = study.get_trials(deepcopy=False, states=states)
    return {trial.number for trial in trials if trial.user_attrs.get("run") in dead}


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
    )
