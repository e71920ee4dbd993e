"""How far a study is: what is done, running and failed, and how long the rest will take."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
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

_SKEW = timedelta(minutes=10)  # the clocks of machines may differ by so much
_R, _G = tables.replicates.c, tables.rungs.c
_ENDED = ("COMPLETE", "PRUNED", "FAIL")

Row = Mapping[str, Any]


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
        attempt: Which attempt it is.
        ranges: The ranges that it tries, those that the study varies; empty without pre-training.
        host: Where it runs.
        since: When it began, UTC.
        seconds: How long it has run.
        rung: Images seen at its last rung; ``None`` before the first.
        probe: Accuracy of the probe there, in [0, 1].
        loss: Pre-training loss there, in nats.
    """

    arm: str
    replicate: int
    attempt: int
    ranges: Mapping[str, Range]
    host: str
    since: datetime
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
        description: What it asks.
        protocol: Name of the protocol that it runs under.
        objectives: What is sought, ``maximize`` or ``minimize`` by name; accuracy is the first.
        progress: Its (arm, replicate) pairs by state.
        retried: Attempts that were lost or failed and made up for by a later one.
        arms: The arms in the order of the study file, then sampled ones as they were drawn.
        running: The replicates in flight, in the order of their start.
        failures: The last failures that nothing has made up for, latest first.
        workers: Trials at a time: those in flight now, else as many as there were on average.
        runs: Processes at work on it.
        rate: Trials per hour with so many workers; ``None`` before the first is done.
        seconds_left: Until the study is done with so many workers; ``None`` likewise.
        last: When a replicate last started or ended, UTC.
    """

    study: str
    description: str
    protocol: str
    objectives: Mapping[str, str]
    progress: Progress
    retried: int
    arms: tuple[ArmStatus, ...]
    running: tuple[RunningReplicate, ...]
    failures: tuple[Failure, ...]
    workers: int
    runs: int
    rate: float | None
    seconds_left: float | None
    last: datetime | None

    @property
    def best(self) -> ArmStatus | None:
        """The arm with the highest mean accuracy so far."""
        scored = [arm for arm in self.arms if arm.accuracy]
        return max(scored, key=lambda arm: arm.accuracy.mean if arm.accuracy else 0, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data by the names of its fields; times are ISO 8601 in UTC."""
        content = asdict(self)
        state = self.progress
        content["progress"] |= {"done": state.done, "waiting": state.waiting}
        content["progress"]["finished"] = state.finished
        content["best"] = self.best.name if self.best else None
        content["last"] = self.last.isoformat() if self.last else None
        for row in content["running"]:
            row["since"] = row["since"].isoformat()
        return content


def status(database: Database, name: str) -> StudyStatus:
    """Say how far a study is.

    Replicates that are RUNNING although their run has died count as waiting: the next run takes
    them up.

    Raises:
        InputError: If there is no study of this name; the nearest name is offered.
    """
    return Watcher(database, name).status()


def overview(database: Database) -> list[StudyStatus]:
    """Say how far each study is that explorer has made, in the order of their names."""
    found = []
    for name in store.study_names(database):
        try:
            found.append(status(database, name))
        except InputError:  # another tool's
            continue
    return found


class Watcher:
    """Says again and again how far a study is, and reads only what may have changed.

    A look asks the database for counts, for the rows that are open, and for those that have ended
    since the last look; where the counts do not fit what it knows, for all of them.

    Args:
        database: Where the study is.
        name: Its name; it need not be there yet.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name
        self._ended: dict[int, Row] = {}

    def status(self, now: datetime | None = None) -> StudyStatus:
        """Say how far the study is at a time (UTC, naive); see :func:`status`."""
        return self.look(now)[0]

    def look(self, now: datetime | None = None) -> tuple[StudyStatus, list[Row]]:
        """Return the status, and the rows that have ended since the last look, by their end.

        Raises:
            InputError: If there is no study of this name; the nearest name is offered.
        """
        definition = read_definition(self._database, self._name)
        mine = _R.study == self._name
        first = sa.func.sum(sa.case((_R.attempt == 1, 1), else_=0))
        with self._database.engine.connect() as connection:
            counts = sa.select(_R.state, sa.func.count(), first).where(mine).group_by(_R.state)
            states = {state: (n, pairs) for state, n, pairs in connection.execute(counts)}
            due = sum(states.get(state, (0, 0))[0] for state in _ENDED)
            news = self._read_ended(connection, mine, due)
            open_ = sa.or_(_R.state == "RUNNING", sa.and_(_R.state == "WAITING", _R.attempt > 1))
            rows = [dict(row) for row in connection.execute(_with_rung(mine, open_)).mappings()]
        dead = store.dead_runs(self._database, self._name) if rows else set()
        for row in rows:
            if row["run"] in dead:
                row["state"] = "WAITING"
        pairs = max(definition.planned, sum(int(n or 0) for _, n in states.values()))
        runs = len(store.live_runs(self._database, self._name))
        moment = now or datetime.now(UTC).replace(tzinfo=None)
        return _status(definition, [*self._ended.values(), *rows], pairs, runs, moment), news

    def _read_ended(self, connection: sa.Connection, mine: Any, due: int) -> list[Row]:
        kept = (
            _R.id, _R.arm, _R.replicate, _R.attempt, _R.ranges, _R.state, _R.accuracy, _R.scores,
            _R.reason, _R.failure_kind, _R.cached_from, _R.started, _R.ended,
        )  # fmt: skip
        query = sa.select(*kept).where(mine, _R.state.in_(_ENDED)).order_by(_R.ended, _R.id)
        known, news = self._ended, list[Row]()
        if len(known) == due:
            return news
        last = max((row["ended"] for row in known.values() if row["ended"]), default=None)
        recent = [_R.ended >= last - _SKEW] if last and len(known) < due else []
        for condition in (*recent, sa.true()):
            found = connection.execute(query.where(condition)).mappings()
            rows = {row["id"]: _small(row) for row in found}
            news = [row for key, row in rows.items() if key not in known]
            self._ended = known | rows if recent else rows
            if len(self._ended) >= due:
                break
            recent = []
        return news


def _with_rung(*conditions: Any) -> Any:
    """Select the open rows with their last rung."""
    of = tables.rungs.alias().c
    last = sa.select(sa.func.max(of.images_seen)).where(of.replicate_id == _R.id).scalar_subquery()
    rung = (_G.images_seen.label("rung"), _G.accuracy.label("probe"), _G.loss)
    here = sa.and_(_G.replicate_id == _R.id, _G.images_seen == last)
    joined = tables.replicates.outerjoin(tables.rungs, here)
    query = sa.select(tables.replicates, *rung).select_from(joined)
    return query.where(*conditions).order_by(_R.started, _R.id)


def _small(row: Any) -> Row:
    """Keep of an ended row what a status is made of."""
    scores = json.loads(row["scores"]) if row["scores"] else {}
    variety = {f"variety.{m}": v for m, v in (scores.get("variety") or {}).items()}
    return {**{k: v for k, v in row.items() if k != "scores"}, "variety": variety}


def _status(
    definition: Definition, rows: Sequence[Row], total: int, runs: int, moment: datetime
) -> StudyStatus:
    latest: dict[tuple[str, int], Row] = {}
    for row in sorted(rows, key=lambda row: row["id"]):
        pair = (row["arm"], row["replicate"])
        if pair not in latest or latest[pair]["state"] != "COMPLETE":
            latest[pair] = row
    states = {pair: _state(row) for pair, row in latest.items()}
    progress = Progress.of((s for s in states.values() if s != "WAITING"), total)
    running = [row for pair, row in latest.items() if states[pair] == "RUNNING"]
    failed = [row for pair, row in latest.items() if states[pair] == "FAIL"]
    failed.sort(key=lambda row: row["id"], reverse=True)
    timed = sorted((row for row in latest.values() if _timed(row)), key=lambda row: row["ended"])[
        -RECENT:
    ]
    durations = [(row["ended"] - row["started"]).total_seconds() for row in timed]
    spent = sum(durations)
    span = (timed[-1]["ended"] - min(r["started"] for r in timed)).total_seconds() if timed else 0
    workers = len(running) or max(1, round(spent / span) if span else 1)
    starts = [row["started"] or moment for row in running]
    elapsed = [max(0.0, (moment - since).total_seconds()) for since in starts]
    moments = [row[key] for row in rows for key in ("started", "ended") if row[key]]
    left = seconds_left(durations, elapsed=elapsed, waiting=progress.waiting, workers=workers)
    return StudyStatus(
        study=definition.name,
        description=definition.description,
        protocol=definition.protocol,
        objectives=definition.objectives,
        progress=progress,
        retried=len(rows) - len(latest),
        arms=tuple(_arms(definition, latest, states)),
        running=tuple(
            RunningReplicate(
                row["arm"], row["replicate"], row["attempt"], _ranges(row, definition),
                row["host"] or "", since, seconds, row["rung"], row["probe"], row["loss"],
            )
            for row, since, seconds in zip(running, starts, elapsed, strict=True)
        ),
        failures=tuple(
            Failure(row["arm"], row["replicate"], row["attempt"], row["reason"] or "no reason")
            for row in failed[:SHOWN_FAILURES]
        ),
        workers=workers,
        runs=runs,
        rate=3600 * workers / fmean(durations) if spent else None,
        seconds_left=0.0 if progress.finished else left,
        last=max(moments, default=None),
    )  # fmt: skip


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


def _arms(
    definition: Definition,
    latest: Mapping[tuple[str, int], Row],
    states: Mapping[tuple[str, int], str],
) -> Iterable[ArmStatus]:
    by_arm: dict[str, list[tuple[str, int]]] = {arm: [] for arm in definition.arms}
    for pair in latest:
        by_arm.setdefault(pair[0], []).append(pair)
    further = [name for name in definition.objectives if name != "accuracy"]
    for name, pairs in by_arm.items():
        counts = Counter(states[pair] for pair in pairs)
        scored = [latest[pair] for pair in pairs if states[pair] == "COMPLETE"]
        scores = [row["accuracy"] for row in scored if row["accuracy"] is not None]
        known = {o: [r["variety"][o] for r in scored if o in r["variety"]] for o in further}
        sampled = name not in definition.arms
        yield ArmStatus(
            name=name,
            ranges=_ranges(latest[pairs[0]], definition) if sampled else {},
            planned=max(definition.replicates, len(pairs)),
            complete=counts["COMPLETE"],
            pruned=counts["PRUNED"],
            running=counts["RUNNING"],
            failed=counts["FAIL"],
            accuracy=spread(scores) if scores else None,
            objectives={o: fmean(values) for o, values in known.items() if values},
        )


def seconds_left(
    durations: Sequence[float], *, elapsed: Sequence[float], waiting: int, workers: int
) -> float | None:
    """Estimate the wall-clock seconds until a study is done.

    The trials that wait are dealt out to the workers as they come free, each for the mean of the
    durations. A running trial is taken to end when it has run as long as that.

    Args:
        durations: Seconds of the last finished trials.
        elapsed: Seconds that each running trial has run.
        waiting: Trials that nobody works on yet.
        workers: Trials at a time.

    Returns:
        Seconds; ``None`` where no trial has finished to measure by.
    """
    if not durations:
        return None
    expected = fmean(durations)
    busy = [max(expected - seconds, 0.0) for seconds in elapsed]
    busy += [0.0] * (max(1, workers) - len(busy))
    heapq.heapify(busy)
    for _ in range(waiting):
        heapq.heapreplace(busy, busy[0] + expected)
    return max(busy)
