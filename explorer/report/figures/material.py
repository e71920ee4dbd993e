"""What the figures of a study are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import optuna
import pandas as pd
from optuna.storages import BaseStorage

from explorer.report.agreement import Estimate
from explorer.report.definition import Definition, definition, find_study
from explorer.report.epochs import load_epochs
from explorer.report.figures.surrogate import Surrogate, fit
from explorer.report.frame import load
from explorer.report.importance import Importances, importances
from explorer.report.rungs import load_rungs
from explorer.report.slots import slots
from explorer.report.summary import Arm, StudyReport, summarise
from explorer.report.variety import correlations

Role = Literal["best", "worst", "baseline", "other"]
"""What an arm is marked as, in all figures alike."""


@dataclass(frozen=True)
class Material:
    """What the figures of a study are drawn from; :func:`gather` makes it.

    Attributes:
        report: What the study has found, arm by arm.
        trials: A row a trial, as :func:`explorer.report.load` returns them.
        epochs: A row an epoch of a trial, as :func:`explorer.report.load_epochs` returns them.
        rungs: A row a rung of a trial, as :func:`explorer.report.load_rungs` returns them; of the
            trials that count.
        counted: Numbers of the trials that count: the latest with a score of each arm and
            replicate, else the latest.
        said: What the study asks for.
        study: The study itself.
    """

    report: StudyReport
    trials: pd.DataFrame
    epochs: pd.DataFrame
    rungs: pd.DataFrame
    counted: frozenset[int]
    said: Definition
    study: optuna.Study

    @cached_property
    def surrogate(self) -> Surrogate | None:
        """A model of the accuracy of any ranges, fitted when it is first asked for."""
        return fit(self.report)

    @cached_property
    def importances(self) -> Importances:
        """How much each end of a range matters for accuracy, asked for once."""
        return importances(self.report)

    @cached_property
    def correlations(self) -> dict[str, Estimate]:
        """How every variety measure goes with accuracy, asked for once."""
        return correlations(self.report)


def gather(study: optuna.Study | str, storage: BaseStorage | None = None) -> Material:
    """Read what the figures of a study are drawn from.

    Args:
        study: An Optuna study, or its name in ``storage``.
        storage: Where a study given by its name is.

    Raises:
        InputError: As :func:`explorer.report.summarise` does.
    """
    found = find_study(study, storage)
    trials, rungs = load(found), load_rungs(found)
    counted = frozenset(row["number"] for row in slots(trials).values())
    return Material(
        report=summarise(found),
        trials=trials,
        epochs=load_epochs(found),
        rungs=rungs[rungs["number"].isin(counted)].reset_index(drop=True),
        counted=counted,
        said=definition(found),
        study=found,
    )


def role(report: StudyReport, arm: str) -> Role:
    """Return what an arm is marked as.

    The best arm is that of the highest mean, the worst that of the lowest among the pre-trained
    ones. An arm that is the baseline as well is marked as what it has come out as.
    """
    best, worst = extremes(report)
    if arm == best.name:
        return "best"
    if worst is not None and arm == worst.name:
        return "worst"
    return "baseline" if arm == report.baseline else "other"


def extremes(report: StudyReport) -> tuple[Arm, Arm | None]:
    """Return the best arm, and the worst pre-trained one where that is another one."""
    ranked = report.ranked
    pretrained = [arm for arm in ranked[1:] if arm.formula is not None]
    return ranked[0], pretrained[-1] if pretrained else None


def begun(material: Material, arms: Sequence[Arm]) -> list[Arm]:
    """Return arms in the order in which their first trials were begun."""
    first = material.trials.groupby("arm")["number"].min()
    return sorted(arms, key=lambda arm: int(first[arm.name]))
