"""What happens while the database is away, is stopped between two calls, or is locked by others."""

import sqlite3
import threading
from contextlib import contextmanager
from itertools import count

import optuna
import psycopg
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from explorer import store as db
from explorer.errors import OutageError
from explorer.scores import Rung
from explorer.search import Queue
from explorer.store import retry, tables

postgres = pytest.mark.postgres


@pytest.fixture
def storage(postgres_url):
    return db.connect(postgres_url, create=True)


def stop_backends(url: str) -> None:
    """Do to the connections of a database what a restart of the server does."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    others = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with engine.connect() as connection:
        connection.execute(sa.text(others))


def lose_answers(storage, monkeypatch) -> list[int]:
    """Let the next commit get through and its answer get lost; the list says how often it was."""
    lost, commit = [], storage.engine.dialect.do_commit

    def commit_and_hang_up(connection) -> None:
        commit(connection)
        if not lost:
            lost.append(1)
            connection.dbapi_connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(storage.engine.dialect, "do_commit", commit_and_hang_up)
    return lost


@postgres
def test_a_queue_outlasts_the_loss_of_its_connections(postgres_url, study, storage):
    """Every 11th statement meets a server that has just hung up, in a transaction or before one."""
    asked = count()
    stopped = []

    def stop_now_and_then(*_) -> None:
        if next(asked) % 11 == 10:
            stop_backends(postgres_url)
            stopped.append(1)

    sa.event.listen(storage.engine, "before_cursor_execute", stop_now_and_then)
    with db.Run(storage, study.name) as run:
        queue = Queue(storage, study, run.run_id)
        queue.recover()
        while (proposal := queue.take()) is not None:
            queue.report(proposal.number, Rung(128, 0.25, 2.0, 1.0))
            row = {"phase": "pretrain", "epoch": 1, "images_seen": 128, "loss": 1.0}
            queue.complete(
                proposal.number,
                0.5,
                {"host": "here"},
                epochs=[{**row, "accuracy": None, "seconds": 1.0}],
                result_key=f"{proposal.number:064d}",
            )
    sa.event.remove(storage.engine, "before_cursor_execute", stop_now_and_then)
    assert len(stopped) > 10
    trials = db.load_study(storage, study.name).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 6
    assert len({(t.user_attrs["arm"], t.user_attrs["replicate"]) for t in trials}) == 6
    for trial in trials:
        assert (trial.value, trial.intermediate_values) == (0.5, {128: 0.25})
        assert len(db.load_epochs(storage, trial._trial_id)) == 1
        assert db.recall(storage, f"{trial.number:064d}") == trial._trial_id


@postgres
def test_a_trial_whose_end_was_stored_unheard_has_ended(storage, monkeypatch):
    study = optuna.create_study(study_name="mine", storage=storage)
    trial = study.ask()
    trial.report(0.25, step=1)
    # Not by Study.tell, whose first commit is that of a reader.
    lost = lose_answers(storage, monkeypatch)
    assert storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [0.75])
    assert lost == [1]
    (stored,) = db.load_study(storage, "mine").trials
    assert (stored.state, stored.value) == (TrialState.COMPLETE, 0.75)


@postgres
def test_a_trial_that_another_has_ended_is_still_an_error(storage, monkeypatch):
    study = optuna.create_study(study_name="mine", storage=storage)
    trial_id = study.ask()._trial_id
    storage.set_trial_state_values(trial_id, TrialState.FAIL)
    lose_answers(storage, monkeypatch)
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        storage.set_trial_state_values(trial_id, TrialState.COMPLETE, [0.75])


@postgres
@pytest.mark.parametrize("state", [TrialState.WAITING, TrialState.RUNNING])
def test_a_trial_that_was_created_unheard_is_not_created_twice(storage, monkeypatch, state):
    study = optuna.create_study(study_name="mine", storage=storage)
    study.enqueue_trial({}, user_attrs={"arm": "before"})
    lost = lose_answers(storage, monkeypatch)
    template = optuna.trial.create_trial(state=state, user_attrs={"arm": "waves", "replicate": 1})
    study.add_trial(template)
    assert lost == [1]
    study.enqueue_trial({}, user_attrs={"arm": "after"})
    stored = db.load_study(storage, "mine").trials
    assert [trial.user_attrs["arm"] for trial in stored] == ["before", "waves", "after"]
    assert [trial.number for trial in stored] == [0, 1, 2]


@postgres
def test_a_trial_whose_creation_was_rolled_back_is_created(storage, monkeypatch):
    study = optuna.create_study(study_name="mine", storage=storage)
    create, tried = db.Database._get_prepared_new_trial, []

    def fail_once(self: db.Database, study_id: int, template: object, session: object) -> object:
        trial = create(self, study_id, template, session)
        if not tried:
            tried.append(trial.trial_id)
            session.connection().connection.close()
            raise sa.exc.OperationalError("INSERT", {}, psycopg.OperationalError("gone"))
        return trial

    monkeypatch.setattr(db.Database, "_get_prepared_new_trial", fail_once)
    study.enqueue_trial({}, user_attrs={"arm": "waves"})
    stored = db.load_study(storage, "mine").trials
    assert [trial.user_attrs for trial in stored] == [{"arm": "waves"}]
    assert len(tried) == 1


@postgres
def test_what_was_written_unheard_is_written_once(storage, monkeypatch):
    study = optuna.create_study(study_name="mine", storage=storage)
    study.enqueue_trial({})
    trial_id = study.trials[0]._trial_id
    row = {"phase": "pretrain", "epoch": 1, "images_seen": 1, "loss": 1.0, "seconds": 1.0}

    def unheard(call: object, *arguments: object) -> object:
        with monkeypatch.context() as patch:
            lost = lose_answers(storage, patch)
            answer = call(*arguments)
        assert lost == [1]
        return answer

    study_id = storage.get_study_id_from_name("mine")
    assert unheard(lambda: db.take_waiting(storage, study_id, "run", [])).trial_id == trial_id
    assert db.take_waiting(storage, study_id, "another", []) is None
    begun = unheard(lambda: db.begin(storage, study_id, "run", [trial_id], {}))
    assert (begun.number, len(study.trials)) == (1, 2)
    ending = {"state": TrialState.COMPLETE, "values": [0.5], "result_key": "k" * 64}
    unheard(lambda: db.write(storage, trial_id, epochs=[row], **ending))
    with db.exclusive(storage, "mine", "run"):
        pass
    lock = unheard(lambda: db.exclusive(storage, "mine", "run").__enter__())
    assert lock is None
    unheard(db.rename, storage, "mine", "yours")
    run = db.Run(storage, "yours")
    unheard(run.__enter__)
    run.__exit__()
    assert db.study_names(storage) == ["yours"]
    assert len(db.load_epochs(storage, trial_id)) == 1
    with storage.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.runs)).scalar() == 1


def test_a_queue_outlasts_a_lock_of_another_process(sqlite_url, study, monkeypatch):
    """SQLite gives up at once here, so that every wait is ours."""
    monkeypatch.setattr("explorer.store.database._LOCK_SECONDS", 0)
    storage = db.connect(sqlite_url, create=True)
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

    with db.Run(storage, study.name) as run:
        with locked():
            queue = Queue(storage, study, run.run_id)
        with locked():
            queue.recover()
        with locked():
            first = queue.take().number
        with locked():
            queue.complete(first, 0.5)
        queue.take()
        with locked():
            queue.release()
    states = [trial.state for trial in db.load_study(storage, study.name).trials]
    assert [states.count(s) for s in (TrialState.COMPLETE, TrialState.FAIL)] == [1, 1]
    assert len(states) == 6
    other.close()


def test_patience_has_an_end(sqlite_url, monkeypatch):
    monkeypatch.setattr("explorer.store.database._LOCK_SECONDS", 0)
    monkeypatch.setattr(retry, "PATIENCE_SECONDS", 0.2)
    storage = db.connect(sqlite_url, create=True)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OutageError, match=r"has not answered for .* database is locked"):
            optuna.create_study(storage=storage)
    other.close()


def test_a_disk_that_is_full_is_one_line(sqlite_url):
    storage = db.connect(sqlite_url, create=True)

    @sa.event.listens_for(storage.engine, "connect")
    def leave_no_room(connection, _) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # as many as there are: none can be added

    storage.engine.dispose()
    study = optuna.create_study(study_name="mine", storage=storage)
    with pytest.raises(OutageError, match="cannot be written: database or disk is full"):
        study.set_user_attr("much", "x" * 2000 * 1000)


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
    class Said(psycopg.OperationalError):
        pass

    Said.sqlstate = sqlstate
    error = sa.exc.OperationalError("SELECT 1", {}, Said("words"))
    assert retry.transient(error) is again
    wrapped = optuna.exceptions.StorageInternalError("as Optuna says it")
    wrapped.__cause__ = error
    assert retry.transient(wrapped) is again
