"""What the table of a study says below it: how to read its numbers, and what they do not say."""

from collections.abc import Sequence

from explorer.report import numerals
from explorer.report.numerals import EN_DASH
from explorer.report.pareto import front, sought
from explorer.report.statistics import LEVEL, Difference, least_p
from explorer.report.summary import Arm, StudyReport, lead, ranked
from explorer.variety import MEASURES

UNRESOLVED = "\N{DAGGER}"
"""Follows the p-value of a gain that the replicates cannot tell from none."""

ON_FRONT = "*"
"""Follows the name of an arm that is on the Pareto front."""

_TESTS = {
    "welch": (
        "two-sided p of Welch's t-test (unpaired although arms share their seeds: with few "
        "replicates, pairing pays only where arms correlate strongly)"
    ),
    "permutation": (
        "two-sided p of a permutation test of the difference of means (the interval is that of "
        "Welch's t)"
    ),
}


def measure_title(measure: str) -> str:
    """Return the heading of a variety measure."""
    return MEASURES[measure].title if measure in MEASURES else measure


def caption(
    report: StudyReport, shown: Sequence[Arm], *, with_gain: bool, with_variety: bool
) -> list[str]:
    """Say what is needed to read the table of a study, in sentences.

    Args:
        report: What the study has found.
        shown: The arms that are rows of the table.
        with_gain: Whether it has the gain over the baseline.
        with_variety: Whether it has measures of variety.
    """
    on = f" on {' and '.join(report.tasks)}" if report.tasks else ""
    sizes = sorted({len(arm.replicates) for arm in shown if arm.replicates}) or [0]
    n = f"n = {sizes[0]}" if len(sizes) == 1 else f"n = {sizes[0]}{EN_DASH}{sizes[-1]}"
    spread = "one replicate an arm" if sizes == [1] else "mean ± standard deviation over replicates"
    under = f" under protocol {report.protocol}" if report.protocol else ""
    said = [f"Study {report.study}{under}: top-1 accuracy{on}, {spread}, {n}."]
    if with_gain:
        said += _said_of_gain(report, shown)
    elif report.baseline and any(arm.name != report.baseline for arm in report.arms):
        said.append(f"The baseline {report.baseline} has no finished trial, so no gain is given.")
    best = ranked(shown)
    if len(best) > 1:
        each = " of each column" if len(report.tasks) > 1 else ""
        apart = _said_of_lead(lead(best, report.test))
        said.append(f"The best mean{each} is bold, the second underlined{apart}.")
    if front(report):
        title = measure_title(sought(report) or "")
        said.append(f"{ON_FRONT} on the Pareto front of accuracy and {title}.")
    said += _said_of_choice(report, len(report.arms) - len(shown))
    if with_variety:
        said.append("Variety measures are means over replicates.")
    return [*said, *_said_of_progress(report)]


def _said_of_choice(report: StudyReport, hidden: int) -> list[str]:
    if report.shown:
        return [_said_of_hidden(hidden)] if hidden else []
    if not any(arm.sampled for arm in report.arms):
        return []
    more = f" ({hidden} more are not shown)" if hidden else ""
    ordered = f"Sampled arms are in the order of their accuracy{more}"
    return [f"{ordered}; chosen by the numbers that are reported, the best are overestimated."]


def _said_of_hidden(count: int) -> str:
    some = (
        "1 further arm of the study is" if count == 1 else f"{count} further arms of the study are"
    )
    return f"{some} not shown."


def _said_of_gain(report: StudyReport, shown: Sequence[Arm]) -> list[str]:
    tested = [arm.name for arm in report.arms if arm.difference and arm.difference.p is not None]
    differences = [arm.difference for arm in shown if arm.difference]
    said = [f"Gain over {report.baseline} in percentage points"]
    if tested:
        said[0] += f" with its 95 % confidence interval; {_TESTS[report.test]}"
        arms = numerals.count(len(tested), "arm")
        said[0] += f", Holm-corrected over {arms}." if len(tested) > 1 else "."
    else:
        said[0] += "."
    if tested and report.test == "permutation":
        said += _said_of_permutation(report, tested)
    reasons = {difference.untested for difference in differences}
    if "one replicate" in reasons:
        said.append("An arm with one replicate has no standard deviation, interval or test.")
    if "no spread" in reasons:
        said.append("Where neither arm has any spread, there is no test.")
    if not all(difference.resolved for difference in differences):
        said.append(f"{UNRESOLVED} not told apart from {report.baseline} (no p below {LEVEL:g}).")
    return said


def _said_of_permutation(report: StudyReport, tested: Sequence[str]) -> list[str]:
    """Say where there are too few replicates for a permutation to tell any arm apart."""
    sizes = {arm.name: len(arm.replicates) for arm in report.arms}
    theirs = sizes[report.baseline or ""]
    least = min(least_p(sizes[name], theirs) for name in tested) * len(tested)
    if least < LEVEL:
        return []
    few = f"With {theirs} replicates of {report.baseline} and {len(tested)} comparisons"
    return [f"{few} no corrected p can be below {numerals.p_value(min(1.0, least))}."]


def _said_of_lead(lead: Difference | None) -> str:
    if lead is None:
        return ""
    if lead.p is None:
        return f" ({lead.untested}: untested)" if lead.gain else ""
    apart = "told apart" if lead.resolved else "not told apart"
    return f"; the two are {apart} (p {_equals(numerals.p_value(lead.p))}, uncorrected)"


def _equals(p: str) -> str:
    return p.replace("<", "< ") if p.startswith("<") else f"= {p}"


def _said_of_progress(report: StudyReport) -> list[str]:
    state = report.progress
    stopped = _said_of_stopped(report)
    failed = f"{numerals.count(state.failed, 'trial')} failed" if state.failed else ""
    if state.finished:
        lost = f"Of {state.total} trials, {failed} and are not in the table."
        return [*stopped, *([lost] if failed else [])]
    rest = [f"{state.done} of {numerals.count(state.total, 'trial')} done"]
    rest += [failed] if failed else []
    rest += [f"{state.running} running"] if state.running else []
    return [*stopped, f"Preliminary, the study is not finished: {', '.join(rest)}."]


def _said_of_stopped(report: StudyReport) -> list[str]:
    state = report.progress
    if not state.pruned:
        return []
    count = numerals.count(state.total, "replicate")
    said = (
        f"{state.pruned} of {count} stopped early (pruner {report.pruner}): they count in no mean"
    )
    return [f"{said}, so that an arm without some of its replicates is overestimated if anything."]
