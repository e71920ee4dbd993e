"""One made-up study of everything, read once for all tests of figures."""

import pytest

from explorer import store as db
from explorer.report.figures import Material, gather
from tests.report.rich import rich_study


@pytest.fixture(scope="package")
def database(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('figures')}/rich.db"
    with db.disposing(db.connect(url, create=True)) as storage:
        yield storage


@pytest.fixture(scope="package")
def rich(database) -> Material:
    """Sixteen sampled arms of two replicates, and two named ones."""
    return gather(rich_study(database, samples=16))
