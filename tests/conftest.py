"""What several tests need: a study of one's own in an empty folder, and databases."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import settings

from explorer import study as config

STUDY = """\
description: A study for a test.
search_space: visual_atom
protocol: smoke
replicates: 2
arms:
  circles: {frequency: [0, 0]}
  waves: {frequency: [0, 20], orbits: [1, 50]}
"""

POSTGRES = os.environ.get("EXPLORER_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")


# A busy machine takes longer, and no test is about that.
settings.register_profile("explorer", deadline=None)
settings.load_profile("explorer")

LONG = ("cluster", "end_to_end", "faults")


def pytest_addoption(parser):
    parser.addoption(
        "--faults",
        choices=["short", "whole"],
        default="short",
        help="tests/faults: a few faults in a study of 6 trials, or all of them in one of 24",
    )


def pytest_configure():
    # A shell starts what it runs in the background with Ctrl-C ignored, and so would the programs
    # be that the tests interrupt.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests import Ray before a study does, which is when it decides where to listen.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def pytest_collection_modifyitems(config, items):
    """Where tests are spread over processes, the files that take minutes are begun first."""
    if hasattr(config, "workerinput"):  # of pytest-xdist
        items.sort(key=lambda item: not any(map(item.get_closest_marker, LONG)))


@pytest.fixture
def compiling(monkeypatch):
    """Compile with a backend of one's own: inductor takes half a minute even for this model."""
    import torch

    compile_ = torch.compile

    def use(backend):
        torch.compiler.reset()
        monkeypatch.setattr(torch, "compile", lambda model: compile_(model, backend=backend))

    yield use
    torch.compiler.reset()


@pytest.fixture(scope="module")
def one_thread():
    """Torch on one thread, as in a worker: sums in one order, so the same bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def explorer(capsys, monkeypatch):
    """Run a command in this process: a program of its own is started for its imports alone.

    Returns its exit code and what it has printed on both streams.
    """
    from explorer.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["explorer", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err

    return run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working directory with a folder ``studies``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EXPLORER_STORAGE", raising=False)
    (tmp_path / "studies").mkdir()
    return tmp_path


@pytest.fixture
def write_study(folder):
    """Write a study file and return its path."""

    def write(text: str = STUDY, name: str = "mine") -> Path:
        path = folder / "studies" / f"{name}.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def study(write_study) -> config.Study:
    """Two arms and the one from scratch, two replicates each."""
    write_study()
    return config.load_study("mine")


@pytest.fixture
def sqlite_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


@contextmanager
def a_postgres_database() -> Iterator[str]:
    """A database of its own on the PostgreSQL server, dropped afterwards."""
    server = sa.make_url(POSTGRES).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(
        server, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5}
    )
    name = f"explorer_{uuid4().hex}"
    try:
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    except sa.exc.OperationalError as error:
        reason = f"no PostgreSQL server at {server.render_as_string()}: {error.orig}"
        if os.environ.get("EXPLORER_REQUIRE_POSTGRES"):
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


@pytest.fixture
def postgres_url():
    """A database for one test."""
    with a_postgres_database() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request) -> str:
    """Every test that takes it runs on both databases."""
    return request.getfixturevalue(f"{request.param}_url")
