"""Rows of our tables, put where a test wants them, also beside trials that have ended."""

from explorer.store import Database, tables


def add_epochs(storage: Database, trial_id: int, rows: list[dict]) -> None:
    with storage.engine.begin() as connection:
        found = [{"trial_id": trial_id, **row} for row in rows]
        tables.insert_missing(connection, tables.epochs, found)


def remember(storage: Database, result_key: str, trial_id: int) -> None:
    with storage.engine.begin() as connection:
        row = {"result_key": result_key, "trial_id": trial_id}
        tables.insert_missing(connection, tables.results, [row])
