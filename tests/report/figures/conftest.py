"""Made-up studies, read once for all tests of figures."""

import pytest

from explorer.report.figures import Material, gather
from tests.report import rows
from tests.report.trials import add_trials


@pytest.fixture(scope="package")
def database(tmp_path_factory):
    with rows.connect(tmp_path_factory.mktemp("figures")) as database:
        yield database


@pytest.fixture(scope="package")
def sampled(database) -> Material:
    """Twenty-four sampled arms of two replicates and two named ones, two objectives."""
    add_trials(database, rows.sampled(database))
    return gather(database, "sampled")


@pytest.fixture(scope="package")
def ablation(database) -> Material:
    """Three pre-trained arms and from scratch, three replicates each."""
    add_trials(database, rows.ablation(database))
    return gather(database, "ablation")
