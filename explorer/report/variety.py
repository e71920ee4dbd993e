"""Variety against accuracy over the trials of a study: the papers' central claim, tested."""

from collections.abc import Mapping

from explorer.report import numerals
from explorer.report.agreement import Estimate, correlate
from explorer.report.layout import Cell, Column, Layout, measure_title
from explorer.report.summary import StudyReport


def correlations(report: StudyReport) -> dict[str, Estimate]:
    """Correlate every variety measure of a study with the accuracy of its trials.

    Only pre-trained trials with a score count; those of an arm share their ranges, which
    :func:`~explorer.report.agreement.correlate` makes allowance for.

    Returns:
        Spearman's rho by measure; empty where fewer than three trials were measured.
    """
    trials = [(arm.name, one) for arm in report.arms for one in arm.replicates]
    # Measures that the same trials have are resampled together.
    together: dict[tuple[int, ...], list[str]] = {}
    for measure in report.measures:
        having = tuple(i for i, (_, one) in enumerate(trials) if measure in one.variety)
        together.setdefault(having, []).append(measure)
    found: dict[str, Estimate] = {}
    for having, measures in together.items():
        if len(having) < 3:
            continue
        measured = [trials[i] for i in having]
        found |= correlate(
            {measure: [one.variety[measure] for _, one in measured] for measure in measures},
            [one.accuracy for _, one in measured],
            [name for name, _ in measured],
        )
    return {measure: found[measure] for measure in report.measures if measure in found}


def lay_out_variety(
    report: StudyReport, known: Mapping[str, Estimate] | None = None
) -> Layout | None:
    """Arrange the correlations as a table, the strongest first; ``None`` where there are none.

    Args:
        report: What the study has found.
        known: Its :func:`correlations`, where they are known already.
    """
    measured = correlations(report) if known is None else known
    found = sorted(measured.items(), key=lambda item: -abs(item[1].value))
    if not found:
        return None
    columns = (Column("Variety measure", text=True), Column("Spearman's rho"), Column("n"))
    rows = tuple(
        (Cell(measure_title(measure)), Cell(_estimate(estimate)), Cell(str(estimate.n)))
        for measure, estimate in found
    )
    arms = sum(any(one.variety for one in arm.replicates) for arm in report.arms)
    caption = (
        f"Study {report.study}: rank correlation of each variety measure of the images with "
        f"accuracy over the pre-trained trials (n) of {numerals.count(arms, 'arm')}, with the "
        "95 % interval of a bootstrap over arms, for each measure alone."
        if arms >= 4
        else f"Study {report.study}: rank correlation of each variety measure of the images with "
        f"accuracy over the pre-trained trials (n); {numerals.count(arms, 'arm')} "
        f"{'is' if arms == 1 else 'are'} too few for an interval."
    )
    return Layout(columns, rows, len(rows), (caption,))


def _estimate(estimate: Estimate) -> str:
    return numerals.with_interval(_number, estimate.value, estimate.low, estimate.high)


def _number(value: float) -> str:
    return numerals.signed(value, 2)
