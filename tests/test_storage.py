import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import optuna
import pytest
import sqlalchemy as sa

from explorer import storage as db
from explorer.errors import InputError
from explorer.storage import tables
from explorer.storage.runs import SILENT_SECONDS


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


def test_a_password_is_never_said():
    url = "postgresql://someone:s3cret@127.0.0.1:1/nowhere"
    assert "s3cret" not in db.masked(url)
    with pytest.raises(InputError, match="cannot be opened") as caught:
        db.connect(url)
    assert "s3cret" not in str(caught.value)


def test_a_newer_schema_is_refused(sqlite_url):
    storage = db.connect(sqlite_url, create=True)
    with storage.engine.begin() as connection:
        connection.execute(sa.insert(tables.schema).values(version=tables.SCHEMA_VERSION + 1))
    with pytest.raises(InputError, match="newer explorer"):
        db.connect(sqlite_url)


def test_readers_do_not_block_the_writer(sqlite_url):
    storage = db.connect(sqlite_url, create=True)
    with storage.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"


def test_an_archived_study_keeps_everything_but_its_name(database_url):
    storage = db.connect(database_url, create=True)
    study = optuna.create_study(study_name="mine", storage=storage)
    study.enqueue_trial({"x": 1}, user_attrs={"arm": "a"})
    archived = db.archive_name("mine")
    db.rename(storage, "mine", archived)
    assert db.study_names(storage) == [archived]
    assert archived.startswith("mine.archived-")
    kept = db.load_study(storage, archived)
    assert kept.trials[0].user_attrs == {"arm": "a"}
    with pytest.raises(InputError, match="not in this database"):
        db.load_study(storage, "mine")


def test_epochs_are_stored_once(database_url):
    storage = db.connect(database_url, create=True)
    rows = [
        {"phase": "pretrain", "epoch": e, "images_seen": 9 * e, "loss": 1.0, "seconds": 0.1}
        for e in (1, 2)
    ]
    db.add_epochs(storage, 7, rows[:1])
    db.add_epochs(storage, 7, rows)
    with storage.engine.connect() as connection:
        stored = connection.execute(sa.select(tables.epochs).order_by(tables.epochs.c.epoch)).all()
    assert [(r.trial_id, r.epoch, r.images_seen) for r in stored] == [(7, 1, 9), (7, 2, 18)]


def test_a_run_is_alive_for_as_long_as_its_process(database_url):
    storage = db.connect(database_url, create=True)
    with db.Run(storage, "mine") as run:
        assert db.dead_runs(storage, "mine") == set()
        assert db.live_runs(storage, "mine") == {run.run_id}
        with storage.engine.connect() as connection:
            row = connection.execute(sa.select(tables.runs)).one()
        assert json.loads(row.provenance)["optuna"] == optuna.__version__
    assert db.dead_runs(storage, "mine") == {run.run_id}
    assert db.live_runs(storage, "mine") == set()


def test_the_run_of_a_killed_process_is_dead_at_once(sqlite_url):
    storage = db.connect(sqlite_url, create=True)
    program = (
        "import os, signal; from explorer import storage as db\n"
        f"run = db.Run(db.connect({sqlite_url!r}), 'mine'); run.__enter__()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == -9
    assert len(db.dead_runs(storage, "mine")) == 1


def test_a_process_number_that_is_used_again_is_another_run(sqlite_url):
    storage = db.connect(sqlite_url, create=True)
    with db.Run(storage, "mine") as run:
        reused = sa.update(tables.runs).values(process=f"{os.getpid()}@1")
        with storage.engine.begin() as connection:
            connection.execute(reused)
        assert db.dead_runs(storage, "mine") == {run.run_id}


def test_a_silent_run_on_another_host_is_dead(sqlite_url):
    storage = db.connect(sqlite_url, create=True)
    with db.Run(storage, "mine") as run:
        elsewhere = sa.update(tables.runs).values(host="elsewhere/boot")
        with storage.engine.begin() as connection:
            connection.execute(elsewhere)
        assert db.dead_runs(storage, "mine") == set()
        long_ago = tables.runs.c.seen_at
        with storage.engine.begin() as connection:
            seen = connection.execute(sa.select(long_ago)).scalar_one()
            earlier = seen - timedelta(seconds=SILENT_SECONDS + 1)
            connection.execute(sa.update(tables.runs).values(seen_at=earlier))
        assert db.dead_runs(storage, "mine") == {run.run_id}


def test_only_one_run_at_a_time_decides(database_url):
    inside, most = 0, 0
    guard = threading.Lock()

    def decide() -> None:
        nonlocal inside, most
        storage = db.connect(database_url)
        with db.Run(storage, "mine") as run:
            for _ in range(5):
                with db.exclusive(storage, "mine", run.run_id):
                    with guard:
                        inside += 1
                        most = max(most, inside)
                    time.sleep(0.01)
                    with guard:
                        inside -= 1

    db.connect(database_url, create=True)
    threads = [threading.Thread(target=decide) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert inside == 0


def test_the_lock_of_a_dead_run_is_passed_over(sqlite_url):
    storage = db.connect(sqlite_url, create=True)
    with db.Run(storage, "mine") as dead:
        holding = db.exclusive(storage, "mine", dead.run_id)
        holding.__enter__()
    with db.Run(storage, "mine") as run, db.exclusive(storage, "mine", run.run_id):
        with storage.engine.connect() as connection:
            holder = connection.execute(sa.select(tables.locks.c.run_id)).scalar_one()
        assert holder == run.run_id


def test_several_may_make_a_database_at_once(database_url):
    start = threading.Barrier(4)

    def make() -> list[str]:
        start.wait()
        return db.study_names(db.connect(database_url, create=True))

    with ThreadPoolExecutor(4) as pool:
        assert [f.result() for f in [pool.submit(make) for _ in range(4)]] == [[]] * 4
    with db.connect(database_url).engine.connect() as connection:
        assert connection.execute(sa.select(tables.schema.c.version)).scalars().all() == [1]
