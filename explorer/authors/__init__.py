"""The authors' own image streams and datasets, pixel for pixel."""

from explorer.authors.plan import PRESETS, OfficialPlan
from explorer.authors.streams import ARGUMENTS, arguments, render

__all__ = ["ARGUMENTS", "PRESETS", "OfficialPlan", "arguments", "render"]
