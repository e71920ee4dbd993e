"""Agreement statistics against values known by hand, by a textbook, or by simulation."""

import numpy as np
import pytest
from scipy import stats

from explorer.report import agreement

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
    assert found.value == pytest.approx(0.166, abs=5e-4)
    # As reported for these data by R's psych::ICC.
    assert found.low == pytest.approx(-0.13, abs=5e-3)
    assert found.high == pytest.approx(0.72, abs=5e-3)
    assert found.n == 6


def test_intraclass_interval_covers_the_truth_of_unequal_arms():
    random = np.random.default_rng(0)
    covered, values = 0, []
    for _ in range(300):
        arms = {
            str(i): random.normal(random.normal(0, 2), 1, size=random.integers(2, 6))
            for i in range(12)
        }
        found = agreement.intraclass(arms)
        covered += found.low <= 0.8 <= found.high
        values.append(found.value)
    assert covered / 300 > 0.9
    assert np.mean(values) == pytest.approx(0.8, abs=0.05)


def test_intraclass_at_its_ends():
    assert agreement.intraclass({"a": [1, 1], "b": [2, 2]}).value == 1
    assert agreement.intraclass({"a": [1, 1], "b": [1, 1]}) is None
    assert agreement.intraclass({"a": [1, 3], "b": [3, 1]}).value < 0
    assert agreement.intraclass({"a": [1], "b": [2]}) is None
    assert agreement.intraclass({"a": [1, 2]}) is None


def test_an_intraclass_correlation_is_not_below_minus_one():
    found = agreement.intraclass({"a": [0.4, 0.6], "b": [0.1], "c": [0.5], "d": [0.9]})
    assert found.low == -1
    assert -1 < found.value < found.high <= 1


def test_rank_correlations():
    assert agreement.kendall([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)
    assert agreement.spearman([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert agreement.spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    random = np.random.default_rng(5)
    x, y = random.integers(0, 5, (2, 20, 9))  # with ties
    assert agreement.kendall(x, y) == pytest.approx(
        [stats.kendalltau(*p).statistic for p in zip(x, y, strict=True)]
    )
    assert agreement.spearman(x, y) == pytest.approx(
        [stats.spearmanr(*p).statistic for p in zip(x, y, strict=True)]
    )
    many = random.integers(0, 9, (2, 3, 4, 120))
    few = many[..., :90]
    for x, y in (many, few):
        expected = [stats.kendalltau(*row).statistic for row in zip(x[1], y[1], strict=True)]
        assert agreement.kendall(x, y)[1] == pytest.approx(expected)
    assert agreement.kendall(np.ones(120), many[0, 0, 0]) == 0
    assert agreement.kendall([1, 1, 1], [1, 2, 3]) == agreement.spearman([1, 1], [1, 2]) == 0


def test_bootstrap_interval_of_a_correlation():
    random = np.random.default_rng(1)
    x = random.normal(size=200)
    noise = random.normal(size=(2, 200))
    alone = [str(i) for i in range(200)]
    found = agreement.correlate({"related": x + noise[0], "not": noise[1]}, x, alone)
    related, unrelated = found["related"], found["not"]
    assert related.low < related.value < related.high
    assert related.value == pytest.approx(0.69, abs=0.08)
    assert 0.1 < related.high - related.low < 0.25
    assert unrelated.low < 0 < unrelated.high
    assert related.n == 200
    assert found == agreement.correlate({"related": x + noise[0], "not": noise[1]}, x, alone)


def test_replicates_of_an_arm_are_no_independent_evidence():
    """Ten copies of each of eight trials tell no more than the eight."""
    random = np.random.default_rng(4)
    x, y = random.normal(size=(2, 8))
    arms = [str(i) for i in range(8)]
    once = agreement.correlate({"m": x}, y, arms)["m"]
    copied = agreement.correlate({"m": np.repeat(x, 10)}, np.repeat(y, 10), np.repeat(arms, 10))[
        "m"
    ]
    assert copied.value == pytest.approx(once.value)
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=0.05)
    assert copied.n == 80


def test_resamples_are_those_of_whole_arms_written_out():
    random = np.random.default_rng(7)
    arms = [f"arm {i // 3}" for i in range(30)]
    y = random.integers(0, 12, 30).astype(float)  # with ties
    x = y + random.integers(0, 9, 30)
    found = agreement.correlate({"m": x}, y, arms)["m"]
    draws = np.random.default_rng(0)
    rhos = []
    for _ in range(agreement.RESAMPLES):
        rows = np.concatenate([3 * arm + np.arange(3) for arm in draws.integers(10, size=10)])
        rhos.append(stats.spearmanr(x[rows], y[rows]).statistic)
    low, high = np.quantile(rhos, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_three_arms_are_too_few_for_an_interval():
    found = agreement.correlate({"m": [1, 2, 3]}, [1, 2, 3], ["a", "b", "c"])["m"]
    assert (found.value, found.low, found.high, found.n) == (1, None, None, 3)


def test_agreement_with_a_reference_uses_the_arms_that_both_have():
    sample = {"a": [1.0, 1.2], "b": [2.0, 2.1], "c": [3.0, 3.3], "only here": [9.0], "empty": []}
    reference = {"c": [30.0], "b": [20.0], "a": [10.0], "only there": [1.0], "empty": [1.0]}
    found = agreement.rank_agreement(sample, reference, agreement.kendall)
    assert (found.observed, found.n) == (1, 3)
    # One replicate an arm does not say how far it may be from its mean.
    assert found.true is None
    assert found.estimate == agreement.Estimate(1, None, None, 3)
    assert agreement.rank_agreement({"a": [1], "b": [2]}, reference, agreement.kendall) is None


def test_noisy_replicates_widen_the_interval_of_agreement():
    random = np.random.default_rng(2)
    places = {str(i): random.normal(i, 0.1, 3) for i in range(8)}
    sharp, noisy = (
        {arm: values + random.normal(0, noise, 3) for arm, values in places.items()}
        for noise in (0.01, 2)
    )
    one = agreement.rank_agreement(sharp, places, agreement.spearman)
    other = agreement.rank_agreement(noisy, places, agreement.spearman)
    assert one.observed == 1
    assert one.true.low > 0.9
    assert one.estimate == one.true
    assert one == agreement.rank_agreement(sharp, places, agreement.spearman)
    assert other.true.high - other.true.low > 0.1


def test_scatter_that_trials_share_is_no_agreement_of_arms():
    """A trial that is high in both says nothing of its arm."""
    random = np.random.default_rng(3)
    shared = {str(i): random.normal(0, 1, 3) for i in range(9)}
    first, second = (
        {arm: noise + random.normal(0, 0.3) for arm, noise in shared.items()} for _ in range(2)
    )
    found = agreement.rank_agreement(first, second, agreement.kendall, paired=True)
    assert found.observed > 0.6
    assert found.true.low < 0.2
    alone = agreement.rank_agreement(first, second, agreement.kendall)
    assert alone.true.value > found.true.value
    # Not as many on one side: they are taken as independent.
    longer = {**second, "0": [*second["0"], second["0"].mean()]}
    assert agreement.rank_agreement(
        first, longer, agreement.kendall, paired=True
    ) == agreement.rank_agreement(first, longer, agreement.kendall)
