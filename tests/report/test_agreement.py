"""Agreement statistics against values known by hand, by a textbook, or by simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from explorer.report import agreement
from explorer.report.agreement import draw_true_means, kendall

# Shrout and Fleiss (1979), table 2: six targets, four judges; ICC(1,1) = .17 (p. 423).
JUDGED = {
    "1": [9, 2, 5, 8],
    "2": [6, 1, 3, 2],
    "3": [8, 4, 6, 8],
    "4": [7, 1, 2, 6],
    "5": [10, 5, 6, 9],
    "6": [6, 2, 4, 7],
}


def test_intraclass_correlation_of_the_textbook():
    found = agreement.intraclass(JUDGED)
    # The interval as reported for these data by R's psych::ICC.
    expected = (0.166, -0.13, 0.72)
    assert (found.value, found.low, found.high) == pytest.approx(expected, abs=5e-3)


def test_intraclass_interval_covers_the_truth_of_unequal_arms():
    random = np.random.default_rng(0)
    found = [
        agreement.intraclass({
            str(i): random.normal(random.normal(0, 2), 1, size=random.integers(2, 6))
            for i in range(12)
        })
        for _ in range(200)
    ]  # fmt: skip
    assert np.mean([one.low <= 0.8 <= one.high for one in found]) > 0.9
    assert np.mean([one.value for one in found]) == pytest.approx(0.8, abs=0.05)


def test_intraclass_at_its_ends():
    assert agreement.intraclass({"a": [1, 1], "b": [2, 2]}).value == 1
    assert agreement.intraclass({"a": [1, 1], "b": [1, 1]}) is None
    assert agreement.intraclass({"a": [1], "b": [2]}) is None
    assert agreement.intraclass({"a": [1, 2]}) is None
    found = agreement.intraclass({"a": [0.4, 0.6], "b": [0.1], "c": [0.5], "d": [0.9]})
    assert -1 == found.low < found.value < found.high <= 1


@pytest.mark.parametrize("arms", [9, 120])
def test_rank_correlations_are_scipy_s(arms):
    x, y = np.random.default_rng(5).integers(0, 5, (2, 4, arms))  # with ties
    pairs = [*zip(x, y, strict=True)]
    assert kendall(x, y) == pytest.approx([stats.kendalltau(*p).statistic for p in pairs])
    expected = [stats.spearmanr(*p).statistic for p in pairs]
    assert agreement.spearman(x, y) == pytest.approx(expected)


@pytest.mark.parametrize("arms", [3, 120])
def test_a_correlation_with_what_does_not_vary_is_undefined(arms):
    same, other = np.ones(arms), np.arange(arms)
    assert np.isnan(kendall(same, other))
    assert np.isnan(agreement.spearman(same, other))
    found = agreement.correlate({"m": same}, other, [str(i) for i in range(arms)])["m"]
    assert np.isnan(found.value)
    assert (found.low, found.high) == (None, None)


def test_bootstrap_interval_of_a_correlation():
    random = np.random.default_rng(1)
    x, noise = random.normal(size=200), random.normal(size=(2, 200))
    alone = [str(i) for i in range(200)]
    found = agreement.correlate({"related": x + noise[0], "not": noise[1]}, x, alone)
    related, unrelated = found["related"], found["not"]
    assert related.low < related.value < related.high
    assert (related.value, related.n) == (pytest.approx(0.69, abs=0.08), 200)
    assert 0.1 < related.high - related.low < 0.25
    assert unrelated.low < 0 < unrelated.high
    assert found == agreement.correlate({"related": x + noise[0], "not": noise[1]}, x, alone)


def test_replicates_of_an_arm_are_no_independent_evidence():
    """Ten copies of each of eight trials tell no more than the eight."""
    x, y = np.random.default_rng(4).normal(size=(2, 8))
    arms = [str(i) for i in range(8)]
    once = agreement.correlate({"m": x}, y, arms)["m"]
    copies = (np.repeat(values, 10) for values in (x, y, arms))
    xs, ys, names = copies
    copied = agreement.correlate({"m": xs}, ys, names)["m"]
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    assert agreement.correlate({"m": x[:3]}, y[:3], arms[:3])["m"].low is None


def simulate(random, arms, replicates, correlation, noise, shared=0.0):
    """True means of arms under two measurements, and replicates of each."""
    true = random.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], arms).T
    scatter = [[1, shared], [shared, 1]]
    errors = noise * random.multivariate_normal([0, 0], scatter, (arms, replicates))
    return true, [list(means[:, None] + errors[..., i]) for i, means in enumerate(true)]


@pytest.mark.parametrize(
    ("arms", "replicates", "correlation", "noise", "shared"),
    [(9, 3, 0.95, 1.0, 0.0), (9, 2, 0.0, 0.3, 0.0), (15, 2, 1.0, 0.5, 0.0), (9, 3, 0.3, 0.8, 0.9)],
)
def test_the_interval_covers_the_agreement_of_true_means(
    arms, replicates, correlation, noise, shared
):
    """Where that of observed means is too low, as scatter weakens every correlation."""
    random = np.random.default_rng(7)
    covered = []
    for _ in range(100):
        how = (arms, replicates, correlation, noise, shared)
        true, (first, second) = simulate(random, *how)
        drawn = kendall(*draw_true_means(first, second, 300, random, paired=shared > 0))
        low, high = np.quantile(drawn, [0.025, 0.975])
        covered.append(low - 1e-9 <= float(kendall(*true)) <= high + 1e-9)
    assert np.mean(covered) > 0.88


def test_without_scatter_the_means_are_those_observed():
    first = [np.full(2, value) for value in (1.0, 2.0, 4.0, 3.0)]
    second = [np.full(3, value) for value in (5.0, 7.0, 6.0, 9.0)]
    drawn = draw_true_means(first, second, 5, np.random.default_rng(2))
    for side, found in zip((first, second), drawn, strict=True):
        assert np.allclose(found, [values.mean() for values in side])


@pytest.mark.parametrize(
    ("first", "second", "paired"),
    [
        ([[1], [2], [3]], [[1, 2], [2, 3], [3, 4]], False),
        ([[1, 2], [2, 3]], [[1, 2], [2, 3]], False),
        ([[1, 2], [2, 1], [0, 3]], [[1, 2], [2, 3], [3, 5]], False),
        ([[1, 2], [2], [0]], [[1, 2], [2], [3]], True),
    ],
    ids=["no replicates", "two arms", "equal means", "one pair of replicates"],
)
def test_true_means_that_cannot_be_drawn(first, second, paired):
    sides = [[np.array(values, float) for values in side] for side in (first, second)]
    assert draw_true_means(*sides, 5, np.random.default_rng(4), paired=paired) is None


def test_agreement_compares_the_arms_that_both_have():
    sample = {"a": [1.0, 1.1], "b": [2.0, 2.2], "c": [3.0, 2.9], "d": [9.0], "e": []}
    reference = {"a": [1.0, 1.2], "b": [2.1, 2.0], "c": [3.0, 3.1], "e": [1.0]}
    found = agreement.rank_agreement(sample, reference, kendall)
    assert (found.observed, found.n) == (1.0, 3)
    assert found.true.low <= found.true.value <= 1
    assert agreement.rank_agreement({"a": [1.0]}, reference, kendall) is None


def test_one_trial_per_arm_by_all_its_combinations():
    random = np.random.default_rng(3)
    sample = {arm: [*random.normal(i / 2, 1, 2 + i % 2)] for i, arm in enumerate("abcd")}
    means = {arm: [float(i)] for i, arm in enumerate("abcd")}
    shown = [*product(*sample.values())]
    taus = [stats.kendalltau(values, range(4)).statistic for values in shown]
    assert agreement.agreement_of_one(sample, means) == pytest.approx(np.mean(taus))
    picks = [np.argmax(values) for values in shown]
    chances = agreement.chances_of_pick(sample)
    assert [*chances.values()] == pytest.approx(
        [np.mean([p == i for p in picks]) for i in range(4)]
    )


def test_a_trial_of_the_reference_is_compared_with_the_others_there():
    sample = {"a": [1.0, 5.0], "b": [2.0, 2.0], "c": [3.0, 3.0]}
    found = agreement.agreement_of_one(sample, sample, paired=True)
    # b and c agree always. The 1 of a comes with a mean of 5 and its 5 with 1: never in order.
    assert found == pytest.approx((1 - 1 - 1) / 3)
    assert agreement.agreement_of_one({"a": [1.0], "b": [2.0]}, sample) is None


def test_equal_values_share_the_pick():
    assert agreement.chances_of_pick({"a": [1.0], "b": [1.0], "c": [0.0], "d": []}) == {
        "a": 0.5, "b": 0.5, "c": 0.0}  # fmt: skip
