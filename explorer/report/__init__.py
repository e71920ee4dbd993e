"""From the database to what people look at: frames, statistics, tables, status, live display.

Reads studies and nothing else; it needs neither Ray nor torch.
"""

from explorer.report.agreement import Estimate
from explorer.report.arrange import arrange
from explorer.report.best import Best, best_ranges
from explorer.report.epochs import load_epochs
from explorer.report.exporting import export, read, to_frame
from explorer.report.fidelity import Fidelity, FidelityReport, fidelity, members
from explorer.report.figures import Material, draw, draw_fidelity, gather, interactive
from explorer.report.frame import load
from explorer.report.importance import Importance, Importances, importances, points
from explorer.report.live import Ended, Live
from explorer.report.page import html
from explorer.report.rungs import load_rungs
from explorer.report.screen import overview_screen, status_screen
from explorer.report.slots import Progress
from explorer.report.standing import StudyStatus
from explorer.report.statistics import (
    TESTS,
    Difference,
    Spread,
    compare,
    holm,
    permutation,
    spread,
    welch,
)
from explorer.report.status import Watcher, overview, status
from explorer.report.summary import Arm, Replicate, StudyReport, summarise
from explorer.report.tables import FORMATS, render, terminal, write
from explorer.report.variety import correlations
from explorer.report.watch import follow

__all__ = [
    "FORMATS",
    "TESTS",
    "Arm",
    "Best",
    "Difference",
    "Ended",
    "Estimate",
    "Fidelity",
    "FidelityReport",
    "Importance",
    "Importances",
    "Live",
    "Material",
    "Progress",
    "Replicate",
    "Spread",
    "StudyReport",
    "StudyStatus",
    "Watcher",
    "arrange",
    "best_ranges",
    "compare",
    "correlations",
    "draw",
    "draw_fidelity",
    "export",
    "fidelity",
    "follow",
    "gather",
    "holm",
    "html",
    "importances",
    "interactive",
    "load",
    "load_epochs",
    "load_rungs",
    "members",
    "overview",
    "overview_screen",
    "permutation",
    "points",
    "read",
    "render",
    "spread",
    "status",
    "status_screen",
    "summarise",
    "terminal",
    "to_frame",
    "welch",
    "write",
]
