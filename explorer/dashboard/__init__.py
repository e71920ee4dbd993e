"""The Optuna dashboard of a database: notes, images and curves per arm, and a note per study.

They are written once, when an arm ends, by the public functions of optuna-dashboard and Optuna.
"""

from explorer.dashboard.artifacts import default_place, open_artifacts
from explorer.dashboard.describing import describe, note
from explorer.dashboard.server import serve

__all__ = ["default_place", "describe", "note", "open_artifacts", "serve"]
