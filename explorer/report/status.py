"""How far a study is: what is done, running and failed, and how long the rest will take."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from explorer import store
from explorer.errors import InputError
from explorer.report.frame import (
    Definition,
    Progress,
    Range,
    Row,
    read_attempts,
    read_definition,
    records,
    settled,
)
from explorer.report.statistics import Spread, spread
from explorer.report.summary import varied_ranges
from explorer.store import Database
from explorer.study import ACCURACY

SHOWN_FAILURES = 5
RECENT = 50
"""Trials that a rate is measured over: the last ones, as the machines may have changed."""

_RUNNING = ("arm", "replicate", "ranges", "host", "seconds", "rung", "probe", "loss")
_FAILED = ("arm", "replicate", "attempt", "reason")


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
class StudyStatus:
    """How far a study is.

    Attributes:
        study: Its name.
        protocol: Name of the protocol that it runs under.
        objectives: What is sought, ``maximize`` or ``minimize`` by name; accuracy is the first.
        progress: Its (arm, replicate) pairs by state.
        retried: Attempts that were lost or failed and made up for by a later one.
        arms: The arms in the order of the study file, then sampled ones as they were drawn.
        running: The replicates in flight, in the order of their start: ``arm``, ``replicate``, the
            varied ``ranges`` that it tries, ``host``, the ``seconds`` that it has run, and of its
            last rung ``rung`` (images seen), ``probe`` (in [0, 1]) and ``loss`` (in nats).
        failures: The last failures that nothing has made up for, latest first: ``arm``,
            ``replicate``, ``attempt``, ``reason``.
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
    running: tuple[Row, ...]
    failures: tuple[Row, ...]
    runs: int
    rate: float | None
    seconds_left: float | None

    @property
    def ranked(self) -> list[ArmStatus]:
        """The arms by the mean of the first objective, best first; last those without."""
        first, way = next(iter(self.objectives.items()))

        def place(arm: ArmStatus) -> float:
            known = arm.objectives.get(first, math.inf if way == "minimize" else -math.inf)
            mean = arm.accuracy.mean if arm.accuracy and first == ACCURACY else known
            return mean if way == "minimize" else -mean

        return sorted(self.arms, key=place)

    @property
    def best(self) -> ArmStatus | None:
        """The arm with the highest mean accuracy so far."""
        return next((arm for arm in self.ranked if arm.accuracy), None)

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
    """Return what :func:`status` does, and all attempts that have ended, in this order."""
    definition = read_definition(database, name)
    attempts = read_attempts(database, name)
    rows = records(settled(database, name, attempts))
    moment = now or datetime.now(UTC).replace(tzinfo=None)
    progress = Progress.of((row["state"] for row in rows), definition.planned)
    running = [row for row in rows if row["state"] == "RUNNING"]
    running.sort(key=lambda row: (row["started"], row["id"]))
    for row in running:
        row["seconds"] = max(0.0, (moment - row["started"]).total_seconds())
        row["ranges"] = varied_ranges(row["arm"], definition, row)
    failed = [{"reason": "no reason", **row} for row in rows if row["state"] == "FAIL"]
    failed.sort(key=lambda row: row["id"], reverse=True)
    rate, left = _pace(rows, [row["seconds"] for row in running], progress.waiting)
    state = StudyStatus(
        study=name,
        protocol=definition.protocol,
        objectives=definition.objectives,
        progress=progress,
        retried=len(attempts) - len(rows),
        arms=tuple(_arms(definition, rows)),
        running=tuple({key: row.get(key) for key in _RUNNING} for row in running),
        failures=tuple({key: row[key] for key in _FAILED} for row in failed[:SHOWN_FAILURES]),
        runs=len(store.live_runs(database, name)),
        rate=rate,
        seconds_left=0.0 if progress.finished else left,
    )
    ended = attempts[attempts["ended"].notna()].sort_values(["ended", "id"])
    return state, records(ended)


def _pace(
    rows: Sequence[Row], elapsed: Sequence[float], waiting: int
) -> tuple[float | None, float | None]:
    """Return the trials per hour, and the seconds until those that wait and run are done.

    A running trial is taken to end when it has run as long as others have in the mean. A result
    that was taken over says nothing of time.
    """
    timed = [
        row
        for row in rows
        if row["state"] in {"COMPLETE", "PRUNED"} and "cached_from" not in row and "ended" in row
    ]
    timed = sorted(timed, key=lambda row: row["ended"])[-RECENT:]
    seconds = [(row["ended"] - row["started"]).total_seconds() for row in timed]
    if not sum(seconds):
        return None, None
    mean, span = fmean(seconds), timed[-1]["ended"] - min(row["started"] for row in timed)
    workers = len(elapsed) or max(1, round(sum(seconds) / (span.total_seconds() or 1)))
    rest = sum(max(mean - spent, 0.0) for spent in elapsed)
    return 3600 * workers / mean, (rest + mean * waiting) / workers


def _arms(definition: Definition, rows: Sequence[Row]) -> Iterator[ArmStatus]:
    by_arm: dict[str, list[Row]] = {arm: [] for arm in definition.arms}
    for row in rows:
        by_arm.setdefault(row["arm"], []).append(row)
    further = [name for name in definition.objectives if name != ACCURACY]
    for name, of_arm in by_arm.items():
        counts = Counter(row["state"] for row in of_arm)
        scores = [row["accuracy"] for row in of_arm if "accuracy" in row]
        known = {o: [row[o] for row in of_arm if o in row] for o in further}
        sampled = name not in definition.arms
        yield ArmStatus(
            name=name,
            ranges=varied_ranges(name, definition, of_arm[0]) if sampled else {},
            planned=max(definition.replicates, len(of_arm)),
            complete=counts["COMPLETE"],
            pruned=counts["PRUNED"],
            running=counts["RUNNING"],
            failed=counts["FAIL"],
            accuracy=spread(scores) if scores else None,
            objectives={o: fmean(values) for o, values in known.items() if values},
        )
