"""What a worker is asked to do."""

from dataclasses import dataclass

from explorer.study import Protocol, Range


@dataclass(frozen=True, slots=True)
class Proposal:
    """One trial, with all that decides over it.

    Attributes:
        number: Number of the Optuna trial.
        arm: Name of the arm (``sample-0007`` in a sampled study).
        replicate: Index of the replicate, from 0.
        seed: Seed of the replicate; all arms share it, so that they differ in nothing else.
        attempt: 1, or more where earlier attempts were interrupted.
        formula: The image family; that of the study for from scratch, where it draws nothing.
        protocol: The protocol of the arm.
        ranges: The range of every parameter of the search space; empty where real images are
            pre-trained on, ``None`` for from scratch.
    """

    number: int
    arm: str
    replicate: int
    seed: int
    attempt: int
    formula: str
    protocol: Protocol
    ranges: dict[str, Range] | None
