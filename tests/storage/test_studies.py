import time
from datetime import datetime, timedelta

import optuna
import pytest
import sqlalchemy as sa

from explorer import storage as db
from explorer.errors import InputError
from explorer.storage import tables


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
    trial_id = optuna.create_study(storage=storage).ask()._trial_id
    rows = [
        {"phase": "pretrain", "epoch": e, "images_seen": 9 * e, "loss": 1.0, "seconds": 0.1}
        for e in (1, 2)
    ]
    db.add_epochs(storage, trial_id, rows[:1])
    db.add_epochs(storage, trial_id, rows)
    with storage.engine.connect() as connection:
        stored = connection.execute(sa.select(tables.epochs).order_by(tables.epochs.c.epoch)).all()
    assert [(r.trial_id, r.epoch, r.images_seen) for r in stored] == [
        (trial_id, 1, 9),
        (trial_id, 2, 18),
    ]


def test_a_claimed_trial_has_the_time_that_optuna_gives_it(database_url, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        storage = db.connect(database_url, create=True)
        study = optuna.create_study(study_name="mine", storage=storage)
        study.enqueue_trial({})
        before = datetime.now()  # noqa: DTZ005 - naive and local, as Optuna's times are
        assert db.claim(storage, study.trials[0]._trial_id, "run")
        begun = db.load_study(storage, "mine").trials[0].datetime_start
    finally:
        monkeypatch.undo()
        time.tzset()
    assert timedelta(0) <= begun - before < timedelta(minutes=5)
