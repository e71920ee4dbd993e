"""Made-up studies: some that tests only read, and a fresh database for those that write."""

import shutil

import pytest

from tests.report import rows


@pytest.fixture(scope="session")
def studies(tmp_path_factory):
    """A database of the studies of :mod:`tests.report.rows`, for tests that only read."""
    with rows.connect(tmp_path_factory.mktemp("studies")) as database:
        rows.ablation(database)
        rows.unfinished(database)
        rows.sampled(database)
        yield database


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """A database file without a study; to copy one takes a third of making one."""
    folder = tmp_path_factory.mktemp("empty")
    with rows.connect(folder):
        return folder / "explorer.db"


@pytest.fixture
def database(empty, tmp_path):
    shutil.copy(empty, tmp_path)
    with rows.connect(tmp_path) as database:
        yield database
