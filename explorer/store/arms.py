"""The Optuna trials of a study's arms.

They are derived data: what has become of an arm is in our tables, and a driver that dies between
the two leaves a trial that :meth:`Arms.repair` mends. Every call may therefore be made twice.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import optuna
import sqlalchemy as sa
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from explorer.store import points, pruning, scoring
from explorer.store.connection import Database
from explorer.store.retry import patient
from explorer.store.runs import exclusive
from explorer.store.sampling import make_sampler
from explorer.store.tables import COMPLETE, OPEN, PRUNED, replicates, rungs
from explorer.study import Range, Study

Describe = Callable[[Database, str, str, int], None]
"""Called with the database, the study, an arm that is about to end, and its trial's number."""

_log = logging.getLogger("explorer")


class Arms:
    """The arms of a study that are points of its search space, each an Optuna trial.

    Args:
        database: The database.
        study: What the study asks for.
        run_id: The run that works on it.
        opened: The Optuna study.
        describe: Called when an arm is about to end, as Optuna takes artifacts only before that.
            What it raises is logged.
    """

    def __init__(
        self,
        database: Database,
        study: Study,
        run_id: str,
        opened: optuna.Study,
        describe: Describe | None,
    ) -> None:
        self._database = database
        self._storage = database.optuna
        self._study = study
        self._run_id = run_id
        self._optuna = opened
        self._study_id = self._storage.get_study_id_from_name(study.name)
        self._space = points.distributions(study)
        self._describe = describe
        self._ids: dict[int, int] = {}

    def sample(self, arm: str, index: int) -> tuple[int, dict[str, Range]]:
        """Ask the study's sampler for a new arm; returns its trial's number and its ranges.

        The first one has the default ranges, best practice, unless a named arm has them. A trial
        that dies before it has the name of its arm is failed by :meth:`repair`.
        """
        sampler = self._study.file.sampler
        assert sampler is not None  # noqa: S101 - the caller has looked
        if index == 0 and points.starts_at_defaults(self._study):
            ranges = self._study.space.complete({})
            return self._create(arm, ranges), ranges
        self._optuna.sampler = make_sampler(
            sampler.name, seed=self._study.file.seed, sample=index, space=self._space
        )
        trial = patient(self._optuna.ask)(self._space)
        ranges = points.to_ranges(self._study, trial.params)
        for key, value in points.attributes(self._study, arm, ranges).items():
            patient(trial.set_user_attr)(key, value)
        return trial.number, ranges

    def begin(self, arm: str, ranges: Mapping[str, Range]) -> int:
        """Make sure that an arm has a trial that runs; returns its number.

        An arm whose trial has ended gets a new one, as Optuna lets nobody change it: its value will
        be the mean over all replicates.
        """
        with exclusive(self._database, self._study.name, self._run_id, arm):
            number = self._running(arm)
            if number is None:
                number = self._create(arm, ranges)
                # Of replicates that ended before, if there are any.
                patient(self._set_steps)(arm, self._trial(number))
            change = sa.update(replicates).where(*self._mine(arm), replicates.c.state.in_(OPEN))

            @patient
            def note() -> None:
                with self._database.writing() as connection:
                    connection.execute(change.values(trial=number))

            note()
        return number

    @patient
    def report(self, arm: str, number: int, images_seen: int) -> None:
        """Write the mean of the probe at a rung of an arm to its trial."""
        probes = {key: value for key, value in self._probes(arm).items() if key[1] == images_seen}
        with suppress(UpdateFinishedTrialError):  # another run has ended the arm
            for step, value in pruning.steps(self._study.protocol, probes).items():
                self._storage.set_trial_intermediate_value(self._id(number), step, value)

    @patient
    def report_score(self, number: int, replicate: int, accuracy: float) -> None:
        """Write the score of a replicate to its arm's trial, as ``wilcoxon`` has it."""
        with suppress(UpdateFinishedTrialError):
            self._storage.set_trial_intermediate_value(self._id(number), replicate, accuracy)

    @patient
    def should_stop(self, number: int) -> bool:
        """Say whether the study's pruner stops an arm at what was reported of it last."""
        trial = self._trial(number)
        if not trial.state.is_finished():
            with suppress(UpdateFinishedTrialError):  # another run has stopped it just now
                return pruning.should_stop(self._study, self._optuna, trial)
        return self._trial(number).state == TrialState.PRUNED

    @patient
    def settle(self, arm: str) -> None:
        """End the trial of an arm of which no replicate waits or runs."""
        if self._any_open(arm):
            return
        with exclusive(self._database, self._study.name, self._run_id, arm):
            rows = self._rows(arm)
            number = max((row["trial"] for row in rows if row["trial"] is not None), default=None)
            if number is None or any(row["state"] in OPEN for row in rows):
                return
            trial = self._trial(number)
            if trial.state.is_finished():
                return
            self._set_steps(arm, trial)
            complete = [row for row in rows if row["state"] == COMPLETE]
            with suppress(UpdateFinishedTrialError):
                for key, value in scoring.attributes(complete).items():
                    self._storage.set_trial_user_attr(self._id(number), key, value)
            self._run_describe(arm, number)
            state, values = TrialState.FAIL, None
            if any(row["state"] == PRUNED for row in rows):
                state = TrialState.PRUNED
            elif complete:
                state, values = TrialState.COMPLETE, scoring.values(self._study, complete)
            self._optuna.tell(number, values, state, skip_if_finished=True)

    def repair(self) -> None:
        """Mend the trials that drivers which died have left; the study's lock is held."""
        running = patient(self._storage.get_all_trials)(
            self._study_id, deepcopy=False, states=(TrialState.RUNNING,)
        )
        owners = self._owners() if running else {}
        for trial in running:
            arm = owners.get(trial.number)
            if arm is None:
                self._drop(trial)
            elif not self._any_open(arm):
                self.settle(arm)
            else:
                patient(self._set_steps)(arm, trial)

    @patient
    def _create(self, arm: str, ranges: Mapping[str, Range]) -> int:
        """Create the trial of an arm; one whose number was never heard goes with :meth:`repair`."""
        template = create_trial(
            state=TrialState.RUNNING,
            params=points.to_params(self._study, ranges),
            distributions=self._space,
            user_attrs=points.attributes(self._study, arm, ranges),
        )
        trial_id = self._storage.create_new_trial(self._study_id, template)
        return int(self._storage.get_trial_number_from_id(trial_id))

    def _drop(self, trial: FrozenTrial) -> None:
        """Fail a trial that belongs to no replicate, once nobody is just about to give it one."""
        arm = trial.user_attrs.get("arm", "")
        lock = exclusive(self._database, self._study.name, self._run_id, arm)
        if arm:
            with lock:
                if trial.number not in self._owners():
                    self._fail(trial.number)
        else:
            self._fail(trial.number)

    @patient
    def _fail(self, number: int) -> None:
        self._optuna.tell(number, state=TrialState.FAIL, skip_if_finished=True)

    @patient
    def _running(self, arm: str) -> int | None:
        """Return the number of an arm's trial if that has not ended."""
        query = sa.select(sa.func.max(replicates.c.trial).label("trial")).where(*self._mine(arm))
        number = self._database.read(query)[0]["trial"]
        if number is None or self._trial(number).state.is_finished():
            return None
        return int(number)

    def _mine(self, arm: str) -> tuple[sa.ColumnElement[bool], ...]:
        return replicates.c.study == self._study.name, replicates.c.arm == arm

    def _owners(self) -> dict[int, str]:
        """Return the arm by the number of its trial."""
        query = sa.select(replicates.c.trial, replicates.c.arm).distinct()
        mine = query.where(replicates.c.study == self._study.name, replicates.c.trial.is_not(None))
        return {row["trial"]: row["arm"] for row in self._database.read(mine)}

    def _any_open(self, arm: str) -> bool:
        is_open = replicates.c.state.in_(OPEN)
        query = sa.select(replicates.c.id).where(*self._mine(arm), is_open)
        return bool(self._database.read(query.limit(1)))

    def _rows(self, arm: str) -> Sequence[sa.RowMapping]:
        columns = ("replicate", "trial", "state", "accuracy", "scores", "seconds")
        query = sa.select(*(replicates.c[name] for name in columns)).where(*self._mine(arm))
        return self._database.read(query.order_by(replicates.c.replicate, replicates.c.id))

    def _set_steps(self, arm: str, trial: FrozenTrial) -> None:
        """Write the intermediate values of an arm that its trial lacks."""
        pruner = self._study.file.pruner.name
        if pruner == "wilcoxon":
            rows = (row for row in self._rows(arm) if row["state"] == COMPLETE)
            values = {row["replicate"]: row["accuracy"] for row in rows}
        elif len(self._study.file.objectives) > 1:
            values = {}  # Optuna has none then
        else:
            values = pruning.steps(self._study.protocol, self._probes(arm))
        known = trial.intermediate_values
        with suppress(UpdateFinishedTrialError):  # another run has ended the arm
            for step, value in values.items():
                if known.get(step) != value:
                    self._storage.set_trial_intermediate_value(self._id(trial.number), step, value)

    def _probes(self, arm: str) -> dict[tuple[int, int], float | None]:
        joined = rungs.join(replicates, rungs.c.replicate_id == replicates.c.id)
        columns = replicates.c.replicate, rungs.c.images_seen, rungs.c.accuracy
        query = sa.select(*columns).select_from(joined).where(*self._mine(arm))
        # A later attempt at a replicate counts.
        rows = self._database.read(query.order_by(replicates.c.attempt))
        return {(row["replicate"], row["images_seen"]): row["accuracy"] for row in rows}

    def _run_describe(self, arm: str, number: int) -> None:
        if self._describe is None:
            return
        try:
            self._describe(self._database, self._study.name, arm, number)
        except Exception:  # noqa: BLE001 - a picture is not worth a run
            _log.exception("arm %s could not be described", arm)

    def _id(self, number: int) -> int:
        if number not in self._ids:
            lookup = self._storage.get_trial_id_from_study_id_trial_number
            self._ids[number] = lookup(self._study_id, number)
        return self._ids[number]

    def _trial(self, number: int) -> FrozenTrial:
        return self._storage.get_trial(self._id(number))
