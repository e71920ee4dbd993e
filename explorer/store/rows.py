"""Rows of Optuna's tables, as Optuna's own calls would leave them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages._rdb import models

from explorer.store.tables import insert, insert_missing

studies: Any = models.StudyModel.__table__
trials: Any = models.TrialModel.__table__
attrs: Any = models.TrialUserAttributeModel.__table__
params: Any = models.TrialParamModel.__table__
_values: Any = models.TrialValueModel.__table__
_steps: Any = models.TrialIntermediateValueModel.__table__

Space = Mapping[str, BaseDistribution]
"""The distribution of every parameter."""


def now() -> datetime:
    """Return the time as Optuna stores it: naive, and in UTC."""
    return datetime.now(UTC).replace(tzinfo=None)


def attr_rows(trial_id: int, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a trial's user attributes."""
    return [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in found.items()
    ]


def put_attrs(connection: sa.Connection, trial_id: int, found: Mapping[str, Any]) -> None:
    """Write user attributes of a trial; each replaces an earlier one of its name."""
    if not found:
        return
    new = insert(connection, attrs)
    put = new.on_conflict_do_update(
        index_elements=["trial_id", "key"], set_={"value_json": new.excluded.value_json}
    )
    connection.execute(put, attr_rows(trial_id, found))


def param_rows(trial_id: int, found: Mapping[str, float], space: Space) -> list[dict[str, Any]]:
    """Return the rows of a trial's parameters."""
    return [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": space[name].to_internal_repr(value),
            "distribution_json": distribution_to_json(space[name]),
        }
        for name, value in found.items()
    ]


def add_steps(connection: sa.Connection, trial_id: int, found: Mapping[int, float]) -> None:
    """Write intermediate values by step; one that is there already is kept."""
    rows = []
    for step, value in found.items():
        stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        row = {"intermediate_value": stored, "intermediate_value_type": kind}
        rows.append({"trial_id": trial_id, "step": step, **row})
    insert_missing(connection, _steps, rows)


def add_values(connection: sa.Connection, trial_id: int, found: Sequence[float]) -> None:
    """Write the values of a trial, one an objective."""
    rows = []
    for objective, value in enumerate(found):
        stored, kind = models.TrialValueModel.value_to_stored_repr(value)
        row = {"value": stored, "value_type": kind}
        rows.append({"trial_id": trial_id, "objective": objective, **row})
    insert_missing(connection, _values, rows)
