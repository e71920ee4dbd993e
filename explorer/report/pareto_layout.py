"""The table of a study's Pareto front."""

from explorer.report import numerals
from explorer.report.layout import (
    Cell,
    Column,
    Layout,
    accuracy,
    measure_title,
    ranges,
    variety,
    variety_places,
)
from explorer.report.pareto import front, sought
from explorer.report.summary import StudyReport


def lay_out_front(report: StudyReport) -> Layout | None:
    """Arrange the Pareto front as a table; ``None`` where there is none."""
    measure, arms = sought(report), front(report)
    if measure is None or not arms:
        return None
    places = numerals.decimals(
        100 * arm.accuracy.std for arm in arms if arm.accuracy and arm.accuracy.std
    )
    several = len(report.formulas) > 1
    title, fine = measure_title(measure), variety_places(arms, measure)
    columns = (
        Column("Arm", text=True),
        Column("Ranges", text=True),
        Column("Accuracy [%]"),
        Column("n"),
        Column(title),
    )
    rows = tuple(
        (
            Cell(arm.name),
            Cell(ranges(arm, several)),
            Cell(accuracy(arm, None, places)),
            Cell(str(len(arm.replicates))),
            Cell(variety(arm, measure, fine)),
        )
        for arm in arms
    )
    better = "higher" if report.objectives[f"variety.{measure}"] == "maximize" else "lower"
    caption = (
        f"Study {report.study}: the Pareto front of accuracy (the higher the better) and "
        f"{title} (the {better} the better), the arms that no other is better than in both, by "
        "their means over replicates and without regard to their spread."
    )
    return Layout(columns, rows, len(rows), (caption,))
