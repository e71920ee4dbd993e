"""What a study has shown: each arm with its spread and its gain over the baseline."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isnan, nan
from statistics import fmean
from typing import Any, NoReturn

import pandas as pd

from explorer.errors import InputError, nearest
from explorer.measures import MEASURES
from explorer.report.decisions import Judgement, judged
from explorer.report.frame import (
    Definition,
    Progress,
    Range,
    Row,
    read_attempts,
    read_definition,
    records,
    settled,
)
from explorer.report.numerals import count, listed
from explorer.report.statistics import (
    TESTS,
    Difference,
    Spread,
    Unresolved,
    best_first,
    compare,
    compare_all,
    spread,
    unresolved,
)
from explorer.store import Database
from explorer.study import ACCURACY


@dataclass(frozen=True, slots=True)
class Replicate:
    """A scored replicate of an arm.

    Attributes:
        replicate: Its index.
        seed: Its seed.
        accuracy: Downstream top-1 accuracy, in [0, 1]; NaN where nothing is trained.
        variety: Each variety measure of its images; empty without pre-training.
    """

    replicate: int
    seed: int
    accuracy: float
    variety: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Arm:
    """What is known of an arm.

    Attributes:
        name: Its name.
        sampled: Whether a sampler proposed it (else the study file names it).
        formula: Its image family, or the folder of real images; ``None`` without pre-training.
        ranges: The varied parameters of its formula and their ranges; empty without pre-training.
        changes: What it changes of the protocol: ``dataset.categories`` -> its value.
        replicates: Its scored replicates, by index.
        accuracy: Their mean and spread; ``None`` where there is none.
        tasks: The same for each downstream task.
        difference: Gain over the report's baseline; ``None`` for the baseline itself, for an arm
            without a score, and where the baseline has none. Over a control, controls have none.
        variety: Mean of each variety measure over the scored replicates.
        seconds: Mean wall-clock seconds of a scored replicate.
        companions: Mean of each further score of the same weights.
        trial: Number of its Optuna trial; ``None`` for a control.
    """

    name: str
    sampled: bool
    formula: str | None
    ranges: Mapping[str, Range]
    changes: Mapping[str, Any]
    replicates: tuple[Replicate, ...]
    accuracy: Spread | None
    tasks: Mapping[str, Spread]
    difference: Difference | None
    variety: Mapping[str, float]
    seconds: float | None
    companions: Mapping[str, float] = field(default_factory=dict)
    trial: int | None = None

    @property
    def scores(self) -> list[float]:
        """The accuracies of its replicates."""
        return [r.accuracy for r in self.replicates if not isnan(r.accuracy)]

    def measured(self, measure: str) -> float | None:
        """Return its mean of a variety measure, if it has a finite one."""
        value = self.variety.get(measure, math.inf)
        return value if math.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class StudyReport:
    """What a study has shown.

    Attributes:
        study: Name of the study.
        protocol: Name of the protocol that it ran under.
        baseline: The arm that the others are compared with: where the study's own is a control,
            the control with the highest mean.
        controls: The arms that have learned nothing from the images of a formula: not pre-trained,
            or with pre-trained weights shuffled.
        tasks: The downstream tasks.
        varied: The parameters that differ between arms.
        measures: The variety measures that the replicates have.
        objectives: What is sought, ``maximize`` or ``minimize`` by name; accuracy is the first,
            unless nothing is trained.
        pruner: What stopped trials early; ``none`` where nothing did.
        arms: The named arms in the order of the study file, then the sampled ones by accuracy.
        lead: The best arm against the second best, uncorrected; ``None`` where there are not two.
        unresolved: Why no two of the pre-trained arms (of all, where there is one) can be told
            apart; ``None`` where some can.
        judgements: How well its scores order the arms as published numbers do, a judgement per
            task, or as the longest of its protocols does.
        progress: How far the study is.
        failures: Why replicates failed, and how many did so.
        test: How arms were compared, one of :data:`~explorer.report.statistics.TESTS`.
        shown: The arms that were chosen to be the rows of its table, in this order; empty where
            none were, and the table shows the named ones and the best of the others.
    """

    study: str
    protocol: str
    baseline: str | None
    controls: tuple[str, ...]
    tasks: tuple[str, ...]
    varied: tuple[str, ...]
    measures: tuple[str, ...]
    objectives: Mapping[str, str]
    pruner: str
    arms: tuple[Arm, ...]
    lead: Difference | None
    unresolved: Unresolved | None
    judgements: tuple[Judgement, ...]
    progress: Progress
    failures: Mapping[str, int]
    test: str = "welch"
    shown: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Arm, ...]:
        """The arms that were chosen to be shown, in that order; else all."""
        by_name = {arm.name: arm for arm in self.arms}
        return tuple(by_name[name] for name in self.shown) or self.arms

    @property
    def baseline_title(self) -> str:
        """What the baseline is, in words: ``best control`` where it is one of several."""
        several = len([arm for arm in self.ranked if arm.name in self.controls]) > 1
        return "best control" if several and self.baseline in self.controls else "baseline"

    @property
    def formulas(self) -> tuple[str, ...]:
        """The formulas of the arms, in their order."""
        return tuple(dict.fromkeys(arm.formula for arm in self.arms if arm.formula))

    @property
    def ranked(self) -> list[Arm]:
        """The arms that have a score, best first; equal ones in the order of :attr:`arms`."""
        return ranked(self.arms)

    @property
    def pretrained(self) -> list[Arm]:
        """Those of :attr:`ranked` that have learned from images: all but controls."""
        return [arm for arm in self.ranked if arm.formula and arm.name not in self.controls]

    @property
    def trains(self) -> bool:
        """Whether accuracy is sought; a study of variety alone trains nothing."""
        return ACCURACY in self.objectives

    @property
    def sought(self) -> tuple[str, ...]:
        """The variety measures that the study seeks."""
        return tuple(o.removeprefix("variety.") for o in self.objectives if o != ACCURACY)


def summarise(database: Database, name: str, *, test: str = "welch") -> StudyReport:
    """Summarise a study by arm.

    Of several attempts at a replicate the latest with a score counts. Every arm is compared with
    the baseline by :func:`~explorer.report.statistics.compare_all`, shown or not. Where that is a
    control, the arms that are none are compared with the best of the controls.

    Args:
        database: Where the study is.
        name: Its name.
        test: One of :data:`~explorer.report.statistics.TESTS`.

    Raises:
        InputError: If there is no such study or test, if no replicate has a score yet, or if all
            have failed (the reasons are counted).
    """
    if test not in TESTS:
        raise InputError("--test", None, test, f"unknown; {nearest(test, TESTS)}")
    definition = read_definition(database, name)
    frame = settled(database, name, read_attempts(database, name))
    progress = Progress.of(frame["state"], definition.planned)
    reasons = frame["reason"][frame["state"].eq("FAIL")].fillna("no reason recorded")
    failures = {str(reason): int(times) for reason, times in reasons.value_counts().items()}
    # A study that trains nothing has no accuracy.
    trains = ACCURACY in definition.objectives
    scored = frame[frame["state"].eq("COMPLETE") & (frame["accuracy"].notna() | (not trains))]
    if scored.empty:
        _refuse(name, progress, failures)
    by_arm: dict[str, list[Row]] = {arm: [] for arm in definition.arms}
    for row in records(scored):
        by_arm.setdefault(row["arm"], []).append(row)
    arms = [_arm(arm, definition, rows) for arm, rows in by_arm.items()]
    place = partial(_place, objectives=definition.objectives)
    sampled = sorted((arm for arm in arms if arm.sampled), key=place)
    arms = [*(arm for arm in arms if not arm.sampled), *sampled]
    arms, baseline = _compared(arms, definition, test)
    scores = {arm.name: arm.scores for arm in ranked(arms)}
    trained = {name: known for name, known in scores.items() if name not in definition.controls}
    return StudyReport(
        study=name,
        protocol=definition.protocol,
        baseline=baseline,
        controls=definition.controls,
        tasks=_suffixes(scored, "accuracy.") or definition.tasks,
        varied=definition.varied,
        measures=_suffixes(scored, "variety."),
        objectives=definition.objectives,
        pruner=definition.pruner,
        arms=tuple(arms),
        lead=lead(ranked(arms), test),
        unresolved=unresolved(trained if len(trained) > 1 else scores),
        judgements=judged(database, name),
        progress=progress,
        failures=failures,
        test=test,
    )


def _refuse(name: str, progress: Progress, failures: Mapping[str, int]) -> NoReturn:
    if progress.failed == progress.total > 0:
        reasons = [f"{reason} ({times} x)" for reason, times in failures.items()]
        remedy = f"all {count(progress.total, 'trial')} failed: {listed(reasons, 3)}"
    else:
        states = ("running", "waiting", "pruned", "failed")
        counts = [f"{n} {state}" for state in states if (n := getattr(progress, state))]
        remedy = f"has no finished trial to report on yet ({', '.join(counts)})"
    raise InputError("study", None, name, remedy)


def _arm(name: str, definition: Definition, rows: list[Row]) -> Arm:
    """Gather what the scored replicates of one arm say."""
    rows = sorted(rows, key=lambda row: int(row["replicate"]))
    values: dict[str, list[Any]] = {}
    for row in rows:
        for column, value in row.items():
            values.setdefault(column, []).append(value)
    return Arm(
        name=name,
        sampled=name not in definition.arms,
        formula=definition.formula_of(name),
        ranges=varied_ranges(name, definition, rows[-1] if rows else {}),
        changes=definition.arm_changes.get(name, {}),
        replicates=tuple(
            Replicate(
                row["replicate"], row["seed"], row.get("accuracy", nan), _under(row, "variety.")
            )
            for row in rows
        ),
        accuracy=spread(values["accuracy"]) if "accuracy" in values else None,
        tasks={task: spread(known) for task, known in _under(values, "accuracy.").items()},
        difference=None,
        variety={m: fmean(known) for m, known in _under(values, "variety.").items()},
        seconds=fmean(values["seconds.total"]) if "seconds.total" in values else None,
        companions={c: fmean(known) for c, known in _under(values, "companions.").items()},
        trial=values["trial"][-1] if "trial" in values else None,
    )


def _under(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): v for key, v in row.items() if key.startswith(prefix)}


def varied_ranges(name: str, definition: Definition, row: Mapping[str, Any]) -> dict[str, Range]:
    """Return the varied ranges of an arm; all its replicates have the same."""
    ranges = dict(definition.arms.get(name, {}) or {})
    for parameter in definition.varied_of(name):
        if f"{parameter}.low" in row:
            ranges[parameter] = (row[f"{parameter}.low"], row[f"{parameter}.high"])
    return {p: ranges[p] for p in definition.varied_of(name) if p in ranges}


def _compared(arms: list[Arm], definition: Definition, test: str) -> tuple[list[Arm], str | None]:
    """Return the arms with their gains, and the name of the arm that these are over."""
    name = definition.baseline
    controls = definition.controls if name in {None, *definition.controls} else ()
    best = [arm.name for arm in ranked(arms) if arm.name in controls]
    name = next(iter((*best, *controls)), name)
    base = next((arm for arm in arms if arm.name == name and arm.accuracy), None)
    left_out = {name, *controls}
    others = {arm.name: arm.scores for arm in arms if arm.accuracy and arm.name not in left_out}
    if base is None or not others:
        return arms, name
    differences = compare_all(others, base.scores, test)
    return [replace(arm, difference=differences.get(arm.name)) for arm in arms], name


def lead(ranked: Sequence[Arm], test: str) -> Difference | None:
    """Compare the first of ranked arms with the second; ``None`` where there are not two."""
    if len(ranked) < 2:
        return None
    return compare(ranked[0].scores, ranked[1].scores, "welch" if test == "dunnett" else test)


def ranked(arms: Iterable[Arm]) -> list[Arm]:
    """Return the arms that have a score, best first; equal ones in their order."""
    return sorted((arm for arm in arms if arm.accuracy), key=lambda arm: best_first(arm.accuracy))


def _place(arm: Arm, objectives: Mapping[str, str]) -> float:
    """Return what sorts arms by the first objective, the best first."""
    values = gains(arm, objectives)
    return -values[0] if values else math.inf


def gains(arm: Arm, objectives: Mapping[str, str]) -> tuple[float, ...]:
    """Return the mean of each objective, more being better; empty where one is not known."""
    known = []
    for objective, way in objectives.items():
        mean = arm.measured(objective.removeprefix("variety."))
        if objective == ACCURACY:
            mean = arm.accuracy.mean if arm.accuracy else None
        if mean is None:
            return ()
        known.append(mean if way == "maximize" else -mean)
    return tuple(known)


def arrange(report: StudyReport, *, arms: Sequence[str] = (), order: str = "file") -> StudyReport:
    """Choose which arms are the rows of a report's table, and their order.

    What is known of an arm stays as it is: p-values are corrected over all arms, shown or not.

    Args:
        report: What :func:`summarise` returns.
        arms: Names of the arms to show, in this order; all where empty.
        order: ``file``: the chosen arms as ``arms`` has them, else the named ones as the study file
            has them and then the sampled ones by accuracy. ``accuracy``: best first.

    Raises:
        InputError: If there is no arm of a name, or it stands twice.
    """
    known = [arm.name for arm in report.arms]
    for index, name in enumerate(arms):
        if name not in known:
            raise InputError("--arms", None, name, f"no arm of the study; {nearest(name, known)}")
        if name in arms[:index]:
            raise InputError("--arms", None, name, "stands twice; name it once")
    if order == "accuracy":
        place = partial(_place, objectives=report.objectives)
        ordered = tuple(sorted(report.arms, key=lambda arm: (arm.sampled, place(arm))))
        report = replace(report, arms=ordered)
        arms = [arm.name for arm in sorted(report.arms, key=place) if arm.name in arms]
    return replace(report, shown=tuple(arms))


def measure_title(measure: str) -> str:
    """Return the heading of a variety measure."""
    return MEASURES[measure].title if measure in MEASURES else measure


def objective_title(objective: str) -> str:
    """Return the heading of an objective, ``accuracy`` or ``variety.<measure>``."""
    name = objective.removeprefix("variety.")
    return "Accuracy" if name == "accuracy" else measure_title(name)


def _suffixes(frame: pd.DataFrame, prefix: str) -> tuple[str, ...]:
    names = [str(column) for column in frame.columns if str(column).startswith(prefix)]
    return tuple(name.removeprefix(prefix) for name in names if frame[name].notna().any())
