"""What people did with tools like this one, and what is right; docs/faults.md has the table.

Named by what somebody did. Image files are in tests/images/test_people.py, YAML texts in
tests/test_study.py.
"""

import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa

from explorer import runner, store
from explorer.errors import InputError, OutageError
from explorer.study import load_study
from tests.conftest import STUDY
from tests.store.play import rows, run_all, scores

LONG = "x" * 300


@pytest.mark.parametrize("trials", [0, 1])
def test_a_study_of_the_name_was_made_with_plain_optuna(explorer, write_study, sqlite_url, trials):
    """One of Optuna's default direction would keep it: its best arm would be the worst."""
    write_study()
    with store.connect(sqlite_url, create=True):
        pass
    made = optuna.create_study(study_name="mine", storage=sqlite_url)
    for _ in range(trials):
        made.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    for command in ("run-study", "status", "report"):
        code, out, err = explorer(command, "mine", "--storage", sqlite_url)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert "another tool than explorer has made" in err or "was not made by explorer" in err
    assert len(optuna.load_study(study_name="mine", storage=sqlite_url).trials) == trials
    code, out, _ = explorer("status", "--storage", sqlite_url)
    assert code == 0


def test_a_sound_study_of_two_objectives_was_checked(explorer, write_study, sqlite_url):
    write_study(STUDY + "objectives: [accuracy, variety.vendi_features]\n")
    with store.connect(sqlite_url, create=True) as database, store.Run(database, "mine") as run:
        queue = store.Queue(database, load_study("mine"), run.run_id)
        queue.recover()
        while (one := queue.take()) is not None:
            variety = {} if one.ranges is None else {"vendi_features": 9.0}
            assert queue.complete(one, scores(0.5, variety=variety)) is None
    assert explorer("storage", "check", sqlite_url)[0] == 0


def test_a_study_was_deleted_while_it_ran(study, sqlite_url):
    with store.connect(sqlite_url, create=True) as database, store.Run(database, "mine") as run:
        queue = store.Queue(database, study, run.run_id)
        queue.recover()
        taken = [queue.take(), queue.take(), queue.take()]
        optuna.delete_study(study_name="mine", storage=sqlite_url)
        with pytest.raises(OutageError, match="has been deleted from the database by another"):
            _fail_all(queue, taken)


def _fail_all(queue, taken):
    for one in taken:
        queue.fail(one, "no reason")
    while (one := queue.take()) is not None:
        queue.fail(one, "no reason")


def test_a_database_file_was_damaged(explorer, study, sqlite_url):
    with store.connect(sqlite_url, create=True) as database:
        run_all(database, study)
        with database.engine.connect() as connection:
            connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    whole = bytearray(file.read_bytes())
    whole[8192:] = b"\x55" * (len(whole) - 8192)
    file.write_bytes(whole)
    names = ("status", "mine"), ("report", "mine"), ("run-study", "mine")
    assert explorer("storage", "check", sqlite_url)[0] == 1
    for command in (("status",), *names):
        code, _, err = explorer(*command, "--storage", sqlite_url)
        assert code in {1, 2}
        assert err.startswith("explorer: ")
        assert err.count("\n") == 1


ODD = {"a b.db": "a b.db", "50%25.db": "50%.db", "#1.db": "#1.db", "x{y}.db": "x{y}.db"}


@pytest.mark.parametrize(("written", "name"), ODD.items())
def test_a_database_has_an_odd_name(tmp_path, written, name):
    with store.connect(f"sqlite:///{tmp_path}/{written}", create=True) as database:
        assert store.study_names(database) == []
    assert {path.name for path in tmp_path.iterdir()} == {name}
    with pytest.raises(InputError, match=r"bar%baz.db: % begins an escape in a URL|write %25"):
        store.connect(f"sqlite:///{tmp_path}/bar%baz.db", create=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--storage", f"sqlite:///{LONG}.db"),
        ("run-study", f"{LONG}.yaml"),
        ("check", LONG),
        ("variety", LONG),
        ("render", "--verify", LONG),
        ("list", f"{LONG}/x"),
        ("run-study", "mine", "--protocol", f"./{LONG}.yaml"),
        ("run-study", "mine", "--set", f"dataset={{images: {LONG}}}"),
        ("run-study", "mine", "--set", f"downstream={{name: imagefolder, path: {LONG}}}"),
    ],
    ids=lambda arguments: " ".join(arguments)[:30],
)
def test_a_name_was_too_long(explorer, write_study, folder, arguments):
    write_study()
    code, out, err = explorer(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err.startswith("explorer: ")
    assert [path.name for path in folder.iterdir()] == ["studies"]


def test_a_file_was_called_like_a_module(folder, study, sqlite_url):
    """Ray has the working directory on its workers' path, where it would be imported instead."""
    (folder / "timm.py").touch()
    with (
        store.connect(sqlite_url, create=True) as database,
        pytest.raises(InputError, match=r"timm\.py: hides the module timm from the workers"),
    ):
        runner.run_study(study, database)
    (folder / "timm.py").rename(folder / "test.py")  # nobody imports that
    runner.driver._check_folder()


def test_nothing_is_said_to_start_that_is_refused(explorer, write_study, sqlite_url):
    write_study()
    with store.connect(sqlite_url, create=True) as database:
        store.open_study(database, load_study("mine"))
        write_study(STUDY.replace("[0, 0]", "[1, 1]"))
        code, out, err = explorer("run-study", "mine", "--storage", sqlite_url)
        assert (code, out) == (2, "")
        assert "arms.circles: has other ranges in the database" in err
        assert rows(database) == []


def test_there_was_nowhere_to_keep_compiled_kernels(tmp_path):
    """Of a read-only package, without a home: numba raises, and the kernels work all the same."""
    program = (
        "import numba.core.caching as c\n"
        "def no(*_): raise RuntimeError('cannot cache function: no locator available')\n"
        "c.CacheImpl.__init__ = no\n"
        "from explorer.formulas import raster, compiled\n"
        "assert compiled.kernel(lambda x: x + 1)(1) == 2\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, timeout=300)
