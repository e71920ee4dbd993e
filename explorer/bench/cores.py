"""Which processors a measurement may use."""

import contextlib
import os
from collections.abc import Iterator, Sequence


def usable() -> list[int]:
    """Return the numbers of the processors that this process may use."""
    return sorted(os.sched_getaffinity(0))


@contextlib.contextmanager
def only(processors: Sequence[int]) -> Iterator[None]:
    """Keep this thread, and what it starts, on some processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
