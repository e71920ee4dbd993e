"""From the database to what people look at: frames, statistics, tables, status, live view.

Reads studies and nothing else; it needs neither Ray nor torch. Figures are in
:mod:`explorer.report.figures`, the HTML page in :mod:`explorer.report.page`.
"""

from explorer.report.analysis import correlations
from explorer.report.decisions import Judgement, decision_accuracy, fidelity, members, published
from explorer.report.frame import export, load, load_epochs, load_rungs
from explorer.report.layout import FORMATS, arms_table, render, study_tables, to_frame
from explorer.report.live import overview_screen, status_screen, watching
from explorer.report.sentences import sentences
from explorer.report.statistics import smallest_difference
from explorer.report.status import StudyStatus, overview, status
from explorer.report.summary import Arm, StudyReport, arrange, summarise
from explorer.report.tables import Cell, Column, Table, json_text, terminal

__all__ = [
    "FORMATS",
    "Arm",
    "Cell",
    "Column",
    "Judgement",
    "StudyReport",
    "StudyStatus",
    "Table",
    "arms_table",
    "arrange",
    "correlations",
    "decision_accuracy",
    "export",
    "fidelity",
    "json_text",
    "load",
    "load_epochs",
    "load_rungs",
    "members",
    "overview",
    "overview_screen",
    "published",
    "render",
    "sentences",
    "smallest_difference",
    "status",
    "status_screen",
    "study_tables",
    "summarise",
    "terminal",
    "to_frame",
    "watching",
]
