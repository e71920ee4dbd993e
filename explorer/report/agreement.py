"""How well one measurement orders arms as another does, and how sure that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.report.statistics import CONFIDENCE

RESAMPLES = 2000
"""Of a bootstrap, and of true means; the ends of an interval are then stable to a hundredth."""

Floats = NDArray[np.float64]
Values = Sequence[float] | Floats
Sample = Mapping[str, Values]
"""Name of an arm -> its values, one per replicate."""

_TAILS = ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)
_MOST_PAIRED = 100  # the number of pairs goes with the square of the number of arms
_SINGULAR = 1e-9  # of the largest eigenvalue: below it a covariance counts as singular


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % confidence interval.

    Attributes:
        value: The estimate; NaN where it is not defined.
        low: Low end of the interval; ``None`` where there is none.
        high: Its high end.
        n: Number of arms or trials that it rests on.
    """

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two measurements agree in the order of arms.

    Attributes:
        observed: Rank correlation of the arms' mean values; NaN where either does not vary.
        true: That of their true means, which infinitely many replicates would have: the median of
            what they may be, and its 95 % interval. It says nothing of other arms. ``None`` where
            a side has no replicates.
        n: Number of arms.
    """

    observed: float
    true: Estimate | None
    n: int


def intraclass(sample: Sample) -> Estimate | None:
    """Return the share of the variance of single trials that is between arms.

    The intraclass correlation ICC(1) of a one-way random-effects analysis of variance, with its
    exact interval from the F distribution (Shrout and Fleiss, Psychological Bulletin 1979, p. 424);
    for arms of unequal size, which makes the interval approximate, the mean size n0 of Searle et
    al. (Variance Components, 1992, section 3.6). 1: replicates agree perfectly and arms differ.
    0: arms differ no more than replicates; the estimate can fall below 0.

    Returns:
        ``None`` for fewer than two arms, without a second value of any, or where no two differ.
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
    low = ratio / float(fisher.ppf(_TAILS[1], arms - 1, total - arms))
    high = ratio * float(fisher.ppf(_TAILS[1], total - arms, arms - 1))
    # Below -1, where no correlation is, it falls with fewer than two trials per arm.
    value, low, high = (max(-1.0, (f - 1) / (f + size - 1)) for f in (ratio, low, high))
    return Estimate(value, low, high, arms)


def kendall(x: Values, y: Values) -> Floats:
    """Return Kendall's tau-b (1945) along the last axis; NaN where either does not vary.

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
        return np.asarray(taus).reshape(x.shape[:-1])
    first, second = np.triu_indices(x.shape[-1], 1)
    return _cosine(*(np.sign(values[..., first] - values[..., second]) for values in (x, y)))


def spearman(x: Values, y: Values) -> Floats:
    """Return Spearman's rho (1904) along the last axis, as :func:`kendall` does."""
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=-1) for values in (x, y)]
    return _cosine(*(rank - rank.mean(axis=-1, keepdims=True) for rank in ranks))


def _cosine(x: Floats, y: Floats) -> Floats:
    scale = np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    products = (x * y).sum(axis=-1)
    undefined = np.full_like(products, np.nan)
    return np.asarray(np.divide(products, scale, out=undefined, where=scale > 0))


def correlate(
    columns: Mapping[str, Values], target: Values, arms: Sequence[str]
) -> dict[str, Estimate]:
    """Correlate measurements of trials with their accuracy.

    Trials of one arm have the same ranges and are no independent evidence, so the interval is
    that of a bootstrap over whole arms (Davison and Hinkley, Bootstrap Methods, 1997, section
    3.8), by percentiles, seeded.

    Args:
        columns: Measurements by name, one per trial.
        target: What they are correlated with, one per trial.
        arms: The arm of each trial.

    Returns:
        Spearman's rho by name, with n trials; NaN where a measurement does not vary, and no
        interval there and for fewer than four arms.
    """
    table = np.array([target, *columns.values()], np.float64)
    values = spearman(table[1:], np.broadcast_to(table[0], table[1:].shape))
    _, arm_of = np.unique(list(arms), return_inverse=True)
    number = int(arm_of.max()) + 1
    drawn = np.full((RESAMPLES, len(columns)), np.nan)
    if number >= 4:
        random = np.random.default_rng(0)
        places = [np.unique(row, return_inverse=True)[1] for row in table]
        for row in drawn:
            chosen = random.integers(number, size=number)
            weights = np.bincount(chosen, minlength=number)[arm_of].astype(np.float64)
            ranks = np.array([_ranks(place, weights) for place in places])
            ranks -= (ranks @ weights / weights.sum())[:, None]
            ranks *= np.sqrt(weights)
            row[:] = _cosine(ranks[1:], np.broadcast_to(ranks[0], ranks[1:].shape))
    found = {}
    for name, value, column in zip(columns, values, drawn.T, strict=True):
        known = column[np.isfinite(column)] if np.isfinite(value) else column[:0]
        low, high = map(float, np.quantile(known, _TAILS)) if len(known) else (None, None)
        found[name] = Estimate(float(value), low, high, len(target))
    return found


def _ranks(places: "NDArray[np.intp]", weights: Floats) -> Floats:
    """Return the mean ranks of values in a sample that has each so many times, without sorting.

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
        The agreement of observed means and, by the model of :func:`draw_true_means`, of true ones;
        ``None`` for fewer than three common arms.
    """
    arms = [arm for arm in sample if len(sample[arm]) and len(reference.get(arm, ()))]
    if len(arms) < 3:
        return None
    first, second = ([np.asarray(s[arm], np.float64) for arm in arms] for s in (sample, reference))
    observed = float(statistic(*([values.mean() for values in side] for side in (first, second))))
    together = paired and all(len(x) == len(y) for x, y in zip(first, second, strict=True))
    drawn = draw_true_means(first, second, RESAMPLES, np.random.default_rng(0), paired=together)
    if drawn is None:
        return Agreement(observed, None, len(arms))
    low, middle, high = np.quantile(statistic(*drawn), (_TAILS[0], 0.5, _TAILS[1]))
    return Agreement(
        observed, Estimate(float(middle), float(low), float(high), len(arms)), len(arms)
    )


def draw_true_means(
    first: Sequence[Floats],
    second: Sequence[Floats],
    draws: int,
    random: np.random.Generator,
    *,
    paired: bool = False,
) -> tuple[Floats, Floats] | None:
    """Draw the true means of arms under two measurements, given their replicates.

    The means of a few replicates agree less in order than true means do: their scatter weakens
    every correlation (attenuation; Spearman, 1904), and a bootstrap weakens it further. So true
    means are drawn from a model. An arm's pair of them is normal over arms, with any covariance;
    replicates scatter about them normally, alike for all arms. Priors are flat in the means and
    Jeffreys' in the variances: those within are their sums of squares over a chi-square (of paired
    replicates inverse Wishart), and the covariance of the observed means is inverse Wishart. That
    of the true means is what is left of it without the scatter, or the nearest covariance.

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
    rests = [np.concatenate([values - values.mean() for values in side]) for side in sides]
    if paired:
        scatter = np.array([[float(x @ y) for y in rests] for x in rests])
        within = _inverse_wishart(scatter, int(freedom[0]), draws, random)
        noise = within[:, None] / kinds[0][:, None, None]
    else:
        squares = np.array([float(rest @ rest) for rest in rests])
        within = squares / random.chisquare(freedom, (draws, 2))
        noise = (within[:, None] / kinds.T)[..., None] * np.eye(2)
    centred = means - means.mean(axis=1, keepdims=True)
    observed = _inverse_wishart(centred @ centred.T, arms - 1, draws, random)
    values, vectors = np.linalg.eigh(observed - np.average(noise, axis=1, weights=counts))
    values = np.maximum(values, _SINGULAR * np.abs(values).max(axis=-1, keepdims=True))
    between = ((vectors * values[..., None, :]) @ vectors.mT)[:, None]
    gain = between @ np.linalg.inv(between + noise)
    left = _root(between - gain @ between)
    drawn = random.standard_normal((draws, 2, arms))
    for index in range(len(counts)):
        alike = kind == index
        drawn[..., alike] = left[:, index] @ drawn[..., alike] + gain[:, index] @ centred[:, alike]
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


def _root(matrices: Floats) -> Floats:
    """Return R with R Rᵀ = M for positive semidefinite M, [..., 2, 2]; rounding is forgiven."""
    values, vectors = np.linalg.eigh((matrices + matrices.mT) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0))[..., None, :])


def agreement_of_one(sample: Sample, reference: Sample, *, paired: bool = False) -> float | None:
    """Return Kendall's tau-a with a reference that one trial per arm has in the mean.

    Every arm shows one of its replicates, all combinations alike likely, and has its mean in the
    reference.

    Args:
        sample: Values by arm.
        reference: Values by arm; only the arms that both have are compared.
        paired: The values of an arm are of the same trials in both, in the same order. A trial is
            then compared with the mean of the *others*: how well a reference agrees with one more
            run of its own is the yardstick for cheaper measurements.

    Returns:
        A number in [-1, 1]; ``None`` for fewer than three arms.
    """
    shown: list[Floats] = []
    known: list[Floats] = []
    for arm, values in sample.items():
        ours, other = (np.asarray(v, np.float64) for v in (values, reference.get(arm, ())))
        together = paired and len(ours) == len(other)
        if not len(ours) or not len(other) or (together and len(ours) < 2):
            continue
        shown.append(ours)
        rest = (other.sum() - other) / (len(other) - 1) if together else other.mean()
        known.append(np.broadcast_to(rest, ours.shape))
    if len(shown) < 3:
        return None
    agreed = sum(
        np.mean(np.sign(np.subtract.outer(x, others)) * np.sign(np.subtract.outer(y, means)))
        for index, (x, y) in enumerate(zip(shown, known, strict=True))
        for others, means in zip(shown[index + 1 :], known[index + 1 :], strict=True)
    )
    return float(agreed / (len(shown) * (len(shown) - 1) / 2))


def chances_of_pick(sample: Sample) -> dict[str, float]:
    """Return the chance of every arm to be picked by one trial per arm.

    Every arm shows one of its replicates, all combinations alike likely, and the arm that shows
    the highest value is picked; of equal ones any.

    Returns:
        A number in [0, 1] by arm, for the arms that have a value; they sum to 1.
    """
    shown = {arm: np.asarray(values, np.float64) for arm, values in sample.items() if len(values)}

    def chance(value: float, others: list[Floats]) -> float:
        ties = np.ones(1)  # distribution of the number of others that tie, if none is above
        for values in others:
            ties = np.convolve(ties, [(values < value).mean(), (values == value).mean()])
        return float((ties / np.arange(1, len(ties) + 1)).sum())

    return {
        arm: float(np.mean([chance(v, [o for n, o in shown.items() if n != arm]) for v in values]))
        for arm, values in shown.items()
    }
