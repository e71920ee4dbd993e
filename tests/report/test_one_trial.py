"""What one trial an arm tells, against all combinations written out."""

import itertools

import numpy as np
import pytest
from scipy import stats

from explorer.report import one_trial


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
    found = one_trial.agreement_of_one(
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
    itself = one_trial.agreement_of_one(reference, reference, paired=True)
    assert itself == pytest.approx(np.mean(taus))
    # Else every trial is compared with a mean that it is part of.
    assert itself < one_trial.agreement_of_one(reference, reference)


def test_scatter_of_a_trial_is_no_agreement_with_itself():
    """Arms that do not differ, measured twice in the same trials."""
    random = np.random.default_rng(9)
    found = []
    for _ in range(100):
        reference = {arm: random.normal(0, 1, 3) for arm in "abcdef"}
        probe = {arm: values + random.normal(0, 0.1, 3) for arm, values in reference.items()}
        found.append(
            [one_trial.agreement_of_one(probe, reference, paired=one) for one in (False, True)]
        )
    alone, paired = np.mean(found, axis=0)
    assert alone > 0.3
    assert abs(paired) < 0.1
    # A fourth value of "a": it is not known which trial of the reference to leave out.
    more = {**probe, "a": [*probe["a"], 0.0]}
    assert -1 <= one_trial.agreement_of_one(more, reference, paired=True) <= 1


def test_agreement_of_one_trial_at_its_ends():
    up, down = ({arm: [sign * i, sign * i] for i, arm in enumerate("abc")} for sign in (1.0, -1.0))
    assert one_trial.agreement_of_one(up, up, paired=True) == 1
    assert one_trial.agreement_of_one(down, up) == -1
    assert one_trial.agreement_of_one({arm: [1.0] for arm in "abc"}, up) == 0
    assert one_trial.agreement_of_one({"a": [1.0], "b": [2.0]}, up) is None
    once = {arm: values[:1] for arm, values in up.items()}
    assert one_trial.agreement_of_one(once, once, paired=True) is None


def test_chances_of_pick_are_those_of_all_combinations():
    random = np.random.default_rng(3)
    sample = {arm: list(random.integers(0, 6, 3).astype(float)) for arm in "abcd"}
    picked = dict.fromkeys(sample, 0.0)
    combinations = list(itertools.product(*sample.values()))
    for shown in combinations:
        top = [arm for arm, value in zip(sample, shown, strict=True) if value == max(shown)]
        for arm in top:
            picked[arm] += 1 / len(top) / len(combinations)
    assert one_trial.chances_of_pick(sample) == pytest.approx(picked)


def test_chances_of_pick_at_their_ends():
    assert one_trial.chances_of_pick({"a": [1.0, 2.0], "b": [3.0, 4.0]}) == {"a": 0, "b": 1}
    assert one_trial.chances_of_pick({"a": [1.0], "b": [1.0]}) == {"a": 0.5, "b": 0.5}
    assert one_trial.chances_of_pick({"a": [1.0], "b": []}) == {"a": 1}
