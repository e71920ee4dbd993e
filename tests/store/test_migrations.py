import importlib.util
from datetime import datetime
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from optuna.storages import RDBStorage

from explorer import store as db
from explorer.errors import InputError
from explorer.store import tables
from tests.store import put

NOW = datetime.fromisoformat("2026-11-24T12:30:15.250000")


def version_1():
    path = Path(__file__).with_name("version_1.py")
    spec = importlib.util.spec_from_file_location("version_1", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def old(database_url):
    """A database of version 1 with one study, made without any code of today's."""
    was = version_1()
    storage = RDBStorage(driver(database_url))
    was.metadata.create_all(storage.engine)
    study = optuna.create_study(study_name="mine", storage=storage, direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=0.75, user_attrs={"arm": "waves"}))
    run = {
        "study_name": "mine",
        "host": "here/boot",
        "process": "1@2",
        "provenance": '{"optuna": "5.0.0"}',
        "started_at": NOW,
        "seen_at": NOW,
        "ended_at": NOW,
    }
    url = "postgresql://me:s3cret@host/db"
    runs = [
        {"run_id": "a" * 32, "command": f"explorer run-study mine --storage {url}", **run},
        {"run_id": "b" * 32, "command": "explorer run-study mine", **run},
    ]
    curve = {"phase": "pretrain", "epoch": 1, "images_seen": 512, "loss": 0.1 + 0.2, "seconds": 2.5}
    with storage.engine.begin() as connection:
        connection.execute(sa.insert(was.schema).values(version=1))
        connection.execute(sa.insert(was.runs), runs)
        connection.execute(sa.insert(was.locks).values(study_name="mine"))
        # The second has lost its trial: its study was deleted.
        connection.execute(sa.insert(was.epochs), [{"trial_id": t, **curve} for t in (1, 99)])
        keys = [{"result_key": c * 64, "trial_id": t} for c, t in (("c", 1), ("d", 99))]
        connection.execute(sa.insert(was.results), keys)
    storage.engine.dispose()
    return database_url


def columns(engine: sa.Engine) -> dict[str, set[str]]:
    there = sa.inspect(engine)
    names = [name for name in there.get_table_names() if name.startswith("explorer_")]
    return {name: {column["name"] for column in there.get_columns(name)} for name in names}


def test_a_database_of_version_1_keeps_its_data(old):
    storage = db.connect(old)
    trial = db.load_study(storage, "mine").trials[0]
    assert (trial.value, trial.user_attrs) == (0.75, {"arm": "waves"})
    curve = {"phase": "pretrain", "epoch": 1, "images_seen": 512, "loss": 0.1 + 0.2}
    assert db.load_epochs(storage, 1) == [{**curve, "accuracy": None, "seconds": 2.5}]
    assert db.recall(storage, "c" * 64) == 1
    with storage.engine.connect() as connection:
        first, second = connection.execute(sa.select(tables.runs).order_by("run_id")).all()
    assert first.command == "explorer run-study mine --storage postgresql://me:***@host/db"
    assert second.command == "explorer run-study mine"
    for run in (first, second):
        assert run.seen_at == run.ended_at == NOW
        assert (run.provenance, run.study_file) == ('{"optuna": "5.0.0"}', None)


def test_what_belongs_to_no_trial_is_left_behind(old):
    storage = db.connect(old)
    assert db.load_epochs(storage, 99) == []
    assert db.recall(storage, "d" * 64) is None


def test_an_upgraded_database_is_as_a_new_one(old, tmp_path):
    upgraded = db.connect(old).engine
    fresh = db.connect(f"sqlite:///{tmp_path}/fresh.db", create=True).engine
    assert columns(upgraded) == columns(fresh)
    for name, table in tables.metadata.tables.items():
        assert columns(fresh)[name] == set(table.columns.keys())
        indices = [
            {index["name"] for index in sa.inspect(engine).get_indexes(name)}
            for engine in (upgraded, fresh)
        ]
        assert indices[0] == indices[1] == {str(index.name) for index in table.indexes}


def test_optunas_own_version_is_left_alone(old):
    with db.connect(old).engine.connect() as connection:
        optunas = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        ours = connection.execute(sa.text("SELECT version_num FROM explorer_version")).scalar()
    assert (optunas, ours) == ("v3.2.0.a", "0003")


def test_an_explorer_of_version_1_refuses_what_it_does_not_know(old):
    db.connect(old)
    number = sa.select(sa.func.max(version_1().schema.c.version))
    with db.connect(old).engine.connect() as connection:
        assert connection.execute(number).scalar() == 2  # more than the 1 that it knows


def test_making_the_tables_goes_on_where_it_was_cut_off(old):
    """Version 1 made its tables one by one, and named its version last."""
    engine = sa.create_engine(driver(old))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE explorer_results"))
        connection.execute(sa.text("DELETE FROM explorer_schema"))
    engine.dispose()
    storage = db.connect(old)
    assert db.recall(storage, "c" * 64) is None
    assert len(db.load_epochs(storage, 1)) == 1


def test_a_migration_that_fails_leaves_the_database_as_it_was(old, monkeypatch):
    engine = sa.create_engine(driver(old))
    before = columns(engine)
    path = "alembic.operations.Operations.create_index"  # the last step of revision 2
    monkeypatch.setattr(path, lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        db.connect(old)
    assert columns(engine) == before
    monkeypatch.undo()
    assert len(db.load_epochs(db.connect(old), 1)) == 1
    engine.dispose()


def test_a_newer_schema_is_refused(database_url):
    storage = db.connect(database_url, create=True)
    with storage.engine.begin() as connection:
        connection.execute(sa.text("UPDATE explorer_version SET version_num = '0077'"))
    with pytest.raises(InputError, match=r"newer explorer \(schema 0077, this one knows 0003\)"):
        db.connect(database_url)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("ALTER TABLE explorer_runs DROP COLUMN study_file", "explorer_runs lacks study_file"),
        ("DROP TABLE explorer_locks", "explorer_locks is missing"),
        ("DELETE FROM explorer_version", "its schema is 2, but explorer_version is empty"),
        ("INSERT INTO explorer_version VALUES ('0001')", "half migrated"),
    ],
)
def test_a_half_migrated_database_is_refused(database_url, damage, said):
    storage = db.connect(database_url, create=True)
    with storage.engine.begin() as connection:
        connection.execute(sa.text(damage))
    with pytest.raises(InputError, match=said) as caught:
        db.connect(database_url)
    assert "\n" not in str(caught.value)


def test_the_rows_of_a_trial_go_with_it(database_url):
    storage = db.connect(database_url, create=True)
    study = optuna.create_study(study_name="mine", storage=storage)
    trial_id = study.ask()._trial_id
    row = {"phase": "pretrain", "epoch": 1, "images_seen": 1, "loss": 1.0, "seconds": 1.0}
    put.add_epochs(storage, trial_id, [row])
    put.remember(storage, "k" * 64, trial_id)
    optuna.delete_study(study_name="mine", storage=storage)
    assert db.load_epochs(storage, trial_id) == []
    assert db.recall(storage, "k" * 64) is None
