"""What the true means of arms may be under two measurements, given few noisy replicates of each.

The means of a few replicates agree less in order than the arms' true means do: their scatter
weakens every correlation (attenuation; Spearman, "The proof and measurement of association between
two things", 1904), and a bootstrap, which adds scatter of its own, weakens it further. So the true
means are drawn from a model instead, and the rank correlation is that of the draws.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SAID = (
    "median and 95 % interval under a normal model of arms and replicates, which says nothing of "
    "other arms"
)
"""What a caption says of a statistic of true means."""

# Of the largest eigenvalue: below it a covariance counts as singular.
_SINGULAR = 1e-9


def draw_true_means(
    first: Sequence[Floats],
    second: Sequence[Floats],
    draws: int,
    random: np.random.Generator,
    *,
    paired: bool = False,
) -> tuple[Floats, Floats] | None:
    """Draw the true means of arms under two measurements, given their replicates.

    The model: an arm's pair of true means is normal over arms, with any covariance; replicates
    scatter about them normally, alike for all arms. Priors are flat in the means and Jeffreys' in
    the variances: those within are their sums of squares over a chi-square (of paired replicates
    inverse Wishart), and the covariance of the observed means is inverse Wishart. That of the true
    means is what is left of it without the scatter of replicates, or the nearest covariance.

    Args:
        first: Replicates of every arm under one measurement.
        second: The same under the other; the arms are the same.
        draws: How many.
        random: Where they come from.
        paired: Both were measured in the same trials, in the same order, so that they scatter
            together. Otherwise they are independent, and need not be as many.

    Returns:
        Means under both, float64 [draws, arms] each; ``None`` where replicates are too few to say
        how they scatter, means do not vary, or there are fewer than three arms.
    """
    sides = (first, second)
    arms = len(first)
    sizes = np.array([[len(values) for values in side] for side in sides], np.float64)
    means = np.array([[values.mean() for values in side] for side in sides])
    freedom = sizes.sum(axis=1) - arms
    if arms < 3 or freedom.min() < 1 + paired or not np.ptp(means, axis=1).all():
        return None
    # Arms of as many replicates have the same covariances: [draws, kinds, 2, 2] below.
    kinds, kind, counts = np.unique(sizes, axis=1, return_inverse=True, return_counts=True)
    # Of observed means about the true ones.
    rests = [np.concatenate([values - values.mean() for values in side]) for side in sides]
    if paired:
        scatter = np.array([[float(one @ other) for other in rests] for one in rests])
        within = _inverse_wishart(scatter, int(freedom[0]), draws, random)
        noise = within[:, None] / kinds[0][:, None, None]
    else:
        squares = np.array([float(one @ one) for one in rests])
        within = squares / random.chisquare(freedom, (draws, 2))
        noise = (within[:, None] / kinds.T)[..., None] * np.eye(2)
    centred = means - means.mean(axis=1, keepdims=True)
    observed = _inverse_wishart(centred @ centred.T, arms - 1, draws, random)
    between = _covariance(observed - np.average(noise, axis=1, weights=counts))[:, None]
    gain = between @ np.linalg.inv(between + noise)
    left = _root(between - gain @ between)
    drawn = random.standard_normal((draws, 2, arms))
    for one in range(len(counts)):
        own = kind == one
        drawn[..., own] = left[:, one] @ drawn[..., own] + gain[:, one] @ centred[:, own]
    drawn += means.mean(axis=1)[:, None]
    return drawn[:, 0], drawn[:, 1]


def _inverse_wishart(
    scatter: Floats, freedom: int, draws: int, random: np.random.Generator
) -> Floats:
    """Draw covariances, [draws, 2, 2], by Bartlett's decomposition."""
    triangle = np.zeros((draws, 2, 2))
    triangle[:, 0, 0] = np.sqrt(random.chisquare(freedom, draws))
    triangle[:, 1, 1] = np.sqrt(random.chisquare(freedom - 1, draws))
    triangle[:, 1, 0] = random.standard_normal(draws)
    factor = _root(scatter) @ np.linalg.inv(triangle).mT
    return np.asarray(factor @ factor.mT)


def _covariance(matrices: Floats) -> Floats:
    """Return the nearest covariances that can be inverted, [..., 2, 2]."""
    values, vectors = np.linalg.eigh(matrices)
    values = np.maximum(values, _SINGULAR * np.abs(values).max(axis=-1, keepdims=True))
    return np.asarray((vectors * values[..., None, :]) @ vectors.mT)


def _root(matrices: Floats) -> Floats:
    """Return R with R Rᵀ = M for positive semidefinite M, [..., 2, 2]; rounding is forgiven."""
    values, vectors = np.linalg.eigh((matrices + matrices.mT) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0))[..., None, :])
