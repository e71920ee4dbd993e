"""The table of a study before it takes the form of a format: cells, emphasis and caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from explorer.report import numerals
from explorer.report.numerals import EN_DASH, MISSING
from explorer.report.pareto import front, sought
from explorer.report.statistics import LEVEL, Difference
from explorer.report.summary import Arm, StudyReport
from explorer.variety import MEASURES

SHOWN_MEASURES = ("vendi_features", "between_share", "edge_density", "spectral_slope")
"""The variety measures of the printed table, in order of importance; csv and json have all."""

SHOWN_SAMPLES = 10
"""Sampled arms in the printed table, best first; csv and json have all."""

UNRESOLVED = "\N{DAGGER}"

ON_FRONT = "*"
"""Follows the name of an arm that is on the Pareto front."""

Emphasis = Literal["", "best", "second"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its heading, and whether it is text (left) or numbers (right)."""

    heading: str
    text: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table; ``best`` is printed bold and ``second`` underlined."""

    text: str
    emphasis: Emphasis = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """A table in plain Unicode.

    Attributes:
        columns: The columns.
        rows: A row an arm, a cell a column.
        first_sample: Index of the first row of a sampled arm; the number of rows without any.
        caption: What is needed to read the table, in sentences.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    first_sample: int
    caption: tuple[str, ...]


def lay_out(
    report: StudyReport,
    *,
    measures: Sequence[str] = SHOWN_MEASURES,
    samples: int = SHOWN_SAMPLES,
) -> Layout:
    """Arrange a report as the table of a paper.

    Accuracies are in percent and gains in percentage points. All numbers of a column have as many
    decimals as the median standard deviation has, written with two significant digits.

    Args:
        report: What the study has found.
        measures: Variety measures to show; those that the study does not have are left out.
        samples: How many of the sampled arms to show.
    """
    named = [arm for arm in report.arms if not arm.sampled]
    sampled = [arm for arm in report.arms if arm.sampled]
    shown = [*named, *sampled[:samples]]
    with_gain = any(arm.difference for arm in shown)
    # What is sought is shown at any width.
    kept = [m for m in report.measures if m == sought(report)]
    kept += [m for m in measures if m in report.measures and m not in kept]
    best = {arm.name for arm in front(report)}
    places = numerals.decimals(
        100 * arm.accuracy.std for arm in shown if arm.accuracy and arm.accuracy.std
    )
    columns = [Column("Arm", text=True)]
    several_formulas = len(report.formulas) > 1
    if several_formulas:
        columns.append(Column("Formula", text=True))
    with_ranges = bool(report.varied) or any(arm.changes for arm in report.arms)
    if with_ranges:
        columns.append(Column("Ranges", text=True))
    several = len(report.tasks) > 1
    if several:
        columns += [Column(f"{task} [%]") for task in report.tasks]
    columns += [Column("Mean [%]" if several else "Accuracy [%]"), Column("n")]
    if with_gain:
        columns += [Column("Gain [points]"), Column("p")]
    columns += [Column(measure_title(measure)) for measure in kept]
    emphasis = _emphasis(report.ranked)
    rows = []
    for arm in shown:
        row = [Cell(f"{arm.name} {ON_FRONT}" if arm.name in best else arm.name)]
        if several_formulas:
            row.append(Cell(arm.formula or "no pre-training"))
        if with_ranges:
            row.append(Cell(ranges(arm, several_formulas)))
        if several:
            row += [Cell(accuracy(arm, task, places)) for task in report.tasks]
        row.append(Cell(accuracy(arm, None, places), emphasis.get(arm.name, "")))
        row.append(Cell(str(len(arm.replicates))))
        if with_gain:
            row += _gain(arm, report.baseline, places)
        row += [Cell(variety(arm, measure)) for measure in kept]
        rows.append(tuple(row))
    caption = _caption(report, hidden=len(sampled) - samples, with_gain=with_gain, kept=bool(kept))
    return Layout(tuple(columns), tuple(rows), len(named), tuple(caption))


def _emphasis(ranked: Sequence[Arm]) -> dict[str, Emphasis]:
    """Mark the highest and the second highest mean; equal means are marked alike."""
    marks: dict[str, Emphasis] = {}
    means = sorted({arm.accuracy.mean for arm in ranked if arm.accuracy}, reverse=True)
    if len(means) < 2:
        return marks
    for arm in ranked:
        if arm.accuracy and arm.accuracy.mean in means[:2]:
            marks[arm.name] = "best" if arm.accuracy.mean == means[0] else "second"
    return marks


def ranges(arm: Arm, several_formulas: bool) -> str:
    """Say what sets an arm apart: its ranges, and what it changes of the protocol."""
    # The folder of real images is said where a formula would be.
    changes = {k.partition(".")[2]: v for k, v in arm.changes.items() if k != "dataset.images"}
    said = [numerals.ranges(arm.ranges), *(f"{key} {value}" for key, value in changes.items())]
    if any(said):
        return ", ".join(filter(None, said))
    if not several_formulas:
        return "no pre-training"
    return "defaults" if arm.formula else MISSING


def accuracy(arm: Arm, task: str | None, places: int) -> str:
    """Say the mean accuracy of an arm and its spread, on one task or over all."""
    sample = arm.accuracy if task is None else arm.tasks.get(task)
    return numerals.mean_std(sample.mean, sample.std, places) if sample else MISSING


def _gain(arm: Arm, baseline: str | None, places: int) -> list[Cell]:
    if arm.name == baseline:
        return [Cell("baseline"), Cell(MISSING)]
    if arm.difference is None:
        return [Cell(MISSING), Cell(MISSING)]
    difference = arm.difference
    gain = numerals.signed(100 * difference.gain, places)
    if difference.low is None or difference.high is None or difference.p_corrected is None:
        return [Cell(f"{gain} ({difference.untested})"), Cell(UNRESOLVED)]
    ends = (numerals.signed(100 * end, places) for end in (difference.low, difference.high))
    mark = "" if difference.resolved else UNRESOLVED
    return [
        Cell(f"{gain} [{', '.join(ends)}]"),
        Cell(f"{numerals.p_value(difference.p_corrected)}{mark}"),
    ]


def variety(arm: Arm, measure: str) -> str:
    """Say the mean of a variety measure of an arm."""
    return numerals.significant(arm.variety[measure]) if measure in arm.variety else MISSING


def measure_title(measure: str) -> str:
    """Return the heading of a variety measure."""
    return MEASURES[measure].title if measure in MEASURES else measure


def _caption(report: StudyReport, *, hidden: int, with_gain: bool, kept: bool) -> list[str]:
    on = f" on {' and '.join(report.tasks)}" if report.tasks else ""
    sizes = sorted({len(arm.replicates) for arm in report.arms if arm.replicates})
    n = f"n = {sizes[0]}" if len(sizes) == 1 else f"n = {sizes[0]}{EN_DASH}{sizes[-1]}"
    spread = "one replicate an arm" if sizes == [1] else "mean ± standard deviation over replicates"
    under = f" under protocol {report.protocol}" if report.protocol else ""
    said = [f"Study {report.study}{under}: top-1 accuracy{on}, {spread}, {n}."]
    if with_gain:
        said += _said_of_gain(report)
    elif report.baseline and any(arm.name != report.baseline for arm in report.arms):
        said.append(f"The baseline {report.baseline} has no finished trial, so no gain is given.")
    if len(report.ranked) > 1:
        said.append(f"The best mean is bold, the second underlined{_said_of_lead(report.lead)}.")
    if front(report):
        title = measure_title(sought(report) or "")
        said.append(f"{ON_FRONT} on the Pareto front of accuracy and {title}.")
    if any(arm.sampled for arm in report.arms):
        more = f" ({hidden} more are not shown)" if hidden > 0 else ""
        said.append(
            f"Sampled arms are in the order of their accuracy{more}; chosen by the numbers that "
            "are reported, the best are overestimated."
        )
    if kept:
        said.append("Variety measures are means over replicates.")
    return [*said, *_said_of_progress(report)]


def _said_of_gain(report: StudyReport) -> list[str]:
    differences = [arm.difference for arm in report.arms if arm.difference]
    tested = [difference for difference in differences if difference.p is not None]
    said = [f"Gain over {report.baseline} in percentage points"]
    if tested:
        said[0] += (
            " with its 95 % confidence interval; two-sided p of Welch's t-test (unpaired although "
            "arms share their seeds: with few replicates, pairing pays only where arms correlate "
            "strongly)"
        )
        arms = numerals.count(len(tested), "arm")
        said[0] += f", Holm-corrected over {arms}." if len(tested) > 1 else "."
    else:
        said[0] += "."
    reasons = {difference.untested for difference in differences}
    if "one replicate" in reasons:
        said.append("An arm with one replicate has no standard deviation, interval or test.")
    if "no spread" in reasons:
        said.append("Where neither arm has any spread, there is no test.")
    if not all(difference.resolved for difference in differences):
        said.append(f"{UNRESOLVED} not told apart from {report.baseline} (no p below {LEVEL:g}).")
    return said


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
