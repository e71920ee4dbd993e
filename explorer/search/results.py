"""What a trial has found, as Optuna is told it, and as another trial takes it over."""

import math
from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial

from explorer.study import ACCURACY, Study

_REPORTED = (
    "accuracy.",
    "repeats.",
    "variety.",
    "seconds.",
    "remarks",
    "rungs",
    "dataset",
    "pretrain_loss",
    "host",
    "device",
)
"""What a trial reports, by the beginning of its name; the rest belongs to the study."""


def values(study: Study, accuracy: float, attrs: Mapping[str, Any]) -> tuple[list[float], str]:
    """Return the values of a trial, one an objective.

    From scratch there are no images to measure: it is worse than all that have some.

    Args:
        study: Says what is sought.
        accuracy: The trial's score.
        attrs: Its user attributes.

    Returns:
        The values, and why there are none, where one is no finite number or is missing.
    """
    found = []
    for objective in study.file.objectives:
        value = accuracy if objective.name == ACCURACY else attrs.get(objective.name)
        if value is None and attrs["ranges"] is None:
            found.append(-math.inf if objective.direction == "maximize" else math.inf)
        elif value is None or not math.isfinite(value):
            return [], f"no score: {objective.name} is {'missing' if value is None else value}"
        else:
            found.append(value)
    return found, ""


def rung(study: Study, step: int, value: float) -> tuple[dict[str, Any], dict[int, float]]:
    """Return where the value of a rung is written: what is noted of it, and intermediate values.

    Optuna has no place for it where there are two objectives; it is noted in the user attribute
    ``rungs`` then.
    """
    if len(study.file.objectives) == 1:
        return {}, {step: value}
    return {"accuracy": value}, {}


def reported(trial: FrozenTrial) -> dict[str, Any]:
    """Return the user attributes that a trial has reported, without those of its study."""
    return {k: v for k, v in trial.user_attrs.items() if k.startswith(_REPORTED)}
