"""What a report says in which table, and the report in every format."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import stdev
from typing import Any

import pandas as pd

from explorer.errors import InputError, nearest
from explorer.report import numerals, tables
from explorer.report.analysis import correlations, front, variety_table
from explorer.report.decisions import Judgement, decisions_frame, decisions_table
from explorer.report.frame import csv_text
from explorer.report.numerals import EN_DASH, MISSING, count
from explorer.report.statistics import LEVEL, POWER, Difference, Spread
from explorer.report.summary import (
    Arm,
    StudyReport,
    arrange,
    lead,
    measure_title,
    objective_title,
    ranked,
)
from explorer.report.tables import Cell, Column, Emphasis, Table

SHOWN_MEASURES = ("vendi_features", "between_share", "edge_density", "spectral_slope")
"""The variety measures of the printed table, in order of importance; csv and json have all."""

SHOWN_SAMPLES = 10
"""Sampled arms in the printed table, best first; csv and json have all."""

UNRESOLVED = "\N{DAGGER}"
"""Follows the p-value of a gain that is not significant."""

ON_FRONT = "*"
"""Follows the name of an arm that is on the Pareto front."""

FORMATS = {".md": "markdown", ".csv": "csv", ".tex": "latex", ".json": "json"}
"""What :func:`render` writes, by the ending of a file."""

_TESTS = {
    "welch": "p: two-sided, of Welch's t-test",
    "permutation": "p: two-sided, of a permutation test (at least 0.1 for n = 3; intervals of "
    "Welch's t)",
    "dunnett": "p and intervals: two-sided, of Dunnett's test over all arms together",
}


def arms_table(
    report: StudyReport,
    *,
    measures: Sequence[str] = SHOWN_MEASURES,
    samples: int = SHOWN_SAMPLES,
) -> Table:
    """Arrange a report as the table of a paper, a row per arm.

    Accuracies are in percent and gains in percentage points. All numbers of a column have as many
    decimals as the median standard deviation has, written with two significant digits; those of
    variety, which stand without theirs, with one.

    Args:
        report: What the study has shown.
        measures: Variety measures to show; those that the study does not have are left out.
        samples: How many of the sampled arms to show.
    """
    named = [arm for arm in report.arms if not arm.sampled]
    shown = [*named, *[arm for arm in report.arms if arm.sampled][:samples]]
    shown = list(report.rows) if report.shown else shown
    # What is sought is shown in any case.
    kept = list(dict.fromkeys(m for m in (*report.sought, *measures) if m in report.measures))
    several_formulas, several = len(report.formulas) > 1, len(report.tasks) > 1
    columns = [Column("Arm", text=True, priority=0)]
    columns += [Column("Formula", text=True, priority=4)] if several_formulas else []
    with_ranges = bool(report.varied) or any(arm.changes for arm in report.arms)
    columns += [Column("Ranges", text=True, priority=3)] if with_ranges else []
    columns += [Column(f"{task} [%]", priority=5) for task in report.tasks if several]
    if report.trains:
        columns += [Column("Mean [%]" if several else "Accuracy [%]", priority=1)]
    columns += [Column("n", priority=2)]
    with_gain = any(arm.difference for arm in shown)
    columns += [Column("Gain [points]", priority=2), Column("p", priority=2)] if with_gain else []
    columns += [
        Column(measure_title(m), priority=1 if m in report.sought else 6 + index)
        for index, m in enumerate(kept)
    ]
    places = accuracy_places(shown)
    tasks = (*(report.tasks if several else ()), *([None] if report.trains else []))
    marks = {task: _emphasis(shown, task) for task in tasks}
    on_front = {arm.name for arm in front(report)}
    rows = []
    for arm in shown:
        row = [Cell(f"{arm.name} {ON_FRONT}" if arm.name in on_front else arm.name)]
        row += [Cell(arm.formula or "no pre-training")] if several_formulas else []
        row += [Cell(ranges(arm, several_formulas))] if with_ranges else []
        row += [Cell(accuracy(arm, task, places), marks[task].get(arm.name, "")) for task in tasks]
        row.append(Cell(str(len(arm.replicates))))
        row += _gain(arm, report, places) if with_gain else []
        row += [Cell(variety(arm, m, variety_places(shown, m))) for m in kept]
        rows.append(tuple(row))
    return Table(
        tuple(columns),
        tuple(rows),
        _caption(report, shown, with_gain=with_gain),
        _notes(report, shown, with_variety=bool(kept)),
        None if report.shown or len(named) == len(rows) else len(named),
        warning(report),
    )


def warning(report: StudyReport) -> str:
    """Say that the accuracies of a study mean nothing, where its protocol is ``smoke``."""
    if not report.protocol.startswith("smoke"):
        return ""
    return "Protocol smoke only shows that everything runs: its accuracies mean nothing."


def _emphasis(arms: Sequence[Arm], task: str | None) -> dict[str, Emphasis]:
    """Mark the highest and the second highest mean of a column; equal means are marked alike."""
    of_arms = {arm.name: arm.accuracy if task is None else arm.tasks.get(task) for arm in arms}
    means = {name: sample.mean for name, sample in of_arms.items() if sample}
    highest = sorted({*means.values()}, reverse=True)[:2]
    if len(highest) < 2:
        return {}
    marks: dict[float, Emphasis] = {highest[0]: "best", highest[1]: "second"}
    return {name: marks[mean] for name, mean in means.items() if mean in marks}


def accuracy_places(arms: Sequence[Arm]) -> int:
    """Return the decimals of accuracies in percent, the same for all arms."""
    return numerals.decimals(100 * (arm.accuracy.std or 0) for arm in arms if arm.accuracy)


def accuracy(arm: Arm, task: str | None, places: int) -> str:
    """Write the mean accuracy of an arm and its spread, on one task or over all."""
    sample = arm.accuracy if task is None else arm.tasks.get(task)
    return numerals.mean_std(sample.mean, sample.std, places) if sample else MISSING


def ranges(arm: Arm, several_formulas: bool) -> str:
    """Say what sets an arm apart: its ranges, and what it changes of the protocol."""
    # The folder of real images is named where a formula would be.
    changes = {k.partition(".")[2]: v for k, v in arm.changes.items() if k != "dataset.images"}
    parts = [numerals.ranges(arm.ranges), *(f"{k} {numerals.plain(v)}" for k, v in changes.items())]
    if arm.formula is None and not several_formulas:
        parts.insert(0, "no pre-training")  # else it stands where a formula would be
    return ", ".join(filter(None, parts)) or ("defaults" if arm.formula else MISSING)


def _gain(arm: Arm, report: StudyReport, places: int) -> list[Cell]:
    difference = arm.difference
    if difference is None:
        what = "control" if arm.name in report.controls else MISSING
        what = report.baseline_title if arm.name == report.baseline else what
        return [Cell(what), Cell(MISSING)]
    gain = numerals.signed(100 * difference.gain, places)
    if difference.low is None or difference.high is None or difference.p_corrected is None:
        return [Cell(f"{gain} ({difference.untested})"), Cell(MISSING)]
    low, high = (numerals.signed(100 * end, places) for end in (difference.low, difference.high))
    mark = "" if difference.significant else UNRESOLVED
    return [
        Cell(f"{gain} [{low}, {high}]"),
        Cell(f"{numerals.p_value(difference.p_corrected)}{mark}"),
    ]


def variety_places(arms: Sequence[Arm], measure: str) -> int | None:
    """Return the decimals of a variety measure that replicates leave certain, if there are any."""
    values = ([r.variety[measure] for r in arm.replicates if measure in r.variety] for arm in arms)
    return numerals.resolved(stdev(known) for known in values if len(known) > 1)


def variety(arm: Arm, measure: str, places: int | None) -> str:
    """Write the mean of a variety measure of an arm; three digits where no decimals are known."""
    if measure not in arm.variety:
        return MISSING
    value = arm.variety[measure]
    return numerals.significant(value) if places is None else numerals.fixed(value, places)


def _caption(report: StudyReport, shown: Sequence[Arm], *, with_gain: bool) -> tuple[str, ...]:
    on = f" on {numerals.listed(report.tasks)}" if report.tasks else ""
    sizes = sorted({len(arm.replicates) for arm in shown if arm.replicates}) or [0]
    n = f"n = {sizes[0]}" if len(sizes) == 1 else f"n = {sizes[0]}{EN_DASH}{sizes[-1]}"
    spread = "one replicate per arm" if sizes == [1] else "mean ± standard deviation"
    under = f" under protocol {report.protocol}" if report.protocol else ""
    what = f"top-1 accuracy{on}, {spread}" if report.trains else "variety of the images"
    first = f"Study {report.study}{under}: {what}, {n}."
    if not with_gain:
        return (first,)
    tested = [arm for arm in report.arms if arm.difference and arm.difference.p is not None]
    over = report.baseline_title
    second = f"Gain over {report.baseline}{'' if over == 'baseline' else f', the {over},'}"
    second += " in percentage points"
    if tested:
        second += f" with its 95 % confidence interval; {_TESTS[report.test]}"
        holm = len(tested) > 1 and report.test != "dunnett"
        second += f", Holm-corrected over {len(tested)} arms" if holm else ""
    return first, f"{second}."


def _notes(report: StudyReport, shown: Sequence[Arm], *, with_variety: bool) -> tuple[str, ...]:
    notes = []
    differences = [arm.difference for arm in shown if arm.difference]
    if not differences and report.baseline and len(report.arms) > 1 and report.trains:
        notes.append(f"The baseline {report.baseline} has no score, so no gain is given.")
    tested = [difference for difference in differences if difference.p is not None]
    if any(not difference.significant for difference in tested):
        base = report.baseline
        notes.append(f"{UNRESOLVED} not significantly different from {base} (p ≥ {LEVEL:g}).")
    if any(difference.untested for difference in differences):
        reasons = numerals.listed(sorted({d.untested for d in differences if d.untested}))
        notes.append(f"No test where there is {reasons.replace(' and ', ' or ')}.")
    best = ranked(shown)
    if len(best) > 1:
        each = " of each column" if len(report.tasks) > 1 else ""
        apart = _note_on_lead(lead(best, report.test))
        notes.append(f"Bold: the best mean{each}; underlined: the second{apart}.")
    if front(report):
        sought = numerals.listed([objective_title(name) for name in report.objectives])
        notes.append(f"{ON_FRONT} on the Pareto front of {sought.replace('Accuracy', 'accuracy')}.")
    hidden = len(report.arms) - len(shown)
    if hidden:
        left = "arm is" if hidden == 1 else "arms are"
        notes.append(f"{hidden:,} further {left} not shown.")
    if sum(arm.sampled for arm in shown) > 1 and report.trains:
        notes.append("The best sampled arms are chosen by these accuracies, which favours them.")
    notes += filter(None, [_note_on_unresolved(report)])
    notes += ["Variety measures are means over replicates."] if with_variety else []
    return (*notes, *_note_on_progress(report))


def _note_on_lead(difference: Difference | None) -> str:
    if difference is None or not (difference.gain or difference.p):
        return ""
    if difference.p is None:
        return f" (their difference is untested: {difference.untested})"
    apart = "significantly" if difference.p < LEVEL else "not significantly"
    return f", {apart} different from it (p {numerals.equals(difference.p)}, uncorrected)"


def _note_on_unresolved(report: StudyReport) -> str:
    known = report.unresolved
    if known is None:
        return ""
    some = "" if known.arms == len(report.ranked) else "pre-trained "
    needed = "more than 1,000" if known.needed is None else f"about {known.needed:,}"
    return (
        f"No two of the {known.arms} {some}arms differ significantly (F test, p "
        f"{numerals.equals(known.p)}); to show their largest difference, {known.highest} over "
        f"{known.lowest} by {100 * known.gap:.1f} points, would take {needed} replicates per arm "
        f"(power {POWER:g})."
    )


def _note_on_progress(report: StudyReport) -> list[str]:
    state, notes = report.progress, []
    if state.pruned:
        of = f"{state.pruned} of {count(state.total, 'trial')}"
        notes.append(f"{of} stopped early (pruner {report.pruner}); they count in no mean.")
    if not state.finished:
        counts = (f"{state.failed} failed", f"{state.running} running")
        rest = ", ".join(text for text in counts if not text.startswith("0 "))
        rest = f", {rest}" if rest else ""
        done = f"{state.done} of {count(state.total, 'trial')} done"
        notes.append(f"Preliminary, the study is not finished: {done}{rest}.")
    elif state.failed:
        verb = "is" if state.failed == 1 else "are"
        notes.append(f"{state.failed} of {count(state.total, 'trial')} failed and {verb} not here.")
    return notes


def front_table(report: StudyReport) -> Table | None:
    """Arrange the arms on the Pareto front as a table; ``None`` where there is no front."""
    names = [arm.name for arm in front(report)]
    if not names:
        return None
    table = arms_table(arrange(report, arms=names), measures=())
    better = {"maximize": "high", "minimize": "low"}
    sought = [f"{better[way]} {objective_title(o)}" for o, way in report.objectives.items()]
    caption = (
        (
            f"Study {report.study}: the Pareto front of "
            f"{numerals.listed(sought).replace('Accuracy', 'accuracy')}."
        ),
        "No other arm is better in both, by means over replicates and without regard to spread.",
    )
    return replace(table, caption=caption, notes=())


def study_tables(report: StudyReport) -> dict[str, Table]:
    """Return the tables that a study has, by name: ``arms``, ``front``, ``variety``, ``decisions``.

    There is a table of ``decisions`` per reference, the further ones with a number.
    """
    tables = {
        "arms": arms_table(report),
        "front": front_table(report),
        "variety": variety_table(report),
        **decision_tables(report.judgements),
    }
    return {name: table for name, table in tables.items() if table}


def decision_tables(judgements: Sequence[Judgement]) -> dict[str, Table]:
    """Return a table per judgement: ``decisions``, ``decisions-2`` and so on."""
    names = (f"decisions{f'-{number}' if number > 1 else ''}" for number in itertools.count(1))
    return dict(zip(names, map(decisions_table, judgements), strict=False))


def render(
    report: StudyReport | Sequence[Judgement],
    format: str,  # noqa: A002 - as --format
) -> str:
    """Write a report as text.

    Args:
        report: What :func:`~explorer.report.summarise` returns; or judgements alone, as of
            :func:`~explorer.report.fidelity`.
        format: A value of :data:`FORMATS`: ``markdown`` and ``latex`` (booktabs) are the tables
            of a paper with their captions; ``csv`` and ``json`` have all in full precision.

    Raises:
        InputError: If there is no such format.
    """
    if format not in FORMATS.values():
        remedy = f"unknown; {nearest(format, FORMATS.values())}"
        raise InputError("--format", None, format, remedy)
    if format == "json":
        return tables.json_text(
            to_dict(report)
            if isinstance(report, StudyReport)
            else {"judgements": [asdict(each) for each in report]}
        )
    if format == "csv":
        frame = to_frame(report) if isinstance(report, StudyReport) else decisions_frame(report)
        return csv_text(frame)
    if isinstance(report, StudyReport):
        study, named = report.study, study_tables(report)
    else:
        study, named = report[0].study, decision_tables(report)
    if format == "markdown":
        return "\n".join(map(tables.markdown, named.values()))
    labels = {name: study + (f"-{name}" if name != "arms" else "") for name in named}
    return "\n".join(tables.latex(table, label=labels[name]) for name, table in named.items())


def to_frame(report: StudyReport) -> pd.DataFrame:
    """Return a report as a frame, a row per arm (the chosen ones, where any were).

    The columns: ``arm``; ``sampled`` (0 or 1); ``formula``; ``<parameter>.low`` and
    ``<parameter>.high`` of the varied parameters; ``n``; ``accuracy`` and ``accuracy.std``, and
    for each task ``accuracy.<task>`` and ``accuracy.<task>.std``; ``gain`` over the baseline with
    ``gain.low`` and ``gain.high``, ``p``, ``p.corrected`` and ``significant`` (0 or 1);
    ``variety.<measure>``; ``companions.<name>``; ``front`` (0 or 1: on the Pareto front) where
    there are two objectives; ``seconds``. Accuracies and gains are shares of 1; what is missing is
    empty.
    """
    on_front = {arm.name for arm in front(report)}
    companions = dict.fromkeys(name for arm in report.rows for name in arm.companions)
    rows = []
    for arm in report.rows:
        row: dict[str, Any] = {"arm": arm.name, "sampled": int(arm.sampled), "formula": arm.formula}
        for parameter in report.varied:
            low, high = arm.ranges.get(parameter, (None, None))
            row |= {f"{parameter}.low": low, f"{parameter}.high": high}
        row |= {"n": len(arm.replicates), **_spread("accuracy", arm.accuracy)}
        for task in report.tasks:
            row |= _spread(f"accuracy.{task}", arm.tasks.get(task))
        gain = arm.difference
        ends = {"gain": "gain", "gain.low": "low", "gain.high": "high", "p": "p"}
        ends |= {"p.corrected": "p_corrected"}
        row |= {column: getattr(gain, field, None) for column, field in ends.items()}
        row["significant"] = int(gain.significant) if gain and gain.p is not None else None
        row |= {f"variety.{measure}": arm.variety.get(measure) for measure in report.measures}
        row |= {f"companions.{name}": arm.companions.get(name) for name in companions}
        row |= {"front": int(arm.name in on_front)} if report.sought else {}
        rows.append(row | {"seconds": arm.seconds})
    kinds = dict.fromkeys(("arm", "formula"), "string")
    kinds |= dict.fromkeys(("sampled", "n", "significant", "front"), "Int64")
    frame = pd.DataFrame(rows)
    return frame.astype({c: kinds.get(str(c), "float64") for c in frame.columns})


def _spread(name: str, sample: Spread | None) -> dict[str, Any]:
    return {name: sample and sample.mean, f"{name}.std": sample and sample.std}


def to_dict(report: StudyReport) -> dict[str, Any]:
    """Return a report as plain data: the fields of :class:`~explorer.report.StudyReport`.

    With them ``correlations`` (of each variety measure with accuracy) and ``front`` (names of the
    arms on the Pareto front). Accuracies and gains are shares of 1.
    """
    content = asdict(report)
    content["progress"] |= report.progress.derived()
    content["correlations"] = {m: asdict(rho) for m, rho in correlations(report).items()}
    content["front"] = [arm.name for arm in front(report)]
    if report.lead:
        content["lead"]["significant"] = report.lead.significant
    for arm, row in zip(report.arms, content["arms"], strict=True):
        if arm.difference:
            row["difference"]["significant"] = arm.difference.significant
    return content
