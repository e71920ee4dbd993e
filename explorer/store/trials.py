"""Reading the trials of a study as Optuna does, without its mapper: a query a table.

Optuna makes an object of every row before it makes a trial of them. A trial has some fifty rows,
and that takes most of the time. The trials are the same.
"""

import json
import math
from collections import defaultdict
from collections.abc import Collection, Container
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from optuna.distributions import json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from explorer.store.rows import studies, trials

_BY_NUMBER = 500
"""The rows of so many trials are asked for by the trials, those of more by their study."""

_NOT_FINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
"""The numbers that Optuna stores by name, beside an empty value."""


def _of_trial(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, sa.column("trial_id"), *map(sa.column, columns))


_user_attrs = _of_trial("trial_user_attributes", "key", "value_json")
_system_attrs = _of_trial("trial_system_attributes", "key", "value_json")
_values = _of_trial("trial_values", "objective", "value", "value_type")
_rungs = _of_trial(
    "trial_intermediate_values", "step", "intermediate_value", "intermediate_value_type"
)
_params = _of_trial("trial_params", "param_name", "param_value", "distribution_json", "param_id")

_ByTrial = dict[int, dict[Any, Any]]


def read_trials(
    connection: sa.Connection,
    study_id: int,
    states: Container[TrialState] | None = None,
    *,
    among: Collection[int] = (),
    above: int = -1,
) -> list[FrozenTrial]:
    """Read trials of a study.

    Args:
        connection: To a database that has Optuna's tables.
        study_id: The study, by its number in the database.
        states: The states that are wanted; all where ``None``.
        among: Trials that are wanted, by their numbers in the database, ...
        above: ... besides all above this number.

    Returns:
        The trials in the order of their numbers in the database.

    Raises:
        KeyError: If there is no such study.
    """
    wanted = sa.select(*trials.c).where(trials.c.study_id == study_id)
    if above >= 0:
        wanted = wanted.where(sa.or_(trials.c.trial_id > above, _one_of(trials, among)))
    rows = connection.execute(wanted.order_by(trials.c.trial_id)).all()
    rows = [row for row in rows if states is None or row.state in states]
    if not rows:
        _check_there(connection, study_id)
        return []
    read = _Reader(connection, study_id, [row.trial_id for row in rows])
    user_attrs, system_attrs = read.attrs(_user_attrs), read.attrs(_system_attrs)
    values, rungs = read.numbers(_values), read.numbers(_rungs)
    params, distributions = read.params()
    return [
        FrozenTrial(
            number=row.number,
            state=row.state,
            value=None,
            values=[value for _, value in sorted(values[row.trial_id].items())] or None,
            datetime_start=_local(row.datetime_start),
            datetime_complete=_local(row.datetime_complete),
            params=params[row.trial_id],
            distributions=distributions[row.trial_id],
            user_attrs=user_attrs[row.trial_id],
            system_attrs=system_attrs[row.trial_id],
            intermediate_values=rungs[row.trial_id],
            trial_id=row.trial_id,
        )
        for row in rows
    ]


class _Reader:
    """What belongs to trials, by their numbers in the database."""

    def __init__(self, connection: sa.Connection, study_id: int, trial_ids: list[int]) -> None:
        self._connection = connection
        self._study_id = study_id
        self._trial_ids = trial_ids

    def attrs(self, table: sa.TableClause) -> _ByTrial:
        rows = self._rows(table)
        # One call for all values is several times as fast as one a value.
        values = json.loads(f"[{','.join(row[2] for row in rows)}]")
        found: _ByTrial = defaultdict(dict)
        for (trial_id, key, _), value in zip(rows, values, strict=True):
            found[trial_id][key] = value
        return found

    def numbers(self, table: sa.TableClause) -> _ByTrial:
        found: _ByTrial = defaultdict(dict)
        for trial_id, key, value, kind in self._rows(table):
            found[trial_id][key] = _NOT_FINITE.get(kind, value)
        return found

    def params(self) -> tuple[_ByTrial, _ByTrial]:
        params: _ByTrial = defaultdict(dict)
        distributions: _ByTrial = defaultdict(dict)
        read = cache(json_to_distribution)
        for trial_id, name, value, said, _ in sorted(self._rows(_params), key=lambda row: row[-1]):
            one = read(said)
            params[trial_id][name] = one.to_external_repr(value)
            distributions[trial_id][name] = one
        return params, distributions

    def _rows(self, table: sa.TableClause) -> list[tuple[Any, ...]]:
        wanted = sa.select(*table.c)
        if len(self._trial_ids) <= _BY_NUMBER:
            wanted = wanted.where(_one_of(table, self._trial_ids))
        else:
            joined = table.join(trials, trials.c.trial_id == table.c.trial_id)
            wanted = wanted.select_from(joined).where(trials.c.study_id == self._study_id)
        # From the driver itself: hundreds of thousands of SQLAlchemy's rows take as long again.
        cursor: Any = self._connection.execute(wanted).cursor
        return list(cursor.fetchall())


def _one_of(table: sa.TableClause, trial_ids: Collection[int]) -> sa.ColumnElement[bool]:
    # Written into the statement: databases take only so many parameters.
    numbers: sa.BindParameter[Any] = sa.bindparam(
        "trials", list(trial_ids), expanding=True, literal_execute=True
    )
    return table.c.trial_id.in_(numbers)


def _check_there(connection: sa.Connection, study_id: int) -> None:
    there = sa.select(studies.c.study_id).where(studies.c.study_id == study_id)
    if connection.execute(there).first() is None:
        raise KeyError(f"there is no study {study_id}")


def _local(moment: datetime | None) -> datetime | None:
    """Return a time as Optuna does: naive and local, from naive UTC."""
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
