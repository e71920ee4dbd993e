"""The frames as files: csv, json and parquet, read back as they were."""

import json
import math

import pandas as pd
import pytest
from click.testing import CliRunner
from optuna.trial import TrialState

from explorer import store as db
from explorer.cli import cli
from explorer.errors import InputError
from explorer.report import export, load, load_epochs, load_rungs, read, summarise, to_frame
from tests.report.conftest import failure, finished_trials, trial
from tests.report.test_epochs import curve
from tests.store import put

ENDINGS = (".csv", ".json", ".parquet")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A file with a study, whose first trial has a curve."""
    url = f"sqlite:///{tmp_path_factory.mktemp('export') / 'a.db'}"
    with db.disposing(db.connect(url, create=True)) as storage:
        yield storage


@pytest.fixture
def frames(make_study, database):
    if "frequency_range" not in db.study_names(database):
        study = make_study(
            [
                *finished_trials()[:4],
                failure("none", 1, 'said "no",\nand no more', seed=2**63 + 5),
                trial("NA", 0, 0.1 + 0.2, **{"seconds.total": 1 / 3}),
                trial("high", 1, state=TrialState.WAITING),
            ],
            storage=database,
        )
        rows = [*curve("pretrain", 1 / 3), *curve("finetune", 0.7)]
        put.add_epochs(database, study.trials[1]._trial_id, rows)
    return {
        "--trials": load("frequency_range", database),
        "--epochs": load_epochs("frequency_range", database),
        "--rungs": load_rungs("frequency_range", database),
    }


@pytest.mark.parametrize("ending", ENDINGS)
def test_all_frames_come_back_with_every_value_and_type(frames, tmp_path, ending):
    for name, frame in frames.items():
        path = tmp_path / f"{name}{ending}"
        export(frame, path)
        pd.testing.assert_frame_equal(read(path), frame, check_exact=True)
        before = path.read_bytes()
        export(read(path), path)
        assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_frame_keeps_its_columns_where_the_form_has_any(make_study, tmp_path, ending):
    frame = load(make_study([]))
    export(frame, tmp_path / f"empty{ending}")
    found = read(tmp_path / f"empty{ending}")
    if ending == ".json":
        assert found.empty
    else:
        pd.testing.assert_frame_equal(found, frame)


def test_a_json_has_only_numbers_that_json_has(make_study, tmp_path):
    frame = load(make_study([trial("none", 0, 0.5, pretrain_loss=math.inf)]))
    export(frame, tmp_path / "a.json")
    (row,) = json.loads((tmp_path / "a.json").read_text())
    assert row["pretrain_loss"] is None
    assert row["start"] == "2026-11-23T06:00:00.000000"
    export(frame, tmp_path / "a.csv")
    assert read(tmp_path / "a.csv")["pretrain_loss"][0] == math.inf


def test_by_the_command(frames, database, tmp_path):
    paths = {option: tmp_path / "out" / f"{option[2:]}.parquet" for option in frames}
    asked = [str(part) for pair in paths.items() for part in pair]
    url = ["--storage", str(database.engine.url)]
    done = CliRunner().invoke(cli, ["report", "frequency_range", *url, *asked])
    assert (done.exit_code, done.output) == (0, "")
    for option, path in paths.items():
        pd.testing.assert_frame_equal(pd.read_parquet(path), frames[option])
    table = tmp_path / "table.parquet"
    as_table = ["--format", "parquet", "--output", str(table)]
    done = CliRunner().invoke(cli, ["report", "frequency_range", *url, *as_table])
    assert (done.exit_code, done.output) == (0, "")
    expected = to_frame(summarise("frequency_range", database))
    pd.testing.assert_frame_equal(pd.read_parquet(table), expected)
    assert list(expected["arm"]) == ["scratch", "none", "best_practice", "high", "NA"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--trials", "a.xlsx"], "--trials: 'a.xlsx': ends in none of .csv, .json, .parquet"),
        (["--epochs", "folder.csv"], "--epochs: 'folder.csv': cannot be written: .*is a folder"),
        (["--format", "parquet"], "--format: 'parquet': is no text; name a file"),
        (["--format", "parquet", "--output", "a.csv"], "--format: 'parquet': is no text"),
    ],
)
def test_what_cannot_be_written(frames, database, folder, options, said):
    assert frames
    (folder / "folder.csv").mkdir()
    asked = ["report", "frequency_range", "--storage", str(database.engine.url), *options]
    done = CliRunner().invoke(cli, asked)
    assert isinstance(done.exception, InputError)
    with pytest.raises(InputError, match=said):
        raise done.exception
    assert sorted(path.name for path in folder.iterdir()) == ["folder.csv", "studies"]
