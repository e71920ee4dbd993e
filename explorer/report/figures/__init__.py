"""Figures of a study: matplotlib for print, plotly for pages, from the same numbers.

A figure is one file with three steps: ``prepare`` takes from the :class:`Material` what is drawn,
or returns ``None`` where the study has nothing to show for it; ``on_paper`` and ``on_page`` draw
that. :data:`FIGURES` has them in the order of a report.
"""

from explorer.report.figures.drawing import Interactive, draw, draw_fidelity, interactive
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material, gather
from explorer.report.figures.narrow import stacked
from explorer.report.figures.registry import FIGURES
from explorer.report.figures.strip_drawing import below_page, data_url
from explorer.report.figures.style import template

__all__ = [
    "FIGURES",
    "Interactive",
    "Kind",
    "Material",
    "below_page",
    "data_url",
    "draw",
    "draw_fidelity",
    "gather",
    "interactive",
    "stacked",
    "template",
]
