"""The table of a study before it takes the form of a format: cells, emphasis and caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Literal

from explorer.report import numerals
from explorer.report.caption import ON_FRONT, UNRESOLVED, caption, measure_title
from explorer.report.numerals import MISSING
from explorer.report.pareto import front, sought
from explorer.report.summary import Arm, StudyReport

__all__ = [
    "ON_FRONT",
    "SHOWN_MEASURES",
    "SHOWN_SAMPLES",
    "UNRESOLVED",
    "Cell",
    "Column",
    "Emphasis",
    "Layout",
    "accuracy",
    "lay_out",
    "measure_title",
    "ranges",
    "variety",
]

SHOWN_MEASURES = ("vendi_features", "between_share", "edge_density", "spectral_slope")
"""The variety measures of the printed table, in order of importance; csv and json have all."""

SHOWN_SAMPLES = 10
"""Sampled arms in the printed table, best first; csv and json have all."""

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
    decimals as the median standard deviation has, written with two significant digits; those of
    variety, which stand without theirs, with one.

    Args:
        report: What the study has found.
        measures: Variety measures to show; those that the study does not have are left out.
        samples: How many of the sampled arms to show.
    """
    shown, first_sample = _shown(report, samples)
    with_gain = any(arm.difference for arm in shown)
    # What is sought is shown at any width.
    kept = [m for m in report.measures if m == sought(report)]
    kept += [m for m in measures if m in report.measures and m not in kept]
    best = {arm.name for arm in front(report)}
    places = numerals.decimals(
        100 * arm.accuracy.std for arm in shown if arm.accuracy and arm.accuracy.std
    )
    fine = {measure: variety_places(shown, measure) for measure in kept}
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
    emphasis = {task: _emphasis(shown, task) for task in (None, *(report.tasks if several else ()))}
    rows = []
    for arm in shown:
        row = [Cell(f"{arm.name} {ON_FRONT}" if arm.name in best else arm.name)]
        if several_formulas:
            row.append(Cell(arm.formula or "no pre-training"))
        if with_ranges:
            row.append(Cell(ranges(arm, several_formulas)))
        if several:
            row += [
                Cell(accuracy(arm, task, places), emphasis[task].get(arm.name, ""))
                for task in report.tasks
            ]
        row.append(Cell(accuracy(arm, None, places), emphasis[None].get(arm.name, "")))
        row.append(Cell(str(len(arm.replicates))))
        if with_gain:
            row += _gain(arm, report.baseline, places)
        row += [Cell(variety(arm, measure, fine[measure])) for measure in kept]
        rows.append(tuple(row))
    said = caption(report, shown, with_gain=with_gain, with_variety=bool(kept))
    return Layout(tuple(columns), tuple(rows), first_sample, tuple(said))


def _shown(report: StudyReport, samples: int) -> tuple[list[Arm], int]:
    """Return the arms that are rows, and the index of the first that is sampled."""
    if report.shown:
        return list(report.rows), len(report.rows)
    named = [arm for arm in report.arms if not arm.sampled]
    sampled = [arm for arm in report.arms if arm.sampled]
    return [*named, *sampled[:samples]], len(named)


def _emphasis(arms: Sequence[Arm], task: str | None) -> dict[str, Emphasis]:
    """Mark the highest and the second highest mean of a column; equal means are marked alike."""
    of_arms = {arm.name: arm.accuracy if task is None else arm.tasks.get(task) for arm in arms}
    means = {name: sample.mean for name, sample in of_arms.items() if sample}
    highest = sorted({*means.values()}, reverse=True)[:2]
    if len(highest) < 2:
        return {}
    marks: dict[float, Emphasis] = {highest[0]: "best", highest[1]: "second"}
    return {name: marks[mean] for name, mean in means.items() if mean in marks}


def ranges(arm: Arm, several_formulas: bool) -> str:
    """Say what sets an arm apart: its ranges, and what it changes of the protocol."""
    # The folder of real images is said where a formula would be.
    changes = {k.partition(".")[2]: v for k, v in arm.changes.items() if k != "dataset.images"}
    said = [numerals.ranges(arm.ranges), *(f"{key} {value}" for key, value in changes.items())]
    if arm.formula is None and not several_formulas:
        said.insert(0, "no pre-training")  # else it is said where a formula would be
    nothing = "defaults" if arm.formula else MISSING
    return ", ".join(filter(None, said)) or nothing


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


def variety_places(arms: Sequence[Arm], measure: str) -> int | None:
    """Return the decimals of a variety measure that replicates leave certain, if there are any."""
    values = (
        [one.variety[measure] for one in arm.replicates if measure in one.variety] for arm in arms
    )
    return numerals.resolved(stdev(own) for own in values if len(own) > 1)


def variety(arm: Arm, measure: str, places: int | None) -> str:
    """Say the mean of a variety measure of an arm; three digits where no decimals are known."""
    if measure not in arm.variety:
        return MISSING
    value = arm.variety[measure]
    if places is None:
        return numerals.significant(value)
    return numerals.fixed(value, places)
