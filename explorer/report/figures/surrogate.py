"""A model of the accuracy of any ranges, fitted to the arms that were tried."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from explorer.report.agreement import Floats
from explorer.report.importance import FEWEST_ARMS, points
from explorer.report.summary import Arm, StudyReport

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

_MOST_ARMS = 300
"""Of more arms so many are drawn, seeded: the time grows with the cube of their number."""

_AT_ONCE = 4096  # points that the model is asked for at a time
_SEED = 0


@dataclass(frozen=True, slots=True)
class Surrogate:
    """A Gaussian process over the ends of ranges.

    Its kernel is a squared exponential with a length scale for each end, plus noise: what the
    replicates say of the variance of a mean, and more where it is fitted. It is fitted by maximum
    likelihood (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapter 5)
    to the mean accuracies of the arms.

    Attributes:
        ends: Names of the ends, ``<parameter>.low`` and ``<parameter>.high`` for each parameter.
        low: Least value of every end, float64 [ends].
        high: Greatest value.
        arms: The arms that it was fitted to.
        at: Their ends as shares of what they may be, float64 [arms, ends].
        model: The fitted process; it takes such shares and returns accuracy in percent.
    """

    ends: tuple[str, ...]
    low: Floats
    high: Floats
    arms: tuple[Arm, ...]
    at: Floats
    model: "GaussianProcessRegressor"

    def values(self, end: str, shares: Floats) -> Floats:
        """Return shares of an end as its values."""
        i = self.ends.index(end)
        return np.asarray(self.low[i] + shares * (self.high[i] - self.low[i]))

    def mean(self, shares: Floats) -> Floats:
        """Return the expected accuracy in percent at shares [n, ends], float64 [n]."""
        with threadpool_limits(1):
            return np.asarray(self.model.predict(shares))

    def averages(self, shares: Floats) -> Floats:
        """Return the mean accuracy over those shares [groups, n, ends] that are ranges.

        Returns:
            float64 [groups]; NaN for a group without any.
        """
        groups, n, ends = shares.shape
        flat = shares.reshape(-1, ends)
        allowed = self.allowed(flat)
        means = np.full(groups * n, np.nan)
        for chosen in np.array_split(np.flatnonzero(allowed), -(-len(flat) // _AT_ONCE)):
            if len(chosen):
                means[chosen] = self.mean(flat[chosen])
        by_group, counts = means.reshape(groups, n), allowed.reshape(groups, n).sum(axis=1)
        totals = np.nansum(by_group, axis=1)
        return np.asarray(np.divide(totals, counts, out=np.full(groups, np.nan), where=counts > 0))

    def average(self, shares: Floats) -> tuple[Floats, float]:
        """Return the accuracies at shares [n, ends], and the standard error of their mean.

        Its variance is the mean of the posterior covariances of all pairs (Moosbauer et al.,
        Explaining Hyperparameter Optimization via Partial Dependence Plots, NeurIPS 2021).
        """
        with threadpool_limits(1):
            means, covariance = self.model.predict(shares, return_cov=True)
        return means, float(np.sqrt(max(covariance.mean(), 0.0)))

    def allowed(self, shares: Floats) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
        """Say which shares [n, ends] are ranges: every low end is at most its high end."""
        values = self.low + shares * (self.high - self.low)
        return np.asarray((values[:, ::2] <= values[:, 1::2] + 1e-9).all(axis=1))


def fit(report: StudyReport) -> Surrogate | None:
    """Fit a model to the arms of a study's own space.

    Returns:
        The model, always the same for the same arms; ``None`` for fewer than ten arms, and where
        nothing varies.
    """
    arms: Sequence[Arm] = points(report)
    bounds = {p: b for p, b in report.bounds.items() if any(low < high for low, high in b)}
    scores = [100 * arm.accuracy.mean for arm in arms if arm.accuracy]
    if len(arms) < FEWEST_ARMS or not bounds or min(scores) == max(scores):
        return None
    if len(arms) > _MOST_ARMS:
        drawn = np.random.default_rng(_SEED).choice(len(arms), _MOST_ARMS, replace=False)
        arms, scores = [arms[i] for i in sorted(drawn)], [scores[i] for i in sorted(drawn)]
    low, high = np.array([ends for pair in bounds.values() for ends in pair], np.float64).T
    raw = np.array([[end for p in bounds for end in arm.ranges[p]] for arm in arms], np.float64)
    at = (raw - low) / np.where(high > low, high - low, 1)
    names = tuple(f"{p}.{end}" for p in bounds for end in ("low", "high"))
    return Surrogate(names, low, high, tuple(arms), at, _fitted(at, np.array(scores), _noise(arms)))


def _noise(arms: Sequence[Arm]) -> Floats:
    """Return the variance of each arm's mean accuracy in percent, float64 [arms].

    The variance of single trials is pooled over the arms; 0 where none has two replicates.
    """
    squares = sum(
        (len(arm.replicates) - 1) * (100 * arm.accuracy.std) ** 2
        for arm in arms
        if arm.accuracy and arm.accuracy.std
    )
    freedom = sum(len(arm.replicates) - 1 for arm in arms)
    variance = squares / freedom if freedom else 0.0
    return np.array([variance / len(arm.replicates) for arm in arms])


def _fitted(at: Floats, scores: Floats, noise: Floats) -> "GaussianProcessRegressor":
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    # Scores are scaled to a variance of 1, and so is what replicates say of the noise of a mean;
    # the rest of the noise is fitted.
    known = noise / scores.var() + 1e-10
    kernel = ConstantKernel(1.0, (0.05, 20.0)) * RBF(
        [0.5] * at.shape[1], (0.05, 20.0)
    ) + WhiteKernel(0.1, (1e-4, 2.0))
    model = GaussianProcessRegressor(kernel, alpha=known, normalize_y=True)
    with warnings.catch_warnings(), threadpool_limits(1):
        # A length scale at its greatest is an end that does not matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(at, scores)
    smooth, alpha = model.kernel_.k1, known + model.kernel_.k2.noise_level
    # What is asked for is the accuracy itself and not another noisy measurement of it.
    return GaussianProcessRegressor(smooth, alpha=alpha, optimizer=None, normalize_y=True).fit(
        at, scores
    )
