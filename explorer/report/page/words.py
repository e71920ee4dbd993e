"""The summary of a study in sentences, each of which follows from numbers.

A function says one thing; it returns an empty text where there is nothing to say about it.
"""

from collections.abc import Mapping

from explorer.report import numerals
from explorer.report.agreement import Estimate
from explorer.report.fidelity import FidelityReport
from explorer.report.layout import accuracy
from explorer.report.numerals import EN_DASH, count, percent, signed
from explorer.report.page.phrases import (
    TAU,
    equals,
    excludes_zero,
    interval,
    listed,
    names,
    points,
    rho,
    tau,
    title,
)
from explorer.report.pareto import front, sought
from explorer.report.statistics import LEVEL
from explorer.report.summary import Arm, StudyReport

MOST_MEASURES = 3
"""Of more measures that go with accuracy it is said how many they are."""


def summary(
    report: StudyReport,
    correlations: Mapping[str, Estimate],
    fidelity: FidelityReport | None,
    reasons: Mapping[str, int],
) -> tuple[str, ...]:
    """Say what a study has found, in paragraphs; an unfinished study says so first.

    Args:
        report: What the study has found.
        correlations: How each variety measure of its images goes with accuracy.
        fidelity: How its protocol orders the arms against others; ``None`` where that is not known.
        reasons: Why trials failed, and how many did so.
    """
    paragraphs = (
        (on_state(report),),
        (on_best(report), on_gain(report), on_lead(report), on_choice(report)),
        (on_apart(report),),
        (on_variety(correlations), on_front(report)),
        (on_fidelity(report, fidelity),),
        (on_failures(report, reasons), on_stopped(report)),
    )
    joined = (" ".join(filter(None, sentences)) for sentences in paragraphs)
    return tuple(filter(None, joined))


def places(report: StudyReport) -> int:
    """Return the decimals of accuracies in percent, the same all over the page."""
    return numerals.decimals(
        100 * arm.accuracy.std for arm in report.ranked if arm.accuracy and arm.accuracy.std
    )


def on_state(report: StudyReport) -> str:
    """Say that a study is not finished, and how far it is."""
    state = report.progress
    if state.finished:
        return ""
    rest = [f"{state.done} of {count(state.total, 'trial')} have come to a result"]
    rest += [f"{number} {what}" for number, what in _others(report) if number]
    return f"This study is not finished: {', '.join(rest)}. All that follows may change."


def _others(report: StudyReport) -> tuple[tuple[int, str], ...]:
    state = report.progress
    return (
        (state.running, "running"),
        (state.waiting, "waiting"),
        (state.failed, "failed"),
    )


def on_best(report: StudyReport) -> str:
    """Say which arm has the highest mean, and how high it is."""
    best = report.ranked[0]
    on = f" on {' and '.join(report.tasks)}" if report.tasks else ""
    if len(report.ranked) == 1:
        who = f"Only one arm has a score: {_described(best)}"
        return f"{who} with an accuracy{on} of {_score(best, report)}."
    return (
        f"Of {count(len(report.ranked), 'arm')} with a score, {_described(best)} has the highest "
        f"mean accuracy{on}: {_score(best, report)}."
    )


def on_gain(report: StudyReport) -> str:
    """Say how far the best arm is above the baseline, and how sure that is."""
    best, base = report.ranked[0], report.baseline
    if base is None or len(report.ranked) == 1:
        return ""
    if best.name == base:
        return "It is the baseline itself: no arm has a higher mean."
    found = best.difference
    if found is None:
        return f"The baseline {base} has no finished trial, so that no gain can be given."
    gain = f"It is {points(found.gain)} above the baseline {base}"
    if found.p_corrected is None:
        return f"{gain}; there is no test of that ({found.untested})."
    tested = sum(arm.difference is not None and arm.difference.p is not None for arm in report.arms)
    over = f" after Holm's correction over {count(tested, 'arm')}" if tested > 1 else ""
    said = f"p {equals(found.p_corrected)}{over}"
    if found.resolved:
        return f"{gain}{interval(found)}, which chance does not explain ({said})."
    return f"{gain}{interval(found)}; its replicates do not tell that from chance ({said})."


def on_lead(report: StudyReport) -> str:
    """Say whether the best arm is told apart from the second best."""
    lead = report.lead
    if lead is None:
        return ""
    second = report.ranked[1].name
    if lead.gain == 0:
        return f"{second} has the same mean."
    if lead.p is None:
        gain = f"{points(lead.gain)} and untested ({lead.untested})"
        return f"Its lead over the second best, {second}, is {gain}."
    said = f"{points(lead.gain)}{interval(lead)}, p {equals(lead.p)}, uncorrected"
    if lead.resolved:
        return f"It is told apart from the second best, {second}, as well ({said})."
    return f"It is not told apart from the second best, {second} ({said})."


def on_choice(report: StudyReport) -> str:
    """Warn of a best arm that was chosen by the numbers that are reported."""
    sampled = sum(arm.sampled for arm in report.ranked)
    if not report.ranked[0].sampled or sampled < 2:
        return ""
    return (
        f"It was chosen among {sampled} sampled arms by the accuracy that is reported here, which "
        "is therefore too high; new seeds would show by how much."
    )


def on_apart(report: StudyReport) -> str:
    """Say which arms are told apart from the baseline, and which are not."""
    tested = [arm for arm in report.arms if arm.difference and arm.difference.p is not None]
    if len(tested) < 2:
        return ""
    apart = [arm for arm in tested if arm.difference and arm.difference.resolved]
    above = [arm.name for arm in apart if arm.difference and arm.difference.gain > 0]
    below = [arm.name for arm in apart if arm.name not in above]
    unclear = [arm.name for arm in tested if arm not in apart]
    start = f"Of {count(len(tested), 'arm')} tested against {report.baseline}, "
    if not apart:
        return f"{start}none is told apart from it (corrected p below {LEVEL:g})."
    said = [f"{len(group)} {side} it ({names(group)})" for group, side in (
        (above, "above"), (below, "below")) if group]  # fmt: skip
    told = f"{start}{' and '.join(said)} are told apart (corrected p below {LEVEL:g})."
    if not unclear:
        return told
    return f"{told} Not told apart: {names(unclear)}."


def on_variety(found: Mapping[str, Estimate]) -> str:
    """Say how accuracy goes with the variety of the images."""
    if not found:
        return ""
    known = {m: e for m, e in found.items() if e.low is not None and e.high is not None}
    if not known:
        return (
            "How accuracy goes with the variety of the images cannot be said of so few arms: a "
            "rank correlation over fewer than four has no interval."
        )
    ordered = sorted(known.items(), key=lambda item: -abs(item[1].value))
    of = "its" if len(known) == 1 else f"each interval is for one of {len(known)} measures alone"
    clear = [(m, e) for m, e in ordered if excludes_zero(e)]
    if not clear:
        measure, one = ordered[0]
        return (
            f"Accuracy goes clearly with none of {count(len(known), 'variety measure')}; the "
            f"strongest rank correlation over trials is that with {title(measure)}, {rho(one)}."
        )
    ways = [
        f"{'up' if one.value > 0 else 'down'} with {title(measure)} ({rho(one)})"
        for measure, one in clear[:MOST_MEASURES]
    ]
    note = "" if len(known) == 1 else f"; {of}"
    more = len(clear) - MOST_MEASURES
    further = f", and clearly with {count(more, 'other measure')}" if more > 0 else ""
    return f"Accuracy goes {listed(ways)}{further} (rank correlations over trials{note})."


def on_front(report: StudyReport) -> str:
    """Say which arms are on the Pareto front of a study with two objectives."""
    arms, measure = front(report), sought(report)
    if not arms or measure is None:
        return ""
    said = names([arm.name for arm in arms])
    verb = "is" if len(arms) == 1 else "are"
    return f"On the Pareto front of accuracy and {title(measure)} {verb} {said}."


def on_fidelity(report: StudyReport, fidelity: FidelityReport | None) -> str:
    """Say what is known of how well this protocol orders the arms as a longer one does."""
    protocol = report.protocol or "its protocol"
    ends = [] if fidelity is None else [r for r in fidelity.rows if r.measurement == "accuracy"]
    own = next((row for row in ends if row.protocol == report.protocol), None)
    if fidelity is None or own is None:
        return (
            f"Whether {protocol} orders the arms as a longer protocol would is not known: the "
            "study has finished under no other one."
        )
    if fidelity.reference == report.protocol:
        said = [f"{row.protocol} with {tau(row.kendall)}" for row in ends if row.kendall]
        agree = f" The shorter ones order the arms as it does: {listed(said)}." if said else ""
        return f"{protocol} is the longest protocol that the study has finished under.{agree}"
    order = f"with {tau(own.kendall)} over {count(own.arms, 'arm')}" if own.kendall else "in a way"
    picked = (
        f"; one trial an arm would pick the best arm of {fidelity.reference} with a chance of "
        f"{percent(own.best, 0)} %"
        if own.best is not None
        else ""
    )
    longest = next(row for row in ends if row.protocol == fidelity.reference)
    yardstick = (
        f" One trial an arm agrees with it by {TAU} = {signed(own.single, 2)} in the mean, one "
        f"trial more of {fidelity.reference} itself by {signed(longest.single, 2)}."
        if own.single is not None and longest.single is not None
        else ""
    )
    agree = f"{protocol} orders the arms as the longer {fidelity.reference} does {order}{picked}."
    return agree + yardstick


def on_failures(report: StudyReport, reasons: Mapping[str, int]) -> str:
    """Say how many trials failed, and why most of them did."""
    state = report.progress
    if not state.failed or not reasons:
        return "No trial failed." if state.finished and not state.failed else ""
    reason, times = max(reasons.items(), key=lambda item: item[1])
    often = f", most often ({times} times)" if len(reasons) > 1 else ""
    text = f"{state.failed} of {count(state.total, 'trial')} failed{often} with: {reason}"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def on_stopped(report: StudyReport) -> str:
    """Say how many trials were stopped early."""
    state = report.progress
    if not state.pruned:
        return ""
    was, counts = ("was", "counts") if state.pruned == 1 else ("were", "count")
    return (
        f"{state.pruned} of {count(state.total, 'trial')} {was} stopped early by the pruner "
        f"{report.pruner} and {counts} in no mean."
    )


def _described(arm: Arm) -> str:
    said = numerals.ranges(arm.ranges)
    return f"{arm.name} ({said})" if said else arm.name


def _score(arm: Arm, report: StudyReport) -> str:
    if arm.accuracy is None:
        return EN_DASH
    found = arm.accuracy
    what = "mean ± standard deviation, " if found.std is not None else ""
    return f"{accuracy(arm, None, places(report))} % ({what}n = {found.n})"
