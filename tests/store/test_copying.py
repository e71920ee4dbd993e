"""Studies that get into another database, or out of the way: whole, or again."""

from contextlib import contextmanager

import optuna
import pytest
import sqlalchemy as sa

from explorer import store
from explorer import study as studies
from explorer.errors import InputError
from explorer.store import copying, tables
from tests.conftest import STUDY
from tests.store.play import arms, rows, run_all


class DeathError(Exception):
    """What a driver dies of."""


@contextmanager
def silent(_: int):
    yield lambda _: None


@pytest.fixture
def fill(write_study):
    """Run a study but for its last two replicates, one of which is in flight."""

    def fill(database, name):
        write_study(STUDY, name)
        run_all(database, studies.load_study(name), stop_after=5)

    return fill


def contents(database, name):
    """All that belongs to a study, without the numbers that a database gives by itself."""
    trials = [
        {k: v for k, v in vars(t).items() if not k.endswith("_id")} for t in arms(database, name)
    ]
    study = store.optuna_study(database, name)
    attrs = {k: v for k, v in study.user_attrs.items() if k not in {"copying", "archived_as"}}
    curves = []
    with database.engine.connect() as connection:
        for table in (tables.rungs, tables.epochs):
            joined = table.join(tables.replicates)
            mine = sa.select(tables.replicates.c.arm, tables.replicates.c.replicate, table)
            mine = mine.select_from(joined).where(tables.replicates.c.study == name)
            curves += [
                {k: v for k, v in row.items() if k != "replicate_id"}
                for row in connection.execute(mine.order_by(*table.primary_key)).mappings()
            ]
    ours = [{k: v for k, v in r.items() if k not in {"id", "study"}} for r in rows(database, name)]
    return trials, attrs, study.directions, ours, curves, store.load_runs(database, name)


@pytest.mark.postgres
def test_from_sqlite_to_postgresql_and_back(sqlite_url, postgres_url, tmp_path, fill):
    with (
        store.connect(sqlite_url, create=True) as first,
        store.connect(postgres_url, create=True) as second,
        store.connect(f"sqlite:///{tmp_path}/third.db", create=True) as third,
    ):
        for name in ("one", "two"):
            fill(first, name)
        fill(second, "another")  # so that the numbers of the two databases differ
        counted = []

        @contextmanager
        def progress(total: int):
            yield counted.append
            assert sum(counted) == total == 4

        assert store.copy_studies(first, second, progress=progress) == ["one", "two"]
        store.copy_studies(second, third, ["one"], progress=silent)
        wanted = contents(first, "one")
        assert len(wanted[4]) == 4
        for database in (second, third):
            assert contents(database, "one") == wanted
            assert rows(database, "one", state="RUNNING")
        # The copy goes on.
        run_all(third, studies.load_study("one"))
        assert [trial.value for trial in arms(third, "one")] == [0.5, 0.5]


def test_a_copy_that_is_cut_short_is_made_again(either, tmp_path, fill, monkeypatch):
    with store.connect(f"sqlite:///{tmp_path}/source.db", create=True) as source:
        for name in ("one", "two"):
            fill(source, name)
        for step in ("_copy_rows", "_complete"):
            with monkeypatch.context() as patch:
                patch.setattr(copying, step, _die_at(2, getattr(copying, step)))
                with pytest.raises(DeathError):
                    store.copy_studies(source, either, progress=silent)
            with pytest.raises(InputError, match="'two': is a copy that was cut short"):
                store.definition(either, "two")
        wanted = contents(source, "two")
        assert store.copy_studies(source, either, ["two"], progress=silent) == ["two"]
        assert contents(either, "two") == wanted


def _die_at(turn, call):
    turns = []

    def die(*arguments, **more):
        turns.append(1)
        if len(turns) == turn:
            raise DeathError
        return call(*arguments, **more)

    return die


def test_what_the_target_has_is_not_touched(database, tmp_path, fill):
    with store.connect(f"sqlite:///{tmp_path}/target.db", create=True) as target:
        for one in (database, target):
            fill(one, "mine")
        fill(database, "yours")
        with pytest.raises(InputError, match="TO: 'mine': the target has a study of this name"):
            store.copy_studies(database, target, progress=silent)
        assert store.study_names(target) == ["mine"]
        with pytest.raises(InputError, match="did you mean 'yours'"):
            store.copy_studies(database, target, ["your"], progress=silent)
        with store.Run(database, "mine"), pytest.raises(InputError, match="'mine': is being run"):
            store.copy_studies(database, target, progress=silent)


@pytest.mark.parametrize(
    ("owner", "step", "turn"),
    [
        (optuna.Study, "add_trial", 2),
        (copying, "_complete", 1),
        (copying, "_rename_rows", 1),
        (optuna, "delete_study", 1),
        (copying, "live_runs", 99),  # not cut short at all
    ],
)
def test_a_study_is_archived_whole_wherever_that_is_cut_short(
    either, fill, monkeypatch, owner, step, turn
):
    fill(either, "mine")
    wanted = contents(either, "mine")
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, _die_at(turn, getattr(owner, step)))
        try:
            name = store.archive(either, "mine")
        except DeathError:
            name = None
    if step == "delete_study":
        with pytest.raises(InputError, match="--fresh completes it"):
            store.open_study(either, studies.load_study("mine"))
    name = name or store.archive(either, "mine")
    assert store.study_names(either) == [name]
    assert name.startswith("mine.archived-")
    assert contents(either, name) == wanted
    assert rows(either, "mine") == []
    run_all(either, studies.load_study("mine"))
    assert len(rows(either, "mine", state="COMPLETE")) == 6
    assert store.archive(either, "nothing") is None


def test_a_study_that_is_run_is_not_archived(database, fill):
    fill(database, "mine")
    with store.Run(database, "mine"), pytest.raises(InputError, match="is being run by another"):
        store.archive(database, "mine")
