"""What Tune asks for its next trial, and tells what has become of one."""

import functools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from explorer.runner.trainable import REPORT, Failure
from explorer.scores import Rung, Scores
from explorer.store import Queue, Replicate

RECOVER_SECONDS = 5.0
"""How often a run that has nothing left to do looks for replicates whose run has died."""

_log = logging.getLogger("explorer")

_P = ParamSpec("_P")
_T = TypeVar("_T")


class DriverError(BaseException):
    """Takes what went wrong in the driver past Tune.

    An ``Exception`` Tune puts into the log, and goes on without the trial: its replicate would be
    RUNNING for ever, and the run would wait for it.

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
    """Takes replicates from the queue on behalf of Tune, and reports to it.

    It keeps which Tune trial is which replicate for as long as that runs, and nothing else: the
    rest is in the database.

    Args:
        queue: The queue of the study.
        payload: What every trial's configuration holds beside its replicate.
        key_of: Makes the key under which a replicate's result is remembered; ``None`` to compute
            every one.
        completed: Called when a replicate has its scores, if there is anything to do then.
    """

    def __init__(
        self,
        queue: Queue,
        payload: Mapping[str, Any],
        key_of: Callable[[Replicate], str] | None,
        completed: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(metric=None, mode="max")
        self._queue = queue
        self._payload = dict(payload)
        self._key_of = key_of
        self._completed = completed
        self._running: dict[str, Replicate] = {}
        self._recovered_at = time.monotonic()

    @_past_tune
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Hand out the next replicate; ``None`` says that others still work on the last ones.

        One whose result is known is finished at once, and the one after it is handed out.
        """
        while (replicate := self._queue.take()) is not None:
            if self._key_of and self._queue.recall(replicate, self._key_of(replicate)):
                continue
            self._running[trial_id] = replicate
            return {
                **self._payload,
                "arm": replicate.arm,
                "replicate": replicate.replicate,
                "formula": replicate.formula,
                "protocol": replicate.protocol.model_dump(mode="json"),
                "ranges": replicate.ranges,
                "seed": replicate.seed,
            }
        if self._queue.finished():
            return str(Searcher.FINISHED)
        if time.monotonic() - self._recovered_at > RECOVER_SECONDS:
            self._recovered_at = time.monotonic()
            self._queue.recover()
        return None

    @_past_tune
    def reached(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Record a rung, and say whether the replicate stops there."""
        rung, replicate = result.get(REPORT), self._running.get(trial_id)
        if not isinstance(rung, Rung) or replicate is None:
            return False
        stops = self._queue.report(replicate, rung)
        if stops:
            del self._running[trial_id]
        return stops

    @_past_tune
    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Record how a replicate has ended, unless it was stopped at a rung."""
        replicate = self._running.pop(trial_id, None)
        if replicate is None:
            return
        name = f"arm {replicate.arm}, replicate {replicate.replicate}"
        report = None if error or result is None else result.get(REPORT)
        if isinstance(report, Scores):
            problem = self._queue.complete(replicate, report)
            if problem is not None:
                _log.error("%s failed: %s", name, problem)
            if self._completed:
                self._completed()
        elif isinstance(report, Failure):
            _log.error("%s failed\n%s", name, report.traceback)
            self._queue.fail(replicate, report.reason)
        else:
            reason = "worker died (killed, out of memory, or its node was lost)"
            again = self._queue.die(replicate, reason)
            _log.error("%s: %s; %s", name, reason, "it is tried again" if again else "given up")

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing for Tune's snapshots: the database has it all, and its password."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the database has it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the database has it all."""


class RungScheduler(FIFOScheduler):  # type: ignore[misc]
    """Runs replicates in their order, and stops one where the queue says so.

    Tune asks its scheduler before it tells its searcher, and does not tell the searcher of a result
    that the scheduler has stopped at. Rungs are therefore recorded from here.

    Args:
        searcher: Knows which replicate it is, and asks the queue.
    """

    def __init__(self, searcher: QueueSearcher) -> None:
        super().__init__()
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Record a rung and decide on the replicate."""
        del tune_controller
        stop = self._searcher.reached(trial.trial_id, result)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)
