"""The database: Optuna's tables, in which a trial is an arm, and ours beside them.

Ours (:mod:`explorer.store.tables`) hold the replicates of the arms: the queue of a study, and all
that its replicates report. Optuna's are written and read through its public calls only, and follow
from ours.
"""

from explorer.errors import masked
from explorer.store.arms import Describe
from explorer.store.connection import Database, connect, default_url
from explorer.store.copying import archive, copy_studies
from explorer.store.queue import Queue, Replicate
from explorer.store.retry import patient
from explorer.store.runs import Run, dead_runs, exclusive, live_runs, load_runs
from explorer.store.soundness import check
from explorer.store.studies import definition, open_study, optuna_study, study_names

__all__ = [
    "Database",
    "Describe",
    "Queue",
    "Replicate",
    "Run",
    "archive",
    "check",
    "connect",
    "copy_studies",
    "dead_runs",
    "default_url",
    "definition",
    "exclusive",
    "live_runs",
    "load_runs",
    "masked",
    "open_study",
    "optuna_study",
    "patient",
    "study_names",
]
