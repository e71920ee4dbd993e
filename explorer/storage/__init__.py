"""The database: Optuna's tables, and beside them the runs and epoch curves that are ours.

Optuna's own tables hold everything that a trial is and reports, so that any Optuna tool can read
a study. Ours hold what Optuna has no place for: which process works on a study (and whether it
is still alive), and a row an epoch.
"""

from explorer.errors import masked
from explorer.storage.connection import connect, default_url, disposing
from explorer.storage.copying import copy_studies
from explorer.storage.database import Database
from explorer.storage.reading import database_of, read_epochs
from explorer.storage.runs import Run, dead_runs, exclusive, live_runs, load_runs
from explorer.storage.soundness import check
from explorer.storage.studies import (
    add_epochs,
    archive_name,
    claim,
    load_epochs,
    load_study,
    recall,
    remember,
    rename,
    rung_values,
    study_names,
    trial_name,
)

__all__ = [
    "Database",
    "Run",
    "add_epochs",
    "archive_name",
    "check",
    "claim",
    "connect",
    "copy_studies",
    "database_of",
    "dead_runs",
    "default_url",
    "disposing",
    "exclusive",
    "live_runs",
    "load_epochs",
    "load_runs",
    "load_study",
    "masked",
    "read_epochs",
    "recall",
    "remember",
    "rename",
    "rung_values",
    "study_names",
    "trial_name",
]
