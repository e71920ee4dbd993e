"""The queue of a study: what is next, what is in flight, what was lost.

The queue is the table of replicates. Every method asks the database for the truth, so that a driver
may die at any point: what it leaves RUNNING is failed as interrupted by the next one, and waits
again with the same ranges and seed as the next attempt at the same replicate.

What is taken, reported or ended is one transaction of ours. The Optuna trial of the arm follows
from it (:mod:`explorer.store.arms`); how rungs become its intermediate values is written in
:mod:`explorer.store.pruning`.
"""

import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isnan
from typing import Any

import sqlalchemy as sa

from explorer.scores import Rung, Scores
from explorer.store import points, pruning, scoring
from explorer.store.arms import Arms, Describe
from explorer.store.connection import Database
from explorer.store.retry import patient
from explorer.store.runs import dead_runs, exclusive
from explorer.store.studies import SAMPLE_PREFIX, open_study, sample_name
from explorer.store.tables import (
    COMPLETE,
    DIED,
    ERROR,
    FAIL,
    INTERRUPTED,
    OPEN,
    PRUNED,
    RUNNING,
    WAITING,
    epochs,
    insert_missing,
    replicates,
    rungs,
)
from explorer.study import Protocol, Range, Study

MAX_DEATHS = 3
"""A replicate whose worker dies this often is given up: it would kill every worker in turn."""

_log = logging.getLogger("explorer")
_columns = replicates.c
_Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Replicate:
    """An attempt at a replicate that this run has taken, with all that decides over its score.

    Attributes:
        id: Its number in the database.
        arm: Name of the arm (``sample-0007`` in a sampled study).
        replicate: Index of the replicate, from 0.
        attempt: 1, or more where earlier attempts failed.
        seed: Seed of the replicate; all arms share it, so that they differ in nothing else.
        formula: The image family; that of the study where no formula is drawn from.
        protocol: The protocol of the arm.
        ranges: The range of every parameter of the search space; empty where real images are
            pre-trained on, ``None`` for from scratch.
        trial: Number of the arm's Optuna trial; ``None`` where the arm is no point of the space.
        began: When it was taken, by this process's monotonic clock.
    """

    id: int
    arm: str
    replicate: int
    attempt: int
    seed: int
    formula: str
    protocol: Protocol
    ranges: dict[str, Range] | None
    trial: int | None
    began: float = field(default_factory=time.monotonic)


class Queue:
    """The replicates of one study, as one run (process) sees them.

    Args:
        database: The database.
        study: What the study asks for; created or opened here, or refused by an ``InputError``.
        run_id: The run that takes replicates.
        describe: Called when an arm is about to end, see :class:`~explorer.store.arms.Arms`.
    """

    def __init__(
        self, database: Database, study: Study, run_id: str, describe: Describe | None = None
    ) -> None:
        self._database = database
        self._study = study
        self._run_id = run_id
        opened = open_study(database, study)
        self._arms = Arms(database, study, run_id, opened, describe)
        self._in_flight: dict[int, Replicate] = {}
        self._has_steps = len(study.file.objectives) == 1  # Optuna has none for several

    def recover(self, *, retry_failed: bool = False) -> int:
        """Take back what dead runs left in flight, and put all that is missing into the queue.

        Args:
            retry_failed: Put the replicates that failed for good into the queue once more.

        Returns:
            The number of attempts that were taken back.
        """
        with exclusive(self._database, self._study.name, self._run_id):
            lost = self._take_back(dead_runs(self._database, self._study.name))
            self._fill(retry_failed=retry_failed)
            self._arms.repair()
        return lost

    def take(self) -> Replicate | None:
        """Take the next replicate, one that waits or of a new sample; ``None`` if there is none."""
        row = self._take()
        if row is None and self._sample():
            row = self._take()
        if row is None:
            return None
        arm, text = row["arm"], row["ranges"]
        ranges = None if text is None else {n: (a, b) for n, (a, b) in json.loads(text).items()}
        trial = row["trial"]
        if trial is None and ranges is not None and points.is_point(self._study, arm):
            trial = self._arms.begin(arm, ranges)
        taken = Replicate(
            id=row["id"],
            arm=arm,
            replicate=row["replicate"],
            attempt=row["attempt"],
            seed=row["seed"],
            formula=row["formula"] or self._study.space.formula,
            protocol=self._study.protocol_of(arm),
            ranges=ranges,
            trial=trial,
        )
        self._in_flight[taken.id] = taken
        return taken

    def finished(self) -> bool:
        """Say whether every replicate has come to its end, whoever works on it."""
        return not self._any_open() and self._missing_samples() == 0

    def report(self, replicate: Replicate, rung: Rung) -> bool:
        """Record a rung, and say whether the replicate stops there.

        It does where the study's pruner stops its arm, all of whose open replicates are then
        PRUNED, and where it is no longer this run's: another has taken it back, or pruned its arm.
        """
        row = {
            "images_seen": rung.images_seen,
            "accuracy": None if isnan(rung.accuracy) else rung.accuracy,
            "loss": rung.loss,
            "seconds": rung.seconds,
        }
        if not self._write(replicate, {}, {rungs: [row]}):
            return True
        pruner = self._study.file.pruner.name
        if replicate.trial is None or not self._has_steps or pruner == "wilcoxon":
            return False
        self._arms.report(replicate.arm, replicate.trial, rung.images_seen)
        return self._judge(replicate, f"stopped at {rung.images_seen:,} images")

    def complete(self, replicate: Replicate, scores: Scores) -> str | None:
        """Finish a replicate with all that it reports.

        Returns:
            Why it has failed, where a score is no finite number or is missing; else ``None``.
        """
        row = scoring.to_row(scores)
        point = replicate.trial is not None
        problem = scoring.problem(self._study, scoring.measured(row), point=point)
        if problem is None:
            changes = {**row, "state": COMPLETE, "result_key": scores.result_key or None}
        else:
            changes = {**row, "accuracy": None, **_failed(ERROR, problem)}
        self._end(replicate, changes, {epochs: scores.epochs})
        return problem

    def recall(self, replicate: Replicate, result_key: str) -> bool:
        """Finish a replicate with the result of another one, of this study or another.

        All that the other has reported is copied, and ``cached_from`` names it.

        Returns:
            Whether there is such a result; else the replicate goes on.
        """
        known = self._remembered(replicate, result_key)
        if known is None:
            return False
        row, curves = known
        copied = ("accuracy", "scores", "seconds", "host", "device", "result_key")
        changes = {name: row[name] for name in copied}
        name = f"{row['study']}/{row['arm']}#{row['replicate']}"
        changes |= {"state": COMPLETE, "cached_from": row["cached_from"] or name}
        self._end(replicate, changes, curves)
        return True

    def fail(self, replicate: Replicate, reason: str) -> None:
        """Finish a replicate whose evaluation raised; the same arguments would raise again."""
        self._end(replicate, _failed(ERROR, reason))

    def die(self, replicate: Replicate, reason: str) -> bool:
        """Finish a replicate whose worker died; say whether it waits for another attempt."""
        self._end(replicate, _failed(DIED, reason), again=True)
        return self._any_open(replicate.arm, replicate.replicate)

    def release(self) -> None:
        """Put all that this run has in flight back into the queue, as the next attempt."""
        for replicate in list(self._in_flight.values()):
            reason = "interrupted: the run was stopped"
            self._end(replicate, _failed(INTERRUPTED, reason), again=True)

    def prune(self, arm: str, reason: str) -> None:
        """Stop an arm: its replicates that wait or run become PRUNED, and its trial ends."""
        stopped = [each for each in self._in_flight.values() if each.arm == arm]
        spent = {each.id: time.monotonic() - each.began for each in stopped}
        still_open = *self._mine(), _columns.arm == arm, _columns.state.in_(OPEN)
        ended = {"state": PRUNED, "reason": reason, "ended": _now()}

        @patient
        def stop() -> None:
            with self._database.writing() as connection:
                for number, seconds in spent.items():
                    mine = sa.update(replicates).where(*still_open, _columns.id == number)
                    connection.execute(mine.values(seconds=seconds))
                connection.execute(sa.update(replicates).where(*still_open).values(ended))

        stop()
        for each in stopped:
            del self._in_flight[each.id]
        self._arms.settle(arm)

    # -- what is written, one transaction each -------------------------------------------------

    def _take(self) -> dict[str, Any] | None:
        """Take the first replicate that waits, by one UPDATE."""
        first = sa.select(_columns.id).where(*self._mine(), _columns.state == WAITING)
        # One that another run is just taking is passed over, not waited for.
        first = first.order_by(_columns.id).limit(1).with_for_update(skip_locked=True)
        change = sa.update(replicates).where(_columns.id == first.scalar_subquery())
        # What an earlier try has taken, if its answer was lost.
        unheard = sa.select(replicates).where(
            *self._mine(),
            _columns.state == RUNNING,
            _columns.run == self._run_id,
            _columns.id.not_in(list(self._in_flight)),
        )
        tries = 0

        @patient
        def take() -> dict[str, Any] | None:
            nonlocal tries
            tries += 1
            running = {"state": RUNNING, "run": self._run_id, "started": _now()}
            taking = change.values(running).returning(replicates)
            with self._database.writing() as connection:
                row = connection.execute(unheard).mappings().first() if tries > 1 else None
                row = row or connection.execute(taking).mappings().first()
                return None if row is None else dict(row)

        return take()

    def _write(
        self,
        replicate: Replicate,
        changes: _Row,
        rows: Mapping[sa.Table, Sequence[_Row]] | None = None,
        *,
        again: bool = False,
    ) -> bool:
        """Write to a replicate in flight, and say whether it is still this run's.

        Args:
            replicate: The replicate.
            changes: Its columns.
            rows: Rows of rungs and epochs; those that are there already are kept.
            again: Put it back into the queue, unless its worker has died too often.
        """
        mine = _columns.id == replicate.id
        tries = 0

        @patient
        def write() -> bool:
            nonlocal tries
            tries += 1
            with self._database.writing() as connection:
                locked = sa.select(replicates).where(mine).with_for_update()
                row = connection.execute(locked).mappings().one()
                if row["state"] != RUNNING or row["run"] != self._run_id:
                    # As it should be where an earlier try was committed and its answer lost.
                    same = row["run"] == self._run_id and row["state"] == changes.get("state")
                    return tries > 1 and same
                if changes:
                    connection.execute(sa.update(replicates).where(mine).values(changes))
                for table, content in (rows or {}).items():
                    ours = [{**line, "replicate_id": replicate.id} for line in content]
                    insert_missing(connection, table, ours)
                if again:
                    _put_back(connection, row)
                return True

        if write():
            return True
        _log.info(
            "arm %s, replicate %d: its arm was stopped, or another run has taken it back; "
            "what it reports here is dropped",
            replicate.arm,
            replicate.replicate,
        )
        self._in_flight.pop(replicate.id, None)
        return False

    def _end(
        self,
        replicate: Replicate,
        changes: _Row,
        rows: Mapping[sa.Table, Sequence[_Row]] | None = None,
        *,
        again: bool = False,
    ) -> None:
        """End a replicate, and its arm with the last one."""
        spent = time.monotonic() - replicate.began
        changes = {"seconds": spent, **changes, "ended": _now()}
        if not self._write(replicate, changes, rows, again=again):
            return
        del self._in_flight[replicate.id]
        if replicate.trial is None:
            return
        if self._study.file.pruner.name == "wilcoxon" and changes["state"] == COMPLETE:
            self._arms.report_score(replicate.trial, replicate.replicate, changes["accuracy"])
            if self._any_open(replicate.arm):
                self._judge(replicate, f"stopped after replicate {replicate.replicate}")
        self._arms.settle(replicate.arm)

    def _judge(self, replicate: Replicate, reason: str) -> bool:
        """Ask the pruner about the arm of a replicate, and stop the arm if it says so."""
        pruner = self._study.file.pruner.name
        if pruner == "none" or replicate.trial is None:
            return False
        stops = self._arms.should_stop(replicate.trial)
        if stops:
            self.prune(replicate.arm, reason)
        return stops

    @patient
    def _take_back(self, dead: Collection[str]) -> int:
        lost = *self._mine(), _columns.state == RUNNING, _columns.run.in_(dead)
        failed = {**_failed(INTERRUPTED, "interrupted: its run died"), "ended": _now()}
        with self._database.writing() as connection:
            query = sa.select(replicates).where(*lost).order_by(_columns.id).with_for_update()
            rows = connection.execute(query).mappings().all()
            for row in rows:
                change = sa.update(replicates).where(_columns.id == row["id"])
                connection.execute(change.values(failed))
                _put_back(connection, row)
        return len(rows)

    @patient
    def _insert(self, rows: list[dict[str, Any]]) -> None:
        with self._database.writing() as connection:
            insert_missing(connection, replicates, rows)

    # -- what the study lacks ------------------------------------------------------------------

    def _sample(self) -> bool:
        """Draw a new sample and put its replicates into the queue; say whether one was wanted."""
        # Looked at before the lock too: a run that only waits for others must not write.
        if self._missing_samples() == 0:
            return False
        with exclusive(self._database, self._study.name, self._run_id):
            missing, sampler = self._missing_samples(), self._study.file.sampler
            if missing == 0 or sampler is None:
                return False
            index = sampler.samples - missing
            arm = sample_name(index)
            number, ranges = self._arms.sample(arm, index)
            kept = {**self._new(arm, ranges), "trial": number}
            self._insert([{**kept, **self._seed(r)} for r in range(self._study.file.replicates)])
        return True

    def _missing_samples(self) -> int:
        sampler = self._study.file.sampler
        if sampler is None:
            return 0
        first = *self._mine(), _columns.replicate == 0, _columns.attempt == 1
        prefix = sa.func.substr(_columns.arm, 1, len(SAMPLE_PREFIX))
        query = sa.select(sa.func.count().label("known")).where(*first, prefix == SAMPLE_PREFIX)
        return max(0, sampler.samples - int(self._database.read(query)[0]["known"]))

    def _fill(self, *, retry_failed: bool) -> None:
        """Put into the queue what the study asks for and has not got."""
        known = self._attempts()
        kept = {arm: self._new(arm, ranges) for arm, ranges in self._study.arms.items()}
        for arm in known.keys() - kept.keys():
            if arm.startswith(SAMPLE_PREFIX):
                first = next(iter(known[arm].values()))[0]
                kept[arm] = {name: first[name] for name in ("study", "arm", "formula", "ranges")}
        # What others are compared with comes first.
        arms = sorted(kept, key=lambda arm: arm != self._study.baseline)
        numbers = range(self._study.file.replicates)
        order = [(arm, number) for number in numbers for arm in arms]
        if self._study.file.pruner.name in pruning.ARM_BY_ARM:
            order = [(arm, number) for arm in arms for number in numbers]
        # In order of replicates, so that a study cut short has compared all of its arms.
        rows = []
        for arm, number in order:
            tried = known.get(arm, {}).get(number, [])
            if not _is_wanted(tried, retry_failed=retry_failed):
                continue
            row = {**kept[arm], **self._seed(number), "reason": None, "ended": None}
            row["attempt"] = len(tried) + 1
            others = (row for tries in known.get(arm, {}).values() for row in tries)
            stopped = next((row for row in others if row["state"] == PRUNED), None)
            if stopped is not None:  # and no replicate that was added since is run
                row |= {"state": PRUNED, "reason": stopped["reason"], "ended": _now()}
            rows.append(row)
        if rows:
            self._insert(rows)

    def _new(self, arm: str, ranges: Mapping[str, Range] | None) -> dict[str, Any]:
        """Return what all replicates of an arm have in common."""
        space, drawn = self._study.space_of(arm), self._study.draws(arm)
        if ranges is not None:
            ranges = space.complete(ranges) if drawn else {}
        return {
            "study": self._study.name,
            "arm": arm,
            "formula": space.formula if drawn and ranges is not None else None,
            "ranges": None if ranges is None else json.dumps(ranges),
        }

    def _seed(self, replicate: int) -> dict[str, Any]:
        seed = self._study.file.seed + replicate
        return {"replicate": replicate, "seed": seed, "attempt": 1, "state": WAITING}

    # -- what the database says ----------------------------------------------------------------

    def _mine(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (_columns.study == self._study.name,)

    def _any_open(self, arm: str | None = None, replicate: int | None = None) -> bool:
        query = sa.select(_columns.id).where(*self._mine(), _columns.state.in_(OPEN)).limit(1)
        if arm is not None:
            query = query.where(_columns.arm == arm)
        if replicate is not None:
            query = query.where(_columns.replicate == replicate)
        return bool(self._database.read(query))

    def _attempts(self) -> dict[str, dict[int, list[_Row]]]:
        """Return the attempts by arm and replicate, in their order."""
        names = ("study", "arm", "replicate", "state", "formula", "ranges", "reason")
        columns = (*(_columns[name] for name in names), _columns.failure_kind)
        query = sa.select(*columns).where(*self._mine()).order_by(_columns.attempt)
        known: dict[str, dict[int, list[_Row]]] = {}
        for row in self._database.read(query):
            known.setdefault(row["arm"], {}).setdefault(row["replicate"], []).append(row)
        return known

    def _remembered(
        self, replicate: Replicate, result_key: str
    ) -> tuple[_Row, Mapping[sa.Table, Sequence[_Row]]] | None:
        """Return the replicate that holds the result of a key, and its rungs and epochs."""
        same = _columns.result_key == result_key, _columns.state == COMPLETE
        # Rather the one that computed it than one that has it from there.
        order = _columns.cached_from.is_not(None), _columns.id
        query = sa.select(replicates).where(*same).order_by(*order).limit(1)
        for row in self._database.read(query):
            numbers, point = scoring.measured(row), replicate.trial is not None
            if scoring.problem(self._study, numbers, point=point):
                return None  # of a version that did not measure what is sought here
            curves = {
                table: self._database.read(
                    sa.select(table).where(table.c.replicate_id == row["id"])
                )
                for table in (rungs, epochs)
            }
            return row, curves
        return None


def _is_wanted(tried: Sequence[_Row], *, retry_failed: bool) -> bool:
    """Say whether a replicate needs another attempt."""
    if any(attempt["state"] != FAIL for attempt in tried):
        return False  # waiting, running or at its end
    kinds = [attempt["failure_kind"] for attempt in tried]
    return retry_failed or (ERROR not in kinds and kinds.count(DIED) < MAX_DEATHS)


def _put_back(connection: sa.Connection, row: _Row) -> None:
    """Let a replicate that has just failed wait again, unless its worker has died too often."""
    same = [_columns[name] == row[name] for name in ("study", "arm", "replicate")]
    died = sa.select(sa.func.count()).where(*same, _columns.failure_kind == DIED)
    if connection.execute(died).scalar_one() >= MAX_DEATHS:
        return
    kept = ("study", "arm", "replicate", "seed", "formula", "ranges", "trial")
    again = {name: row[name] for name in kept}
    again |= {"attempt": row["attempt"] + 1, "state": WAITING}
    insert_missing(connection, replicates, [again])


def _failed(kind: str, reason: str) -> dict[str, Any]:
    return {"state": FAIL, "failure_kind": kind, "reason": reason}


def _now() -> datetime:
    """Return the time as all tables hold it: naive, and in UTC."""
    return datetime.now(UTC).replace(tzinfo=None)
