"""The epoch curves of a study as one tidy pandas frame: a row an epoch."""

import json
from collections.abc import Mapping
from typing import Any

import optuna
import pandas as pd
from optuna.storages import BaseStorage

from explorer import store as db
from explorer.report.definition import find_study
from explorer.report.frame import of_columns

DTYPES: Mapping[str, str] = {
    "number": "int64",
    "arm": "string",
    "replicate": "Int64",
    "phase": "string",
    "epoch": "int64",
    "images_seen": "int64",
    "loss": "float64",
    "accuracy": "float64",
    "seconds": "float64",
}
"""The columns and their types."""


def load_epochs(study: optuna.Study | str, storage: BaseStorage | None = None) -> pd.DataFrame:
    """Load the epoch curves of a study as a tidy frame, a row an epoch.

    The rows come by trial, in it pre-training before fine-tuning, in it by epoch. All trials that
    have begun to train have some, the lost and the failed ones as well. The columns, in this order:

    =============== ======= ====================================================================
    column          dtype   meaning
    =============== ======= ====================================================================
    ``number``      int64   number of the trial in the study, as in :func:`explorer.report.load`
    ``arm``         string  arm that the trial belongs to; <NA> where the trial does not say it
    ``replicate``   Int64   index of the replicate, from 0
    ``phase``       string  ``pretrain`` or ``finetune``; ``finetune.2`` and so on are the further
                            fine-tunings, of other tasks or of the same one again
    ``epoch``       int64   epoch in its phase, from 1
    ``images_seen`` int64   training images seen in this phase by the end of the epoch
    ``loss``        float64 mean training loss over the epoch's augmented batches
    ``accuracy``    float64 top-1 accuracy on the same batches, in [0, 1]; NaN where none was stored
    ``seconds``     float64 wall-clock seconds of the epoch
    =============== ======= ====================================================================

    A study that is in no database (Optuna's storage in memory) has no epoch curves.

    Args:
        study: An Optuna study, or its name in ``storage``.
        storage: Where a study given by its name is.

    Raises:
        InputError: If there is no study of this name; the nearest name is offered.
    """
    found = find_study(study, storage)
    database = db.database_of(found)
    rows: list[tuple[Any, ...]] = []
    if database is not None:
        rows = sorted(db.read_epochs(database, found._study_id), key=_order)  # noqa: SLF001
    columns = list(zip(*rows, strict=True)) or [()] * len(DTYPES)
    data = dict(zip(DTYPES, columns, strict=True))
    data |= {name: tuple(map(_loaded, data[name])) for name in ("arm", "replicate")}
    return of_columns(data, DTYPES)


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    number, _, _, phase, epoch, *_ = row
    name, _, part = phase.partition(".")
    return number, name != "pretrain", name, int(part) if part.isdigit() else 1, part, epoch


def _loaded(value: str | None) -> Any:
    return None if value is None else json.loads(value)
