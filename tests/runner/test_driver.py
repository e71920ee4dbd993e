"""The driver with a real Ray and a real database; only the evaluation is short."""

import os
import signal
import time
import weakref

import pytest
import sqlalchemy as sa

from explorer import store
from explorer import study as studies
from explorer.errors import InputError, OutageError
from explorer.runner import driver, run_study
from explorer.store import tables
from tests.conftest import STUDY
from tests.store.play import arms, rows


@pytest.fixture
def database(sqlite_url):
    with store.connect(sqlite_url, create=True) as database:
        yield database


def make_evaluate(tmp_path):
    """An evaluation whose mishaps are files: the first to claim one has it."""
    mishaps = str(tmp_path)

    def claim(name):
        try:
            os.close(os.open(f"{mishaps}/{name}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def evaluate(ranges, protocol, *, seed, formula):
        from explorer.scores import Rung, Scores

        assert formula == "visual_atom"
        assert protocol.dataset.categories == 8
        if ranges:
            yield Rung(128, 0.25, 2.0, 1.0)
        if ranges is None and os.path.exists(f"{mishaps}/raise"):  # noqa: PTH110
            raise ValueError("first line\nthe reason")
        if os.path.exists(f"{mishaps}/kill") and claim("killed"):  # noqa: PTH110
            os.kill(os.getpid(), signal.SIGKILL)
        accuracy = 0.6 if ranges is None else 0.7 + ranges["frequency"][1] / 100
        row = {"images_seen": 9, "loss": 1.0, "accuracy": None, "seconds": 0.1}
        return Scores(
            accuracy + seed / 1000,
            {"digits": accuracy},
            variety={} if ranges is None else {"vendi_pixels": 3.0},
            seconds={"total": 1.5},
            epochs=[{"phase": "finetune", "epoch": 1, **row}],
            host=f"process {os.getpid()}",
            device="cpu",
        )

    return evaluate


def test_a_study_runs_to_its_end_in_workers_that_are_used_again(study, database, tmp_path):
    described = []
    evaluate = make_evaluate(tmp_path)

    def describe(*arguments):
        described.append(arguments)

    assert not run_study(study, database, workers=2, evaluate=evaluate, describe=describe)
    stored = rows(database)
    assert [row["state"] for row in stored] == ["COMPLETE"] * 6
    (first, second) = rows(database, arm="waves")
    assert (first["accuracy"], second["accuracy"]) == pytest.approx((0.9, 0.901))
    assert (first["seconds"], first["device"]) == (1.5, "cpu")
    # Six replicates, but never more than two processes (one, if it is fast).
    assert len({row["host"] for row in stored}) <= 2
    trials = arms(database)
    assert [trial.value for trial in trials] == pytest.approx([0.7005, 0.9005])
    assert described == [(database, "mine", t.user_attrs["arm"], t.number) for t in trials]
    with database.engine.connect() as connection:
        for table, count in ((tables.rungs, 4), (tables.epochs, 6)):
            assert len(connection.execute(sa.select(table)).all()) == count
    # Nothing is left to do, and Ray is not even started.
    assert not run_study(study, database, address="127.0.0.1:1")
    assert rows(database) == stored


def test_what_raises_fails_with_its_reason_and_the_rest_goes_on(study, database, tmp_path):
    (tmp_path / "raise").touch()
    run_study(study, database, evaluate=make_evaluate(tmp_path), workers=1)
    failed = rows(database, state="FAIL")
    assert [(row["arm"], row["reason"]) for row in failed] == [("scratch", "the reason")] * 2
    assert len(rows(database, state="COMPLETE")) == 4
    (tmp_path / "raise").unlink()
    run_study(study, database, evaluate=make_evaluate(tmp_path), workers=1, retry_failed=True)
    assert len(rows(database, state="COMPLETE")) == 6


def test_a_killed_worker_costs_one_attempt(study, database, tmp_path):
    (tmp_path / "kill").touch()
    run_study(study, database, evaluate=make_evaluate(tmp_path), workers=2)
    (failed,) = rows(database, state="FAIL")
    assert failed["reason"].startswith("worker died")
    assert len(rows(database, state="COMPLETE")) == 6
    again = rows(database, arm=failed["arm"], replicate=failed["replicate"])[-1]
    for kept in ("seed", "ranges", "trial"):
        assert again[kept] == failed[kept]


def test_an_arm_is_stopped_at_a_rung_and_its_worker_is_used_again(write_study, database, tmp_path):
    text = STUDY.replace("replicates: 2", "replicates: 2\npruner: {name: median, startup: 1}")
    write_study(text + "  other: {frequency: [0, 50]}\nbaseline: waves\n")
    closed = str(tmp_path / "closed")

    def evaluate(ranges, protocol, *, seed, formula):
        from explorer.scores import Rung, Scores

        del protocol, formula
        high = ranges["frequency"][1] if ranges else 0
        try:
            if ranges:
                yield Rung(128, high / 100, 2.0, 1.0)
                yield Rung(256, 0.9, 1.0, 2.0)
            return Scores(0.5 + seed / 1000, {"digits": 0.5}, host=f"process {os.getpid()}")
        except GeneratorExit:
            with open(closed, "a") as file:  # noqa: PTH123 - it travels by value
                file.write(f"{high}\n")
            raise

    run_study(studies.load_study("mine"), database, evaluate=evaluate, workers=1)
    stored = rows(database)
    assert [r["arm"] for r in stored if r["state"] == "PRUNED"] == ["circles"] * 2
    complete = [r for r in stored if r["state"] == "COMPLETE"]
    assert len(complete) == 6
    assert len({r["host"] for r in complete}) == 1
    assert (tmp_path / "closed").read_text() == "0.0\n"


def test_a_database_that_is_gone_ends_the_run(study, database, tmp_path, monkeypatch):
    """And does not leave it waiting for a trial that Tune has given up."""
    error = OutageError("the database has not answered")

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("explorer.store.Queue.complete", fail)
    with pytest.raises(OutageError, match="has not answered"):
        run_study(study, database, evaluate=make_evaluate(tmp_path), workers=1)
    assert rows(database, state="RUNNING") == []
    assert [row["failure_kind"] for row in rows(database, state="FAIL")] == ["interrupted"]


def test_a_cluster_that_is_not_there(study, database, tmp_path):
    with pytest.raises(InputError, match=r"--address: '127.0.0.1:1': no cluster"):
        run_study(study, database, evaluate=make_evaluate(tmp_path), address="127.0.0.1:1")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_python_drops_comes_again(monkeypatch, signum):
    monkeypatch.setattr(driver, "_AGAIN_SECONDS", 0.1)
    before = signal.getsignal(signum)
    dropped = []

    class Thing: ...

    def referred() -> None:
        thing = Thing()
        reference = weakref.ref(thing, lambda _: signal.raise_signal(signum))
        del thing  # what is raised now is printed as ignored
        assert reference() is None
        dropped.append(True)
        time.sleep(30)

    with pytest.raises(KeyboardInterrupt), driver._interruptible():
        referred()
    assert dropped == [True]
    time.sleep(0.3)  # once the block has ended, nothing comes any more
    assert signal.getsignal(signum) is before
