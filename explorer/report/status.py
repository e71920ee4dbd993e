"""How far a study is: what is done, running and failed, and how long the rest will take."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import sqlalchemy as sa

from explorer import store
from explorer.errors import InputError
from explorer.report.frame import Definition, Progress, Range, read_definition
from explorer.report.statistics import Spread, spread
from explorer.store import Database, tables

SHOWN_FAILURES = 5
RECENT = 50
"""Trials that a rate is measured over: the last ones, as the machines may have changed."""

_R, _G = tables.replicates.c, tables.rungs.c

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ArmStatus:
    """How far one arm is.

    Attributes:
        name: Its name.
        ranges: The ranges that a sampler chose for it; empty for a named arm.
        planned: Replicates that the study asks for.
        complete: Replicates with a score.
        pruned: Replicates stopped early.
        running: Replicates in flight.
        failed: Replicates whose last attempt failed.
        accuracy: Mean and spread of the scores, in [0, 1]; ``None`` where there is none.
        objectives: Mean of every further objective by name.
    """

    name: str
    ranges: Mapping[str, Range]
    planned: int
    complete: int
    pruned: int
    running: int
    failed: int
    accuracy: Spread | None
    objectives: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RunningReplicate:
    """A replicate that a worker is at work on.

    Attributes:
        arm: Its arm.
        replicate: Its index.
        ranges: The ranges that it tries, those that the study varies; empty without pre-training.
        host: Where it runs.
        seconds: How long it has run.
        rung: Images seen at its last rung; ``None`` before the first.
        probe: Accuracy of the probe there, in [0, 1].
        loss: Pre-training loss there, in nats.
    """

    arm: str
    replicate: int
    ranges: Mapping[str, Range]
    host: str
    seconds: float
    rung: int | None
    probe: float | None
    loss: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A replicate whose last attempt failed: its arm, index, that attempt, and the reason."""

    arm: str
    replicate: int
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """How far a study is.

    Attributes:
        study: Its name.
        protocol: Name of the protocol that it runs under.
        objectives: What is sought, ``maximize`` or ``minimize`` by name; accuracy is the first.
        progress: Its (arm, replicate) pairs by state.
        retried: Attempts that were lost or failed and made up for by a later one.
        arms: The arms in the order of the study file, then sampled ones as they were drawn.
        running: The replicates in flight, in the order of their start.
        failures: The last failures that nothing has made up for, latest first.
        runs: Processes at work on it.
        rate: Trials per hour with so many at a time as now, or as there were; ``None`` before the
            first is done.
        seconds_left: Until the study is done at this rate; ``None`` likewise.
    """

    study: str
    protocol: str
    objectives: Mapping[str, str]
    progress: Progress
    retried: int
    arms: tuple[ArmStatus, ...]
    running: tuple[RunningReplicate, ...]
    failures: tuple[Failure, ...]
    runs: int
    rate: float | None
    seconds_left: float | None

    @property
    def best(self) -> ArmStatus | None:
        """The arm with the highest mean accuracy so far."""
        scored = [arm for arm in self.arms if arm.accuracy]
        return max(scored, key=lambda arm: arm.accuracy.mean if arm.accuracy else 0, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data by the names of its fields, and the name of the best arm."""
        content = asdict(self)
        content["progress"] |= self.progress.derived()
        content["best"] = self.best.name if self.best else None
        return content


def status(database: Database, name: str, now: datetime | None = None) -> StudyStatus:
    """Say how far a study is.

    Replicates that are RUNNING although their run has died count as waiting: the next run takes
    them up.

    Args:
        database: Where the study is.
        name: Its name.
        now: The time (UTC, naive) that running trials are measured to; default the clock's.

    Raises:
        InputError: If there is no study of this name; the nearest name is offered.
    """
    return look(database, name, now)[0]


def overview(database: Database) -> list[StudyStatus]:
    """Say how far each study is that explorer has made, in the order of their names."""
    states = []
    for name in store.study_names(database):
        try:
            states.append(status(database, name))
        except InputError:  # another tool's
            continue
    return states


def look(
    database: Database, name: str, now: datetime | None = None
) -> tuple[StudyStatus, list[Row]]:
    """Return what :func:`status` does, and the attempts of the study in the order of their end."""
    definition = read_definition(database, name)
    further = [objective for objective in definition.objectives if objective != "accuracy"]
    kept = (
        _R.id, _R.arm, _R.replicate, _R.attempt, _R.ranges, _R.state, _R.accuracy, _R.reason,
        _R.failure_kind, _R.cached_from, _R.run, _R.host, _R.started, _R.ended,
        *([_R.scores] if further else []),
    )  # fmt: skip
    mine, rung = _R.study == name, (_G.replicate_id, _G.images_seen, _G.accuracy, _G.loss)
    rungs = sa.select(*rung).join(tables.replicates, _R.id == _G.replicate_id)
    rungs = rungs.where(mine, _R.state == "RUNNING").order_by(_G.images_seen)
    with database.engine.connect() as connection:
        query = sa.select(*kept).where(mine).order_by(_R.ended, _R.id)
        rows: list[Row] = [dict(row) for row in connection.execute(query).mappings()]
        last_rungs = {key: last for key, *last in connection.execute(rungs)}
    dead = store.dead_runs(database, name)
    for row in rows:
        if row["state"] == "RUNNING" and row["run"] in dead:
            row["state"] = "WAITING"
    runs = len(store.live_runs(database, name))
    moment = now or datetime.now(UTC).replace(tzinfo=None)
    return _status(definition, rows, last_rungs, runs, moment), rows


def _status(
    definition: Definition,
    rows: Sequence[Row],
    rungs: Mapping[int, Sequence[Any]],
    runs: int,
    moment: datetime,
) -> StudyStatus:
    latest: dict[tuple[str, int], Row] = {}
    for row in sorted(rows, key=lambda row: row["id"]):
        pair = (row["arm"], row["replicate"])
        if pair not in latest or latest[pair]["state"] != "COMPLETE":
            latest[pair] = row
    kept = list(latest.values())
    progress = Progress.of((_state(row) for row in kept), definition.planned)
    running = sorted(
        (row for row in kept if row["state"] == "RUNNING"),
        key=lambda row: (row["started"], row["id"]),
    )
    elapsed = [max(0.0, (moment - row["started"]).total_seconds()) for row in running]
    timed = sorted((row for row in kept if _timed(row)), key=lambda row: row["ended"])[-RECENT:]
    durations = [(row["ended"] - row["started"]).total_seconds() for row in timed]
    rate = left = None
    if sum(durations):
        span = (timed[-1]["ended"] - min(row["started"] for row in timed)).total_seconds()
        workers = len(running) or max(1, round(sum(durations) / span) if span else 1)
        mean = fmean(durations)
        rate = 3600 * workers / mean
        # A running trial is taken to end when it has run as long as others have in the mean.
        rest = sum(max(mean - seconds, 0.0) for seconds in elapsed)
        left = (rest + mean * progress.waiting) / workers
    failed = [row for row in kept if _state(row) == "FAIL"]
    failed.sort(key=lambda row: row["id"], reverse=True)
    return StudyStatus(
        study=definition.name,
        protocol=definition.protocol,
        objectives=definition.objectives,
        progress=progress,
        retried=len(rows) - len(latest),
        arms=tuple(_arms(definition, kept)),
        running=tuple(
            RunningReplicate(
                row["arm"],
                row["replicate"],
                _ranges(row, definition),
                row["host"] or "",
                seconds,
                *rungs.get(row["id"], (None, None, None)),
            )
            for row, seconds in zip(running, elapsed, strict=True)
        ),
        failures=tuple(
            Failure(row["arm"], row["replicate"], row["attempt"], row["reason"] or "no reason")
            for row in failed[:SHOWN_FAILURES]
        ),
        runs=runs,
        rate=rate,
        seconds_left=0.0 if progress.finished else left,
    )


def _state(row: Row) -> str:
    interrupted = row["state"] == "FAIL" and row["failure_kind"] == "interrupted"
    return "WAITING" if interrupted else str(row["state"])


def _timed(row: Row) -> bool:
    """Say whether a row tells how long a trial takes: not if its result was taken over."""
    done = row["state"] in {"COMPLETE", "PRUNED"} and row["cached_from"] is None
    return bool(done and row["started"] and row["ended"])


def _ranges(row: Row, definition: Definition) -> dict[str, Range]:
    ranges = json.loads(row["ranges"]) if row["ranges"] else {}
    return {p: tuple(ranges[p]) for p in definition.varied if p in ranges}


def _arms(definition: Definition, rows: Sequence[Row]) -> Iterator[ArmStatus]:
    by_arm: dict[str, list[Row]] = {arm: [] for arm in definition.arms}
    for row in rows:
        by_arm.setdefault(row["arm"], []).append(row)
    further = [name for name in definition.objectives if name != "accuracy"]
    for name, of_arm in by_arm.items():
        counts = Counter(map(_state, of_arm))
        scored = [row for row in of_arm if row["accuracy"] is not None]
        objectives: dict[str, list[float]] = {}
        for row in scored if further else ():
            variety = json.loads(row["scores"] or "{}").get("variety") or {}
            for objective in further:
                if (value := variety.get(objective.removeprefix("variety."))) is not None:
                    objectives.setdefault(objective, []).append(value)
        yield ArmStatus(
            name=name,
            ranges=_ranges(of_arm[0], definition) if name not in definition.arms else {},
            planned=max(definition.replicates, len(of_arm)),
            complete=counts["COMPLETE"],
            pruned=counts["PRUNED"],
            running=counts["RUNNING"],
            failed=counts["FAIL"],
            accuracy=spread([row["accuracy"] for row in scored]) if scored else None,
            objectives={objective: fmean(values) for objective, values in objectives.items()},
        )
