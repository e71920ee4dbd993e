"""Agreement statistics against values known by hand, by a textbook, or by simulation."""

import itertools

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
    assert (found.value, found.low, found.high, found.n) == (1, 1, 1, 3)
    assert agreement.rank_agreement({"a": [1], "b": [2]}, reference, agreement.kendall) is None


def test_noisy_replicates_widen_the_interval_of_agreement():
    random = np.random.default_rng(2)
    reference = {str(i): [float(i)] * 3 for i in range(8)}
    sharp = {arm: list(values + random.normal(0, 0.1, 3)) for arm, values in reference.items()}
    noisy = {arm: list(values + random.normal(0, 4, 3)) for arm, values in reference.items()}
    one = agreement.rank_agreement(sharp, reference, agreement.spearman)
    other = agreement.rank_agreement(noisy, reference, agreement.spearman)
    assert one.value == 1
    assert one.low == 1
    assert other.high - other.low > 0.2


def test_agreement_of_one_trial_is_the_mean_over_all_combinations():
    random = np.random.default_rng(6)
    sample, reference = (
        {arm: list(random.normal(place, 2, size)) for place, arm in enumerate("abcde")}
        for size in (2, 3)
    )
    means = [np.mean(values) for values in reference.values()]
    taus = [
        stats.kendalltau(shown, means).statistic for shown in itertools.product(*sample.values())
    ]
    found = agreement.agreement_of_one(
        {**sample, "only here": [1.0]}, {**reference, "there": [2.0]}
    )
    assert found == pytest.approx(np.mean(taus))
    assert 0 < found < 1


def test_a_reference_agrees_with_itself_as_one_more_run_would():
    random = np.random.default_rng(8)
    reference = {arm: random.normal(place, 1.5, 3) for place, arm in enumerate("abcde")}
    taus = []
    for held in itertools.product(range(3), repeat=5):
        shown = [values[i] for values, i in zip(reference.values(), held, strict=True)]
        means = [np.delete(v, i).mean() for v, i in zip(reference.values(), held, strict=True)]
        taus.append(stats.kendalltau(shown, means).statistic)
    itself = agreement.agreement_of_one(reference, reference)
    assert itself == pytest.approx(np.mean(taus))
    # Unlike that of a copy, in which every trial is compared with a mean that it is part of.
    assert itself < agreement.agreement_of_one(dict(reference), reference)


def test_agreement_of_one_trial_at_its_ends():
    up, down = ({arm: [sign * i, sign * i] for i, arm in enumerate("abc")} for sign in (1.0, -1.0))
    assert agreement.agreement_of_one(up, up) == 1
    assert agreement.agreement_of_one(down, up) == -1
    assert agreement.agreement_of_one({arm: [1.0] for arm in "abc"}, up) == 0
    assert agreement.agreement_of_one({"a": [1.0], "b": [2.0]}, up) is None
    once = {arm: values[:1] for arm, values in up.items()}
    assert agreement.agreement_of_one(once, once) is None


def test_chances_of_pick_are_those_of_all_combinations():
    random = np.random.default_rng(3)
    sample = {arm: list(random.integers(0, 6, 3).astype(float)) for arm in "abcd"}
    picked = dict.fromkeys(sample, 0.0)
    combinations = list(itertools.product(*sample.values()))
    for shown in combinations:
        top = [arm for arm, value in zip(sample, shown, strict=True) if value == max(shown)]
        for arm in top:
            picked[arm] += 1 / len(top) / len(combinations)
    assert agreement.chances_of_pick(sample) == pytest.approx(picked)


def test_chances_of_pick_at_their_ends():
    assert agreement.chances_of_pick({"a": [1.0, 2.0], "b": [3.0, 4.0]}) == {"a": 0, "b": 1}
    assert agreement.chances_of_pick({"a": [1.0], "b": [1.0]}) == {"a": 0.5, "b": 0.5}
    assert agreement.chances_of_pick({"a": [1.0], "b": []}) == {"a": 1}
