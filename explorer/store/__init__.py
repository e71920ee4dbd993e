"""The database: Optuna's tables, and beside them the runs and epoch curves that are ours.

Optuna's own tables hold everything that a trial is and reports, so that any Optuna tool can read
a study. Ours hold what Optuna has no place for: which process works on a study (and whether it
is still alive), and a row an epoch.
"""

from explorer.errors import masked
from explorer.store.attempts import Attempt, any_open, read_attempts, read_attrs
from explorer.store.attributes import set_study_attrs
from explorer.store.connection import connect, default_url, disposing
from explorer.store.copying import copy_studies
from explorer.store.database import Database
from explorer.store.outcome import write
from explorer.store.reading import database_of, read_epochs
from explorer.store.retry import patient
from explorer.store.runs import Run, dead_runs, exclusive, live_runs, load_runs
from explorer.store.soundness import check
from explorer.store.studies import (
    archive_name,
    load_epochs,
    load_study,
    recall,
    rename,
    rung_values,
    study_names,
    trial_name,
)
from explorer.store.taking import Draft, Taken, begin, enqueue, take_waiting

__all__ = [
    "Attempt",
    "Database",
    "Draft",
    "Run",
    "Taken",
    "any_open",
    "archive_name",
    "begin",
    "check",
    "connect",
    "copy_studies",
    "database_of",
    "dead_runs",
    "default_url",
    "disposing",
    "enqueue",
    "exclusive",
    "live_runs",
    "load_epochs",
    "load_runs",
    "load_study",
    "masked",
    "patient",
    "read_attempts",
    "read_attrs",
    "read_epochs",
    "recall",
    "rename",
    "rung_values",
    "set_study_attrs",
    "study_names",
    "take_waiting",
    "trial_name",
    "write",
]
