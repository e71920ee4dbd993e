"""The bridge between a Tune trial and an Optuna trial."""

import functools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from optuna.exceptions import UpdateFinishedTrialError
from ray.tune.search import Searcher

from explorer.runner.listener import Listener
from explorer.runner.trainable import REPORT, Failure
from explorer.scores import Rung, Scores
from explorer.search import Proposal, Queue

RECOVER_SECONDS = 5.0
"""How often a run that has nothing left to do looks for trials whose run has died."""

_log = logging.getLogger("explorer")

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DriverError(BaseException):
    """Takes what went wrong in the driver past Tune.

    An ``Exception`` Tune puts into the log, and goes on without the trial: it would be RUNNING for
    ever, and the run would wait for it.

    Args:
        error: What went wrong.
    """

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(error)


def _past_tune(method: Callable[_P, _T]) -> Callable[_P, _T]:
    @functools.wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            raise DriverError(error) from error

    return call


class QueueSearcher(Searcher):  # type: ignore[misc]
    """Asks and tells the study in the database on behalf of Tune.

    It keeps which Tune trial is which Optuna trial for as long as that runs, and nothing else:
    the rest is in the :class:`~explorer.search.Queue`, which is in the database. Rungs come by
    :meth:`reached`, from the scheduler, which Tune asks first.

    Args:
        queue: The queue of the study.
        payload: What every trial's configuration holds beside its proposal.
        listener: Who is told.
        key_of: Makes the key under which a trial's result is remembered; ``None`` to compute
            every trial.
    """

    def __init__(
        self,
        queue: Queue,
        payload: Mapping[str, Any],
        listener: Listener,
        key_of: Callable[[Proposal], str] | None,
    ) -> None:
        super().__init__(metric=None, mode="max")
        self._queue = queue
        self._payload = dict(payload)
        self._listener = listener
        self._key_of = key_of
        self._running: dict[str, tuple[Proposal, float]] = {}
        self._stopped: set[str] = set()
        self._recovered_at = time.monotonic()

    @_past_tune
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Hand out the next trial; ``None`` says that others still work on the last ones.

        A trial whose result is known is finished at once, and so is one that is not worth running;
        the one after it is handed out.
        """
        while (proposal := self._queue.take()) is not None:
            self._listener.started(proposal.number, proposal.arm, proposal.replicate)
            if self._recall(proposal) or self._skip(proposal):
                continue
            self._running[trial_id] = (proposal, time.monotonic())
            return {
                **self._payload,
                "formula": proposal.formula,
                "protocol": proposal.protocol.model_dump(mode="json"),
                "ranges": proposal.ranges,
                "seed": proposal.seed,
            }
        if self._queue.finished():
            return str(Searcher.FINISHED)
        if time.monotonic() - self._recovered_at > RECOVER_SECONDS:
            self._recovered_at = time.monotonic()
            self._queue.recover()
        return None

    def _recall(self, proposal: Proposal) -> bool:
        """Finish a trial whose result is in the database already, and say whether it was."""
        if self._key_of is None:
            return False
        accuracy = self._queue.recall(proposal.number, self._key_of(proposal))
        if accuracy is None:
            return False
        self._listener.finished(proposal.number, "COMPLETE", accuracy, 0.0, None)
        return True

    def _skip(self, proposal: Proposal) -> bool:
        """Finish a trial that is not worth running, and say whether it is none."""
        reason = self._queue.skip(proposal.number)
        if reason is None:
            return False
        _log.info("trial %d (%s) %s", proposal.number, proposal.arm, reason)
        self._listener.finished(proposal.number, "PRUNED", None, 0.0, None)
        return True

    @_past_tune
    def reached(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Record a rung, and say whether the trial is stopped there."""
        rung = result.get(REPORT)
        if not isinstance(rung, Rung):
            return False
        number = self._running[trial_id][0].number
        try:
            self._queue.report(number, rung)
        except UpdateFinishedTrialError:
            self._forget(self._running.pop(trial_id)[0])
            return True
        self._listener.rung(number, rung.images_seen, rung.accuracy)
        if self._queue.should_stop(number):
            self._stopped.add(trial_id)
        return trial_id in self._stopped

    @_past_tune
    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Record how a trial has ended."""
        if trial_id not in self._running:
            return
        proposal, began = self._running.pop(trial_id)
        stopped = trial_id in self._stopped
        self._stopped.discard(trial_id)
        report = None if error or result is None else result.get(REPORT)
        try:
            self._end(proposal, report, stopped, time.monotonic() - began)
        except UpdateFinishedTrialError:
            self._forget(proposal)

    def _end(self, proposal: Proposal, report: Any, stopped: bool, seconds: float) -> None:
        number = proposal.number
        if isinstance(report, Rung) and stopped:
            self._queue.prune(number, f"stopped at {report.images_seen:,} images")
            self._listener.finished(number, "PRUNED", None, seconds, None)
            return
        if isinstance(report, Scores):
            problem = self._queue.complete(
                number,
                report.accuracy,
                _attrs(report),
                epochs=report.epochs,
                result_key=report.result_key or None,
            )
            if problem is None:
                self._listener.finished(number, "COMPLETE", report.accuracy, seconds, None)
                return
            reason = problem
            _log.error("trial %d (%s) failed: %s", number, proposal.arm, reason)
        elif isinstance(report, Failure):
            reason = report.reason
            _log.error("trial %d (%s) failed\n%s", number, proposal.arm, report.traceback)
            self._queue.fail(number, reason)
        else:
            reason = "worker died (killed, out of memory, or its node was lost)"
            again = self._queue.die(number, reason)
            reason += "; it is tried again" if again else "; given up"
            _log.error("trial %d (%s): %s", number, proposal.arm, reason)
        self._listener.finished(number, "FAIL", None, seconds, reason)

    def _forget(self, proposal: Proposal) -> None:
        """Leave a trial to another run, which has taken this one for dead after a long silence."""
        self._queue.forget(proposal.number)
        reason = "another run has taken it back; what it finds here is dropped"
        _log.warning("trial %d (%s): %s", proposal.number, proposal.arm, reason)
        self._listener.finished(proposal.number, "FAIL", None, 0.0, reason)

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing for Tune's snapshots: the database has it all, and its password."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the database has it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the database has it all."""


def _attrs(scores: Scores) -> dict[str, Any]:
    """Return what a trial reports beside its score and its curves, by name."""
    attrs: dict[str, Any] = {
        "dataset": scores.dataset,
        "remarks": " ".join(scores.remarks) or None,
        "pretrain_loss": scores.pretrain_loss,
        "host": scores.host,
        "device": scores.device,
        **{f"accuracy.{task}": value for task, value in scores.accuracies.items()},
        **{f"repeats.{t}": found for t, found in scores.repeats.items() if len(found) > 1},
        **{f"variety.{measure}": value for measure, value in scores.variety.items()},
        **{f"seconds.{phase}": value for phase, value in scores.seconds.items()},
    }
    return {k: v for k, v in attrs.items() if v is not None}
