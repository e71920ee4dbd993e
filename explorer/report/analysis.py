"""What goes with accuracy in a study: best ranges, importances of their ends, variety."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import create_trial

from explorer.report import numerals
from explorer.report.agreement import Estimate, correlate
from explorer.report.frame import Range
from explorer.report.numerals import count, listed
from explorer.report.statistics import CONFIDENCE, dunnett_critical, pooled
from explorer.report.summary import Arm, StudyReport, ranked
from explorer.report.tables import Column, Table
from explorer.variety import MEASURES

FEWEST_ARMS = 10
"""Below so many arms there is nothing to be said of importance."""

MOST_ARMS = 300
"""Of more arms so many are drawn, seeded: trees are slow, and intervals narrow by then."""

RESAMPLES = 30
"""Resamples of the arms for the interval of an importance."""

_TREES = 16
_BEST = 5  # arms that are to be among the best, says Optuna's documentation of PED-ANOVA


def measure_title(measure: str) -> str:
    """Return the heading of a variety measure."""
    return MEASURES[measure].title if measure in MEASURES else measure


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
class Importance:
    """How much one coordinate of the search space matters.

    Attributes:
        parameter: Its name in Optuna: ``<parameter>.low`` for the low end of a range,
            ``<parameter>.share`` for its width, as a share of the room above the low end.
        fanova: Share of the variance of the score over the whole space that it explains by
            itself, in [0, 1].
        ped_anova: Its share of what sets the best arms apart from all, in [0, 1]; all sum to 1.
    """

    parameter: str
    fanova: Estimate
    ped_anova: Estimate


@dataclass(frozen=True, slots=True)
class Importances:
    """What is known of the importance of the coordinates of a search space.

    Attributes:
        objective: What was scored: ``accuracy``, or ``variety.<measure>``.
        arms: Number of arms that this rests on.
        best: How many of them PED-ANOVA took for the best.
        rows: One per coordinate that varies, the most important by fANOVA first; empty where
            nothing can be said.
        lack: Why nothing can be said, else empty.
    """

    objective: str
    arms: int
    best: int
    rows: tuple[Importance, ...]
    lack: str = ""


def importances(report: StudyReport, objective: str = "accuracy") -> Importances:
    """Say how much each coordinate of the search space matters for the mean score of an arm.

    Both measures are Optuna's: fANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014) says what moves
    the score, PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI 2023) what makes it high. Intervals are
    those of a bootstrap over arms, by percentiles, seeded. A sampler that has learned proposes
    more of what is good; PED-ANOVA compares with what was proposed and bears it, fANOVA is best
    where ranges were drawn at random (``random``, ``qmc``).

    Args:
        report: What :func:`~explorer.report.summarise` returns.
        objective: ``accuracy``, or another of the study's objectives (``variety.<measure>``).
    """
    values = [(arm, arm.value(objective)) for arm in points(report)]
    scored = [(arm, value) for arm, value in values if value is not None]
    random = np.random.default_rng(0)
    if len(scored) > MOST_ARMS:
        chosen = random.choice(len(scored), MOST_ARMS, replace=False)
        scored = [scored[i] for i in sorted(chosen)]
    lack = ""
    if len(scored) < FEWEST_ARMS:
        lack = f"{count(len(scored), 'arm')} with a score, at least {FEWEST_ARMS} are needed"
    elif len({value for _, value in scored}) == 1:
        lack = f"all {len(scored)} arms have the same score"
    spaces = _distributions(report)
    if not spaces:
        lack = "no end of a range varies"
    if lack:
        return Importances(objective, len(scored), 0, (), lack)
    minimise = report.objectives.get(objective) == "minimize"
    trials = [
        create_trial(
            value=-value if minimise else value,
            params=_coordinates(report, arm, spaces),
            distributions=spaces,
        )
        for arm, value in scored
    ]
    share = max(0.1, _BEST / len(trials))
    fanova = optuna.importance.FanovaImportanceEvaluator(n_trees=_TREES, max_depth=7, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pedanova = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)
    samples = [list(range(len(trials)))]
    samples += [list(random.integers(len(trials), size=len(trials))) for _ in range(RESAMPLES)]
    drawn: dict[str, list[list[float]]] = {"fanova": [], "ped_anova": []}
    for sample in samples:
        study = optuna.create_study(direction="maximize")
        study.add_trials([trials[i] for i in sample])
        for name, evaluator in (("fanova", fanova), ("ped_anova", pedanova)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a resample that the best arms make up: zeros
                found = optuna.importance.get_param_importances(
                    study, evaluator=evaluator, params=list(spaces), normalize=name != "fanova"
                )
            drawn[name].append([found.get(parameter, 0.0) for parameter in spaces])
    estimates = {
        name: [_estimate(values, len(trials)) for values in np.array(table).T]
        for name, table in drawn.items()
    }
    rows = [Importance(*row) for row in zip(spaces, *estimates.values(), strict=True)]
    ordered = tuple(sorted(rows, key=lambda row: -row.fanova.value))
    return Importances(objective, len(trials), math.ceil(share * len(trials)), ordered)


def _estimate(values: "np.ndarray[tuple[int], np.dtype[np.float64]]", n: int) -> Estimate:
    low, high = np.quantile(values[1:], ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Estimate(float(values[0]), float(low), float(high), n)


def _distributions(report: StudyReport) -> dict[str, BaseDistribution]:
    spaces: dict[str, BaseDistribution] = {}
    for parameter, (low, high) in report.bounds.items():
        if low[0] < low[1]:
            spaces[f"{parameter}.low"] = FloatDistribution(*low)
        if low[0] < high[1] and high[0] < high[1]:
            spaces[f"{parameter}.share"] = FloatDistribution(0.0, 1.0)
    return spaces


def _coordinates(
    report: StudyReport, arm: Arm, spaces: Mapping[str, BaseDistribution]
) -> dict[str, float]:
    found = {}
    for parameter, (_, (_, greatest)) in report.bounds.items():
        low, high = arm.ranges[parameter]
        room = greatest - low
        found[f"{parameter}.low"] = low
        found[f"{parameter}.share"] = (high - low) / room if room > 0 else 0.5
    return {name: value for name, value in found.items() if name in spaces}


def importance_table(
    report: StudyReport, known: Mapping[str, Importances] | None = None
) -> Table | None:
    """Arrange the importances as a table; ``None`` where no sampler chose ranges.

    Where there are two objectives, each has its columns. Where nothing can be said of any, the
    table has no row and its caption gives the reason.

    Args:
        report: What the study has found.
        known: Its importances by objective, as far as they are known already.
    """
    if not any(arm.sampled for arm in report.arms):
        return None
    given = known or {}
    found = [given.get(name) or importances(report, name) for name in report.objectives]
    usable = [entry for entry in found if entry.rows]
    titles = {
        entry.objective: "Accuracy"
        if entry.objective == "accuracy"
        else measure_title(entry.objective.removeprefix("variety."))
        for entry in found
    }
    head = f"Study {report.study}: importance of the ends of every varied range"
    lacks = [f"{titles[entry.objective]}: {entry.lack}." for entry in found if entry.lack]
    if not usable:
        return Table((), (), (f"{head} cannot be given.", *lacks[:1]), tuple(lacks[1:]))
    columns = [Column("End of range", text=True, priority=0)]
    for entry in usable:
        of = f"{titles[entry.objective]}: " if len(found) > 1 else ""
        columns += [Column(f"{of}fANOVA"), Column(f"{of}PED-ANOVA")]
    by_name = [{row.parameter: row for row in entry.rows} for entry in usable]
    rows = [
        (
            _end(name),
            *(
                _written("{:.2f}".format, estimate)
                for row in (of[name] for of in by_name)
                for estimate in (row.fanova, row.ped_anova)
            ),
        )
        for name in by_name[0]
    ]
    caption = (
        f"{head}, over {usable[0].arms} arms by their means.",
        "In brackets: the 95 % interval of a bootstrap over arms.",
    )
    notes = (
        "Width: share of the room above the low end that a range takes.",
        "fANOVA: share of the variance of the score that an end explains alone; what is missing to "
        "1 is explained by ends together.",
        f"PED-ANOVA: share in what sets the best {usable[0].best} arms apart.",
        *lacks,
    )
    return Table.of(columns, rows, caption=caption, notes=notes)


def _end(coordinate: str) -> str:
    parameter, _, end = coordinate.rpartition(".")
    return f"{parameter}, {'low end' if end == 'low' else 'width'}"


def _written(write: Callable[[float], str], estimate: Estimate) -> str:
    return numerals.with_interval(write, estimate.value, estimate.low, estimate.high)


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
        (measure_title(m), _written(lambda value: numerals.signed(value, 2), e), str(e.n))
        for m, e in found
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


def _strength(item: tuple[str, Estimate]) -> float:
    value = item[1].value
    return 1.0 if math.isnan(value) else -abs(value)
