"""Figures of a study: matplotlib for print, plotly for pages and the dashboard.

A figure of ours is a :class:`~explorer.report.figures.description.Figure`, from which both are
drawn. All others are Optuna's own, of the Optuna study whose trials are arms.
"""

from explorer.report.figures.drawing import Drawing, Material, draw, drawings, gather, ours
from explorer.report.figures.learning import learning_of
from explorer.report.figures.strips import dataset_of, first_row, images, images_of, sheet

__all__ = [
    "Drawing",
    "Material",
    "dataset_of",
    "draw",
    "drawings",
    "first_row",
    "gather",
    "images",
    "images_of",
    "learning_of",
    "ours",
    "sheet",
]
