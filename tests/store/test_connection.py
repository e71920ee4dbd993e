import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from explorer import store
from explorer.errors import InputError
from explorer.store import tables


def test_a_database_is_made_only_on_request(sqlite_url, tmp_path):
    with pytest.raises(InputError, match="there is no such database"):
        store.connect(sqlite_url)
    assert list(tmp_path.iterdir()) == []
    store.connect(sqlite_url, create=True)
    assert store.study_names(store.connect(sqlite_url)) == []


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("explorer.db", "is no database URL"),
        ("postgresql://me@host:port/test", "is no database URL"),
        ("mysql://root@127.0.0.1/test", "mysql is not supported"),
        ("sqlite://", "a study must outlive its program"),
        ("sqlite:////no/such/folder/x.db", "there is no folder /no/such/folder"),
    ],
)
def test_a_wrong_url_is_one_clear_line(url, remedy):
    with pytest.raises(InputError, match=remedy) as caught:
        store.connect(url, create=True)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "notes.db").write_text("these are notes, not tables " * 100)
    with pytest.raises(InputError, match="file is not a database"):
        store.connect(f"sqlite:///{tmp_path}/notes.db")


def test_several_may_make_a_database_at_once(database_url):
    start = threading.Barrier(4)

    def make() -> list[str]:
        start.wait()
        return store.study_names(store.connect(database_url, create=True))

    with ThreadPoolExecutor(4) as pool:
        assert [f.result() for f in [pool.submit(make) for _ in range(4)]] == [[]] * 4
    version = sa.text("SELECT version_num FROM explorer_version")
    with store.connect(database_url).engine.connect() as connection:
        assert connection.execute(version).scalars().all() == ["arms1"]


def test_every_connection_to_sqlite_is_prepared(sqlite_url):
    """What is ours is on the disk when it is committed; what Optuna has can be made again."""
    with store.connect(sqlite_url, create=True) as database:
        for engine, synchronous in ((database.engine, 2), (database.optuna.engine, 1)):
            with engine.connect() as first, engine.connect() as second:
                for connection in (first, second):
                    pragmas = ("foreign_keys", "synchronous", "journal_mode")
                    values = [connection.exec_driver_sql(f"PRAGMA {p}").scalar() for p in pragmas]
                    assert values == [1, synchronous, "wal"]


OLD = ["CREATE TABLE explorer_version (version_num VARCHAR)", "INSERT INTO explorer_version "]


@pytest.mark.parametrize(
    ("statements", "remedy"),
    [
        ([OLD[0], f"{OLD[1]} VALUES ('0003')"], "older explorer.*explorer run-study STUDY"),
        (["CREATE TABLE explorer_schema (version INTEGER)"], "older explorer"),
        ([OLD[0], f"{OLD[1]} VALUES ('zzz9')"], "newer explorer .schema zzz9.*upgrade"),
        ([OLD[0], f"{OLD[1]} VALUES ('arms1'), ('b')"], "half migrated"),
        ([OLD[0], f"{OLD[1]} VALUES ('arms1')"], "half migrated: explorer_\\w+ is missing"),
    ],
)
def test_the_database_of_another_version_is_refused(database_url, statements, remedy):
    engine = sa.create_engine(store.connection._checked_url(database_url, "", create=True))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()
    with pytest.raises(InputError, match=remedy) as caught:
        store.connect(database_url, create=True)
    assert "\n" not in str(caught.value)


def test_our_tables_are_as_their_description_says(either):
    found = sa.MetaData()
    found.reflect(either.engine, only=lambda name, _: name in tables.metadata.tables)
    for name, table in tables.metadata.tables.items():
        assert {c.name for c in table.columns} == {c.name for c in found.tables[name].columns}
        assert {c.name for c in table.primary_key} == {
            c.name for c in found.tables[name].primary_key
        }


def test_what_belongs_to_a_replicate_goes_with_it(either):
    row = {"study": "a", "arm": "b", "replicate": 0, "attempt": 1, "seed": 0, "state": "FAIL"}
    rung = {"replicate_id": 1, "images_seen": 1, "seconds": 1.0}
    with either.engine.begin() as connection:
        connection.execute(sa.insert(tables.replicates), [row])
        connection.execute(sa.insert(tables.rungs), [rung])
        connection.execute(sa.delete(tables.replicates))
        assert connection.execute(sa.select(tables.rungs)).all() == []
