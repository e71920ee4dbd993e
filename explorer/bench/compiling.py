"""What it takes to compile a training step, which `explorer bench train` sets against its gain."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from explorer.bench import ways

_FOLDER = "TORCHINDUCTOR_CACHE_DIR"


@dataclass(frozen=True)
class Taken:
    """Seconds of wall time by which the first compiled step is longer than those that follow.

    Attributes:
        first: In the first trial of a worker, with nothing in torch's cache on disk.
        later: In the trials that follow in the same worker.
    """

    first: float
    later: float


def measure(job: ways.Job, optimiser: str) -> Taken | None:
    """Compile our step, and again as in a later trial; the caller has set an empty :func:`cache`.

    Returns:
        ``None`` where it cannot be compiled; the engine has logged a warning then.
    """
    torch.compiler.reset()
    first, later = _once(job, optimiser), _once(job, optimiser)
    return None if first is None or later is None else Taken(first, later)


@contextlib.contextmanager
def cache(folder: Path) -> Iterator[None]:
    """Let torch keep what it compiles in a folder, so that it finds nothing of earlier runs."""
    before = os.environ.get(_FOLDER)
    os.environ[_FOLDER] = str(folder)
    try:
        yield
    finally:
        torch.compiler.reset()
        if before is None:
            del os.environ[_FOLDER]
        else:
            os.environ[_FOLDER] = before


def _once(job: ways.Job, optimiser: str) -> float | None:
    training = job.training(optimiser, compiled=True)
    batch = training.batch(job.chosen(training))
    first, later = (job.clock(lambda: len(training.differentiate(*batch))).wall for _ in range(2))
    return max(0.0, first - later) if training.compiled else None
