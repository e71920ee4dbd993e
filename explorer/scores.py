"""What a trial reports on its way and at its end."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Rung:
    """What is known part of the way through pre-training.

    Attributes:
        images_seen: Images trained on so far, repeats counted.
        accuracy: The probe's, in [0, 1]: never of the test images; the mean over the tasks.
        loss: Mean pre-training loss since the last rung, in nats.
        seconds: Wall-clock time that the trial has spent so far.
    """

    images_seen: int
    accuracy: float
    loss: float
    seconds: float


@dataclass(slots=True)
class Scores:
    """What a trial reports at its end.

    Attributes:
        accuracy: Top-1 accuracy on the test images after fine-tuning, in [0, 1]: the mean over
            the downstream tasks.
        accuracies: The same for each downstream task, by name.
        repeats: The same for each single fine-tuning, in their order.
        companions: Further scores of transfer, by name, in the mean over the tasks:
            ``log_likelihood`` of the test labels after fine-tuning, in nats per image, calibrated
            by one temperature on labelled images that were not trained on; and of the frozen
            features ``ridge``, ``neighbours`` and ``logme``
            (:func:`explorer.training.probe.companions`; the arm from scratch has those of random
            features).
        variety: Measures of the proxy images, by name; empty for the arm from scratch.
        remarks: What a reader of the measures and the score should know, in sentences.
        dataset: Digest of the proxy images; ``None`` for the arm from scratch.
        pretrain_loss: Mean training loss of the last epoch of pre-training, in nats.
        seconds: Wall-clock time by phase, and in all.
        epochs: A row per epoch of either phase.
        host: Name of the machine.
        device: What it was trained on.
        result_key: Hash of all that decided over it, see :mod:`explorer.identity`; empty where
            the result is not to be used again.
    """

    accuracy: float = math.nan
    accuracies: dict[str, float] = field(default_factory=dict)
    repeats: dict[str, list[float]] = field(default_factory=dict)
    companions: dict[str, float] = field(default_factory=dict)
    variety: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    dataset: str | None = None
    pretrain_loss: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    host: str = ""
    device: str = ""
    result_key: str = ""

    @property
    def spent(self) -> float:
        """Seconds of all phases so far."""
        return sum(seconds for phase, seconds in self.seconds.items() if phase != "total")

    def spend(self, phase: str, seconds: float) -> None:
        """Add to the seconds of a phase."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add what the block takes to the seconds of a phase."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spend(phase, time.perf_counter() - began)
