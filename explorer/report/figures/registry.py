"""Every figure that a study may have, in the order of a report."""

from collections.abc import Mapping
from typing import Any

from explorer.report.figures import (
    ablation,
    accuracy,
    budgets,
    cost,
    dependence,
    distribution,
    fidelity,
    footprint,
    front,
    history,
    hypervolume,
    importance,
    learning,
    neighbourhood,
    parallel,
    ranges,
    surface,
    variety,
)
from explorer.report.figures.kind import Kind

FIGURES: Mapping[str, Kind[Any]] = {
    "accuracy": accuracy.KIND,
    "ranges": ranges.KIND,
    "surface": surface.KIND,
    "importance": importance.KIND,
    "neighbourhood": neighbourhood.KIND,
    "dependence": dependence.KIND,
    "ablation": ablation.KIND,
    "parallel": parallel.KIND,
    "footprint": footprint.KIND,
    "variety": variety.KIND,
    "front": front.KIND,
    "hypervolume": hypervolume.KIND,
    "history": history.KIND,
    "distribution": distribution.KIND,
    "cost": cost.KIND,
    "learning": learning.KIND,
    "budgets": budgets.KIND,
    "fidelity": fidelity.KIND,
}
"""Every figure by the name of its file."""
