import math
import time
from datetime import datetime, timedelta

import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState, create_trial

from explorer import store as db
from explorer.errors import InputError
from explorer.store import tables


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


def test_rows_of_a_trial_are_stored_once(database_url):
    storage = db.connect(database_url, create=True)
    trial_id = optuna.create_study(study_name="mine", storage=storage).ask()._trial_id
    rows = [
        {"phase": "pretrain", "epoch": e, "images_seen": 9 * e, "loss": 1.0, "seconds": 0.1}
        for e in (1, 2)
    ]
    db.write(storage, trial_id, epochs=rows[:1], steps={9: 0.25}, attrs={"a": 1, "b": 1})
    db.write(storage, trial_id, epochs=rows, steps={9: 0.5, 18: math.nan}, attrs={"a": [2]})
    with storage.engine.connect() as connection:
        stored = connection.execute(sa.select(tables.epochs).order_by(tables.epochs.c.epoch)).all()
    assert [(r.trial_id, r.epoch, r.images_seen) for r in stored] == [
        (trial_id, 1, 9),
        (trial_id, 2, 18),
    ]
    (trial,) = db.load_study(storage, "mine").trials
    assert trial.user_attrs == {"a": [2], "b": 1}
    assert trial.intermediate_values[9] == 0.25
    assert math.isnan(trial.intermediate_values[18])


def test_a_trial_that_has_ended_is_not_written_to(database_url):
    storage = db.connect(database_url, create=True)
    trial_id = optuna.create_study(study_name="mine", storage=storage).ask()._trial_id
    db.write(storage, trial_id, state=TrialState.COMPLETE, values=[math.inf])
    with pytest.raises(UpdateFinishedTrialError):
        db.write(storage, trial_id, attrs={"late": True}, state=TrialState.FAIL)
    (trial,) = db.load_study(storage, "mine").trials
    assert (trial.state, trial.values, trial.user_attrs) == (TrialState.COMPLETE, [math.inf], {})
    assert trial.datetime_complete >= trial.datetime_start


def test_trials_are_as_optunas_own_calls_leave_them(database_url):
    storage = db.connect(database_url, create=True)
    study = optuna.create_study(study_name="mine", storage=storage)
    study_id = storage.get_study_id_from_name("mine")
    space = {"n": IntDistribution(0, 9), "x": FloatDistribution(0.0, 1.0)}
    attrs, params = {"arm": "a", "ranges": None}, {"n": 3, "x": 1 / 3}
    template = create_trial(
        state=TrialState.WAITING, user_attrs=attrs, params=params, distributions=space
    )
    study.add_trial(template)
    db.enqueue(storage, study_id, [db.Draft(attrs, params), db.Draft(attrs)], space)
    theirs, ours, bare = study.trials
    assert [t.number for t in study.trials] == [0, 1, 2]
    for name in ("state", "params", "distributions", "user_attrs", "system_attrs", "values"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert (bare.params, bare.datetime_start) == ({}, None)
    begun = db.begin(storage, study_id, "run", [], {"arm": "b"})
    assert (begun.number, begun.attrs) == (3, {"run": "run", "arm": "b"})
    assert study.trials[3].state == TrialState.RUNNING


def test_a_trial_that_was_taken_has_the_time_that_optuna_gives_it(database_url, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        storage = db.connect(database_url, create=True)
        study = optuna.create_study(study_name="mine", storage=storage)
        study.enqueue_trial({})
        before = datetime.now()  # noqa: DTZ005 - naive and local, as Optuna's times are
        assert db.take_waiting(storage, study._study_id, "run", []).attrs == {"run": "run"}
        begun = db.load_study(storage, "mine").trials[0].datetime_start
    finally:
        monkeypatch.undo()
        time.tzset()
    assert timedelta(0) <= begun - before < timedelta(minutes=5)
