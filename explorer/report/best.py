"""The best ranges of a sampled study, and which others may as well be the best."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.report.definition import Range
from explorer.report.importance import points
from explorer.report.statistics import CONFIDENCE
from explorer.report.summary import Arm, StudyReport, ranked

_GRID = 2000


@dataclass(frozen=True, slots=True)
class Best:
    """What is known of the best ranges.

    Attributes:
        arm: The arm with the highest mean accuracy; chosen for it, it is overestimated.
        among: Names of the arms that the best of all is among with 95 % confidence, by accuracy;
            empty where this cannot be said.
        arms: Number of arms that were compared.
        low: For each varied parameter the least and the greatest low end of the arms in ``among``.
        high: The same of the high ends.
        lack: Why ``among`` is empty, else empty.
    """

    arm: Arm
    among: tuple[str, ...]
    arms: int
    low: Mapping[str, Range]
    high: Mapping[str, Range]
    lack: str = ""


def best_ranges(report: StudyReport) -> Best | None:
    """Say which ranges were best, and how far those reach that may be the best.

    Of the arms of the study's own search space those are kept whose mean is no further below the
    highest than chance alone takes the best of so many equal arms below another: Gupta's subset
    selection (Technometrics 1965, p. 225), by the one-sided critical value of Dunnett (1955) and
    the variance of replicates pooled over all arms. It takes that variance to be the same in all
    arms, and is approximate where they have different numbers of replicates.

    What is not kept is worse than the best. What is kept need not be as good: with few replicates
    most arms are, and no choice of range between those of two kept arms is said to be good.

    Returns:
        ``None`` where no sampler proposed arms, or fewer than two arms have a score.
    """
    arms = ranked(points(report))
    if len(arms) < 2 or not any(arm.sampled for arm in arms):
        return None
    groups = [np.array([one.accuracy for one in arm.replicates]) for arm in arms]
    freedom = sum(len(group) - 1 for group in groups)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    lack = ""
    if freedom == 0:
        lack = "no arm has a second replicate"
    elif squares == 0.0:
        lack = "replicates do not scatter"
    if lack:
        return Best(arms[0], (), len(arms), {}, {}, lack)
    allowed = critical(len(arms) - 1, freedom) * math.sqrt(squares / freedom)
    most = groups[0]
    kept = [
        arm
        for arm, group in zip(arms, groups, strict=True)
        if most.mean() - group.mean() <= allowed * math.sqrt(1 / len(group) + 1 / len(most))
    ]
    return Best(
        arms[0],
        tuple(arm.name for arm in kept),
        len(arms),
        {p: _extent([arm.ranges[p][0] for arm in kept]) for p in report.bounds},
        {p: _extent([arm.ranges[p][1] for arm in kept]) for p in report.bounds},
    )


def critical(others: int, freedom: int) -> float:
    """Return the one-sided 5 % critical value of Dunnett's test.

    Of so many arms of equal size as the one that they are compared with, in units of the standard
    error of a difference: what the greatest of their t statistics is below with 95 % probability.

    Args:
        others: Number of arms that are compared with one.
        freedom: Degrees of freedom of the pooled variance.
    """
    from scipy.optimize import brentq
    from scipy.special import gammaincinv, log_ndtr

    # Given the mean of the one, z, and the estimated deviation, u, the others are independent.
    z = np.linspace(-8.0, 8.0, 401)
    weights = np.exp(-(z**2) / 2)
    weights /= weights.sum()
    shares = (np.arange(_GRID) + 0.5) / _GRID
    u = np.sqrt(gammaincinv(freedom / 2, shares) * 2 / freedom)[:, None]

    def above(value: float) -> float:
        below = np.exp(others * log_ndtr(math.sqrt(2) * value * u + z))
        return float((below @ weights).mean()) - CONFIDENCE

    return float(brentq(above, 0.0, 1000.0, xtol=1e-6))


def _extent(values: Sequence[float]) -> Range:
    return min(values), max(values)
