"""The table of a study's best ranges."""

from explorer.report import numerals
from explorer.report.best import Best, best_ranges
from explorer.report.layout import Cell, Column, Layout, accuracy
from explorer.report.summary import StudyReport

_NAMED = 8
"""So many arms are named in the caption."""


def lay_out_best(report: StudyReport) -> Layout | None:
    """Arrange the best ranges as a table, a row a parameter; ``None`` where there are none."""
    found = best_ranges(report)
    if found is None:
        return None
    columns = [Column("Parameter", text=True), Column("Best arm")]
    if found.among:
        columns += [Column("Low end"), Column("High end")]
    columns += [Column("Bounds of low"), Column("Bounds of high")]
    rows = []
    for parameter, bounds in report.bounds.items():
        spans = [found.arm.ranges[parameter]]
        if found.among:
            spans += [found.low[parameter], found.high[parameter]]
        spans += bounds
        rows.append((Cell(parameter), *(Cell(numerals.span(*ends)) for ends in spans)))
    return Layout(tuple(columns), tuple(rows), len(rows), _caption(report, found))


def _caption(report: StudyReport, found: Best) -> tuple[str, ...]:
    best = found.arm.accuracy
    places = numerals.decimals([100 * best.std] if best and best.std else [])
    said = (
        f"Study {report.study}: the ranges of the best of {found.arms} arms, {found.arm.name} "
        f"({accuracy(found.arm, None, places)} %, n = {len(found.arm.replicates)}); chosen for its "
        "accuracy, it is overestimated."
    )
    if not found.among:
        return said, f"Which others may be as good cannot be said: {found.lack}."
    if len(found.among) == 1:
        return said, f"With 95 % confidence it is the best of them ({_METHOD})."
    named = f": {', '.join(found.among)}" if len(found.among) <= _NAMED else ""
    reach = (
        f"Low and high end: least and greatest of the {len(found.among)} arms that the best is "
        f"among with 95 % confidence ({_METHOD}){named}."
    )
    return said, reach


_METHOD = "Gupta's subset selection, variance pooled over arms"
