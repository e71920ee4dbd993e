"""Means, tests and corrections against scipy and against hand-made numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from explorer.report import Spread, compare, holm, permutation, spread, welch
from explorer.report.statistics import least_p

accuracies = st.lists(st.floats(0, 1), min_size=2, max_size=8)


def test_spread_by_hand():
    assert spread([0.7, 0.72, 0.74]) == Spread(3, pytest.approx(0.72), pytest.approx(0.02))
    assert spread([0.7]) == Spread(1, 0.7, None)


def test_spread_of_equal_values_is_exactly_zero():
    assert spread([0.1] * 3).std == 0


def test_spread_of_nothing():
    with pytest.raises(ValueError, match="at least one"):
        spread([])


def test_welch_by_hand():
    # Means 0.82 and 0.72, variances 0.0004 and 0.0001, n = 3: t = 0.1 / sqrt(0.0005 / 3).
    found = welch([0.80, 0.82, 0.84], [0.71, 0.72, 0.73])
    assert found.gain == pytest.approx(0.10)
    freedom = (0.0005 / 3) ** 2 / ((0.0004 / 3) ** 2 / 2 + (0.0001 / 3) ** 2 / 2)
    assert freedom == pytest.approx(2.941, abs=1e-3)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(0.0005 / 3)
    assert (found.low, found.high) == (pytest.approx(0.1 - half), pytest.approx(0.1 + half))
    assert found.resolved


@given(accuracies, accuracies)
def test_welch_is_scipy_s(ours: list[float], theirs: list[float]):
    spreads = (np.var(ours), np.var(theirs))
    if min(spreads) < 1e-12:  # scipy loses precision, and says so
        return
    expected = stats.ttest_ind(ours, theirs, equal_var=False)
    interval = expected.confidence_interval(0.95)
    found = welch(ours, theirs)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert found.low == pytest.approx(interval.low, rel=1e-6, abs=1e-9)
    assert found.high == pytest.approx(interval.high, rel=1e-6, abs=1e-9)


def test_one_replicate_has_no_test():
    for found in (welch([0.9], [0.5, 0.6]), welch([0.8, 1.0], [0.55]), welch([0.9], [0.55])):
        assert found.gain == pytest.approx(0.35)
        assert (found.low, found.high, found.p, found.p_corrected) == (None,) * 4
        assert found.untested == "one replicate"
        assert not found.resolved


def test_no_spread_has_no_test():
    found = welch([0.9] * 3, [0.5] * 3)
    assert found.untested == "no spread"
    assert found.p is None
    assert not found.resolved


def test_spread_in_one_arm_is_enough():
    found = welch([0.9] * 3, [0.5, 0.51, 0.52])
    expected = stats.ttest_1samp([0.5, 0.51, 0.52], 0.9)
    assert found.p == pytest.approx(expected.pvalue)


def test_holm_by_hand():
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1; the third may not be below the second.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_is_between_the_p_value_and_bonferroni(p_values: list[float]):
    corrected = holm(p_values)
    for p, fixed in zip(p_values, corrected, strict=True):
        assert p <= fixed <= min(1, p * len(p_values)) + 1e-12 or fixed == max(
            c for c, q in zip(corrected, p_values, strict=True) if q <= p
        )
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.asarray(corrected)[order]) >= 0).all()


ONE, TWO = [0.70, 0.72, 0.71], [0.80, 0.82, 0.83]


@pytest.mark.parametrize("other", [TWO, [0.71, 0.69, 0.80, 0.73], [0.70, 0.72, 0.71]])
def test_permutation_is_scipys(other):
    expected = stats.permutation_test(
        (ONE, other), lambda a, b: abs(np.mean(a) - np.mean(b)), alternative="greater"
    )
    assert permutation(ONE, other) == pytest.approx(expected.pvalue)


def test_permutation_of_few_values_has_a_least_p():
    assert permutation(ONE, TWO) == least_p(3, 3) == pytest.approx(0.1)
    assert permutation(ONE, [0.8, 0.9]) == least_p(3, 2) == pytest.approx(0.1)
    assert permutation(ONE, ONE) == 1


def test_permutation_of_many_values_draws_the_same_splits_again():
    random = np.random.default_rng(1)
    one, two = (list(random.normal(mean, 1, size=20)) for mean in (0.0, 0.7))
    p = permutation(one, two)
    assert p == permutation(one, two)
    assert p == pytest.approx(stats.ttest_ind(one, two).pvalue, rel=0.3)
    assert permutation(one, [value + 9 for value in two]) == least_p(20, 20) == 1 / 20_000


def test_compare_by_permutation_keeps_the_interval_of_welch():
    found, plain = compare(TWO, ONE, "permutation"), welch(TWO, ONE)
    assert (found.low, found.high, found.gain) == (plain.low, plain.high, plain.gain)
    assert found.p == found.p_corrected == pytest.approx(0.1)
    assert compare(TWO, ONE) == plain
    assert compare([0.5], ONE, "permutation").untested == "one replicate"
