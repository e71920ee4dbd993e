"""What runs in a worker: one evaluation after the other, a rung a step."""

import os
import socket
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from explorer.config import Protocol
from explorer.runner.cluster import checkpoints, difference

REPORT = "report"


@dataclass(frozen=True, slots=True)
class Failure:
    """An evaluation that raised.

    Attributes:
        reason: The exception's type and the last line of its message.
        traceback: The whole story, for the log.
        other_code: Whether it never began, because its worker has other code than the driver.
    """

    reason: str
    traceback: str
    other_code: bool = False


class SameCode(tune.Stopper):  # type: ignore[misc]
    """Ends a run as soon as a worker has other code than the driver, with its reason.

    Nodes are looked at when a run begins; this is for those that join later.
    """

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:  # noqa: ARG002
        """Raise what Tune takes for Ctrl-C; the trial is then released and not failed."""
        report = result.get(REPORT)
        if isinstance(report, Failure) and report.other_code:
            raise KeyboardInterrupt(report.reason)
        return False

    def stop_all(self) -> bool:
        """Never: a run ends with its queue."""
        return False


class EvaluateTrainable(tune.Trainable):  # type: ignore[misc]
    """Steps through ``evaluate``; every step ends at a rung, the last one with the scores.

    A worker outlives its trials: importing torch and compiling the kernels happen once a worker,
    and :meth:`reset_config` only begins the next evaluation.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Prepare the process, then begin the first trial."""
        import torch

        from explorer.identity import code

        directory = config["directory"]
        if Path(directory).is_dir():
            # What a protocol names by a relative path is found where the driver finds it.
            os.chdir(directory)
        families = [key.removeprefix("formula ") for key in config["code"] if " " in key]
        try:
            self._problem = difference(config["code"], code(families))
        except ValueError as error:  # a formula that is not there, or broken
            self._problem = str(error)
        # One thread a core: a trial on one core beats a trial on two.
        torch.set_num_threads(max(1, int(config["threads"])))
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next trial in this process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Go on to the next rung.

        An exception is a result: it must reach the database with its reason, and the worker is
        fit for the next trial. Only a dead process is an error to Tune.
        """
        if self._problem:
            reason = f"node {socket.gethostname()} {self._problem}"
            return {REPORT: Failure(reason, reason, other_code=True), tune.result.DONE: True}
        try:
            rung = next(self._evaluation)
        except StopIteration as stop:
            return {REPORT: stop.value, tune.result.DONE: True}
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs into the database
            reason = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
            failure = Failure(reason, traceback.format_exc())
            return {REPORT: failure, tune.result.DONE: True}
        return {REPORT: rung}

    def _begin(self, config: dict[str, Any]) -> None:
        evaluate, options = config["evaluate"], {}
        if evaluate is None:
            # Here and not above: the driver has no need of torch.
            from explorer.evaluate import evaluate

            options = {"checkpoints": checkpoints(config["directory"], config["study"])}
        ranges = config["ranges"]
        self._evaluation = evaluate(
            ranges and {name: (low, high) for name, (low, high) in ranges.items()},
            Protocol.model_validate(config["protocol"]),
            config["seed"],
            formula=config["formula"],
            **options,
        )
