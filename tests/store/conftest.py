"""Databases for one test."""

from collections.abc import Iterator

import pytest

from explorer import store


@pytest.fixture
def database(sqlite_url) -> Iterator[store.Database]:
    """An empty file."""
    with store.connect(sqlite_url, create=True) as database:
        yield database


@pytest.fixture
def either(database_url) -> Iterator[store.Database]:
    """An empty database, of SQLite and of PostgreSQL."""
    with store.connect(database_url, create=True) as database:
        yield database
