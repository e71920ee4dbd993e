"""The queue of a study: which (arm, replicate) is next, what is in flight, what was lost.

The queue is the database. A *slot* is one (arm, replicate) that the study asks for; its trials
are the attempts at it. Every method asks the database for the truth, so that a driver may die at
any point: what it leaves RUNNING is marked as interrupted by the next one and put back with the
same ranges and seed.

What is taken, reported or finished is one transaction. What it costs does not grow with the study,
but for samplers and pruners that learn from all of its trials.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from math import isnan
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from explorer import store as db
from explorer.scores import Rung
from explorer.search import pruners, results
from explorer.search.drawing import draw
from explorer.search.filling import fill
from explorer.search.ledger import Ledger
from explorer.search.opening import open_study
from explorer.search.proposal import Proposal
from explorer.search.slots import DIED, ERROR, INTERRUPTED, slot_of
from explorer.search.space import distributions, to_ranges
from explorer.study import Study


class Queue:
    """The slots of one study, as one run (process) sees them.

    Args:
        storage: The database.
        study: What the study asks for.
        run_id: The run that takes trials.
    """

    def __init__(self, storage: db.Database, study: Study, run_id: str) -> None:
        self._storage = storage
        self._study = study
        self._run_id = run_id
        self._optuna = open_study(storage, study)
        self._study_id = storage.get_study_id_from_name(study.name)
        self._ledger = Ledger(storage, self._study_id)
        self._in_flight: dict[int, db.Taken] = {}
        self._rungs: dict[int, dict[int, float]] = {}

    @property
    def optuna_study(self) -> optuna.Study:
        """The Optuna study underneath."""
        return self._optuna

    def recover(self, *, retry_failed: bool = False) -> list[db.Attempt]:
        """Take back what dead runs left in flight, and put every missing slot into the queue.

        Args:
            retry_failed: Put the slots that failed for good into the queue once more.

        Returns:
            The trials that were taken back.
        """
        with self._exclusive():
            lost = self._mark_lost()
            self._fill(retry_failed=retry_failed)
        return lost

    def take(self) -> Proposal | None:
        """Take the next trial: one that waits, or a new sample; ``None`` where there is none."""
        taken = db.take_waiting(self._storage, self._study_id, self._run_id, self._held())
        taken = taken or self._sample()
        if taken is None:
            return None
        attrs = taken.attrs
        self._in_flight[taken.number] = taken
        ranges = attrs["ranges"]
        return Proposal(
            number=taken.number,
            arm=attrs["arm"],
            replicate=attrs["replicate"],
            seed=attrs["seed"],
            attempt=attrs["attempt"],
            formula=attrs.get("formula", self._study.space.formula),
            protocol=self._study.protocol_of(attrs["arm"]),
            ranges=ranges and {p: (low, high) for p, (low, high) in ranges.items()},
        )

    def finished(self) -> bool:
        """Say whether every slot has come to its end, whoever works on it."""
        return not db.any_open(self._storage, self._study_id) and self._missing_samples() == 0

    def report(self, number: int, rung: Rung) -> None:
        """Record a rung; one that is there already is kept.

        What a pruner and a reader of Optuna's tables see of a rung is decided here: the accuracy
        of its probe, also where that is no number.
        """
        taken, step = self._in_flight[number], rung.images_seen
        noted, steps = results.rung(self._study, step, rung.accuracy)
        noted |= {"loss": rung.loss, "seconds": rung.seconds}
        rungs = {str(step): noted, **taken.attrs.get("rungs", {})}
        self._write(taken, {"rungs": rungs}, steps=steps)
        self._rungs.setdefault(number, {}).update(steps)

    def should_stop(self, number: int) -> bool:
        """Say whether the study's pruner stops a trial at the rung that was reported last."""
        if self._study.file.pruner.name == "none":
            return False
        trial = self._storage.get_trial(self._in_flight[number].trial_id)
        return pruners.should_stop(self._study, self._optuna, trial)

    def prune(self, number: int, reason: str) -> None:
        """Finish a trial that is stopped early; its value is that of its last rung."""
        rungs = self._rungs.get(number, {})
        last = rungs[max(rungs)] if rungs else float("nan")
        values = [] if isnan(last) else [last]
        self._end(number, TrialState.PRUNED, {"stopped": reason}, values=values)

    def skip(self, number: int) -> str | None:
        """Finish a trial that has just been taken and is not worth running; returns why not."""
        if self._study.file.pruner.name != "wilcoxon":
            return None
        arm = self._in_flight[number].attrs["arm"]
        reason = pruners.hopeless(self._study, self._optuna.get_trials(deepcopy=False), arm)
        if reason is not None:
            self.prune(number, reason)
        return reason

    def complete(
        self,
        number: int,
        accuracy: float,
        attrs: Mapping[str, Any] | None = None,
        *,
        epochs: Sequence[Mapping[str, Any]] = (),
        result_key: str | None = None,
    ) -> str | None:
        """Finish a trial with its score and all that it reports.

        Args:
            number: The trial.
            accuracy: Its score.
            attrs: What else it has found, what else the study seeks among it.
            epochs: Rows of its epoch curves.
            result_key: What its result is remembered under; not at all where ``None``.

        Returns:
            Why it has failed, where a score is no finite number or is missing; else ``None``.
        """
        attrs = attrs or {}
        known = {**self._in_flight[number].attrs, **attrs}
        values, problem = results.values(self._study, accuracy, known)
        if problem:
            self._fail(number, ERROR, problem, attrs, epochs=epochs)
            return problem
        more = {"epochs": epochs, "result_key": result_key}
        self._end(number, TrialState.COMPLETE, attrs, values=values, **more)
        return None

    def recall(self, number: int, result_key: str) -> float | None:
        """Finish a trial with the result that another one holds, of this study or another.

        All that the other has reported is copied, and ``cached_from`` names it.

        Returns:
            The accuracy; ``None`` where there is no such result, and the trial goes on.
        """
        trial_id = db.recall(self._storage, result_key)
        if trial_id is None:
            return None
        try:
            earlier = self._storage.get_trial(trial_id)
        except KeyError:
            return None  # its study was deleted
        if earlier.state != TrialState.COMPLETE:
            return None
        accuracy, attrs = float(earlier.values[0]), results.reported(earlier)
        known = {**self._in_flight[number].attrs, **attrs}
        values, problem = results.values(self._study, accuracy, known)
        if problem:
            return None  # of a version that did not measure what is sought here
        rungs: dict[str, Any] = dict(attrs.get("rungs", {}))
        steps: dict[int, float] = {}
        for step, value in db.rung_values(earlier).items():
            noted, reached = results.rung(self._study, step, value)
            if noted:
                rungs[str(step)] = {**noted, **rungs.get(str(step), {})}
            steps |= reached
        attrs |= {"rungs": rungs} if rungs else {}
        attrs["cached_from"] = db.trial_name(self._storage, trial_id)
        epochs = db.load_epochs(self._storage, trial_id)
        self._end(number, TrialState.COMPLETE, attrs, values=values, steps=steps, epochs=epochs)
        return accuracy

    def fail(self, number: int, reason: str) -> None:
        """Finish a trial whose evaluation raised; the same arguments would raise again."""
        self._fail(number, ERROR, reason)

    def die(self, number: int, reason: str) -> bool:
        """Finish a trial whose worker died and put it back; say whether it will be tried again."""
        slot = slot_of(self._in_flight[number].attrs)
        self._fail(number, DIED, reason)
        with self._exclusive():
            self._fill(arm=slot[0])
            self._ledger.read()
        return self._ledger.of(slot)[-1].state == TrialState.WAITING

    def forget(self, number: int) -> None:
        """Leave a trial to itself: it has ended, or another run has taken it back."""
        self._in_flight.pop(number, None)
        self._rungs.pop(number, None)

    def release(self) -> None:
        """Mark all that this run has in flight as interrupted; the next run takes it up."""
        for number in list(self._in_flight):
            with suppress(UpdateFinishedTrialError):  # another run has taken it back
                self._fail(number, INTERRUPTED, "interrupted: the run was stopped")

    # -- what the database says --------------------------------------------------------------

    def _exclusive(self) -> Any:
        return db.exclusive(self._storage, self._study.name, self._run_id)

    def _held(self) -> list[int]:
        return [taken.trial_id for taken in self._in_flight.values()]

    def _mark_lost(self) -> list[db.Attempt]:
        self._ledger.read()
        dead = db.dead_runs(self._storage, self._study.name)
        lost = [one for one in self._ledger.running if one.said.get("run") in dead]
        for one in lost:
            reason = {"failure": "interrupted: its run died", "failure_kind": INTERRUPTED}
            db.write(self._storage, one.trial_id, attrs=reason, state=TrialState.FAIL)
        return lost

    def _fill(self, *, arm: str | None = None, retry_failed: bool = False) -> None:
        asked = (self._storage, self._study, self._study_id, self._ledger)
        fill(*asked, arm=arm, retry_failed=retry_failed)

    def _missing_samples(self) -> int:
        sampler = self._study.file.sampler
        if sampler is None:
            return 0
        self._ledger.read()
        return max(0, sampler.samples - len(self._ledger.samples))

    # -- what is written to it ---------------------------------------------------------------

    def _sample(self) -> db.Taken | None:
        # Looked at before the lock too: a run that only waits for others must not write.
        if self._missing_samples() == 0:
            return None
        with self._exclusive():
            if self._missing_samples() == 0:
                return None
            sample, seed = len(self._ledger.samples), self._study.file.seed
            attrs = {"replicate": 0, "seed": seed, "attempt": 1, "sampled": True}
            asked = (self._storage, self._study_id, self._run_id, self._held())
            taken = db.begin(*asked, attrs)
            params = draw(self._optuna, self._study, taken, sample)
            # A trial counts as a sample from the moment it has its arm.
            arm = f"sample-{sample:04d}"
            said = {"arm": arm, "ranges": to_ranges(self._study, params)}
            said["formula"] = self._study.space.formula
            self._write(taken, said, drawn=params, space=distributions(self._study))
            self._fill(arm=arm)
        return taken

    def _write(self, taken: db.Taken, attrs: Mapping[str, Any], **more: Any) -> None:
        db.write(self._storage, taken.trial_id, attrs=attrs, **more)
        taken.attrs.update(attrs)

    def _fail(
        self,
        number: int,
        kind: str,
        reason: str,
        attrs: Mapping[str, Any] | None = None,
        *,
        epochs: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        said = {**(attrs or {}), "failure": reason, "failure_kind": kind}
        self._end(number, TrialState.FAIL, said, epochs=epochs)

    def _end(self, number: int, state: TrialState, attrs: Mapping[str, Any], **more: Any) -> None:
        trial_id = self._in_flight[number].trial_id
        db.write(self._storage, trial_id, attrs=attrs, state=state, **more)
        self.forget(number)
