"""Intervals that cover the truth of simulated arms, where a bootstrap's do not."""

import numpy as np
import pytest

from explorer.report.agreement import kendall
from explorer.report.latent import draw_true_means

DRAWS = 400


def simulate(random, arms, replicates, correlation, noise, shared=0.0):
    """True means of arms under two measurements, and replicates of each."""
    covariance = [[1, correlation], [correlation, 1]]
    true = random.multivariate_normal([0, 0], covariance, arms).T
    scatter = [[1, shared], [shared, 1]]
    errors = noise * random.multivariate_normal([0, 0], scatter, (arms, replicates))
    return true, [list(means[:, None] + errors[..., i]) for i, means in enumerate(true)]


def intervals(random, times, *, paired=False, **how):
    """The agreement that is true, that of observed means, and what is drawn of it; times over."""
    for _ in range(times):
        true, (first, second) = simulate(random, **how)
        drawn = kendall(*draw_true_means(first, second, DRAWS, random, paired=paired))
        observed = kendall(*([v.mean() for v in side] for side in (first, second)))
        yield float(kendall(*true)), float(observed), drawn


@pytest.mark.parametrize(
    "how",
    [
        {"arms": 9, "replicates": 3, "correlation": 0.95, "noise": 1.0},
        {"arms": 9, "replicates": 2, "correlation": 0.0, "noise": 0.3},
        {"arms": 6, "replicates": 3, "correlation": 0.7, "noise": 0.6},
        {"arms": 15, "replicates": 2, "correlation": 1.0, "noise": 0.5},
        {
            "arms": 9,
            "replicates": 3,
            "correlation": 0.3,
            "noise": 0.8,
            "shared": 0.9,
            "paired": True,
        },
    ],
)
def test_the_interval_covers_the_agreement_of_true_means(how):
    covered = [
        np.quantile(drawn, 0.025) - 1e-9 <= true <= np.quantile(drawn, 0.975) + 1e-9
        for true, _, drawn in intervals(np.random.default_rng(0), 100, **how)
    ]
    assert np.mean(covered) >= 0.87


def test_scatter_weakens_what_is_observed_and_not_what_is_drawn():
    found = [
        (observed - true, np.median(drawn) - true)
        for true, observed, drawn in intervals(
            np.random.default_rng(1), 60, arms=9, replicates=3, correlation=0.97, noise=0.8
        )
    ]
    observed, drawn = np.mean(found, axis=0)
    assert observed < -0.15
    assert abs(drawn) < 0.1


def test_without_scatter_the_means_are_those_observed():
    first = [np.full(2, value) for value in (1.0, 2.0, 4.0, 3.0)]
    second = [np.full(3, value) for value in (5.0, 7.0, 6.0, 9.0)]
    drawn = draw_true_means(first, second, 5, np.random.default_rng(2))
    for side, found in zip((first, second), drawn, strict=True):
        assert np.allclose(found, [values.mean() for values in side])


def test_equal_measurements_agree():
    random = np.random.default_rng(3)
    arms = [random.normal(i, 0.1, 3) for i in range(5)]
    drawn = kendall(*draw_true_means(arms, arms, 200, random, paired=True))
    assert drawn.min() == 1


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
def test_what_cannot_be_said(first, second, paired):
    sides = [[np.array(values, float) for values in side] for side in (first, second)]
    assert draw_true_means(*sides, 5, np.random.default_rng(4), paired=paired) is None
