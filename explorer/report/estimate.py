"""How long a study will take, from how long its trials took."""

import heapq
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from statistics import fmean

RECENT = 50
"""Trials that a rate is measured over: the last ones, as the machine may have changed."""


def seconds_left(
    durations: Sequence[float], *, elapsed: Sequence[float], waiting: int, workers: int
) -> float | None:
    """Estimate the wall-clock seconds until a study is done.

    The trials that wait are dealt out to the workers as they come free, each for the mean of the
    last 50 durations. A running trial is taken to end when it has run as long as that.

    Args:
        durations: Seconds of the finished trials, in the order of their ends.
        elapsed: Seconds that each running trial has run.
        waiting: Trials that nobody works on yet.
        workers: Trials at a time.

    Returns:
        Seconds; ``None`` where no trial has finished to measure by.
    """
    if not durations:
        return None
    expected = fmean(durations[-RECENT:])
    busy = [max(expected - seconds, 0.0) for seconds in elapsed]
    busy += [0.0] * (max(1, workers) - len(busy))
    heapq.heapify(busy)
    for _ in range(waiting):
        heapq.heapreplace(busy, busy[0] + expected)
    return max(busy)


def trials_at_a_time(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Return how many trials ran at a time, over the time in which any ran.

    Args:
        spans: Start and end of each trial.

    Returns:
        The sum of their durations over the length of their union; 1 without any duration.
    """
    total = union = timedelta()
    reached: datetime | None = None
    for start, end in sorted(spans):
        total += end - start
        if reached is None or end > reached:
            union += end - max(start, reached or start)
            reached = end
    return total / union if union else 1.0
