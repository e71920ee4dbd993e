"""What happens while the database is away, is stopped between two calls, or is locked by others."""

import sqlite3
import threading
from contextlib import contextmanager
from itertools import count
from typing import Any

import optuna
import psycopg
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from explorer import store
from explorer.errors import OutageError
from explorer.scores import Rung
from explorer.store import retry, tables
from tests.store.play import arms, rows, scores

postgres = pytest.mark.postgres


@pytest.fixture
def database(postgres_url):
    with store.connect(postgres_url, create=True) as database:
        yield database


def stop_backends(url: str) -> None:
    """Do to the connections of a database what a restart of the server does."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with engine.connect() as connection:
        connection.execute(sa.text(others))


def lose_answers(engine, monkeypatch) -> list[int]:
    """Let the next commit get through and its answer get lost; the list says how often it was."""
    lost, commit = [], engine.dialect.do_commit

    def commit_and_hang_up(connection) -> None:
        commit(connection)
        if not lost:
            lost.append(1)
            connection.dbapi_connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(engine.dialect, "do_commit", commit_and_hang_up)
    return lost


@postgres
def test_a_queue_outlasts_the_loss_of_its_connections(postgres_url, study, database):
    """Now and then a statement meets a server that has just hung up, in a transaction or not."""
    statements, stopped = count(1), []

    def stop_now_and_then(*_: object) -> None:
        # Optuna makes an arm in some forty statements, which are repeated as a whole.
        if next(statements) % 59 == 0:
            stop_backends(postgres_url)
            stopped.append(1)

    sa.event.listen(database.engine, "before_cursor_execute", stop_now_and_then)
    row = {"phase": "pretrain", "epoch": 1, "images_seen": 128, "loss": 1.0, "accuracy": None}
    with store.Run(database, study.name) as run:
        queue = store.Queue(database, study, run.run_id)
        queue.recover()
        while (one := queue.take()) is not None:
            queue.report(one, Rung(128, 0.25, 2.0, 1.0))
            queue.complete(one, scores(epochs=[{**row, "seconds": 1.0}]))
        queue.recover()
    sa.event.remove(database.engine, "before_cursor_execute", stop_now_and_then)
    assert len(stopped) > 3
    stored = rows(database)
    assert [one["state"] for one in stored] == ["COMPLETE"] * 6
    assert len({(one["arm"], one["replicate"]) for one in stored}) == 6
    with database.engine.connect() as connection:
        for table, wanted in ((tables.rungs, 6), (tables.epochs, 6)):
            assert len(connection.execute(sa.select(table)).all()) == wanted
    trials = [trial for trial in arms(database) if trial.state == TrialState.COMPLETE]
    assert [(t.value, t.user_attrs["n"]) for t in trials] == [(0.5, 2)] * 2
    assert all(trial.state.is_finished() for trial in arms(database))


@postgres
def test_what_was_written_unheard_is_written_once(study, database, monkeypatch):
    """The commit gets through and its answer is lost: whatever is asked for happens once."""

    def unheard(call: Any, *arguments: Any) -> Any:
        with monkeypatch.context() as patch:
            lost = lose_answers(database.engine, patch)
            answer = call(*arguments)
        assert lost == [1]
        return answer

    run = store.Run(database, study.name)
    unheard(run.__enter__)
    queue = store.Queue(database, study, run.run_id)
    queue.recover()
    scratch, first, second = (unheard(queue.take) for _ in range(3))
    assert (scratch.arm, first.arm, second.arm) == ("scratch", "circles", "waves")
    assert len(rows(database, state="RUNNING")) == 3
    assert not unheard(queue.report, second, Rung(128, 0.25, 2.0, 1.0))
    unheard(queue.complete, second, scores())
    unheard(queue.die, first, "worker died")
    assert [row["state"] for row in rows(database, arm="circles")] == ["FAIL", "WAITING", "WAITING"]
    assert [row["state"] for row in rows(database, arm="waves")] == ["COMPLETE", "WAITING"]
    lock = store.exclusive(database, study.name, run.run_id, "waves")
    unheard(lock.__enter__)
    unheard(lock.__exit__, None, None, None)
    unheard(queue._arms._create, "many", second.ranges)
    queue.recover()  # a trial that belongs to nothing is failed
    running = [trial for trial in arms(database) if trial.state == TrialState.RUNNING]
    assert [trial.user_attrs["arm"] for trial in running] == ["circles", "waves"]
    run.__exit__()
    assert len(store.load_runs(database, study.name)) == 1


def test_a_queue_outlasts_a_lock_of_another_process(sqlite_url, study, monkeypatch):
    """SQLite gives up at once here, so that every wait is ours."""
    monkeypatch.setattr("explorer.store.connection._LOCK_SECONDS", 0)
    database = store.connect(sqlite_url, create=True)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), check_same_thread=False)
    other.isolation_level = None

    @contextmanager
    def locked():
        other.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(0.5, other.execute, ["ROLLBACK"])
        release.start()
        yield
        assert release.finished.is_set()
        release.join()

    with store.Run(database, study.name) as run:
        with locked():
            queue = store.Queue(database, study, run.run_id)
        with locked():
            queue.recover()
        with locked():
            first = queue.take()
        with locked():
            queue.complete(first, scores())
        queue.take()
        with locked():
            queue.release()
    states = [row["state"] for row in rows(database)]
    assert [states.count(state) for state in ("COMPLETE", "FAIL", "WAITING")] == [1, 1, 5]
    other.close()


def test_patience_has_an_end(sqlite_url, monkeypatch):
    monkeypatch.setattr("explorer.store.connection._LOCK_SECONDS", 0)
    monkeypatch.setattr(retry, "PATIENCE_SECONDS", 0.2)
    database = store.connect(sqlite_url, create=True)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutageError, match=r"has not answered for .* database is locked"):
            store.Run(database, "mine").__enter__()
    other.close()


def test_a_disk_that_is_full_is_one_line(sqlite_url):
    database = store.connect(sqlite_url, create=True)

    @sa.event.listens_for(database.engine, "connect")
    def leave_no_room(connection, _) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # as many as there are: none can be added

    database.engine.dispose()
    with pytest.raises(OutageError, match="cannot be written: database or disk is full"):
        store.Run(database, "mine", "x" * 2000 * 1000).__enter__()


def test_what_will_not_mend_itself_is_raised_at_once():
    calls = []

    @retry.patient
    def ask() -> None:
        calls.append(1)
        sa.create_engine("sqlite://").connect().execute(sa.text("SELECT 1 FROM nowhere"))

    with pytest.raises(sa.exc.OperationalError, match="no such table"):
        ask()
    assert calls == [1]


@pytest.mark.parametrize(
    ("sqlstate", "again"),
    [
        ("57P01", True),  # the server is stopped by its administrator
        ("57P03", True),  # the server is starting
        ("08006", True),  # connection failure
        ("40001", True),  # serialization failure
        ("40P01", True),  # deadlock
        ("53300", True),  # too many connections
        (None, True),  # no answer at all
        ("57014", False),  # the statement was cancelled
        ("53100", False),  # the disk is full
        ("22003", False),  # a number is out of range
    ],
)
def test_which_errors_pass(sqlstate, again):
    class Refusal(psycopg.OperationalError):
        pass

    Refusal.sqlstate = sqlstate
    error = sa.exc.OperationalError("SELECT 1", {}, Refusal("words"))
    assert retry.transient(error) is again
    wrapped = optuna.exceptions.StorageInternalError("as Optuna says it")
    wrapped.__cause__ = error
    assert retry.transient(wrapped) is again
