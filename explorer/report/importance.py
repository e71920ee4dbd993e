"""How much each varied end of a range matters for the score of an arm: fANOVA and PED-ANOVA.

Both are Optuna's own, run on one trial an arm with the mean over its replicates: a replicate is
no further point of the search space.

fANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014) fits trees to the scores and gives the share of
their variance over the whole search space that an end explains by itself; what is missing from
the sum of all ends to 1 is what they do together. PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI
2023) asks how far the best arms' values of an end lie apart from those of all arms: not what
moves the score, but what makes it high. The two may disagree, and each says another thing.

Two warnings that no number shows. The low end of a range is never above its high end, but fANOVA
averages over that half of the square as well, where its trees only extrapolate. And a sampler
that has learned proposes more of what is good; PED-ANOVA compares with what was proposed and
bears it, fANOVA is best where ranges were drawn at random (``random``, ``qmc``).
"""

import math
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial

from explorer.report.agreement import Estimate
from explorer.report.statistics import CONFIDENCE
from explorer.report.summary import Arm, StudyReport

if TYPE_CHECKING:
    from optuna.importance import BaseImportanceEvaluator

FEWEST_ARMS = 10
"""Below so many arms there is nothing to be said: PED-ANOVA needs five best ones and others."""

MOST_ARMS = 500
"""Of more arms so many are drawn, seeded; the intervals are narrow then, and trees slow."""

TREES = 32
"""Trees of fANOVA, each grown on a resample of the arms of its own."""

RESAMPLES = 100
"""Resamples of the arms for PED-ANOVA."""

_DEPTH = 7  # the time that a tree takes grows with the square of its leaves
_BEST = 5  # arms that are to be among the best, says Optuna's documentation of PED-ANOVA
_SHARE = 0.1
_SEED = 0


@dataclass(frozen=True, slots=True)
class Importance:
    """How much one end of a range matters.

    Attributes:
        end: Its name, ``<parameter>.low`` or ``<parameter>.high``.
        fanova: Share of the variance of the score that it explains by itself, in [0, 1]: the mean
            of :data:`TREES` trees, with the interval that 95 % of them are in.
        ped_anova: Its share of the divergence of the best arms from all, in [0, 1]; all ends sum
            to 1. The interval is that of a bootstrap over arms, by percentiles; a resample has
            fewer different arms, so an end without any importance seems to have some.
    """

    end: str
    fanova: Estimate
    ped_anova: Estimate


@dataclass(frozen=True, slots=True)
class Importances:
    """What is known of the importance of the varied ends of ranges.

    Attributes:
        objective: What was scored: ``accuracy``, or ``variety.<measure>``.
        arms: Number of arms that this rests on.
        best: How many of them PED-ANOVA took for the best.
        rows: One an end that can vary, the most important by fANOVA first; empty where nothing
            can be said.
        lack: Why nothing can be said, else empty.
    """

    objective: str
    arms: int
    best: int
    rows: tuple[Importance, ...]
    lack: str = ""


def importances(report: StudyReport, objective: str = "accuracy") -> Importances:
    """Say how much each varied end of a range matters for the mean score of an arm.

    Only arms of the study's own search space and protocol count, named ones as well as sampled
    ones: from scratch has no ranges, and another formula other ones. The result is seeded.

    Args:
        report: What :func:`~explorer.report.summarise` returns.
        objective: ``accuracy``, or another of the study's objectives (``variety.<measure>``);
            the best are then those that the study seeks, the highest or the lowest.
    """
    scored = [
        (arm, score) for arm in points(report) if (score := _score(arm, objective)) is not None
    ]
    if len(scored) > MOST_ARMS:
        drawn = np.random.default_rng(_SEED).choice(len(scored), MOST_ARMS, replace=False)
        scored = [scored[i] for i in sorted(drawn)]
    lack = _lack(report, [score for _, score in scored])
    if lack:
        return Importances(objective, len(scored), 0, (), lack)
    trials = _trials(report, scored, minimise=report.objectives.get(objective) == "minimize")
    ends = [name for name, one in trials[0].distributions.items() if not one.single()]
    share = max(_SHARE, _BEST / len(trials))
    study = optuna.create_study(direction="maximize")
    fanova = _fanova(study, trials, ends)
    ped_anova = _ped_anova(study, trials, ends, share)
    rows = [Importance(end, fanova[end], ped_anova[end]) for end in ends]
    return Importances(
        objective,
        len(trials),
        math.ceil(share * len(trials)),
        tuple(sorted(rows, key=lambda row: -row.fanova.value)),
    )


def points(report: StudyReport) -> list[Arm]:
    """Return the scored arms that are points of a study's own space of varied ranges.

    They have its formula and its protocol, and every varied range lies within its bounds.
    """
    return [
        arm
        for arm in report.arms
        if report.bounds
        and arm.accuracy
        and arm.formula == report.formula
        and not arm.changes
        and all(_inside(arm, parameter, ends) for parameter, ends in report.bounds.items())
    ]


def _inside(arm: Arm, parameter: str, bounds: Sequence[tuple[float, float]]) -> bool:
    ends = arm.ranges.get(parameter)
    return ends is not None and all(
        least <= end <= greatest for end, (least, greatest) in zip(ends, bounds, strict=True)
    )


def _score(arm: Arm, objective: str) -> float | None:
    if objective == "accuracy":
        score = arm.accuracy.mean if arm.accuracy else None
    else:
        score = arm.variety.get(objective.removeprefix("variety."))
    return score if score is not None and math.isfinite(score) else None


def _lack(report: StudyReport, scores: Sequence[float]) -> str:
    if not any(least < greatest for ends in report.bounds.values() for least, greatest in ends):
        return "no end of a range varies"
    if len(scores) < FEWEST_ARMS:
        there = f"{len(scores)} arms" if len(scores) != 1 else "1 arm"
        return f"{there} of the search space with a score, at least {FEWEST_ARMS} are needed"
    if min(scores) == max(scores):
        return f"all {len(scores)} arms have the same score"
    return ""


def _trials(
    report: StudyReport, scored: Sequence[tuple[Arm, float]], *, minimise: bool
) -> list[FrozenTrial]:
    """Return one trial an arm, as high in value as it is good."""
    distributions: dict[str, BaseDistribution] = {}
    for parameter, bounds in report.bounds.items():
        seen = [end for arm, _ in scored for end in arm.ranges[parameter]]
        whole = all(float(value).is_integer() for value in (*bounds[0], *bounds[1], *seen))
        for end, (least, greatest) in zip(("low", "high"), bounds, strict=True):
            distributions[f"{parameter}.{end}"] = (
                IntDistribution(int(least), int(greatest))
                if whole
                else FloatDistribution(least, greatest)
            )
    trials = []
    for number, (arm, score) in enumerate(scored):
        params = {
            f"{parameter}.{end}": value
            for parameter in report.bounds
            for end, value in zip(("low", "high"), arm.ranges[parameter], strict=True)
        }
        trial = create_trial(
            value=-score if minimise else score,
            params={
                name: int(value) if isinstance(distributions[name], IntDistribution) else value
                for name, value in params.items()
            },
            distributions=distributions,
        )
        trial.number = trial._trial_id = number  # noqa: SLF001 - PED-ANOVA tells trials apart by it
        trials.append(trial)
    return trials


def _fanova(
    study: optuna.Study, trials: list[FrozenTrial], ends: Sequence[str]
) -> dict[str, Estimate]:
    """Ask forests of one tree each, which together are the forest that fANOVA is."""
    from optuna.importance import FanovaImportanceEvaluator

    drawn = []
    for seed in range(TREES):
        tree = FanovaImportanceEvaluator(n_trees=1, max_depth=_DEPTH, seed=_SEED + seed)
        with suppress(RuntimeError):  # a resample of equal scores; a forest skips such a tree
            drawn.append(_ask(tree, study, trials, ends))
    table = np.array(drawn or [np.zeros(len(ends))])
    return _estimates(table.mean(axis=0), table, ends, len(trials))


def _ped_anova(
    study: optuna.Study, trials: list[FrozenTrial], ends: Sequence[str], share: float
) -> dict[str, Estimate]:
    from optuna.importance import PedAnovaImportanceEvaluator

    evaluator = PedAnovaImportanceEvaluator(target_quantile=share)
    value = _shares(_ask(evaluator, study, trials, ends))
    random = np.random.default_rng(_SEED)
    drawn = []
    for _ in range(RESAMPLES):
        resample = [trials[i] for i in random.integers(len(trials), size=len(trials))]
        drawn.append(_shares(_ask(evaluator, study, resample, ends)))
    return _estimates(value, np.array(drawn), ends, len(trials))


def _ask(
    evaluator: "BaseImportanceEvaluator",
    study: optuna.Study,
    trials: list[FrozenTrial],
    ends: Sequence[str],
) -> NDArray[np.float64]:
    """Return the importance of each end in these trials, float64 [ends]."""
    from explorer.search.view import View

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a resample that the best arms make up: zeros
        found = evaluator.evaluate(View(study, lambda _: trials), params=list(ends))
    return np.array([float(found[end]) for end in ends])


def _shares(divergences: NDArray[np.float64]) -> NDArray[np.float64]:
    total = divergences.sum()
    return divergences / total if total > 0 else divergences


def _estimates(
    values: NDArray[np.float64], drawn: NDArray[np.float64], ends: Sequence[str], n: int
) -> dict[str, Estimate]:
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    lows, highs = np.quantile(drawn, tails, axis=0)
    return {
        end: Estimate(float(values[i]), float(lows[i]), float(highs[i]), n)
        for i, end in enumerate(ends)
    }
