"""Figures of a study: matplotlib for print, plotly for pages and the dashboard.

A figure of ours is a :class:`~explorer.report.figures.description.Figure`, from which both are
drawn. All others are Optuna's own, of the Optuna study whose trials are arms.
"""

from explorer.report.figures.drawing import Drawing, Material, draw, draw_fidelity, drawings, gather

__all__ = ["Drawing", "Material", "draw", "draw_fidelity", "drawings", "gather"]
