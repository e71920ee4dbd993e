"""What a replicate reports as a row of ours holds it, and what an arm's Optuna trial says of it."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from explorer.scores import Scores
from explorer.study import ACCURACY, Study


def to_row(scores: Scores) -> dict[str, Any]:
    """Return the columns of a finished replicate.

    The column ``scores`` is JSON: ``accuracies`` and ``repeats`` by task, ``variety``,
    ``companions``, ``seconds`` by phase, ``pretrain_loss``, ``remarks`` and ``dataset``.
    """
    content = {
        "accuracies": scores.accuracies,
        "repeats": scores.repeats,
        "variety": scores.variety,
        "companions": scores.companions,
        "seconds": scores.seconds,
        "pretrain_loss": scores.pretrain_loss,
        "remarks": scores.remarks,
        "dataset": scores.dataset,
    }
    return {
        "accuracy": scores.accuracy if scores.accuracies else None,  # nothing was trained
        "scores": json.dumps(content),
        "seconds": scores.seconds.get("total"),
        "host": scores.host or None,
        "device": scores.device or None,
    }


def measured(row: Mapping[Any, Any]) -> dict[str, float]:
    """Return all numbers that a finished replicate has, by the names that objectives have."""
    content = json.loads(row["scores"])
    accuracy = {} if row["accuracy"] is None else {ACCURACY: row["accuracy"]}
    return {
        **accuracy,
        **{f"accuracy.{task}": value for task, value in content["accuracies"].items()},
        **{f"variety.{name}": value for name, value in content["variety"].items()},
        **{f"companions.{name}": value for name, value in content["companions"].items()},
    }


def problem(study: Study, numbers: Mapping[str, float], *, point: bool) -> str | None:
    """Say which score is missing or no finite number; ``None`` where all are as they should be.

    Of an arm that is no point of the search space only the first objective is wanted.
    """
    for objective in study.file.objectives if point else study.file.objectives[:1]:
        value = numbers.get(objective.name)
        if value is None or not math.isfinite(value):
            return f"no score: {objective.name} is {'missing' if value is None else value}"
    return None


def values(study: Study, rows: Sequence[Mapping[Any, Any]]) -> list[float]:
    """Return the values of an arm, one per objective: the means over its finished replicates."""
    numbers = [measured(row) for row in rows]
    return [fmean(row[objective.name] for row in numbers) for objective in study.file.objectives]


def attributes(rows: Sequence[Mapping[Any, Any]]) -> dict[str, float]:
    """Return the user attributes of an arm that ends: what its finished replicates tell."""
    by_name: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in measured(row).items():
            by_name[name].append(value)
        if row["seconds"] is not None:
            by_name["seconds"].append(row["seconds"])
    accuracies = by_name.pop(ACCURACY, [])
    tasks = [name for name in by_name if name.startswith("accuracy.")]
    if len(tasks) == 1:  # the accuracy once more
        del by_name[tasks[0]]
    spread = {"accuracy.std": stdev(accuracies)} if len(accuracies) > 1 else {}
    return {"n": len(rows), **spread, **{name: fmean(x) for name, x in by_name.items()}}
