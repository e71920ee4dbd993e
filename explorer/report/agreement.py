"""How well a cheap measurement orders things as an expensive one does, and how sure that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.report.latent import draw_true_means
from explorer.report.statistics import CONFIDENCE

RESAMPLES = 2000
"""Of a bootstrap, and of true means; the ends of an interval are then stable to a hundredth."""

_SEED = 0
# More arms are not compared pair by pair at once: their number goes with the square.
_MOST_PAIRED = 100

Floats = NDArray[np.float64]
Values = Sequence[float] | Floats
Sample = Mapping[str, Values]
"""Name of an arm -> its values, one a replicate."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % confidence interval.

    Attributes:
        value: The estimate.
        low: Low end of the interval; ``None`` where there is none.
        high: Its high end.
        n: Number of arms or trials that it rests on.
    """

    value: float
    low: float | None
    high: float | None
    n: int

    @property
    def ends(self) -> tuple[float, float]:
        """The interval, and the value itself where there is no interval."""
        low = self.value if self.low is None else self.low
        return low, self.value if self.high is None else self.high


Estimates = dict[str, Estimate]


def intraclass(sample: Sample) -> Estimate | None:
    """Return the share of the variance of single trials that is between arms.

    The intraclass correlation ICC(1) of a one-way random-effects analysis of variance, with its
    exact interval from the F distribution (Shrout and Fleiss, Psychological Bulletin 1979, p. 424);
    for arms of unequal size, which makes the interval approximate, the mean size n0 of Searle et
    al. (Variance Components, 1992, section 3.6). 1: replicates agree perfectly and arms differ.
    0: arms differ no more than replicates; the estimate can fall below 0.

    Args:
        sample: The values of at least two arms, of which at least one has two.

    Returns:
        The estimate; ``None`` where there are too few values, or no two differ.
    """
    from scipy.stats import f as fisher

    groups = [np.asarray(values, np.float64) for values in sample.values() if len(values)]
    arms, total = len(groups), sum(map(len, groups))
    if arms < 2 or total <= arms or np.ptp(np.concatenate(groups)) == 0:
        return None
    mean = np.concatenate(groups).mean()
    between = sum(len(g) * (g.mean() - mean) ** 2 for g in groups) / (arms - 1)
    within = sum(float(((g - g.mean()) ** 2).sum()) for g in groups) / (total - arms)
    size = (total - sum(len(g) ** 2 for g in groups) / total) / (arms - 1)
    if within == 0:
        return Estimate(1.0, 1.0, 1.0, arms)
    ratio = float(between / within)
    tail = (1 + CONFIDENCE) / 2
    low = ratio / float(fisher.ppf(tail, arms - 1, total - arms))
    high = ratio * float(fisher.ppf(tail, total - arms, arms - 1))

    def share(f: float) -> float:
        # Below -1, where no correlation is, it falls with fewer than two trials an arm.
        return max(-1.0, (f - 1) / (f + size - 1))

    return Estimate(share(ratio), share(low), share(high), arms)


def kendall(x: Values, y: Values) -> Floats:
    """Return Kendall's tau-b (1945) along the last axis; 0 where either does not vary.

    Args:
        x: Numbers [..., n].
        y: The same.

    Returns:
        float64 [...].
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.shape[-1] > _MOST_PAIRED:
        from scipy.stats import kendalltau

        rows = (side.reshape(-1, x.shape[-1]) for side in (x, y))
        taus = [kendalltau(*row).statistic for row in zip(*rows, strict=True)]
        return np.asarray(np.nan_to_num(taus).reshape(x.shape[:-1]))
    first, second = np.triu_indices(x.shape[-1], 1)
    steps = [np.sign(values[..., first] - values[..., second]) for values in (x, y)]
    return _cosine(*steps)


def spearman(x: Values, y: Values) -> Floats:
    """Return Spearman's rho (1904) along the last axis, as :func:`kendall` does."""
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=-1) for values in (x, y)]
    return _cosine(*(rank - rank.mean(axis=-1, keepdims=True) for rank in ranks))


def correlate(columns: Mapping[str, Values], target: Values, arms: Sequence[str]) -> Estimates:
    """Correlate measurements of trials with their accuracy.

    Trials of one arm have the same ranges and are no independent evidence, so the interval is
    that of a bootstrap over whole arms (Davison and Hinkley, Bootstrap Methods, 1997, section
    3.8), by percentiles, seeded.

    Args:
        columns: Measurements by name, one a trial.
        target: What they are correlated with, one a trial.
        arms: The arm of each trial.

    Returns:
        Spearman's rho by name, with n trials; no interval for fewer than four arms.
    """
    names = list(columns)
    table = np.array([target, *(columns[name] for name in names)], np.float64)
    values = spearman(table[1:], np.broadcast_to(table[0], table[1:].shape))
    # Numbered in the order in which they come.
    numbers = {arm: number for number, arm in enumerate(dict.fromkeys(arms))}
    own = np.array([numbers[arm] for arm in arms])
    if len(numbers) < 4:
        return {
            name: Estimate(float(value), None, None, len(target))
            for name, value in zip(names, values, strict=True)
        }
    random = np.random.default_rng(_SEED)
    drawn = np.empty((RESAMPLES, len(names)))
    places = [np.unique(values, return_inverse=True)[1] for values in table]
    for row in drawn:
        chosen = random.integers(len(numbers), size=len(numbers))
        weights = np.bincount(chosen, minlength=len(numbers))[own].astype(np.float64)
        ranks = np.array([_ranks(place, weights) for place in places])
        ranks -= (ranks @ weights / weights.sum())[:, None]
        ranks *= np.sqrt(weights)
        row[:] = _cosine(ranks[1:], np.broadcast_to(ranks[0], ranks[1:].shape))
    low, high = _interval(drawn)
    return {
        name: Estimate(float(values[i]), float(low[i]), float(high[i]), len(target))
        for i, name in enumerate(names)
    }


def _ranks(places: "NDArray[np.intp]", weights: Floats) -> Floats:
    """Return the mean ranks of values in a sample that has each so many times.

    Nothing is sorted: the order of the values is known before they are drawn.

    Args:
        places: Place of every value among the different ones, from 0, intp [n].
        weights: How often the sample has it, float64 [n].

    Returns:
        float64 [n]: what :func:`scipy.stats.rankdata` gives for the sample written out.
    """
    counts = np.bincount(places, weights)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places])


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two measurements agree in the order of arms.

    Attributes:
        observed: Rank correlation of the arms' mean values.
        true: That of their true means, which infinitely many replicates would have: the median of
            what they may be, and its 95 % interval. It says nothing of other arms. ``None`` where
            a side has no replicates.
        n: Number of arms.
    """

    observed: float
    true: Estimate | None
    n: int

    @property
    def estimate(self) -> Estimate:
        """That of true means, or without an interval that of observed ones."""
        return self.true or Estimate(self.observed, None, None, self.n)


def rank_agreement(
    sample: Sample,
    reference: Sample,
    statistic: Callable[[Values, Values], Floats],
    *,
    paired: bool = False,
) -> Agreement | None:
    """Return how well arms agree in order with those of a reference.

    Args:
        sample: Values by arm.
        reference: Values by arm; only the arms that both have are compared.
        statistic: :func:`kendall` or :func:`spearman`.
        paired: The values of an arm are of the same trials in both, in the same order. Where they
            are not as many, they are taken as independent.

    Returns:
        The agreement of observed means and, by the model of
        :func:`~explorer.report.latent.draw_true_means`, of true ones; ``None`` for fewer than
        three common arms.
    """
    arms = [arm for arm in sample if len(sample[arm]) and len(reference.get(arm, ()))]
    if len(arms) < 3:
        return None
    first, second = ([np.asarray(s[arm], np.float64) for arm in arms] for s in (sample, reference))
    means = ([values.mean() for values in side] for side in (first, second))
    observed = float(statistic(*means))
    together = paired and all(len(x) == len(y) for x, y in zip(first, second, strict=True))
    random = np.random.default_rng(_SEED)
    drawn = draw_true_means(first, second, RESAMPLES, random, paired=together)
    if drawn is None:
        return Agreement(observed, None, len(arms))
    values = statistic(*drawn)
    low, high = _interval(values)
    true = Estimate(float(np.median(values)), float(low), float(high), len(arms))
    return Agreement(observed, true, len(arms))


def _cosine(x: Floats, y: Floats) -> Floats:
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    products = (x * y).sum(axis=-1)
    return np.asarray(np.divide(products, scale, out=np.zeros_like(products), where=scale > 0))


def _interval(drawn: Floats) -> tuple[Any, Any]:
    """Return the two ends, along the first axis."""
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low, high
