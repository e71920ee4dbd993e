"""How well a cheap measurement orders things as an expensive one does, and how sure that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.report.statistics import CONFIDENCE

RESAMPLES = 2000
"""Bootstrap resamples; the ends of an interval are then stable to about a hundredth."""

_SEED = 0

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
        return (f - 1) / (f + size - 1)

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


def rank_agreement(
    sample: Sample,
    reference: Sample,
    statistic: Callable[[Values, Values], Floats],
) -> Estimate | None:
    """Return how well the mean values of arms agree in order with those of a reference.

    The interval is that of a bootstrap over the replicates within every arm, of both sides alike:
    it says what other seeds would have given for *these* arms, not what other arms would.

    Args:
        sample: Values by arm.
        reference: Values by arm; only the arms that both have are compared.
        statistic: :func:`kendall` or :func:`spearman`.

    Returns:
        The estimate; ``None`` for fewer than three common arms.
    """
    arms = [arm for arm in sample if len(sample[arm]) and len(reference.get(arm, ()))]
    if len(arms) < 3:
        return None
    sides = [[np.asarray(side[arm], np.float64) for arm in arms] for side in (sample, reference)]
    value = float(statistic(*(np.array([arm.mean() for arm in side]) for side in sides)))
    random = np.random.default_rng(_SEED)
    drawn = [np.stack([_resampled(arm, random) for arm in side], axis=-1) for side in sides]
    low, high = _interval(statistic(*drawn))
    return Estimate(value, float(low), float(high), len(arms))


def agreement_of_one(sample: Sample, reference: Sample) -> float | None:
    """Return Kendall's tau with a reference that one trial an arm has in the mean.

    Every arm shows one of its replicates, all combinations alike likely; the reference's arms have
    their means. A reference is compared with itself by the means of its *other* replicates: how
    well it would agree with one more run of its own is the yardstick for cheaper measurements. It
    is tau-a: two arms that show the same value count as neither in order nor out
    of it.

    Args:
        sample: Values by arm.
        reference: Values by arm; only the arms that both have are compared, and of a sample that
            is the reference those of at least two replicates.

    Returns:
        A number in [-1, 1]; ``None`` for fewer than three arms.
    """
    arms: list[tuple[Floats, Floats]] = []  # a value and what the reference has for it, a replicate
    for arm, values in sample.items():
        shown, known = (np.asarray(v, np.float64) for v in (values, reference.get(arm, ())))
        if sample is reference and len(shown) > 1:
            arms.append((shown, (shown.sum() - shown) / (len(shown) - 1)))
        elif sample is not reference and len(shown) and len(known):
            arms.append((shown, np.full(len(shown), known.mean())))
    if len(arms) < 3:
        return None
    agreed = [
        np.mean(np.prod([np.sign(np.subtract.outer(*side)) for side in zip(*pair, strict=True)], 0))
        for pair in combinations(arms, 2)
    ]
    return float(np.mean(agreed))


def chances_of_pick(sample: Sample) -> dict[str, float]:
    """Return the chance of every arm to be picked by one trial an arm.

    Every arm shows one of its replicates, all combinations alike likely, and the arm that shows
    the highest value is picked; of equal ones any.

    Returns:
        A number in [0, 1] by arm, for the arms that have a value; they sum to 1.
    """
    shown = {arm: np.asarray(values, np.float64) for arm, values in sample.items() if len(values)}
    return {
        arm: float(
            np.mean(
                [_chance_above(v, [o for name, o in shown.items() if name != arm]) for v in own]
            )
        )
        for arm, own in shown.items()
    }


def best_arm(sample: Sample) -> str | None:
    """Return the arm of the highest mean, the first of equal ones."""
    means = {arm: float(np.mean(values)) for arm, values in sample.items() if len(values)}
    return max(means, key=means.__getitem__) if means else None


def _chance_above(shown: float, others: Sequence[Floats]) -> float:
    # Distribution of the number of others that tie, given that none is above.
    ties = np.ones(1)
    for values in others:
        below, equal = float((values < shown).mean()), float((values == shown).mean())
        ties = np.convolve(ties, [below, equal])
    return float((ties / np.arange(1, len(ties) + 1)).sum())


def _resampled(values: Floats, random: np.random.Generator) -> Floats:
    """Return the means of resamples, float64 [RESAMPLES]."""
    chosen = random.integers(len(values), size=(RESAMPLES, len(values)))
    means: Floats = values[chosen].mean(axis=1)
    return means


def _cosine(x: Floats, y: Floats) -> Floats:
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    products = (x * y).sum(axis=-1)
    return np.asarray(np.divide(products, scale, out=np.zeros_like(products), where=scale > 0))


def _interval(drawn: Floats) -> tuple[Any, Any]:
    """Return the two ends, along the first axis."""
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low, high
