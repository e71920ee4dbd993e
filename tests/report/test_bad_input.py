"""What a user may do wrong with `explorer report`: one line that says what, and exit code 2."""

import shutil
import sqlite3
import sys

import optuna
import pytest
from optuna.trial import TrialState

from explorer import store as db
from explorer.cli import main
from tests.report.conftest import definition, failure, finished_trials, trial

STUDIES = {
    "frequency_range": finished_trials(),
    "begun": [trial("none", 0, state=TrialState.RUNNING), failure("none", 1, "OSError: x")],
    "poison": [
        *[failure(arm, r, "ValueError: too few") for arm in ("none", "scratch") for r in (0, 1)],
        failure("high", 0, "OSError: no space left"),
        failure("high", 1, "worker died"),
    ],
}
EVERY_FORM = (
    *(["--format", form] for form in ("markdown", "csv", "latex", "json", "html")),
    ["--format", "parquet", "--output", "a.parquet"],
    ["--figures", "figures"],
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A database of a good study, one that has just begun, and one that failed altogether."""
    path = tmp_path_factory.mktemp("bad") / "studies.db"
    with db.disposing(db.connect(f"sqlite:///{path}", create=True)) as storage:
        for name, trials in STUDIES.items():
            study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
            arms = {"none": {"frequency": [0, 0]}, "scratch": None, "high": {"frequency": [20, 60]}}
            changes = {} if name == "frequency_range" else {"arms": arms, "replicates": 2}
            study.set_user_attr("definition", definition(name=name, **changes))
            study.add_trials(trials)
    return path


@pytest.fixture
def database(made, folder):
    """A copy of it in an empty working directory."""
    return shutil.copy(made, folder / "explorer.db")


@pytest.fixture
def refused(monkeypatch, capsys):
    """Run `explorer report` and return the one line that it ends with."""

    def run(*asked: str) -> str:
        monkeypatch.setattr(sys, "argv", ["explorer", "report", *asked])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == 2
        assert said.out == ""
        assert said.err.count("\n") == 1
        return said.err.rstrip("\n")

    return run


def files(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("explorer.db"))


@pytest.mark.parametrize(
    "asked", [[], ["--trials", "a.csv"], ["--epochs", "a.csv"], ["--fidelity"]]
)
def test_a_study_that_is_not_there(database, folder, refused, asked):
    assert database
    line = refused("frequency_rang", *asked)
    assert "frequency_rang" in line
    assert "did you mean 'frequency_range'" in line
    assert files(folder) == ["studies"]


@pytest.mark.parametrize("asked", EVERY_FORM, ids=lambda asked: asked[-1])
def test_a_study_without_a_finished_trial(database, folder, refused, asked):
    assert database
    assert refused("begun", *asked) == (
        "explorer: study: 'begun': has no finished trial to report on yet "
        "(1 running, 4 waiting, 1 failed)"
    )
    assert files(folder) == ["studies"]


def test_a_study_of_which_all_failed(database, refused):
    assert database
    assert refused("poison") == (
        "explorer: study: 'poison': all 6 trials failed: ValueError: too few (4 x); "
        "OSError: no space left (1 x); worker died (1 x)"
    )


@pytest.mark.parametrize(
    ("option", "path"),
    [
        (option, path)
        for option in ("--output", "--trials", "--epochs")
        for path in ("studies", "file/a.csv")
    ],
)
def test_a_path_that_cannot_be_written(database, folder, refused, option, path):
    assert database
    (folder / "file").write_text("")
    (folder / "studies.csv").mkdir()
    path = "studies.csv" if path == "studies" else path
    line = refused("frequency_range", option, path)
    assert line.startswith(f"explorer: {option}: '{path}': cannot be written: ")
    assert files(folder) == ["file", "studies", "studies.csv"]


def test_a_disk_that_is_full(database, folder, refused, monkeypatch):
    assert database

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    line = refused("frequency_range", "--output", "a.md")
    assert line == "explorer: --output: 'a.md': cannot be written: No space left on device"
    assert files(folder) == ["studies"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("ALTER TABLE explorer_epochs DROP COLUMN loss", "explorer_epochs lacks loss"),
        ("DROP TABLE explorer_epochs", "explorer_epochs is missing"),
        ("UPDATE explorer_version SET version_num = '9999'", "was written by a newer explorer"),
        ("INSERT INTO explorer_version VALUES ('9999')", "is half migrated"),
        ("UPDATE alembic_version SET version_num = 'v2.6.0.a'", "no longer compatible"),
    ],
)
def test_a_database_that_is_half_migrated(database, refused, damage, said):
    with sqlite3.connect(database) as connection:
        connection.execute(damage)
    connection.close()
    line = refused("frequency_range")
    assert line.startswith("explorer: --storage: 'sqlite:///explorer.db'")
    assert said in line


def test_no_database(folder, refused):
    assert "there is no such database" in refused("frequency_range")
    assert files(folder) == ["studies"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--format", "latx"], "--format: 'latx': unknown; did you mean 'latex'"),
        (["--arms", "hgih,none"], "--arms: 'hgih': no arm of the study; did you mean 'high'"),
        (["--trials", "a.xlsx"], "--trials: 'a.xlsx': ends in none of .csv, .json, .parquet"),
    ],
)
def test_an_option_that_is_wrong(database, refused, asked, said):
    assert database
    assert said in refused("frequency_range", *asked)
