"""How far a study is, as data."""

from dataclasses import dataclass
from datetime import datetime

from explorer.report.slots import Progress
from explorer.report.statistics import Spread


@dataclass(frozen=True, slots=True)
class ArmStatus:
    """How far one arm is.

    Attributes:
        name: Its name.
        planned: Replicates that the study asks for.
        complete: Replicates with a score.
        pruned: Replicates stopped early.
        running: Replicates in flight.
        failed: Replicates whose last attempt failed.
        accuracy: Mean and spread of the scores, in [0, 1]; ``None`` where there is none.
        curve: Mean accuracy of the probe at each rung over the replicates that have reached it, in
            the order of the rungs.
    """

    name: str
    planned: int
    complete: int
    pruned: int
    running: int
    failed: int
    accuracy: Spread | None
    curve: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A trial in flight.

    Attributes:
        number: Its number.
        arm: Its arm.
        replicate: Index of its replicate.
        seconds: How long it has run.
        rung: Images seen at its last rung; ``None`` before the first.
        probe: Accuracy of the probe there, in [0, 1].
        loss: Training loss there; ``None`` where it was not recorded.
    """

    number: int
    arm: str
    replicate: int
    seconds: float
    rung: int | None
    probe: float | None
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A trial that failed.

    Attributes:
        number: Its number.
        arm: Its arm.
        replicate: Index of its replicate.
        attempt: The how many-eth attempt at that replicate it was.
        reason: Why it failed.
    """

    number: int
    arm: str
    replicate: int
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """How far a study is.

    Attributes:
        study: Its name.
        description: What it asks.
        protocol: Name of the protocol that it runs under.
        progress: Its (arm, replicate) pairs by state.
        retried: Attempts that were lost or failed and made up for by a later one.
        arms: The arms in the order of the study file, then sampled ones as they were drawn.
        running: The trials in flight, by number.
        failures: The last failures that nothing has made up for, latest first.
        workers: Trials at a time: those in flight now, else as many as there were on average.
        runs: Processes at work on it; ``None`` where that is not known.
        rate: Trials an hour with so many workers; ``None`` before the first is done.
        seconds_left: Until the study is done with so many workers; ``None`` likewise.
        last: When a trial last started or ended, local time.
    """

    study: str
    description: str
    protocol: str
    progress: Progress
    retried: int
    arms: tuple[ArmStatus, ...]
    running: tuple[RunningTrial, ...]
    failures: tuple[Failure, ...]
    workers: int
    runs: int | None
    rate: float | None
    seconds_left: float | None
    last: datetime | None

    @property
    def best(self) -> ArmStatus | None:
        """The arm with the highest mean accuracy so far."""
        scored = [arm for arm in self.arms if arm.accuracy]
        return max(scored, key=lambda arm: arm.accuracy.mean if arm.accuracy else 0, default=None)
