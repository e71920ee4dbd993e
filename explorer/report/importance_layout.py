"""The table of the importance of every varied end of a range."""

from collections.abc import Mapping

from explorer.report import numerals
from explorer.report.agreement import Estimate
from explorer.report.importance import Importances, importances
from explorer.report.layout import Cell, Column, Layout, measure_title
from explorer.report.summary import StudyReport


def lay_out_importance(
    report: StudyReport,
    known: Mapping[str, Importances] | None = None,
) -> Layout | None:
    """Arrange the importances as a table, a row an end; ``None`` where no sampler chose ranges.

    Where there are two objectives, each has its columns. Where nothing can be said of any, the
    table has no row and its caption says why.

    Args:
        report: What the study has found.
        known: Its importances by objective, as far as they are known already.
    """
    if not any(arm.sampled for arm in report.arms):
        return None
    given = known or {}
    found = [
        given.get(objective) or importances(report, objective) for objective in report.objectives
    ]
    usable = [one for one in found if one.rows]
    columns = [Column("End of range", text=True)]
    for one in usable:
        of = f"{_title(one)}: " if len(found) > 1 else ""
        columns += [Column(f"{of}fANOVA"), Column(f"{of}PED-ANOVA")]
    by_end = [{row.end: row for row in one.rows} for one in usable]
    rows = tuple(
        (
            Cell(end),
            *(
                Cell(_estimate(estimate))
                for row in (of[end] for of in by_end)
                for estimate in (row.fanova, row.ped_anova)
            ),
        )
        for end in (by_end[0] if by_end else ())
    )
    return Layout(tuple(columns), rows, len(rows), (_caption(report, found, usable),))


def _caption(report: StudyReport, found: list[Importances], known: list[Importances]) -> str:
    head = f"Study {report.study}: importance of every varied end of a range"
    lacks = [f"{_title(one)}: {one.lack}" for one in found if one.lack]
    if not known:
        return f"{head} cannot be given ({'; '.join(lacks)})."
    said = (
        f"{head}, over {known[0].arms} arms by their means. fANOVA: share of the variance of the "
        "score that it explains alone, with the interval of 95 % of the trees; what is missing to "
        "1 is explained by ends together. PED-ANOVA: share in what sets the best "
        f"{known[0].best} arms apart, with the 95 % interval of a bootstrap over arms."
    )
    return f"{said} {'; '.join(lacks)}." if lacks else said


def _title(found: Importances) -> str:
    if found.objective == "accuracy":
        return "Accuracy"
    return measure_title(found.objective.removeprefix("variety."))


def _estimate(estimate: Estimate) -> str:
    return numerals.with_interval("{:.2f}".format, estimate.value, estimate.low, estimate.high)
