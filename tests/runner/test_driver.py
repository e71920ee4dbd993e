"""The driver with a real Ray and a real database; only the evaluation is short."""

import os
import signal
import time
import weakref
from dataclasses import dataclass, field

import optuna
import pytest
import sqlalchemy as sa
from optuna.trial import TrialState

from explorer import store as db
from explorer import study as config
from explorer.errors import InputError, OutageError
from explorer.runner import driver, run_study
from explorer.store import tables
from tests.conftest import STUDY


@dataclass
class Told:
    """A listener that writes down what it is told."""

    events: list = field(default_factory=list)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def started(self, number, arm, replicate):
        self.events.append(("started", number, arm, replicate))

    def rung(self, number, images_seen, accuracy):
        self.events.append(("rung", number, images_seen, accuracy))

    def finished(self, number, state, accuracy, seconds, failure):
        assert seconds >= 0
        self.events.append(("finished", number, state, accuracy, failure))

    def of(self, kind):
        return [event[1:] for event in self.events if event[0] == kind]


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def storage(sqlite_url):
    return db.connect(sqlite_url, create=True)


def run(study, storage, told, evaluate, **options):
    return run_study(
        study, storage, listener=lambda _queue, _workers: told, evaluate=evaluate, **options
    )


def make_evaluate(tmp_path):
    """An evaluation whose mishaps are files: the first to claim one has it."""
    mishaps = str(tmp_path)

    def claim(name):
        try:
            os.close(os.open(f"{mishaps}/{name}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def evaluate(ranges, protocol, seed, *, formula):
        from explorer.scores import Rung, Scores

        assert formula == "visual_atom"
        assert protocol.dataset.categories == 8
        yield Rung(10, 0.25, 2.0, 1.0)
        if ranges is None and os.path.exists(f"{mishaps}/raise"):  # noqa: PTH110
            raise ValueError("first line\nthe reason")
        if os.path.exists(f"{mishaps}/kill") and claim("killed"):  # noqa: PTH110
            os.kill(os.getpid(), signal.SIGKILL)
        yield Rung(20, 0.5, 1.0, 2.0)
        accuracy = 0.6 if ranges is None else 0.7 + ranges["frequency"][1] / 100
        return Scores(
            accuracy + seed / 1000,
            {"digits": accuracy},
            variety={} if ranges is None else {"vendi_pixels": 3.0},
            seconds={"total": 1.5},
            epochs=[
                {"phase": "finetune", "epoch": 1, "images_seen": 9, "loss": 1.0, "seconds": 0.1}
            ],
            host=f"process {os.getpid()}",
            device="cpu",
        )

    return evaluate


def test_a_study_runs_to_its_end_in_workers_that_are_used_again(study, storage, told, tmp_path):
    interrupted = run(study, storage, told, make_evaluate(tmp_path), workers=2)
    assert not interrupted
    trials = optuna.load_study(study_name="mine", storage=storage).get_trials()
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 6
    by_slot = {(t.user_attrs["arm"], t.user_attrs["replicate"]): t for t in trials}
    assert len(by_slot) == 6
    waves = by_slot["waves", 1]
    assert waves.value == pytest.approx(0.901)
    assert waves.intermediate_values == {10: 0.25, 20: 0.5}
    assert waves.user_attrs["variety.vendi_pixels"] == 3.0
    assert waves.user_attrs["seconds.total"] == 1.5
    assert waves.user_attrs["accuracy.digits"] == pytest.approx(0.9)
    # Six trials, but never more than two processes (one, if it is done before the other starts).
    assert len({t.user_attrs["host"] for t in trials}) <= 2
    with storage.engine.connect() as connection:
        assert len(connection.execute(sa.select(tables.epochs)).all()) == 6
    assert len(told.of("started")) == len(told.of("finished")) == 6
    assert len(told.of("rung")) == 12

    again = Told()
    run(study, storage, again, make_evaluate(tmp_path))
    assert again.events == []


def test_what_raises_fails_with_its_reason_and_the_rest_goes_on(study, storage, told, tmp_path):
    (tmp_path / "raise").touch()
    run(study, storage, told, make_evaluate(tmp_path), workers=1)
    trials = optuna.load_study(study_name="mine", storage=storage).get_trials()
    failed = [t for t in trials if t.state == TrialState.FAIL]
    assert [t.user_attrs["arm"] for t in failed] == ["scratch", "scratch"]
    assert {t.user_attrs["failure"] for t in failed} == {"the reason"}
    assert failed[0].intermediate_values == {10: 0.25}
    assert sum(t.state == TrialState.COMPLETE for t in trials) == 4

    (tmp_path / "raise").unlink()
    run(study, storage, told, make_evaluate(tmp_path), workers=1, retry_failed=True)
    trials = optuna.load_study(study_name="mine", storage=storage).get_trials()
    assert sum(t.state == TrialState.COMPLETE for t in trials) == 6


def test_a_killed_worker_costs_one_attempt(study, storage, told, tmp_path):
    (tmp_path / "kill").touch()
    run(study, storage, told, make_evaluate(tmp_path), workers=2)
    trials = optuna.load_study(study_name="mine", storage=storage).get_trials()
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    failed = [t for t in trials if t.state == TrialState.FAIL]
    assert len(complete) == 6
    assert len(failed) == 1
    assert failed[0].user_attrs["failure"].startswith("worker died")
    again = next(t for t in complete if t.user_attrs.get("continues") == failed[0].number)
    for key in ("arm", "replicate", "seed", "ranges"):
        assert again.user_attrs[key] == failed[0].user_attrs[key]


def test_a_trial_is_stopped_at_a_rung_and_its_worker_is_used_again(
    write_study, storage, told, tmp_path
):
    text = STUDY.replace("replicates: 2", "replicates: 2\npruner: {name: median, startup: 1}")
    write_study(text + "  other: {frequency: [0, 50]}\nbaseline: waves\n")
    study = config.load_study("mine")
    closed = str(tmp_path / "closed")

    def evaluate(ranges, protocol, seed, *, formula):
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

    run(study, storage, told, evaluate, workers=1)
    trials = optuna.load_study(study_name="mine", storage=storage).get_trials()
    assert len(trials) == 8
    by_slot = {(t.user_attrs["arm"], t.user_attrs["replicate"]): t for t in trials}
    pruned = {slot for slot, t in by_slot.items() if t.state == TrialState.PRUNED}
    # In the first round the circles come first, and the baseline, which is never stopped.
    assert pruned == {("circles", 1)}
    assert by_slot["circles", 1].value == 0.0
    assert by_slot["circles", 1].intermediate_values == {128: 0.0}
    assert by_slot["other", 1].intermediate_values == {128: 0.5, 256: 0.9}
    assert (tmp_path / "closed").read_text() == "0.0\n"
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    assert len(complete) == 7
    assert len({t.user_attrs["host"] for t in complete}) == 1
    states = [state for _, state, _, _ in told.of("finished")]
    assert (states.count("COMPLETE"), states.count("PRUNED")) == (7, 1)


def test_a_database_that_is_gone_ends_the_run(study, storage, told, tmp_path, monkeypatch):
    """And does not leave it waiting for a trial that Tune has given up."""
    error = OutageError("the database has not answered")

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("explorer.search.Queue.complete", fail)
    with pytest.raises(OutageError, match="has not answered"):
        run(study, storage, told, make_evaluate(tmp_path), workers=1)
    states = [t.state for t in optuna.load_study(study_name="mine", storage=storage).get_trials()]
    assert TrialState.FAIL in states
    assert TrialState.RUNNING not in states


def test_a_cluster_that_is_not_there(study, storage, told, tmp_path):
    with pytest.raises(InputError, match=r"--address: '127.0.0.1:1': no cluster"):
        run(study, storage, told, make_evaluate(tmp_path), address="127.0.0.1:1")


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
