"""The interval of a mean, as every figure shows it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.report.statistics import LEVEL, spread


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over replicates with its 95 % interval.

    Attributes:
        value: The mean.
        low: Low end of the interval; the mean itself where there is no spread to estimate it from.
        high: Its high end.
        n: Number of values; of a single one nothing is known but itself.
    """

    value: float
    low: float
    high: float
    n: int


def mean(values: Sequence[float]) -> Mean:
    """Return the mean of at least one value, with Student's interval of it (Student, 1908)."""
    from scipy.stats import t as student

    found = spread(values)
    half = 0.0
    if found.std:
        quantile = float(student.ppf(1 - LEVEL / 2, found.n - 1))
        half = found.std / math.sqrt(found.n) * quantile
    return Mean(found.mean, found.mean - half, found.mean + half, found.n)


def limits(means: Sequence[Mean], values: Sequence[float] = ()) -> tuple[float, float]:
    """Return the ends of an axis of accuracy in percent that shows means and single values.

    A twentieth of room on either side; never beyond 0 and 100, however far an interval reaches.
    """
    low = min(*(one.low for one in means), *values, math.inf)
    high = max(*(one.high for one in means), *values, -math.inf)
    room = (high - low) / 20 or 1.0
    return max(low - room, 0.0), min(high + room, 100.0)


def single(numbers: Sequence[int]) -> str:
    """Say how many of some means rest on one trial alone, as a sentence; empty where none does."""
    alone = sum(n == 1 for n in numbers)
    if not alone:
        return ""
    if alone == len(numbers):
        return "Every arm has had one trial, so nothing has an interval."
    return f"Of {len(numbers)} arms {alone} had one trial, and no interval."
