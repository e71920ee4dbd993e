"""What tells Tune to stop a trial at a rung."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from explorer.runner.searcher import QueueSearcher


class RungScheduler(FIFOScheduler):  # type: ignore[misc]
    """Runs trials in their order, and stops one where the study in the database says so.

    Tune asks its scheduler before it tells its searcher, and does not tell the searcher of a result
    that the scheduler has stopped at. Rungs are therefore recorded from here. A stopped trial then
    comes to its end by the searcher's ``on_trial_complete``, with that rung as its last result.

    Args:
        searcher: Knows which trial it is, and asks the database.
    """

    def __init__(self, searcher: QueueSearcher) -> None:
        super().__init__()
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Record a rung and decide on the trial."""
        del tune_controller
        stop = self._searcher.reached(trial.trial_id, result)
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)
