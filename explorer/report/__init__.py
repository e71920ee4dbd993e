"""From the database to what people look at: frames, statistics, tables, status, live view.

Reads studies and nothing else; it needs neither Ray nor torch.
"""

from explorer.report.analysis import Best, Importance, Importances, best_ranges, importances
from explorer.report.analysis import correlations as correlations
from explorer.report.fidelity import Fidelity, FidelityReport, fidelity, members
from explorer.report.frame import (
    Definition,
    Progress,
    check_ending,
    counted,
    export,
    load,
    load_epochs,
    load_rungs,
    read,
    read_definition,
)
from explorer.report.layout import FORMATS, arms_table, render, study_tables, to_frame
from explorer.report.sentences import sentences
from explorer.report.statistics import TESTS, Difference, Spread
from explorer.report.summary import Arm, Replicate, StudyReport, arrange, summarise
from explorer.report.tables import Cell, Column, Table, terminal, write
