"""What the bench of large studies makes, measures and leaves behind; not how fast it is."""

import io
import tempfile

import pytest
from rich.console import Console

from explorer import store as db
from explorer.bench import load as room
from explorer.bench.filled import filled, plan
from explorer.errors import InputError
from explorer.report import importances, load, load_epochs, status, summarise


@pytest.fixture
def storage(database_url):
    with db.disposing(db.connect(database_url, create=True)) as storage:
        yield storage


def test_the_study_is_one_that_explorer_can_read(storage, tmp_path):
    planned = plan(tmp_path, samples=11, replicates=2)
    with filled(storage, planned) as rows:
        frame = load(planned.name, storage)
        assert len(frame) == planned.planned == 24
        assert (frame["state"] == "COMPLETE").all()
        attrs = db.load_study(storage, planned.name).trials[-1].user_attrs
        assert len(attrs) >= 30
        assert (frame["frequency.low"] <= frame["frequency.high"]).sum() == 22
        assert len(load_epochs(planned.name, storage)) == 2 * 4 + 22 * 5
        assert rows == sum(count_rows(storage))
        found = summarise(planned.name, storage)
        assert found.progress.finished
        assert len(importances(found).rows) == 8
        assert status(planned.name, storage).progress.complete == 24
    assert db.study_names(storage) == []
    assert set(count_rows(storage)) == {0}


def count_rows(storage):
    with storage.engine.connect() as connection:
        for table in (
            "trials",
            "trial_params",
            "trial_values",
            "trial_intermediate_values",
            "trial_user_attributes",
            "explorer_epochs",
        ):
            yield connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()  # noqa: S608


def test_every_way_is_measured_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    steps = []
    found = room.measure(30, replicates=3, progress=steps.append)
    assert sum(steps) == room.STEPS
    assert (found.database, found.trials, found.arms) == ("sqlite", 30, 10)
    assert list(found.wall) == list(found.cpu) == list(room.WAYS)
    assert all(seconds > 0 for seconds in found.wall.values())
    assert list(tmp_path.iterdir()) == []
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(room.screen(found))
    lines = console.export_text().splitlines()
    assert lines[0].startswith("30 trials of 10 arms in ")
    assert [line.split("  ")[0] for line in lines[2:]] == list(room.WAYS)
    assert lines[2].endswith("1.00")


def test_a_database_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="there is no such database"):
        room.measure(10, url=f"sqlite:///{tmp_path}/none.db")
