"""The bench of what trials cost beside their evaluation, small; Ray is not started for it."""

import pytest
from click.testing import CliRunner
from optuna.trial import TrialState
from rich.console import Console

from explorer import store as db
from explorer.bench import clients, growth, orchestration, overhead
from explorer.bench.databases import database
from explorer.cli import cli
from explorer.errors import InputError
from explorer.store.attempts import read_attempts


@pytest.mark.parametrize("way", growth.WAYS)
def test_a_study_with_finished_trials_behind_it(database_url, tmp_path, way):
    cost = growth.measure(database_url, tmp_path, way, 50, trials=3)
    assert (cost.way, cost.finished) == (way, 50)
    assert min(cost.start, cost.first, cost.ask, cost.tell) > 0
    storage = db.connect(database_url)
    assert cost.database == storage.engine.dialect.name
    assert db.study_names(storage) == []


@pytest.mark.parametrize("way", growth.WAYS)
def test_what_was_put_in_is_what_a_trial_leaves_behind(sqlite_url, tmp_path, monkeypatch, way):
    monkeypatch.setattr("explorer.bench.filled._delete", lambda *_: None)
    monkeypatch.setattr("optuna.delete_study", lambda **_: None)
    growth.measure(sqlite_url, tmp_path, way, 50, trials=3)
    found = db.load_study(db.connect(sqlite_url), way).get_trials(states=(TrialState.COMPLETE,))
    put_in, run = found[-5], found[-1]
    assert {*put_in.user_attrs} == {*run.user_attrs}
    assert put_in.distributions == run.distributions
    assert len(put_in.intermediate_values) == len(run.intermediate_values)
    assert db.check(sqlite_url)[1] == []


@pytest.mark.postgres
def test_64_clients_lose_and_double_nothing(postgres_url, tmp_path):
    rush = clients.measure(postgres_url, tmp_path, clients=64, trials=4)
    assert (rush.wanted, rush.lost, rush.doubled) == (256, 0, 0)
    storage = db.connect(postgres_url)
    found = read_attempts(
        storage, storage.get_study_id_from_name(db.study_names(storage)[0]), since=0
    )
    assert [one.number for one in found] == list(range(256))
    assert {one.state for one in found} == {TrialState.COMPLETE}
    # Each client is a run of its own; some are through before others have got hold of a trial.
    assert len({one.said["run"] for one in found}) > 16


@pytest.mark.postgres
def test_a_database_to_measure_on_is_gone_afterwards(postgres_url):
    with database(postgres_url) as url:
        db.connect(url, create=True)
    with pytest.raises(InputError, match="does not exist"):
        db.connect(url)


def test_what_is_worked_is_counted_from_the_second_trial_of_each_worker(monkeypatch):
    """Two workers; the first trials end at 8 and 9 s, and the others every 4 s each."""
    ended = [8.0, 9.0, 13.0, 14.0, 18.0, 19.0]

    class Here:
        def __init__(self, *_, **__): ...
        def __enter__(self):
            return self

        def __exit__(self, *_): ...
        def submit(self, *_):
            return self

        def result(self):
            return ended

    monkeypatch.setattr(orchestration, "ProcessPoolExecutor", Here)
    pace = orchestration.ours(6, 4.0)
    assert (pace.trials, pace.seconds, pace.each) == (4, 10.0, 2.5)
    assert pace.worked == pytest.approx(4 * 4 / (2 * 10))


def test_a_server_that_is_none_is_said_before_anything_is_measured(monkeypatch):
    monkeypatch.setattr(growth, "measure", lambda *_, **__: pytest.fail("measured"))
    ran = CliRunner().invoke(
        cli, ["bench", "overhead", "--storage", "mysql://me@host/db"], standalone_mode=False
    )
    assert isinstance(ran.exception, InputError)
    assert "mysql is not supported" in str(ran.exception)


def test_the_screen_says_what_was_found():
    cost = growth.Cost("qmc", "postgresql", 10_000, 0.3, 0.01, 0.0234, 0.0052)
    found = overhead.Figures(
        ours=orchestration.Pace(198, 7.92, 0.0),
        stock=orchestration.Pace(18, 18.0, 0.0),
        busy=orchestration.Pace(10, 51.0, 0.98),
        seconds=10.0,
        growth=(cost,),
        rush=clients.Rush(64, 320, 0, 0, 8.0),
        load=0.1,
    )
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(overhead.screen(found))
    said = console.export_text()
    assert "0.040 s here, 1.00 s with Tune's OptunaSearch (25 times as long)" in said
    assert "98.0 % of the workers' time" in said
    assert "320 trials, 0 lost, 0 doubled, 40 trials/s" in said
    assert "10,000" in said
    assert "23.4" in said
