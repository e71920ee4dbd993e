"""What the trials of a study reported at their rungs, as one tidy pandas frame."""

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
    "images": "int64",
    "probe": "float64",
    "loss": "float64",
    "seconds": "float64",
}
"""The columns and their types."""


def load_rungs(study: optuna.Study | str, storage: BaseStorage | None = None) -> pd.DataFrame:
    """Load the rungs of a study as a tidy frame, a row a rung that a trial has reached.

    The rows come by trial, in it by images. Pruned, lost and failed trials have those that they
    reached; a trial from scratch has none. The columns, in this order:

    ============= ======= ======================================================================
    column        dtype   meaning
    ============= ======= ======================================================================
    ``number``    int64   number of the trial in the study, as in :func:`explorer.report.load`
    ``arm``       string  arm that the trial belongs to; <NA> where the trial does not say it
    ``replicate`` Int64   index of the replicate, from 0
    ``images``    int64   pre-training images seen, repeats counted
    ``probe``     float64 accuracy of the probe, in [0, 1]
    ``loss``      float64 mean pre-training loss since the rung before, in nats; NaN where a trial
                          does not say it, as for the next
    ``seconds``   float64 wall-clock seconds since the trial began
    ============= ======= ======================================================================

    Args:
        study: An Optuna study, or its name in ``storage``.
        storage: Where a study given by its name is.

    Raises:
        InputError: If there is no study of this name; the nearest name is offered.
    """
    rows: list[tuple[Any, ...]] = []
    for trial in find_study(study, storage).get_trials(deepcopy=False):
        said = trial.user_attrs
        more = said.get("rungs", {})
        for images, probe in db.rung_values(trial).items():
            rung = more.get(str(images), {})
            measured = (images, probe, rung.get("loss"), rung.get("seconds"))
            rows.append((trial.number, said.get("arm"), said.get("replicate"), *measured))
    columns = list(zip(*rows, strict=True)) or [()] * len(DTYPES)
    return of_columns(dict(zip(DTYPES, columns, strict=True)), DTYPES)
