"""Who is told what happens while a study runs."""

from typing import Protocol


class Listener(Protocol):
    """Told of every event, in the driver, as it happens."""

    def started(self, number: int, arm: str, replicate: int) -> None:
        """A worker begins a trial."""

    def rung(self, number: int, images_seen: int, accuracy: float) -> None:
        """A trial has reached a rung; ``accuracy`` is the probe's, in [0, 1]."""

    def finished(
        self,
        number: int,
        state: str,
        accuracy: float | None,
        seconds: float,
        failure: str | None,
    ) -> None:
        """A trial has come to its end; ``state`` is the name of Optuna's state."""
