"""What a study has shown, in at most four sentences that follow from its numbers."""

from explorer.report import numerals
from explorer.report.layout import accuracy, accuracy_places
from explorer.report.numerals import count, equals, listed
from explorer.report.summary import Arm, StudyReport

_MOST_REASON = 120


def sentences(report: StudyReport) -> tuple[str, ...]:
    """Say what was studied, the best arm, whether it is, what failed.

    Args:
        report: What :func:`~explorer.report.summarise` returns.

    Returns:
        Sentences in this order; one that has nothing to say is left out.
    """
    parts = (_studied(report), _best(report), _second(report), _failed(report))
    return tuple(filter(None, parts))


def _studied(report: StudyReport) -> str:
    state = report.progress
    under = f" under protocol {report.protocol}" if report.protocol else ""
    arms = count(len(report.arms), "arm")
    done = "finished" if state.finished else f"{state.done} of {count(state.total, 'trial')} done"
    return f"Study {report.study} compares {arms}{under} ({done})."


def _best(report: StudyReport) -> str:
    if not report.ranked:
        return "Nothing was trained, so that no arm has an accuracy."
    best, base, over = report.ranked[0], report.baseline, report.baseline_title
    on = f" on {listed(report.tasks)}" if report.tasks else ""
    n = len(best.replicates)
    score = f"{accuracy(best, None, accuracy_places(report.ranked))} % (n = {n})"
    start = f"The best arm is {_described(best)} with an accuracy{on} of {score}"
    gain = best.difference
    if best.name == base:
        return f"{start}; it is the {over}."
    if gain is None:
        return f"{start}; the {over} {base} has no score." if base else f"{start}."
    side = "above" if gain.gain >= 0 else "below"
    text = f"{start}, {abs(100 * gain.gain):.1f} points {side} the {over} {base}"
    if gain.low is None or gain.high is None or gain.p_corrected is None:
        return f"{text} (untested: {gain.untested})."
    low, high = (numerals.signed(100 * end, 1) for end in (gain.low, gain.high))
    verdict = "significant" if gain.significant else "not significant"
    return f"{text} [{low}, {high}], which is {verdict} (corrected p {equals(gain.p_corrected)})."


def _second(report: StudyReport) -> str:
    lead = report.lead
    if lead is None:
        return ""
    second = report.ranked[1].name
    if not lead.gain:
        return f"{second} has the same mean."
    points = f"{100 * lead.gain:.1f} points"
    if lead.p is None:
        return (
            f"Its lead of {points} over the second best, {second}, is untested ({lead.untested})."
        )
    differs = "significantly" if lead.significant else "not significantly"
    return (
        f"It is {differs} different from the second best, {second} ({points}, uncorrected "
        f"p {equals(lead.p)})."
    )


def _failed(report: StudyReport) -> str:
    state = report.progress
    if not state.failed or not report.failures:
        return ""
    reason, times = max(report.failures.items(), key=lambda item: item[1])
    reason = " ".join(reason.split()).rstrip(".")
    reason = reason if len(reason) <= _MOST_REASON else f"{reason[:_MOST_REASON]}…"
    often = f" ({times} of them)" if len(report.failures) > 1 else ""
    return f"{state.failed} of {count(state.total, 'trial')} failed with{often}: {reason}."


def _described(arm: Arm) -> str:
    ranges = numerals.ranges(arm.ranges)
    return f"{arm.name} ({ranges})" if ranges else arm.name
