"""Every figure that a study may have, in the order of a report."""

from collections.abc import Mapping
from typing import Any

from explorer.report.figures import accuracy, learning
from explorer.report.figures.kind import Kind

FIGURES: Mapping[str, Kind[Any]] = {
    "accuracy": accuracy.KIND,
    "learning": learning.KIND,
}
"""Every figure by the name of its file."""
