"""System attributes of a study, many at a time."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage
from sqlalchemy.dialects import postgresql, sqlite

from explorer.store.retry import patient

_attrs = sa.table(
    "study_system_attributes",
    sa.column("study_id"),
    sa.column("key"),
    sa.column("value_json"),
)


@patient
def set_study_attrs(storage: RDBStorage, study_id: int, changes: Mapping[str, Any]) -> None:
    """Set system attributes of a study, all of them or none; ``None`` removes one.

    Optuna sets one attribute a transaction, and removes none.
    """
    gone = [key for key, value in changes.items() if value is None]
    rows = [
        {"study_id": study_id, "key": key, "value_json": json.dumps(value)}
        for key, value in changes.items()
        if value is not None
    ]
    with storage.engine.begin() as connection:
        if gone:
            mine = _attrs.c.study_id == study_id, _attrs.c.key.in_(gone)
            connection.execute(sa.delete(_attrs).where(*mine))
        if rows:
            dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
            insert = dialect.insert(_attrs)
            upsert = insert.on_conflict_do_update(
                index_elements=("study_id", "key"),
                set_={"value_json": insert.excluded.value_json},
            )
            connection.execute(upsert, rows)
