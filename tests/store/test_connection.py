import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from explorer import store as db
from explorer.errors import InputError


def test_a_database_is_made_only_on_request(sqlite_url, tmp_path):
    with pytest.raises(InputError, match="there is no such database"):
        db.connect(sqlite_url)
    assert list(tmp_path.iterdir()) == []
    db.connect(sqlite_url, create=True)
    assert db.study_names(db.connect(sqlite_url)) == []


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
        db.connect(url, create=True)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "notes.db").write_text("these are notes, not tables " * 100)
    with pytest.raises(InputError, match="file is not a database"):
        db.connect(f"sqlite:///{tmp_path}/notes.db")


def test_readers_do_not_block_the_writer(sqlite_url):
    storage = db.connect(sqlite_url, create=True)
    with storage.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"


def test_several_may_make_a_database_at_once(database_url):
    start = threading.Barrier(4)

    def make() -> list[str]:
        start.wait()
        return db.study_names(db.connect(database_url, create=True))

    with ThreadPoolExecutor(4) as pool:
        assert [f.result() for f in [pool.submit(make) for _ in range(4)]] == [[]] * 4
    version = sa.text("SELECT version_num FROM explorer_version")
    with db.connect(database_url).engine.connect() as connection:
        assert connection.execute(version).scalars().all() == ["0003"]


def test_every_connection_to_sqlite_minds_foreign_keys(sqlite_url):
    engine = db.connect(sqlite_url, create=True).engine
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            assert connection.execute(sa.text("PRAGMA foreign_keys")).scalar() == 1
            assert connection.execute(sa.text("PRAGMA busy_timeout")).scalar() >= 5_000


def test_a_path_may_hold_braces(tmp_path):
    (tmp_path / "{x}").mkdir()
    db.connect(f"sqlite:///{tmp_path}/{{x}}/study.db", create=True)
    assert (tmp_path / "{x}" / "study.db").is_file()
