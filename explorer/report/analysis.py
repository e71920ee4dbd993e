"""What goes with accuracy in a study: the variety of the images."""

import math
import warnings
from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from explorer.report import numerals
from explorer.report.numerals import count
from explorer.report.statistics import CONFIDENCE, Estimate
from explorer.report.summary import Arm, StudyReport, gains, measure_title
from explorer.report.tables import Column, Table

_FEWEST_FOR_INTERVAL = 4
_RESAMPLES, _DRAWN = 999, 1_000_000  # at most, and values in all: of 10,000 arms 100


def correlations(report: StudyReport) -> dict[str, Estimate]:
    """Correlate every variety measure of a study with accuracy, over the means of its arms.

    Returns:
        Spearman's rho by measure with the 95 % interval of a bootstrap over arms (none for fewer
        than four), and the number of arms; empty where fewer than two were measured. NaN for two
        arms, and where a measure, or accuracy, is the same in all.
    """
    rhos = {}
    for measure in report.measures:
        points = [
            (value, arm.accuracy.mean)
            for arm in report.pretrained
            if arm.accuracy and (value := arm.measured(measure)) is not None
        ]
        if len(points) > 1:
            rhos[measure] = _correlate(*np.array(points).T)
    return rhos


def _correlate(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Estimate:
    from scipy.stats import bootstrap

    rho = float(_spearman(x, y)) if len(x) > 2 else math.nan
    if math.isnan(rho) or len(x) < _FEWEST_FOR_INTERVAL:
        return Estimate(rho, None, None, len(x))
    options = {"paired": True, "vectorized": True, "method": "percentile", "rng": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # resamples of equal arms have no correlation
        statistic = partial(_spearman, missing=rho)
        times = min(_RESAMPLES, _DRAWN // len(x))
        drawn = bootstrap(
            (x, y), statistic, n_resamples=times, confidence_level=CONFIDENCE, **options
        )
    low, high = map(float, drawn.confidence_interval)
    return Estimate(rho, low, high, len(x))


def _spearman(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    axis: int = -1,
    missing: float = math.nan,
) -> npt.NDArray[np.float64]:
    """Return Spearman's rho of many samples at once, which SciPy's own does one by one."""
    from scipy.stats import rankdata

    a, b = (rankdata(values, axis=axis) for values in (x, y))
    a, b = (ranks - ranks.mean(axis, keepdims=True) for ranks in (a, b))
    scale = np.sqrt((a**2).sum(axis) * (b**2).sum(axis))
    return np.where(scale > 0, (a * b).sum(axis) / np.where(scale > 0, scale, 1), missing)


def variety_table(report: StudyReport, known: Mapping[str, Estimate] | None = None) -> Table | None:
    """Arrange the correlations as a table, the strongest first; ``None`` where there are none.

    Args:
        report: What the study has shown.
        known: Its :func:`correlations`, where they are known already.
    """
    rhos = correlations(report) if known is None else known
    if not rhos:
        return None
    ordered = sorted(rhos.items(), key=lambda item: -abs(np.nan_to_num(item[1].value)))
    write = partial(numerals.signed, places=2)
    rows = [
        (measure_title(m), numerals.with_interval(write, e.value, e.low, e.high), str(e.n))
        for m, e in ordered
    ]
    columns = (
        Column("Variety measure", text=True, priority=0),
        Column("Spearman's rho"),
        Column("Arms", priority=2),
    )
    caption = (
        (
            f"Study {report.study}: rank correlation of each variety measure of the images with "
            "accuracy, over the means of pre-trained arms."
        ),
    )
    most = max(estimate.n for estimate in rhos.values())
    note = "In brackets: the 95 % interval of a bootstrap over arms, for each measure alone."
    if most < _FEWEST_FOR_INTERVAL:
        note = f"{count(most, 'arm')} are too few for an interval."
    return Table.of(columns, rows, caption=caption, notes=(note,))


def front(report: StudyReport) -> list[Arm]:
    """Return the Pareto front: the arms that none dominates, the best by the first objective first.

    An arm dominates another if it is no worse in either objective and better in one. Means over
    replicates are compared, without regard to their spread. Arms without images are no part of it.
    Where a study seeks one thing alone there is no front.
    """
    if len(report.objectives) < 2:
        return []
    arms = [arm for arm in report.arms if arm.formula and arm.name not in report.controls]
    known = [(gains(arm, report.objectives), arm) for arm in arms]
    points = [(values[0], values[1], arm) for values, arm in known if values]
    kept: list[Arm] = []
    last = (math.inf, -math.inf)
    # From the best by the first on, what does not go beyond all before it in the second is
    # dominated.
    for first, second, arm in sorted(points, key=lambda point: point[:2], reverse=True):
        if second > last[1] or (first, second) == last:
            kept.append(arm)
            last = (first, second)
    return kept
