"""Every figure that a study may have, in the order of a report."""

from collections.abc import Mapping
from typing import Any

from explorer.report.figures import (
    accuracy,
    dependence,
    importance,
    learning,
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
    "dependence": dependence.KIND,
    "variety": variety.KIND,
    "learning": learning.KIND,
}
"""Every figure by the name of its file."""
