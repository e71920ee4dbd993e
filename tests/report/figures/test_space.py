import dataclasses

import numpy as np
import pytest
from optuna.trial import TrialState

from explorer.report.figures import distribution, gather, neighbourhood
from explorer.report.figures.surrogate import Surrogate
from tests.report.conftest import trial


def test_the_curve_falls_by_one_arm_at_every_accuracy(rich):
    data = distribution.prepare(rich)
    sampled = [arm for arm in rich.report.arms if arm.sampled]
    assert data.accuracies == tuple(sorted(100 * arm.accuracy.mean for arm in sampled))
    assert data.shares == tuple(100 * (16 - i) / 16 for i in range(16))
    assert [one.arm for one in data.beside] == ["scratch", "best_practice"]
    above = sum(one > data.beside[1].mean.value for one in data.accuracies)
    assert data.beyond(data.beside[1].mean.value).value == 100 * above / 16
    assert f" {100 * above / 16:.0f} % go beyond best_practice" in distribution.caption(data)
    curve = next(one for one in distribution.on_page(data).data if one.name == "sampled arms")
    assert (curve.y[0], curve.y[-1]) == (100, 0)
    assert list(curve.x) == sorted(curve.x)
    # Each accuracy is reached by the arm itself and those above it.
    assert curve.y[1:-2] == pytest.approx(data.shares[1:], abs=0.01)
    distribution.on_paper(data)


def test_only_a_sampler_that_does_not_learn_shows_the_space(rich):
    assert distribution.prepare(rich).margin is None
    said = dataclasses.replace(rich.said, sampler="random")
    data = distribution.prepare(dataclasses.replace(rich, said=said))
    # Dvoretzky, Kiefer, Wolfowitz: sqrt(ln(2 / 0.05) / (2 x 16)).
    assert data.margin == pytest.approx(33.95, abs=0.01)
    low, high = distribution._band(data, [0.0, 50.0, 100.0])
    assert low == pytest.approx([0, 16.05, 66.05], abs=0.01)
    assert high == pytest.approx([33.95, 83.95, 100], abs=0.01)
    assert "Band" in distribution.caption(data)
    distribution.on_paper(data)
    lower, upper = distribution.on_page(data).data[:2]
    n = len(data.accuracies)
    assert (lower.y[0], lower.y[-1]) == pytest.approx((66.05, 0))
    assert (upper.y[0], upper.y[-1]) == pytest.approx((100, 33.95))
    assert len(distribution.on_page(distribution.prepare(rich)).data) == 3
    assert len(distribution.on_page(data).data) == 5
    assert len(lower.x) == n + 2


def test_a_share_of_the_space_has_an_exact_interval(rich):
    said = dataclasses.replace(rich.said, sampler="qmc")
    data = distribution.prepare(dataclasses.replace(rich, said=said))
    none, every = data.beyond(100.0), data.beyond(0.0)
    # Clopper and Pearson: of 16 none, and at most 1 - 0.025^(1/16) of the space.
    end = 100 * (1 - 0.025 ** (1 / 16))
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(end))
    assert (every.value, every.low, every.high) == (100, pytest.approx(100 - end), 100)
    at = data.beyond(data.beside[1].mean.value)
    assert f"{at.value:.0f} % [{at.low:.0f}, {at.high:.0f}] go" in distribution.caption(data)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_arms_that_were_stopped_leave_the_space_unknown(make_study, sampler):
    scored = {f"sample-{i:04d}": (0.5 + i / 100, (i, 20)) for i in range(12)}
    trials = [trial(arm, 0, score, frequency=ends) for arm, (score, ends) in scored.items()]
    every = {"sampler": {"name": sampler, "samples": 14}, "vary": ["frequency"]}
    whole = distribution.prepare(gather(make_study(trials, **every)))
    assert (whole.stopped, whole.margin is None) == (0, sampler == "tpe")
    trials += [
        trial(arm, 0, 0.3, frequency=(30, 40), state=TrialState.PRUNED)
        for arm in ("sample-0012", "sample-0013", "sample-0001", "high")
    ]
    data = distribution.prepare(gather(make_study(trials, **every)))
    # One of them has a score from elsewhere, and one is named.
    assert (data.stopped, data.margin, len(data.accuracies)) == (2, None, 12)
    assert " 2 more arms stopped early lack an accuracy" in distribution.caption(data)
    assert ("distribution of what was tried" in distribution.caption(data)) == (sampler == "tpe")


def test_named_arms_have_no_distribution(study):
    assert distribution.prepare(gather(study)) is None
    assert neighbourhood.prepare(gather(study)) is None


class _Known:
    """A model that is sure: accuracy is a sum over the ends."""

    def __init__(self, weights):
        self.weights = np.array(weights)

    def predict(self, shares):
        return shares @ self.weights

    def sample_y(self, shares, functions, random_state):
        del random_state
        return np.tile((shares @ self.weights)[:, None], functions)


def test_around_the_best_the_shares_of_a_sum_are_the_squares_of_its_slopes(rich, monkeypatch):
    ends = ("frequency.low", "frequency.high", "noise.low", "noise.high")
    known = Surrogate(
        ends=ends,
        low=np.zeros(4),
        # Bounds that do not overlap: every end may go all the way.
        high=np.array([1.0, 2.0, 1.0, 2.0]),
        arms=rich.surrogate.arms[:2],
        at=np.array([[0.0, 0.9, 0.0, 0.9], [0.0, 1.0, 0.0, 1.0]]),
        model=_Known([0.0, 6.0, 0.0, 2.0]),
    )
    monkeypatch.setitem(rich.__dict__, "surrogate", known)
    data = neighbourhood.prepare(rich)
    rows = {row.end: row for row in data.rows}
    assert data.rows[0].end == "frequency.high"
    assert rows["frequency.high"].share.value == pytest.approx(36 / 40)
    assert rows["noise.high"].share.value == pytest.approx(4 / 40)
    assert rows["frequency.low"].share.value == 0
    assert rows["frequency.high"].span.value == pytest.approx(6)
    assert data.ranges.endswith(f"({rich.surrogate.arms[1].name})")


def test_what_matters_at_the_best_ranges_is_found(rich):
    data = neighbourhood.prepare(rich)
    # The made-up accuracy follows from frequency and the high end of noise.
    assert data.rows[0].end.startswith(("frequency", "noise"))
    assert sum(row.share.value for row in data.rows) == pytest.approx(1, abs=0.1)
    assert all(0 <= row.share.low <= row.share.value <= row.share.high <= 1 for row in data.rows)
    again = neighbourhood.prepare(rich)
    assert again == data
    neighbourhood.on_paper(data)
    page = neighbourhood.on_page(data)
    assert list(page.data[0].y) == [row.end for row in data.rows]
