"""Which arms are the rows of a table, and their order."""

from collections.abc import Sequence
from dataclasses import replace

from explorer.errors import InputError, nearest
from explorer.report.summary import StudyReport, by_accuracy


def arrange(report: StudyReport, *, arms: Sequence[str] = (), order: str = "file") -> StudyReport:
    """Choose which arms are the rows of a report's table, and their order.

    What is known of an arm stays as it is: p-values are corrected over all arms, shown or not.

    Args:
        report: What :func:`~explorer.report.summarise` returns.
        arms: Names of the arms to show, in this order; all where empty.
        order: Of the named arms where ``arms`` is empty: ``file``, as the study file has them, or
            ``accuracy``, best first. Sampled arms come after them, best first.

    Raises:
        InputError: If there is no arm of a name, or it stands twice.
    """
    known = [arm.name for arm in report.arms]
    for index, name in enumerate(arms):
        if name not in known:
            raise InputError("--arms", None, name, f"no arm of the study; {nearest(name, known)}")
        if name in arms[:index]:
            raise InputError("--arms", None, name, "stands twice; name it once")
    if order == "accuracy":
        ordered = sorted(report.arms, key=lambda arm: (arm.sampled, by_accuracy(arm)))
        report = replace(report, arms=tuple(ordered))
    return replace(report, shown=tuple(arms))
