"""Made-up studies: some that tests only read, and a fresh database for those that write."""

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


@pytest.fixture
def database(tmp_path):
    with rows.connect(tmp_path) as database:
        yield database
