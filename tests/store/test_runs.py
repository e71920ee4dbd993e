import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import optuna
import sqlalchemy as sa
import time_machine

from explorer import store
from explorer.store import retry, tables
from explorer.store.runs import HEARTBEAT_SECONDS, SILENT_SECONDS


def test_a_run_is_alive_for_as_long_as_its_process(database_url):
    database = store.connect(database_url, create=True)
    with store.Run(database, "mine") as run:
        assert store.dead_runs(database, "mine") == set()
        assert store.live_runs(database, "mine") == {run.run_id}
        with database.engine.connect() as connection:
            row = connection.execute(sa.select(tables.runs)).one()
        assert json.loads(row.provenance)["optuna"] == optuna.__version__
    assert store.dead_runs(database, "mine") == {run.run_id}
    assert store.live_runs(database, "mine") == set()


def test_runs_are_read_back_in_their_order(database_url):
    database = store.connect(database_url, create=True)
    with store.Run(database, "mine", "description: first\n"), store.Run(database, "other"):
        pass
    with store.Run(database, "mine"):
        first, second = sorted(
            store.load_runs(database, "mine"), key=lambda run: run["ended_at"] is None
        )
    assert first["study_file"] == "description: first\n"
    assert first["started_at"] <= first["ended_at"]
    assert "/" not in first["host"]
    assert first["command"].startswith("explorer")
    assert first["provenance"]["optuna"] == optuna.__version__
    assert second["study_file"] is second["ended_at"] is None


def test_the_run_of_a_killed_process_is_dead_at_once(sqlite_url):
    database = store.connect(sqlite_url, create=True)
    program = (
        "import os, signal; from explorer import store\n"
        f"run = store.Run(store.connect({sqlite_url!r}), 'mine'); run.__enter__()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == -9
    assert len(store.dead_runs(database, "mine")) == 1


def test_a_process_number_that_is_used_again_is_another_run(sqlite_url):
    database = store.connect(sqlite_url, create=True)
    with store.Run(database, "mine") as run:
        reused = sa.update(tables.runs).values(process=f"{os.getpid()}@1")
        with database.engine.begin() as connection:
            connection.execute(reused)
        assert store.dead_runs(database, "mine") == {run.run_id}


def test_a_silent_run_on_another_host_is_dead(sqlite_url):
    database = store.connect(sqlite_url, create=True)
    with store.Run(database, "mine") as run:
        elsewhere = sa.update(tables.runs).values(host="elsewhere/boot")
        with database.engine.begin() as connection:
            connection.execute(elsewhere)
        assert store.dead_runs(database, "mine") == set()
        long_ago = tables.runs.c.seen
        with database.engine.begin() as connection:
            seen = connection.execute(sa.select(long_ago)).scalar_one()
            earlier = seen - timedelta(seconds=SILENT_SECONDS + 1)
            connection.execute(sa.update(tables.runs).values(seen=earlier))
        assert store.dead_runs(database, "mine") == {run.run_id}


def test_a_clock_that_steps_kills_no_run(database_url):
    """The clock is the database's: hosts have others, and theirs step."""
    database = store.connect(database_url, create=True)
    for hours in (-1, 1):
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)):
            run = store.Run(database, "mine")
            run._begin()
        elsewhere = sa.update(tables.runs).values(host="elsewhere/boot")
        with database.engine.begin() as connection:
            connection.execute(elsewhere)
        assert store.dead_runs(database, "mine") == set()
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)):
            assert store.dead_runs(database, "mine") == set()
    with database.engine.connect() as connection:
        seen = connection.execute(sa.select(tables.runs.c.seen)).scalars().all()
    now = datetime.now(UTC).replace(tzinfo=None)
    assert all(abs(now - one) < timedelta(minutes=5) for one in seen)  # in UTC


def test_a_run_is_given_longer_than_it_waits_for_its_database():
    assert SILENT_SECONDS > retry.PATIENCE_SECONDS + HEARTBEAT_SECONDS + retry._LONGEST_PAUSE


def test_only_one_run_at_a_time_decides(database_url):
    inside, most = 0, 0
    guard = threading.Lock()

    def decide() -> None:
        nonlocal inside, most
        database = store.connect(database_url)
        with store.Run(database, "mine") as run:
            for _ in range(5):
                with store.exclusive(database, "mine", run.run_id):
                    with guard:
                        inside += 1
                        most = max(most, inside)
                    time.sleep(0.01)
                    with guard:
                        inside -= 1

    store.connect(database_url, create=True)
    threads = [threading.Thread(target=decide) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert inside == 0


def test_the_lock_of_a_dead_run_is_passed_over(sqlite_url):
    database = store.connect(sqlite_url, create=True)
    with store.Run(database, "mine") as dead:
        holding = store.exclusive(database, "mine", dead.run_id)
        holding.__enter__()
    with store.Run(database, "mine") as run, store.exclusive(database, "mine", run.run_id):
        with database.engine.connect() as connection:
            holder = connection.execute(sa.select(tables.locks.c.run)).scalar_one()
        assert holder == run.run_id


def test_a_run_keeps_its_study_file_and_its_command(database_url, monkeypatch):
    database = store.connect(database_url, create=True)
    url = "postgresql://me:s3cret@host/db?sslpassword=k3y"
    monkeypatch.setattr(sys, "argv", ["explorer", "run-study", "mine", f"--database={url}"])
    with (
        store.Run(database, "mine", "arms: {}  # none yet\n"),
        database.engine.connect() as connection,
    ):
        row = connection.execute(sa.select(tables.runs)).one()
    assert row.study_file == "arms: {}  # none yet\n"
    assert "postgresql://me:***@host/db?sslpassword=***" in row.command
    assert "s3cret" not in row.command + row.provenance
    assert "k3y" not in row.command
