"""Means, tests and corrections against SciPy and against numbers made by hand."""

import math
import time

import numpy as np
import pytest
from scipy import stats

from explorer.report.statistics import (
    Spread,
    compare,
    compare_all,
    holm,
    replicates_needed,
    smallest_difference,
    spread,
    unresolved,
)


def test_spread_by_hand():
    assert spread([0.7, 0.72, 0.74]) == Spread(3, pytest.approx(0.72), pytest.approx(0.02))
    assert spread([0.7]) == Spread(1, 0.7, None)
    assert spread([0.1] * 3).std == 0
    with pytest.raises(ValueError, match="at least one"):
        spread([])


def test_welch_by_hand():
    # Means 0.82 and 0.72, variances 0.0004 and 0.0001, n = 3: t = 0.1 / sqrt(0.0005 / 3).
    result = compare([0.80, 0.82, 0.84], [0.71, 0.72, 0.73])
    freedom = (0.0005 / 3) ** 2 / ((0.0004 / 3) ** 2 / 2 + (0.0001 / 3) ** 2 / 2)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(0.0005 / 3)
    assert result.gain == pytest.approx(0.10)
    assert (result.low, result.high) == (pytest.approx(0.1 - half), pytest.approx(0.1 + half))
    assert result.p == result.p_corrected
    assert result.significant


def test_thousands_of_arms_are_compared_in_time_and_as_each_alone():
    random = np.random.default_rng(2)
    samples = {str(i): list(random.normal(0, 1, 2 + i % 2)) for i in range(5000)}
    begun = time.process_time()
    together = compare_all(samples, [0.0, 0.1, 0.2])
    assert time.process_time() - begun < 5
    for name in ("0", "1", "4999"):
        alone = compare(samples[name], [0.0, 0.1, 0.2])
        numbers = [(d.gain, d.low, d.high, d.p) for d in (together[name], alone)]
        assert numbers[0] == pytest.approx(numbers[1])


def test_holm_by_hand():
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@pytest.mark.parametrize("test", ["welch", "permutation"])
def test_what_cannot_be_tested_says_why(test):
    result = compare_all({"a": [0.9], "b": [0.5, 0.5], "c": [0.4, 0.6]}, [0.7, 0.7], test)
    assert [result[name].untested for name in "abc"] == ["one replicate", "no spread", ""]
    assert (result["a"].p, result["b"].low, result["a"].significant) == (None, None, False)
    assert result["c"].p_corrected == result["c"].p  # two that have no test do not count
    assert compare([0.9, 0.8], [0.5]).untested == "one replicate"


def test_permutation_is_exact_for_few_and_free_of_units():
    ours, theirs = [0.80, 0.82, 0.83], [0.70, 0.72, 0.71]
    assert compare(ours, theirs, "permutation").p == pytest.approx(0.1)
    assert compare([8, 8.1, 8.2, 8.3, 8.4], [1, 2, 3], "permutation").p == pytest.approx(1 / 56)
    same = compare([0.7, 0.71], [0.7, 0.71], "permutation")
    assert same.p == 1


def test_permutation_of_many_is_drawn_and_seeded():
    random = np.random.default_rng(0)
    ours, theirs = random.normal(0.3, 1, 30), random.normal(0, 1, 30)
    result = compare(list(ours), list(theirs), "permutation")
    assert result == compare(list(ours), list(theirs), "permutation")
    assert result.p == pytest.approx(stats.ttest_ind(ours, theirs).pvalue, abs=0.02)
    assert compare([*range(30)], [*range(100, 130)], "permutation").p == 1 / 20_001


def test_dunnett_of_two_arms_is_student_s():
    ours, theirs = [0.80, 0.82, 0.83], [0.70, 0.72, 0.78]
    expected = stats.ttest_ind(ours, theirs)
    result = compare(ours, theirs, "dunnett")
    assert result.p == pytest.approx(expected.pvalue, abs=1e-3)
    assert result.low == pytest.approx(expected.confidence_interval(0.95).low, abs=1e-2)


def test_dunnett_pools_arms_of_one_replicate():
    result = compare_all({"a": [0.9], "b": [0.5, 0.6]}, [0.7], "dunnett")
    assert result["a"].p < result["b"].p
    none = compare_all({"a": [0.9]}, [0.7], "dunnett")["a"]
    assert (none.p, none.untested) == (None, "one replicate")
    assert compare([0.9, 0.9], [0.7, 0.7], "dunnett").untested == "no spread"


# Cohen (1988), table 2.4.1: replicates per arm at 5 % and power 0.8.
@pytest.mark.parametrize(("effect", "needed"), [(0.5, 64), (0.8, 26), (50, 2), (0.05, None)])
def test_replicates_needed_by_a_table(effect, needed):
    assert replicates_needed(2 * effect, 2) == needed
    if needed == 64:
        assert replicates_needed(effect, 1, comparisons=10) > 64
        assert smallest_difference(64, 2) == pytest.approx(1.0, abs=0.005)


def test_nothing_is_needed_where_nothing_is_known():
    assert replicates_needed(0, 1) is None
    assert replicates_needed(1, 0) is None
    assert smallest_difference(1, 0.02) == math.inf


def test_arms_that_cannot_be_told_apart_say_what_it_would_take():
    # Means 0.5 and 0.52 with a deviation of 0.02: Student's t-test of two arms.
    samples = {"a": [0.48, 0.50, 0.52], "b": [0.50, 0.52, 0.54]}
    known = unresolved(samples)
    assert known.p == pytest.approx(stats.ttest_ind(*samples.values()).pvalue)
    assert (known.arms, known.highest, known.lowest) == (2, "b", "a")
    assert (known.gap, known.std) == (pytest.approx(0.02), pytest.approx(0.02))
    assert known.needed == replicates_needed(1, 1) == 17
    # Of three arms the largest of three differences is tested.
    samples["c"] = [0.49, 0.51, 0.53, 0.55]
    known = unresolved(samples)
    assert known.p == pytest.approx(stats.f_oneway(*samples.values()).pvalue)
    assert known.needed == replicates_needed(known.gap, known.std, 3) > 17
    assert unresolved({"a": [0.48, 0.50, 0.52], "b": [0.60, 0.62, 0.64]}) is None
    assert unresolved({"a": [0.5], "b": [0.6]}) is None
    assert unresolved({"a": [0.5, 0.5], "b": [0.5, 0.5]}) is None
    assert unresolved({"a": [0.5, 0.6]}) is None
