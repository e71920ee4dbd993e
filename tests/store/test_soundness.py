"""What ``explorer storage check`` says of a database."""

import optuna
import pytest
import sqlalchemy as sa

from explorer import store
from explorer.store import tables
from tests.store.play import rows, run_all

REPLICATES = tables.replicates
AGAIN = "explorer run-study mine takes them up again"


@pytest.fixture
def filled(either, study):
    run_all(either, study)
    return either


def change(database, statement):
    with database.engine.begin() as connection:
        connection.execute(statement)


@pytest.mark.usefixtures("filled")
def test_a_sound_database(database_url):
    facts, problems = store.check(database_url)
    assert facts == [
        "schema arms1 of explorer, v3.2.0.a of Optuna",
        "1 study, 6 attempts, 1 run",
    ]
    assert problems == []


def test_what_is_wrong_with_a_study(filled, database_url):
    first, second, third = rows(filled)[:3]
    again = {**first, "attempt": 2}
    del again["id"]
    change(filled, sa.insert(REPLICATES).values(again))
    lost = REPLICATES.c.id == second["id"]
    change(filled, sa.update(REPLICATES).where(lost).values(state="RUNNING"))
    change(filled, sa.update(REPLICATES).where(REPLICATES.c.id == third["id"]).values(trial=9))
    other = sa.update(REPLICATES).where(REPLICATES.c.id == rows(filled)[3]["id"])
    change(filled, other.values(accuracy=None))
    optuna.create_study(study_name="half", storage=filled.optuna).set_user_attr("copying", True)
    change(filled, sa.insert(REPLICATES).values({**again, "study": "gone"}))
    assert store.check(database_url)[1] == [
        "gone: 1 replicates of a study that was deleted by another tool",
        "half: is a copy that was cut short; make it again",
        "mine: arm scratch, replicate 0 is COMPLETE 2 times",
        "mine: arm scratch, replicate 1 is COMPLETE without a score",
        f"mine: arm circles, replicate 0: RUNNING, but the run has died; {AGAIN}",
        "mine: arm waves: its Optuna trial 9 is missing",
    ]


def test_an_arm_whose_trial_did_not_end(database, study, sqlite_url, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "tell", lambda *_, **__: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            run_all(database, study)
    assert "mine: trial 0: not ended, though all replicates are" in store.check(sqlite_url)[1][-1]
