"""The queue of a study: which (arm, replicate) is next, what is in flight, what was lost.

The queue is the database. A *slot* is one (arm, replicate) that the study asks for; its trials
are the attempts at it. Every method reads the truth afresh, so that a driver may die at any
point: what it leaves RUNNING is marked as interrupted by the next one and put back with the same
ranges and seed.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from explorer import storage as db
from explorer.config import Range, Study
from explorer.scores import Rung
from explorer.search import pruners, results
from explorer.search.opening import open_study
from explorer.search.proposal import Proposal
from explorer.search.samplers import make_sampler
from explorer.search.slots import DIED, ERROR, INTERRUPTED, Slot, attempts, slot_of, wanted
from explorer.search.space import distributions, to_params, to_ranges


class Queue:
    """The slots of one study, as one run (process) sees them.

    Args:
        storage: The database.
        study: What the study asks for.
        run_id: The run that takes trials.
    """

    def __init__(self, storage: RDBStorage, study: Study, run_id: str) -> None:
        self._storage = storage
        self._study = study
        self._run_id = run_id
        self._space = distributions(study)
        self._optuna = open_study(storage, study)
        self._study_id = storage.get_study_id_from_name(study.name)
        self._in_flight: dict[int, Trial] = {}

    @property
    def optuna_study(self) -> optuna.Study:
        """The Optuna study underneath."""
        return self._optuna

    def recover(self, *, retry_failed: bool = False) -> list[FrozenTrial]:
        """Take back what dead runs left in flight, and put every missing slot into the queue.

        Args:
            retry_failed: Put the slots that failed for good into the queue once more.

        Returns:
            The trials that were taken back.
        """
        with db.exclusive(self._storage, self._study.name, self._run_id):
            lost = self._mark_lost()
            self._enqueue_missing(retry_failed=retry_failed)
        return lost

    def take(self) -> Proposal | None:
        """Take the next trial: one that waits, or a new sample; ``None`` where there is none."""
        trial = self._pop() or self._sample()
        if trial is None:
            return None
        attrs = trial.user_attrs
        self._in_flight[trial.number] = trial
        ranges = attrs["ranges"]
        return Proposal(
            number=trial.number,
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
        if any(True for _ in self._trials(TrialState.WAITING, TrialState.RUNNING)):
            return False
        return self._missing_samples() == 0

    def report(self, number: int, rung: Rung) -> None:
        """Record a rung; one that is there already is kept.

        What a pruner and a reader of Optuna's tables see of a rung is decided here: the accuracy
        of its probe, also where that is no number.
        """
        trial = self._in_flight[number]
        more = {str(rung.images_seen): {"loss": rung.loss, "seconds": rung.seconds}}
        trial.set_user_attr("rungs", more | trial.user_attrs.get("rungs", {}))
        results.reach(trial, rung.images_seen, rung.accuracy)

    def should_stop(self, number: int) -> bool:
        """Say whether the study's pruner stops a trial at the rung that was reported last."""
        if self._study.file.pruner.name == "none":
            return False
        trial = self._storage.get_trial(self._trial_id(number))
        return pruners.should_stop(self._study, self._optuna, trial)

    def prune(self, number: int, reason: str) -> None:
        """Finish a trial that is stopped early; its value is that of its last rung."""
        trial = self._in_flight.pop(number)
        trial.set_user_attr("stopped", reason)
        self._optuna.tell(trial, state=TrialState.PRUNED)

    def skip(self, number: int) -> str | None:
        """Finish a trial that has just been taken and is not worth running; returns why not."""
        arm = self._in_flight[number].user_attrs["arm"]
        reason = pruners.hopeless(self._study, self._trials(), arm)
        if reason is not None:
            self.prune(number, reason)
        return reason

    def record(self, number: int, attrs: Mapping[str, Any]) -> None:
        """Record attributes of a trial in flight."""
        for key, value in attrs.items():
            self._in_flight[number].set_user_attr(key, value)

    def record_epochs(self, number: int, rows: list[dict[str, Any]]) -> None:
        """Store the epoch curves of a trial."""
        db.add_epochs(self._storage, self._trial_id(number), rows)

    def complete(self, number: int, accuracy: float) -> str | None:
        """Finish a trial with its score; what else the study seeks has been recorded before.

        Returns:
            Why it has failed, where a score is no finite number or is missing; else ``None``.
        """
        trial = self._in_flight[number]
        values, problem = results.values(self._study, accuracy, trial.user_attrs)
        if problem:
            self.fail(number, problem)
            return problem
        self._optuna.tell(self._in_flight.pop(number), values)
        return None

    def remember(self, number: int, result_key: str) -> None:
        """Note that a trial that has come to its score holds the result of a key."""
        db.remember(self._storage, result_key, self._trial_id(number))

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
        trial, accuracy = self._in_flight[number], float(earlier.values[0])
        attrs = results.reported(earlier)
        _, problem = results.values(self._study, accuracy, {**trial.user_attrs, **attrs})
        if problem:
            return None  # of a version that did not measure what is sought here
        self.record(number, {**attrs, "cached_from": db.trial_name(self._storage, trial_id)})
        for step, value in db.rung_values(earlier).items():
            results.reach(trial, step, value)
        self.record_epochs(number, db.load_epochs(self._storage, trial_id))
        self.complete(number, accuracy)
        return accuracy

    def fail(self, number: int, reason: str) -> None:
        """Finish a trial whose evaluation raised; the same arguments would raise again."""
        self._fail(number, ERROR, reason)

    def die(self, number: int, reason: str) -> bool:
        """Finish a trial whose worker died and put it back; say whether it will be tried again."""
        slot = slot_of(self._in_flight[number].user_attrs)
        self._fail(number, DIED, reason)
        with db.exclusive(self._storage, self._study.name, self._run_id):
            self._enqueue_missing()
        return any(slot_of(t.user_attrs) == slot for t in self._trials(TrialState.WAITING))

    def forget(self, number: int) -> None:
        """Leave a trial in flight to the run that has taken it back."""
        self._in_flight.pop(number, None)

    def release(self) -> None:
        """Mark all that this run has in flight as interrupted; the next run takes it up."""
        for number in list(self._in_flight):
            with suppress(UpdateFinishedTrialError):  # another run has taken it back
                self._fail(number, INTERRUPTED, "interrupted: the run was stopped")

    # -- what the database says --------------------------------------------------------------

    def _trials(self, *states: TrialState) -> Iterator[FrozenTrial]:
        yield from self._optuna.get_trials(deepcopy=False, states=states or None)

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _mark_lost(self) -> list[FrozenTrial]:
        dead = db.dead_runs(self._storage, self._study.name)
        lost = []
        for trial in self._trials(TrialState.RUNNING):
            if trial.user_attrs.get("run") in dead:
                self._finish_lost(trial)
                lost.append(trial)
        return lost

    def _finish_lost(self, trial: FrozenTrial) -> None:
        trial_id = self._trial_id(trial.number)
        reason = "interrupted: its run died"
        self._storage.set_trial_user_attr(trial_id, "failure", reason)
        self._storage.set_trial_user_attr(trial_id, "failure_kind", INTERRUPTED)
        self._storage.set_trial_state_values(trial_id, TrialState.FAIL)

    def _fail(self, number: int, kind: str, reason: str) -> None:
        trial = self._in_flight.pop(number)
        trial.set_user_attr("failure", reason)
        trial.set_user_attr("failure_kind", kind)
        self._optuna.tell(trial, state=TrialState.FAIL)

    # -- putting in --------------------------------------------------------------------------

    def _enqueue_missing(self, *, retry_failed: bool = False) -> None:
        tries = attempts(self._trials())
        asked = {
            (arm, replicate): ranges
            # Replicate by replicate, so that a study cut short has compared all of its arms.
            for replicate in range(self._study.file.replicates)
            for arm, ranges in [*self._study.arms.items(), *self._sampled(tries).items()]
        }
        for slot, ranges in asked.items():
            tried = tries.get(slot, [])
            if wanted(tried, retry_failed=retry_failed):
                self._enqueue(slot, ranges, tried)

    def _sampled(self, tries: Mapping[Slot, list[FrozenTrial]]) -> dict[str, dict[str, Range]]:
        return {
            arm: tried[0].user_attrs["ranges"]
            for (arm, _), tried in tries.items()
            if arm not in self._study.arms and tried[0].user_attrs.get("sampled")
        }

    def _enqueue(
        self, slot: Slot, ranges: Mapping[str, Range] | None, tried: list[FrozenTrial]
    ) -> None:
        arm, replicate = slot
        space = self._study.space_of(arm)
        attrs: dict[str, Any] = {
            "arm": arm,
            "replicate": replicate,
            "seed": self._study.file.seed + replicate,
            "attempt": len(tried) + 1,
            "ranges": ranges,
        }
        drawn = self._study.draws(arm)
        if ranges is not None and drawn:
            attrs |= {"ranges": space.complete(ranges), "formula": space.formula}
        if arm not in self._study.arms:
            attrs["sampled"] = True
        if tried:
            attrs["continues"] = tried[-1].number
        # What is no point of the study's own search space has no Optuna parameters.
        outside = ranges is None or arm in self._study.arm_spaces or not drawn
        params = {} if outside else to_params(self._study, ranges or {})
        self._optuna.enqueue_trial(params, user_attrs=attrs)

    # -- taking out --------------------------------------------------------------------------

    def _pop(self) -> Trial | None:
        """Take a waiting trial as ``Study.ask`` does, but never create one where none waits."""
        for frozen in self._trials(TrialState.WAITING):
            trial_id = self._trial_id(frozen.number)
            if not db.claim(self._storage, trial_id, self._run_id):
                continue
            trial = Trial(self._optuna, trial_id)
            if frozen.system_attrs.get("fixed_params"):  # as enqueue_trial has left them
                self._suggest(trial)
            return trial
        return None

    def _suggest(self, trial: Trial) -> None:
        for name, distribution in self._space.items():
            if isinstance(distribution, optuna.distributions.IntDistribution):
                trial.suggest_int(name, distribution.low, distribution.high)
            elif isinstance(distribution, optuna.distributions.FloatDistribution):
                trial.suggest_float(name, distribution.low, distribution.high)

    def _missing_samples(self) -> int:
        sampler = self._study.file.sampler
        if sampler is None:
            return 0
        return max(0, sampler.samples - len(self._sampled(attempts(self._trials()))))

    def _sample(self) -> Trial | None:
        sampler = self._study.file.sampler
        # Looked at before the lock too: a run that only waits for others must not write.
        if sampler is None or self._missing_samples() == 0:
            return None
        with db.exclusive(self._storage, self._study.name, self._run_id):
            sampled = self._sampled(attempts(self._trials()))
            if len(sampled) >= sampler.samples:
                return None
            self._optuna.sampler = make_sampler(
                sampler.name, seed=self._study.file.seed, sample=len(sampled), space=self._space
            )
            # Not Study.ask: that would take a waiting trial if another run has just queued one.
            attrs = {
                "run": self._run_id,
                "replicate": 0,
                "seed": self._study.file.seed,
                "attempt": 1,
                "sampled": True,
            }
            begun = create_trial(state=TrialState.RUNNING, user_attrs=attrs)
            trial_id = self._storage.create_new_trial(self._study_id, begun)
            self._optuna.get_trials(deepcopy=False)  # Optuna's cache learns of the new one
            trial = Trial(self._optuna, trial_id)
            self._suggest(trial)
            trial.set_user_attr("ranges", to_ranges(self._study, trial.params))
            trial.set_user_attr("formula", self._study.space.formula)
            # Last: a trial counts as a sample from the moment it has its arm.
            trial.set_user_attr("arm", f"sample-{len(sampled):04d}")
            self._enqueue_missing()
        return trial
