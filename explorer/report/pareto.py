"""The arms that no other arm is better than in both of what a study seeks."""

import math

from explorer.report.summary import Arm, StudyReport


def sought(report: StudyReport) -> str | None:
    """Return the variety measure that a study seeks beside accuracy, if it seeks one."""
    measures = [name for name in report.objectives if name.startswith("variety.")]
    return measures[0].removeprefix("variety.") if measures else None


def front(report: StudyReport) -> list[Arm]:
    """Return the Pareto front: the arms that none dominates, the most accurate first.

    An arm dominates another if it is no worse in either objective and better in one. Means over
    replicates are compared, without regard to their spread. Arms without a measured image (from
    scratch) are no part of it. Where a study seeks accuracy alone there is no front.
    """
    measure = sought(report)
    if measure is None:
        return []
    sign = 1.0 if report.objectives[f"variety.{measure}"] == "maximize" else -1.0
    arms = [
        ((arm.accuracy.mean, sign * arm.variety[measure]), arm)
        for arm in report.ranked
        if arm.accuracy and math.isfinite(arm.variety.get(measure, math.nan))
    ]
    found: list[Arm] = []
    last = (math.inf, -math.inf)
    # From the most accurate on, what does not go beyond all before it in variety is dominated.
    for values, arm in sorted(arms, key=lambda one: one[0], reverse=True):
        if values[1] > last[1] or values == last:
            found.append(arm)
            last = values
    return found
