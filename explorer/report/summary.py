"""What a study has found: one row an arm, with its spread and its gain over the baseline."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import optuna
from optuna.storages import BaseStorage

from explorer.errors import InputError
from explorer.report.definition import Definition, Range, definition, find_study
from explorer.report.frame import load
from explorer.report.numerals import count
from explorer.report.slots import Progress, progress, slots
from explorer.report.statistics import Difference, Spread, compare, holm, spread

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Replicate:
    """One scored trial of an arm.

    Attributes:
        number: Number of the trial.
        replicate: Index of the replicate.
        seed: Its seed.
        accuracy: Downstream top-1 accuracy, in [0, 1].
        variety: Each variety measure of its images; empty for the arm from scratch.
    """

    number: int
    replicate: int
    seed: int | None
    accuracy: float
    variety: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Arm:
    """What is known of one arm.

    Attributes:
        name: Its name.
        sampled: Whether a sampler proposed it (else the study file names it).
        formula: Its image family, or the folder of real images; ``None`` for from scratch.
        ranges: The varied parameters of its formula and their ranges; empty for the arm from
            scratch.
        changes: What it changes of the protocol: ``dataset.categories`` -> its value.
        replicates: Its scored trials, by replicate.
        accuracy: Their mean and spread; ``None`` where there is none.
        tasks: The same for each downstream task.
        difference: Gain over the baseline; ``None`` for the baseline itself, for an arm without
            a scored trial, and where the baseline has none.
        variety: Mean of each variety measure over the scored trials.
        seconds: Mean wall-clock seconds of a scored trial.
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


@dataclass(frozen=True, slots=True)
class StudyReport:
    """What a study has found.

    Attributes:
        study: Name of the study.
        description: What it asks.
        protocol: Name of the protocol that it ran under.
        version: The explorer that made it.
        baseline: The arm that the others are compared with.
        tasks: The downstream tasks.
        formula: The image family of the study's own search space.
        bounds: How far the low and the high end of each varied parameter of it may move.
        varied: The parameters that differ between arms.
        measures: The variety measures that the trials have.
        objectives: What is sought, ``maximize`` or ``minimize`` by name; accuracy is the first.
        pruner: What stopped trials early; ``none`` where nothing did.
        arms: The named arms in the order of the study file, then the sampled ones by accuracy.
        lead: The best arm against the second best, uncorrected; ``None`` where there are not two.
        test: How arms were compared, one of :data:`~explorer.report.statistics.TESTS`.
        shown: The arms that were chosen to be the rows of its table, in this order; empty where
            none were, and the table shows the named ones and the best of the others.
        progress: How far the study is.
    """

    study: str
    description: str
    protocol: str
    version: str
    baseline: str | None
    tasks: tuple[str, ...]
    formula: str | None
    bounds: Mapping[str, tuple[Range, Range]]
    varied: tuple[str, ...]
    measures: tuple[str, ...]
    objectives: Mapping[str, str]
    pruner: str
    arms: tuple[Arm, ...]
    lead: Difference | None
    progress: Progress
    test: str = "welch"
    shown: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Arm, ...]:
        """The arms that were chosen to be shown, in that order; else all."""
        by_name = {arm.name: arm for arm in self.arms}
        return tuple(by_name[name] for name in self.shown) or self.arms

    @property
    def formulas(self) -> tuple[str, ...]:
        """The formulas of the arms, in their order."""
        return tuple(dict.fromkeys(arm.formula for arm in self.arms if arm.formula))

    @property
    def ranked(self) -> list[Arm]:
        """The arms that have a score, best first; equal ones in the order of :attr:`arms`."""
        return ranked(self.arms)


def summarise(
    study: optuna.Study | str, storage: BaseStorage | None = None, *, test: str = "welch"
) -> StudyReport:
    """Summarise a study by arm.

    Only complete trials count, and of several for the same (arm, replicate) the latest: attempts
    are not replicates. Every arm is compared with the baseline by
    :func:`~explorer.report.statistics.compare`, and the p-values are corrected by
    :func:`~explorer.report.statistics.holm` over all these comparisons, shown or not.

    Args:
        study: An Optuna study, or its name in ``storage``.
        storage: Where a study given by its name is.
        test: One of :data:`~explorer.report.statistics.TESTS`.

    Raises:
        InputError: If there is no such study, if it has no definition (explorer did not make
            it), if no trial has finished, or if all have failed (the reasons are counted).
    """
    found = find_study(study, storage)
    said = definition(found)
    if not said.arms and not said.samples:
        remedy = "was not made by explorer: it has no definition of arms and baseline"
        raise InputError("study", None, said.name, remedy)
    frame = load(found)
    pairs = slots(frame)
    so_far = progress(pairs, said)
    scored = [row for row in pairs.values() if row["accuracy"] is not None]
    if not scored:
        _refuse(said.name, so_far, pairs.values())
    # Where trials carry the complete ranges, those of parameters that no arm moves are noise.
    by_arm: dict[str, Rows] = {arm: [] for arm in said.arms}
    for row in scored:
        by_arm.setdefault(row["arm"], []).append(row)
    columns = [str(column) for column in frame.columns]
    tasks = _suffixes(columns, "accuracy.")
    measures = _suffixes(columns, "variety.")
    arms = [_arm(name, said, rows, tasks, measures) for name, rows in by_arm.items()]
    named = [arm for arm in arms if not arm.sampled]
    sampled = sorted((arm for arm in arms if arm.sampled), key=by_accuracy)
    report = StudyReport(
        study=said.name,
        description=said.description,
        protocol=said.protocol,
        version=said.version,
        baseline=said.baseline,
        tasks=tasks or said.tasks,
        formula=said.space.formula,
        bounds={p: ends for p, ends in said.space.bounds.items() if p in said.varied},
        varied=said.varied,
        measures=measures,
        objectives=said.objectives,
        pruner=said.pruner,
        arms=_compared([*named, *sampled], said.baseline, test),
        lead=None,
        progress=so_far,
        test=test,
    )
    return replace(report, lead=lead(report.ranked, test))


def _refuse(name: str, so_far: Progress, rows: Iterable[dict[str, Any]]) -> None:
    if so_far.failed and so_far.failed == so_far.total:
        reasons = Counter(row["failure"] or "no reason recorded" for row in rows)
        said = "; ".join(f"{reason} ({n} x)" for reason, n in reasons.most_common(3))
        more = len(reasons) - 3
        remedy = f"all {count(so_far.total, 'trial')} failed: {said}"
        remedy += f"; and {count(more, 'other reason')}" if more > 0 else ""
        raise InputError("study", None, name, remedy)
    states = (
        (so_far.running, "running"),
        (so_far.waiting, "waiting"),
        (so_far.pruned, "pruned"),
        (so_far.failed, "failed"),
    )
    where = ", ".join(f"{n} {state}" for n, state in states if n)
    raise InputError("study", None, name, f"has no finished trial to report on yet ({where})")


def _arm(
    name: str,
    said: Definition,
    rows: Rows,
    tasks: tuple[str, ...],
    measures: tuple[str, ...],
) -> Arm:
    rows = sorted(rows, key=lambda row: int(row["replicate"]))
    seconds = _present(rows, "seconds.total")
    return Arm(
        name=name,
        sampled=name not in said.arms,
        formula=said.formula_of(name),
        ranges=_ranges(name, said, rows),
        changes=said.arm_changes.get(name, {}),
        replicates=tuple(
            Replicate(
                row["number"],
                row["replicate"],
                row["seed"],
                row["accuracy"],
                {m: value for m in measures if (value := row.get(f"variety.{m}")) is not None},
            )
            for row in rows
        ),
        accuracy=spread([row["accuracy"] for row in rows]) if rows else None,
        tasks={
            task: spread(values) for task in tasks if (values := _present(rows, f"accuracy.{task}"))
        },
        difference=None,
        variety={
            measure: fmean(values)
            for measure in measures
            if (values := _present(rows, f"variety.{measure}"))
        },
        seconds=fmean(seconds) if seconds else None,
    )


def _ranges(name: str, said: Definition, rows: Rows) -> dict[str, Range]:
    """Return the varied ranges of an arm; all its trials have the same."""
    named = said.arms.get(name, {})
    if named is None:
        return {}
    varied = said.varied_of(name)
    if not rows:
        defaults = said.space_of(name).defaults
        return {p: r for p, r in defaults.items() if p in varied} | dict(named)
    row = rows[-1]
    return {
        p: (row[f"{p}.low"], row[f"{p}.high"])
        for p in varied
        if row.get(f"{p}.low") is not None and row.get(f"{p}.high") is not None
    }


def _compared(arms: list[Arm], baseline: str | None, test: str) -> tuple[Arm, ...]:
    base = next((arm for arm in arms if arm.name == baseline and arm.accuracy), None)
    if base is None:
        return tuple(arms)
    theirs = [r.accuracy for r in base.replicates]
    differences = {
        arm.name: compare([r.accuracy for r in arm.replicates], theirs, test)
        for arm in arms
        if arm.accuracy and arm.name != base.name
    }
    tested = {name: d.p for name, d in differences.items() if d.p is not None}
    for name, corrected in zip(tested, holm(list(tested.values())), strict=True):
        differences[name] = replace(differences[name], p_corrected=corrected)
    return tuple(replace(arm, difference=differences.get(arm.name)) for arm in arms)


def lead(ranked: Sequence[Arm], test: str) -> Difference | None:
    """Compare the first of ranked arms with the second; ``None`` where there are not two."""
    if len(ranked) < 2:
        return None
    first, second = ([r.accuracy for r in arm.replicates] for arm in ranked[:2])
    return compare(first, second, test)


def ranked(arms: Iterable[Arm]) -> list[Arm]:
    """Return the arms that have a score, best first; equal ones in their order."""
    return sorted((arm for arm in arms if arm.accuracy), key=by_accuracy)


def by_accuracy(arm: Arm) -> float:
    """Return what sorts arms by their accuracy, the best first."""
    return -arm.accuracy.mean if arm.accuracy else 0.0


def _present(rows: Rows, column: str) -> list[float]:
    return [row[column] for row in rows if row.get(column) is not None]


def _suffixes(columns: list[str], prefix: str) -> tuple[str, ...]:
    return tuple(column.removeprefix(prefix) for column in columns if column.startswith(prefix))
