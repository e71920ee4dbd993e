"""Of a long study a part of the arms is drawn, and it is said."""

import pytest

from explorer.report.figures import gather
from explorer.report.page import thinning
from tests.report.conftest import trial


@pytest.fixture
def material(make_study):
    trials = [trial(f"sample-{i:04d}", 0, 0.3 + i / 1000, frequency=(i, 300)) for i in range(60)]
    study = make_study(
        [trial("scratch", 0, 0.2), *trials],
        arms={"scratch": None},
        sampler={"name": "qmc", "samples": 60},
        vary=["frequency"],
        replicates=1,
    )
    return gather(study)


def test_a_short_study_is_drawn_whole(material):
    assert thinning.thinned(material) == (material, "")


def test_of_a_long_one_the_ends_and_a_draw(material, monkeypatch):
    monkeypatch.setattr(thinning, "MOST_ARMS", 20)
    drawn, said = thinning.thinned(material)
    names = [arm.name for arm in drawn.report.arms]
    assert len(names) == 20
    assert {"scratch", "sample-0059"} <= set(names)
    assert set(drawn.trials["arm"]) == set(drawn.rungs["arm"]) | {"scratch"} == set(names)
    assert len(drawn.counted) == 20
    assert said.startswith("The figures show 20 of 61 arms: ")
    assert [arm.name for arm in thinning.thinned(material)[0].report.arms] == names
