"""What runs in a worker: one evaluation after the other, a rung a step."""

import inspect
import os
import socket
import traceback
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune

from explorer.files import weights_of
from explorer.runner.cluster import base_folder, checkpoints, difference
from explorer.scores import Rung, Scores
from explorer.study import Protocol, Range

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
    """Steps through a trial; every step ends at a rung, the last one with the scores.

    A worker outlives its trials: importing torch and compiling the kernels happen once a worker,
    and :meth:`reset_config` only begins the next evaluation. One that was stopped at a rung is
    closed first, with what it has saved to go on from: nothing will.
    """

    _evaluation: Generator[Rung, None, Scores] | None = None

    def setup(self, config: dict[str, Any]) -> None:
        """Prepare the process, then begin the first trial."""
        from explorer.identity import code

        directory = config["directory"]
        if Path(directory).is_dir():
            # What a protocol names by a relative path is found where the driver finds it.
            os.chdir(directory)
        try:
            self._problem = difference(config["code"], code(config["families"]))
        except ValueError as error:  # a formula that is not there, or broken
            self._problem = str(error)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next trial in this process."""
        self._discard()
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Close an evaluation that is under way; its run may have been interrupted."""
        if self._evaluation is not None:
            self._evaluation.close()

    def step(self) -> dict[str, Any]:
        """Go on to the next rung.

        An exception is a result: it must reach the database with its reason, and the worker is
        fit for the next trial. Only a dead process is an error to Tune.
        """
        if self._problem:
            reason = f"node {socket.gethostname()} {self._problem}"
            return {REPORT: Failure(reason, reason, other_code=True), tune.result.DONE: True}
        assert self._evaluation is not None  # noqa: S101 - setup has begun one
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
            from explorer.trial import stepwise as evaluate

            options = {"checkpoints": _folder(config)}
            base = base_folder(config["directory"])
            if config["keep"] and base is not None and config["ranges"] is not None:
                name = (config["study"], config["arm"], config["replicate"])
                options["weights"] = base / weights_of(*name)
        self._config = config
        ranges, protocol, seed = _arguments(config)
        self._evaluation = evaluate(
            ranges, protocol, seed=seed, formula=config["formula"], **options
        )

    def _discard(self) -> None:
        """Close an evaluation that was stopped at a rung, and delete its checkpoint."""
        assert self._evaluation is not None  # noqa: S101 - setup has begun one
        if inspect.getgeneratorstate(self._evaluation) == inspect.GEN_CLOSED:
            return  # it has come to its end by itself
        self._evaluation.close()
        if self._config["evaluate"] is None:
            from explorer.trial import discard

            formula = self._config["formula"]
            if folder := _folder(self._config):
                discard(*_arguments(self._config), formula=formula, checkpoints=folder)


def _folder(config: dict[str, Any]) -> Path | None:
    return checkpoints(config["directory"], config["study"])


def _arguments(config: dict[str, Any]) -> tuple[dict[str, Range] | None, Protocol, int]:
    ranges = config["ranges"]
    return (
        ranges and {name: (low, high) for name, (low, high) in ranges.items()},
        Protocol.model_validate(config["protocol"]),
        config["seed"],
    )
