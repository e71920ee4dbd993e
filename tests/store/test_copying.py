from contextlib import contextmanager

import optuna
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from explorer import store as db
from explorer.cli import cli
from explorer.errors import InputError
from explorer.store import tables


@contextmanager
def silent(_: int):
    yield lambda _: None


def contents(storage: db.Database, name: str) -> dict[str, object]:
    """All that belongs to a study, without the numbers that a database gives by itself."""
    study = db.load_study(storage, name)
    trials = []
    for trial in study.trials:
        of_trial = {k: v for k, v in vars(trial).items() if k != "_trial_id"}
        trials.append({**of_trial, "epochs": db.load_epochs(storage, trial._trial_id)})
    ran = sa.select(tables.runs).where(tables.runs.c.study_name == name)
    with storage.engine.connect() as connection:
        runs = [dict(row) for row in connection.execute(ran).mappings()]
    remembered = db.recall(storage, (name * 64)[:64])
    return {
        "trials": trials,
        "attrs": (
            study.user_attrs,
            storage.get_study_system_attrs(study._study_id),
            study.directions,
        ),
        "runs": runs,
        "remembered": remembered and db.trial_name(storage, remembered),
    }


@pytest.mark.postgres
def test_from_sqlite_to_postgresql_and_back(sqlite_url, postgres_url, tmp_path, fill):
    names = ["one", "two@smoke"]
    first = db.connect(sqlite_url, create=True)
    for name in names:
        fill(first, name)
    second = db.connect(postgres_url, create=True)
    fill(second, "of another")  # so that the numbers of the two databases differ
    third = db.connect(f"sqlite:///{tmp_path}/third.db", create=True)
    fill(third, "of a third")
    fill(third, "of a fourth")
    seen = []

    @contextmanager
    def progress(total: int):
        yield seen.append
        assert sum(seen) == total == 10

    assert db.copy_studies(first, second, progress=progress) == names
    db.copy_studies(second, third, names, progress=silent)
    for name in names:
        wanted = contents(first, name)
        assert wanted["trials"][1]["epochs"]
        assert wanted["remembered"] == f"{name}#1"
        assert contents(second, name) == wanted
        assert contents(third, name) == wanted
    for storage in (second, third):
        study = db.load_study(storage, "one")
        study.add_trial(optuna.trial.create_trial(value=0.5))
        assert [trial.number for trial in study.trials] == list(range(6))
    assert len(db.load_study(second, "of another").trials) == 5


def test_a_copy_that_is_cut_off_has_copied_nothing(database_url, tmp_path, fill, monkeypatch):
    monkeypatch.setattr("explorer.store.copying._TRIALS_AT_ONCE", 2)
    source = db.connect(f"sqlite:///{tmp_path}/source.db", create=True)
    for name in ("one", "two"):
        fill(source, name)
    target = db.connect(database_url, create=True)

    @contextmanager
    def interrupted(_: int):
        done = []

        def advance(count: int) -> None:
            done.append(count)
            if sum(done) > 6:
                raise KeyboardInterrupt

        yield advance

    with pytest.raises(KeyboardInterrupt):
        db.copy_studies(source, target, progress=interrupted)
    assert db.study_names(target) == []
    with target.engine.connect() as connection:
        for table in (tables.runs, tables.epochs, tables.results):
            assert connection.execute(sa.select(table)).all() == []
    assert db.copy_studies(source, target, progress=silent) == ["one", "two"]
    assert contents(target, "two") == contents(source, "two")


def test_what_the_target_has_is_not_touched(sqlite_url, tmp_path, fill):
    source = db.connect(sqlite_url, create=True)
    target = db.connect(f"sqlite:///{tmp_path}/target.db", create=True)
    for storage in (source, target):
        fill(storage, "mine")
    fill(source, "yours")
    with pytest.raises(InputError, match="TO: 'mine': the target has a study of this name"):
        db.copy_studies(source, target, progress=silent)
    assert db.study_names(target) == ["mine"]
    with pytest.raises(InputError, match="did you mean 'yours'"):
        db.copy_studies(source, target, ["your"], progress=silent)


def test_a_study_that_is_run_is_not_copied(sqlite_url, tmp_path):
    source = db.connect(sqlite_url, create=True)
    optuna.create_study(study_name="mine", storage=source)
    target = db.connect(f"sqlite:///{tmp_path}/target.db", create=True)
    with db.Run(source, "mine"), pytest.raises(InputError, match="'mine': is being run"):
        db.copy_studies(source, target, progress=silent)
    assert db.copy_studies(source, target, progress=silent) == ["mine"]


def test_the_command(sqlite_url, tmp_path, fill):
    source = db.connect(sqlite_url, create=True)
    for name in ("mine", "yours"):
        fill(source, name)
    target = f"sqlite:///{tmp_path}/target.db"
    copy = ["storage", "copy", sqlite_url, target]
    ran = CliRunner().invoke(cli, [*copy, "--study", "mine"], standalone_mode=False)
    assert (ran.return_value, ran.output) == (
        0,
        f"mine: 5 trials\n1 studies copied into {target}\n",
    )
    again = CliRunner().invoke(cli, copy, standalone_mode=False)
    assert isinstance(again.exception, InputError)
    assert db.study_names(db.connect(target)) == ["mine"]
