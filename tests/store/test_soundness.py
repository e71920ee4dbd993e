import math
import sqlite3
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from optuna.trial import TrialState, create_trial

from explorer import store as db
from explorer.cli import cli
from explorer.store import tables
from tests.store import put

RUNNING = TrialState.RUNNING


def add(study: optuna.Study, *, arm: str = "waves", state: TrialState, **given: object) -> None:
    given.setdefault("user_attrs", {"arm": arm, "replicate": 0})
    study.add_trial(create_trial(state=state, **given))


@pytest.fixture
def storage(sqlite_url):
    storage = db.connect(sqlite_url, create=True)
    study = optuna.create_study(study_name="mine", storage=storage)
    study.set_user_attr("definition", {})
    add(study, state=TrialState.COMPLETE, value=0.5)
    add(study, arm="circles", state=TrialState.FAIL)
    add(study, arm="circles", state=TrialState.WAITING)
    return storage


@pytest.mark.usefixtures("storage")
def test_a_sound_database(sqlite_url):
    facts, problems = db.check(sqlite_url)
    assert facts == [
        "schema 0003 of explorer, v3.2.0.a of Optuna",
        "1 studies, 3 trials, 0 runs",
    ]
    assert problems == []


def test_a_trial_of_a_live_run_is_no_problem(storage, sqlite_url):
    with db.Run(storage, "mine") as run:
        attrs = {"arm": "circles", "replicate": 0, "run": run.run_id}
        add(db.load_study(storage, "mine"), state=RUNNING, user_attrs=attrs)
        assert db.check(sqlite_url)[1] == []
    (problem,) = db.check(sqlite_url)[1]
    assert problem == (
        "mine: trials 3: RUNNING, but the run has died; explorer run-study mine takes them up again"
    )


def test_a_trial_of_no_run(storage, sqlite_url):
    add(db.load_study(storage, "mine"), arm="circles", state=RUNNING)
    (problem,) = db.check(sqlite_url)[1]
    assert "mine: trials 3: RUNNING in no known run" in problem


def test_a_slot_that_was_computed_twice(storage, sqlite_url):
    add(db.load_study(storage, "mine"), state=TrialState.COMPLETE, value=0.25)
    (problem,) = db.check(sqlite_url)[1]
    assert problem == "mine: arm waves, replicate 0 is COMPLETE in trials 0, 3"


def test_what_is_not_finite(storage, sqlite_url):
    study = db.load_study(storage, "mine")
    add(study, arm="a", state=TrialState.COMPLETE, value=math.inf)
    add(study, arm="b", state=TrialState.PRUNED, intermediate_values={128: math.nan})
    row = {"phase": "pretrain", "epoch": 1, "images_seen": 1, "loss": math.inf, "seconds": 1.0}
    put.add_epochs(storage, study.trials[0]._trial_id, [row])
    assert db.check(sqlite_url)[1] == [
        "explorer_epochs: 1 rows have a loss that is not finite",
        "mine: trial 3 has a value or a rung that is not finite",
        "mine: trial 4 has a value or a rung that is not finite",
    ]


def test_a_result_without_its_score(storage, sqlite_url):
    failed = db.load_study(storage, "mine").trials[1]
    put.remember(storage, "k" * 64, failed._trial_id)
    assert db.check(sqlite_url)[1] == ["explorer_results: 1 rows name a trial that is not COMPLETE"]


def test_rows_that_a_tool_without_foreign_keys_has_left(storage, sqlite_url):
    put.remember(storage, "k" * 64, db.load_study(storage, "mine").trials[0]._trial_id)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as tool:
        tool.execute("UPDATE explorer_results SET trial_id = 999")
    tool.close()
    (problem,) = db.check(sqlite_url)[1]
    assert problem.startswith("explorer_results: 1 rows belong to nothing")


@pytest.mark.postgres
def test_the_same_on_postgresql(postgres_url):
    storage = db.connect(postgres_url, create=True)
    study = optuna.create_study(study_name="mine", storage=storage)
    study.set_user_attr("definition", {})
    for arm in ("waves", "waves", "circles"):
        add(study, arm=arm, state=TrialState.COMPLETE, value=0.5)
    first, failed = (trial._trial_id for trial in study.trials[:2])
    assert db.check(postgres_url)[1] == [
        "mine: arm waves, replicate 0 is COMPLETE in trials 0, 1",
    ]
    row = {"phase": "pretrain", "images_seen": 1, "seconds": 1.0}
    odd = [{**row, "epoch": e, "loss": loss} for e, loss in enumerate((math.inf, math.nan, 1.0))]
    put.add_epochs(storage, first, odd)
    put.remember(storage, "k" * 64, failed)
    put.remember(storage, "l" * 64, first)
    with storage.engine.begin() as connection:
        for statement in (
            "ALTER TABLE explorer_results DROP CONSTRAINT explorer_results_trial",
            "UPDATE explorer_results SET trial_id = 999 WHERE result_key LIKE 'l%'",
            f"UPDATE trials SET state = 'FAIL' WHERE trial_id = {failed}",  # noqa: S608
        ):
            connection.execute(sa.text(statement))
    assert db.check(postgres_url)[1] == [
        "explorer_results: 1 rows belong to no trial",
        "explorer_epochs: 2 rows have a loss that is not finite",
        "explorer_results: 1 rows name a trial that is not COMPLETE",
    ]


def test_numbers_that_stand_twice(storage, sqlite_url):
    with storage.engine.begin() as connection:
        connection.execute(sa.text("UPDATE trials SET number = 1 WHERE number = 2"))
    assert db.check(sqlite_url)[1] == ["mine: its trials are not numbered from 0 on, each once"]


def test_a_half_migrated_database(storage, sqlite_url):
    with storage.engine.begin() as connection:
        tables.locks.drop(connection)
    (problem,) = db.check(sqlite_url)[1]
    assert problem.startswith("is half migrated: explorer_locks is missing")


def test_a_damaged_file(sqlite_url):
    storage = db.connect(sqlite_url, create=True)
    study = optuna.create_study(study_name="mine", storage=storage)
    for _ in range(40):
        study.add_trial(create_trial(value=0.5, user_attrs={"text": "x" * 500}))
    with storage.engine.connect() as connection:
        connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
    storage.engine.dispose()
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    whole = bytearray(file.read_bytes())
    whole[-6 * 4096 :] = b"\x55" * (6 * 4096)
    file.write_bytes(whole)
    ran = CliRunner().invoke(cli, ["storage", "check", sqlite_url], standalone_mode=False)
    assert ran.exception is None
    assert ran.return_value == 1
    assert "wrong: the file is damaged" in ran.output or "wrong: cannot be" in ran.output


def test_the_command(storage, sqlite_url):
    ran = CliRunner().invoke(cli, ["storage", "check", sqlite_url], standalone_mode=False)
    assert ran.return_value == 0
    lines = ran.output.splitlines()
    assert lines[0] == db.masked(sqlite_url)
    assert lines[-1] == "sound"
    add(db.load_study(storage, "mine"), state=TrialState.COMPLETE, value=0.25)
    ran = CliRunner().invoke(cli, ["storage", "check", sqlite_url], standalone_mode=False)
    assert ran.return_value == 1
    assert ran.output.endswith("1 things are wrong\n")
