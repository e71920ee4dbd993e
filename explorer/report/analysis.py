"""What goes with accuracy in a study: best ranges, importances of their ends, variety."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import create_trial

from explorer.measures import MEASURES
from explorer.report import numerals
from explorer.report.agreement import Estimate, correlate
from explorer.report.frame import Range
from explorer.report.numerals import count, listed
from explorer.report.statistics import dunnett_critical, pooled
from explorer.report.summary import Arm, StudyReport, ranked
from explorer.report.tables import Column, Table

FEWEST_ARMS = 10
"""Below so many arms there is nothing to be said of importance."""

MOST_ARMS = 1000
"""Of more arms the best are taken: trees are slow."""


def measure_title(measure: str) -> str:
    """Return the heading of a variety measure."""
    return MEASURES[measure].title if measure in MEASURES else measure


def objective_title(objective: str) -> str:
    """Return the heading of an objective, ``accuracy`` or ``variety.<measure>``."""
    name = objective.removeprefix("variety.")
    return "Accuracy" if name == "accuracy" else measure_title(name)


def points(report: StudyReport) -> list[Arm]:
    """Return the scored arms that are points of a study's own space of varied ranges.

    They have its formula and its protocol, and every varied range lies within its bounds.
    """

    def inside(arm: Arm, parameter: str) -> bool:
        ends = arm.ranges.get(parameter)
        return ends is not None and all(
            least <= end <= greatest
            for end, (least, greatest) in zip(ends, report.bounds[parameter], strict=True)
        )

    return [
        arm
        for arm in report.arms
        if report.bounds
        and arm.accuracy
        and arm.formula == report.formula
        and not arm.changes
        and all(inside(arm, parameter) for parameter in report.bounds)
    ]


@dataclass(frozen=True, slots=True)
class Best:
    """What is known of the best ranges.

    Attributes:
        arm: The arm with the highest mean accuracy; chosen for it, it is overestimated.
        among: Names of the arms that the best of all is among with 95 % confidence, by accuracy;
            empty where this cannot be said.
        arms: Number of arms that were compared.
        low: For each varied parameter the least and the greatest low end of the arms in ``among``.
        high: The same of the high ends.
        lack: Why ``among`` is empty, else empty.
    """

    arm: Arm
    among: tuple[str, ...]
    arms: int
    low: Mapping[str, Range]
    high: Mapping[str, Range]
    lack: str = ""


def best_ranges(report: StudyReport) -> Best | None:
    """Say which ranges were best, and how far those reach that may be the best.

    Of the arms of the study's own search space those are kept whose mean is no further below the
    highest than chance alone takes the best of so many equal arms below another: Gupta's subset
    selection (Technometrics 1965, p. 225), by Dunnett's one-sided test (1955) with the variance
    of replicates pooled over all arms, which is taken to be the same in each. What is not kept is
    worse than the best. What is kept need not be as good: with few replicates most arms are.

    Returns:
        ``None`` where no sampler proposed arms, or fewer than two arms have a score.
    """
    arms = ranked(points(report))
    if len(arms) < 2 or not any(arm.sampled for arm in arms):
        return None
    error, freedom = pooled([arm.scores for arm in arms])
    if not error:
        lack = "replicates do not scatter" if freedom else "no arm has a second replicate"
        return Best(arms[0], (), len(arms), {}, {}, lack)
    best, n = arms[0].scores, len(arms[0].replicates)
    sizes = tuple(len(arm.replicates) for arm in arms[1:])

    allowed = error * dunnett_critical(sizes, n, freedom, two_sided=False)
    highest = float(np.mean(best))
    kept = [
        arm
        for arm in arms
        if highest - np.mean(arm.scores) <= allowed * math.sqrt(1 / len(arm.replicates) + 1 / n)
    ]
    ends = [{p: [arm.ranges[p][end] for arm in kept] for p in report.bounds} for end in (0, 1)]
    low, high = ({p: (min(v), max(v)) for p, v in of.items()} for of in ends)
    return Best(arms[0], tuple(arm.name for arm in kept), len(arms), low, high)


def best_table(report: StudyReport) -> Table | None:
    """Arrange the best ranges as a table, a row per parameter; ``None`` where there are none."""
    found = best_ranges(report)
    if found is None or found.arm.accuracy is None:
        return None
    columns = [Column("Parameter", text=True, priority=0), Column("Best arm")]
    columns += [Column("Low end"), Column("High end")] if found.among else []
    columns += [Column("Bounds of low", priority=2), Column("Bounds of high", priority=2)]
    rows = []
    for parameter, bounds in report.bounds.items():
        spans = [found.arm.ranges[parameter]]
        spans += [found.low[parameter], found.high[parameter]] if found.among else []
        rows.append((parameter, *(numerals.span(*ends) for ends in (*spans, *bounds))))
    best = found.arm.accuracy
    score = numerals.mean_std(best.mean, best.std, numerals.decimals([100 * (best.std or 0)]))
    first = f"Study {report.study}: the ranges of the best of {found.arms} arms, {found.arm.name} "
    first += f"({score} %, n = {best.n})."
    notes = ["It was chosen by this accuracy, which favours it."]
    if not found.among:
        second = f"Which others may be as good cannot be given: {found.lack}."
    elif len(found.among) == 1:
        second = "It is the best of them with 95 % confidence."
    else:
        second = (
            f"Low and high end: from the least to the greatest of the {len(found.among)} arms that "
            "may be the best (95 % confidence)."
        )
        notes.append(f"These are {listed(found.among, 8)}.")
    notes += ["Gupta's subset selection, variance pooled over arms."] if found.among else []
    return Table.of(columns, rows, caption=(first, second), notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class Importances:
    """How much each coordinate of the search space matters, by its name in Optuna.

    ``<parameter>.low`` is the low end of a range, ``<parameter>.share`` its width as a share of the
    room above the low end.

    Attributes:
        objective: What was scored: ``accuracy``, or ``variety.<measure>``.
        arms: Number of arms that this rests on.
        fanova: Share of the variance of the score over the whole space that a coordinate explains
            (Hutter, Hoos and Leyton-Brown, ICML 2014), the largest first; all sum to 1.
        ped_anova: Share of what sets the best arms apart from all (Watanabe, Bansal and Hutter,
            IJCAI 2023); all sum to 1.
        lack: Why nothing can be said, else empty.
    """

    objective: str
    arms: int
    fanova: Mapping[str, float]
    ped_anova: Mapping[str, float]
    lack: str = ""


def importances(report: StudyReport, objective: str = "accuracy") -> Importances:
    """Ask Optuna how much each coordinate of the search space matters for the score of an arm.

    Args:
        report: What :func:`~explorer.report.summarise` returns.
        objective: ``accuracy``, or another of the study's objectives (``variety.<measure>``).
    """
    from optuna.importance import (
        FanovaImportanceEvaluator,
        PedAnovaImportanceEvaluator,
        get_param_importances,
    )

    values = [(arm, arm.value(objective)) for arm in points(report)]
    scored = [(arm, value) for arm, value in values if value is not None][:MOST_ARMS]
    spaces: dict[str, BaseDistribution] = {}
    for parameter, (low, high) in report.bounds.items():
        if low[0] < low[1]:
            spaces[f"{parameter}.low"] = FloatDistribution(*low)
        if low[0] < high[1]:
            spaces[f"{parameter}.share"] = FloatDistribution(0.0, 1.0)
    lack = "" if spaces else "no end of a range varies"
    if len({value for _, value in scored}) == 1:
        lack = f"all {len(scored)} arms have the same score"
    if len(scored) < FEWEST_ARMS:
        lack = f"{count(len(scored), 'arm')} with a score, at least {FEWEST_ARMS} are needed"
    if lack:
        return Importances(objective, len(scored), {}, {}, lack)
    sign = -1.0 if report.objectives.get(objective) == "minimize" else 1.0
    study = optuna.create_study(direction="maximize")
    for arm, value in scored:
        params = {}
        for parameter, (_, (_, greatest)) in report.bounds.items():
            low_end, high_end = arm.ranges[parameter]
            room = greatest - low_end
            params[f"{parameter}.low"] = low_end
            params[f"{parameter}.share"] = (high_end - low_end) / room if room > 0 else 0.5
        params = {name: end for name, end in params.items() if name in spaces}
        study.add_trial(create_trial(value=sign * value, params=params, distributions=spaces))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        best = PedAnovaImportanceEvaluator(target_quantile=max(0.1, 5 / len(scored)))
    evaluators = (FanovaImportanceEvaluator(seed=0), best)
    fanova, ped_anova = (get_param_importances(study, evaluator=e) for e in evaluators)
    return Importances(objective, len(scored), fanova, ped_anova)


def importance_table(report: StudyReport) -> Table | None:
    """Arrange the importances as a table; ``None`` where no sampler chose ranges.

    Each objective has its columns. Where nothing can be said of any, the table has no row and its
    caption gives the reason.
    """
    if not any(arm.sampled for arm in report.arms):
        return None
    found = {objective_title(name): importances(report, name) for name in report.objectives}
    usable = {title: entry for title, entry in found.items() if not entry.lack}
    lacks = tuple(f"{title}: {entry.lack}." for title, entry in found.items() if entry.lack)
    head = f"Study {report.study}: importance of the ends of every varied range"
    if not usable:
        return Table((), (), (f"{head} cannot be given.",), lacks)
    columns = [Column("End of range", text=True, priority=0)]
    for title in usable:
        of = f"{title}: " if len(found) > 1 else ""
        columns += [Column(f"{of}fANOVA"), Column(f"{of}PED-ANOVA")]
    rows = []
    for name in next(iter(usable.values())).fanova:
        parameter, _, end = name.rpartition(".")
        shares = (of[name] for e in usable.values() for of in (e.fanova, e.ped_anova))
        label = f"{parameter}, {'low end' if end == 'low' else 'width'}"
        rows.append((label, *(f"{share:.2f}" for share in shares)))
    arms = next(iter(usable.values())).arms
    notes = (
        "Width: share of the room above the low end that a range takes.",
        "fANOVA: share in the variance of the score; PED-ANOVA: in what sets the best arms apart.",
        *lacks,
    )
    caption = (f"{head}, over {arms} arms by their means.",)
    return Table.of(columns, rows, caption=caption, notes=notes)


def correlations(report: StudyReport) -> dict[str, Estimate]:
    """Correlate every variety measure of a study with the accuracy of its replicates.

    Only pre-trained replicates with a score count; those of an arm share their ranges, which
    :func:`~explorer.report.agreement.correlate` makes allowance for.

    Returns:
        Spearman's rho by measure; empty where fewer than three replicates were measured.
    """
    trials = [(arm.name, replicate) for arm in report.arms for replicate in arm.replicates]
    # Measures that the same replicates have are resampled together.
    together: dict[tuple[int, ...], list[str]] = {}
    for measure in report.measures:
        having = tuple(i for i, (_, trial) in enumerate(trials) if measure in trial.variety)
        together.setdefault(having, []).append(measure)
    found: dict[str, Estimate] = {}
    for having, measures in together.items():
        if len(having) < 3:
            continue
        measured = [trials[i] for i in having]
        found |= correlate(
            {measure: [trial.variety[measure] for _, trial in measured] for measure in measures},
            [trial.accuracy for _, trial in measured],
            [name for name, _ in measured],
        )
    return {measure: found[measure] for measure in report.measures if measure in found}


def variety_table(report: StudyReport, known: Mapping[str, Estimate] | None = None) -> Table | None:
    """Arrange the correlations as a table, the strongest first; ``None`` where there are none.

    Args:
        report: What the study has found.
        known: Its :func:`correlations`, where they are known already.
    """
    measured = correlations(report) if known is None else known
    found = sorted(measured.items(), key=_strength)
    if not found:
        return None
    rows = [
        (measure_title(measure), numerals.with_interval(_signed, e.value, e.low, e.high), str(e.n))
        for measure, e in found
    ]
    arms = sum(any(r.variety for r in arm.replicates) for arm in report.arms)
    columns: Sequence[Column] = (
        Column("Variety measure", text=True, priority=0),
        Column("Spearman's rho"),
        Column("n", priority=2),
    )
    first = f"Study {report.study}: rank correlation of each variety measure of the images with "
    first += f"accuracy over the pre-trained trials (n) of {count(arms, 'arm')}."
    few = f"{count(arms, 'arm')} {'is' if arms == 1 else 'are'} too few for an interval."
    bootstrap = "In brackets: the 95 % interval of a bootstrap over arms, for each measure alone."
    return Table.of(columns, rows, caption=(first, bootstrap if arms >= 4 else few))


def _signed(value: float) -> str:
    return numerals.signed(value, 2)


def _strength(item: tuple[str, Estimate]) -> float:
    value = item[1].value
    return 1.0 if math.isnan(value) else -abs(value)
