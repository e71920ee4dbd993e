"""How far apart arms are, and whether their replicates can show it."""

import math
import warnings
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
"""A difference is significant where its corrected p-value is below this."""

CONFIDENCE = 1 - LEVEL

TESTS = ("welch", "permutation", "dunnett")
"""How arms may be compared with a baseline."""

POWER = 0.8
"""The chance to find a difference that :func:`replicates_needed` asks for."""

_RESAMPLES = 20_000
_MOST_REPLICATES = 1000


@dataclass(frozen=True, slots=True)
class Spread:
    """A sample in three numbers.

    Attributes:
        n: Number of values.
        mean: Their mean.
        std: Their standard deviation with ``n - 1`` in the denominator; ``None`` for one value.
    """

    n: int
    mean: float
    std: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % confidence interval, if it has one, and how many it rests on."""

    value: float
    low: float | None
    high: float | None
    n: int

    @property
    def ends(self) -> tuple[float, float]:
        """Low and high end of the interval; without one both are the number itself."""
        if self.low is None or self.high is None:
            return self.value, self.value
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between the means of two arms and what is known about it.

    Attributes:
        gain: Mean of the arm less the mean of the other, in the unit of the values.
        low: Low end of the 95 % confidence interval of the gain: for this comparison alone, except
            under Dunnett's test, where all intervals hold together; ``None`` without a test.
        high: Its high end.
        p: Two-sided p-value; ``None`` without a test.
        untested: Why there is no test, empty where there is one.
        p_corrected: p-value after the correction over all the comparisons that it was made with
            (Holm's, or Dunnett's own); equal to ``p`` where it stands alone.
    """

    gain: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    untested: str = ""
    p_corrected: float | None = None

    @property
    def significant(self) -> bool:
        """Whether the two arms are significantly different (corrected p below 0.05)."""
        return self.p_corrected is not None and self.p_corrected < LEVEL


def spread(values: Sequence[float]) -> Spread:
    """Summarise a sample of at least one value.

    Raises:
        ValueError: If there is no value.
    """
    if not values:
        raise ValueError("a spread needs at least one value")
    mean = math.fsum(values) / len(values)
    # Equal values need not average to themselves exactly; a spread of 1e-17 is none.
    same = min(values) == max(values)
    std = 0.0 if same else float(np.std(values, ddof=1))
    return Spread(len(values), mean, std if len(values) > 1 else None)


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of at least one value with Student's interval; without spread it has none."""
    from scipy.stats import t

    sample = spread(values)
    if not sample.std:
        return Estimate(sample.mean, None, None, sample.n)
    half = sample.std / sample.n**0.5 * float(t.ppf((1 + CONFIDENCE) / 2, sample.n - 1))
    return Estimate(sample.mean, sample.mean - half, sample.mean + half, sample.n)


def best_first(sample: Spread | None) -> float:
    """Return what sorts samples by their mean, the highest first."""
    return -sample.mean if sample else 0.0


def compare(values: Sequence[float], other: Sequence[float], test: str = "welch") -> Difference:
    """Compare two arms, see :func:`compare_all`; Dunnett's test of two arms is Student's."""
    return compare_all({"": values}, other, test)[""]


def compare_all(
    samples: Mapping[str, Sequence[float]], control: Sequence[float], test: str = "welch"
) -> dict[str, Difference]:
    """Compare arms with one arm by one of :data:`TESTS`, two-sided and unpaired.

    - ``welch``: Welch's t-test (1947), Holm-corrected (1979). Replicates of all arms share their
      seeds, so a paired test is possible too. For few replicates the unpaired one is sounder: n
      pairs leave n - 1 degrees of freedom where Welch has up to 2 (n - 1), so that at n = 3
      pairing pays only where accuracies of two arms correlate above 0.58 (0.31 at n = 5).
    - ``permutation``: Fisher's (1935) test of the difference of means, exact up to 20,000 ways to
      deal the values out and by so many seeded ones beyond (Davison and Hinkley, 1997, section
      4.3), Holm-corrected. Its smallest p for three replicates against three is 0.1. Intervals
      are Welch's.
    - ``dunnett``: Dunnett's (1955) test of many arms against one. The variance is pooled over all
      arms, which is taken to be the same in each; p-values and intervals hold for all together.

    Args:
        samples: Accuracies of each arm, at least one.
        control: Accuracies of the arm that they are compared with.
        test: The test.

    Returns:
        A difference per arm. There is none tested, and the reason is given, for an arm with one
        replicate (except under ``dunnett``), and where there is no spread to compare with.
    """
    if test == "dunnett":
        return _dunnett(samples, control)
    differences = _welch(samples, control)
    tested = [name for name, difference in differences.items() if difference.p is not None]
    if test == "permutation":
        for name in tested:
            p = _permutation(samples[name], control)
            differences[name] = replace(differences[name], p=p)
    corrected = holm([differences[name].p or 0.0 for name in tested])
    for name, p in zip(tested, corrected, strict=True):
        differences[name] = replace(differences[name], p_corrected=p)
    return differences


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for being several (Holm, 1979): the family-wise error rate is controlled."""
    if len(p_values) < 2:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(p_values, method="holm")[1]]


def _welch(
    samples: Mapping[str, Sequence[float]], control: Sequence[float]
) -> dict[str, Difference]:
    from scipy.stats import ttest_ind

    base = spread(control)
    differences: dict[str, Difference] = {}
    sizes: dict[int, list[str]] = {}
    for name, values in samples.items():
        arm = spread(values)
        lack = "no spread" if not (arm.std or base.std) else ""
        lack = "one replicate" if arm.std is None or base.std is None else lack
        differences[name] = Difference(arm.mean - base.mean, untested=lack)
        if not lack:
            sizes.setdefault(arm.n, []).append(name)
    for names in sizes.values():  # arms of one size at once: scipy takes a millisecond per call
        matrix = np.array([samples[name] for name in names])
        repeated = np.tile(np.asarray(control, np.float64), (len(names), 1))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # an arm without spread
            result = ttest_ind(matrix, repeated, axis=1, equal_var=False)
            ends = result.confidence_interval(CONFIDENCE)
        for name, *numbers in zip(names, *ends, result.pvalue, strict=True):
            low, high, p = map(float, numbers)
            differences[name] = Difference(differences[name].gain, low, high, p)
    return differences


def _permutation(values: Sequence[float], control: Sequence[float]) -> float:
    from scipy.stats import permutation_test

    def apart(x: NDArray[np.float64], y: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return np.asarray(np.abs(np.mean(x, axis=axis) - np.mean(y, axis=axis)))

    data = (np.asarray(values), np.asarray(control))
    options = {"n_resamples": _RESAMPLES, "alternative": "greater", "vectorized": True, "rng": 0}
    return float(permutation_test(data, apart, **options).pvalue)


def _dunnett(
    samples: Mapping[str, Sequence[float]], control: Sequence[float]
) -> dict[str, Difference]:
    from scipy.stats import dunnett

    gains = {name: spread(values).mean - spread(control).mean for name, values in samples.items()}
    error, freedom = pooled([control, *samples.values()])
    if not freedom or not error:
        lack = "no spread" if freedom else "one replicate"
        return {name: Difference(gain, untested=lack) for name, gain in gains.items()}
    result = dunnett(*samples.values(), control=control, rng=0)
    ends = result.confidence_interval(CONFIDENCE)
    numbers = zip(gains.items(), ends.low, ends.high, result.pvalue, strict=True)
    return {
        name: Difference(gain, float(low), float(high), float(p), "", float(p))
        for (name, gain), low, high, p in numbers
    }


def pooled(samples: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Return the standard deviation within samples, pooled over all, and its degrees of freedom."""
    freedom = sum(len(values) - 1 for values in samples)
    squares = sum((len(v) - 1) * (spread(v).std or 0.0) ** 2 for v in samples)
    return math.sqrt(squares / freedom) if freedom else 0.0, freedom


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Arms of which no two differ significantly, and what it would take.

    Attributes:
        arms: How many they are.
        p: Of the F test (one-way analysis of variance) that they all have one mean.
        highest: The arm with the highest mean.
        lowest: The arm with the lowest one.
        gap: The difference between their means.
        std: The standard deviation of a replicate, pooled over the arms.
        needed: Replicates per arm that would show this difference, see :func:`replicates_needed`.
    """

    arms: int
    p: float
    highest: str
    lowest: str
    gap: float
    std: float
    needed: int | None


def unresolved(samples: Mapping[str, Sequence[float]]) -> Unresolved | None:
    """Say whether the replicates of arms leave open that all have the same mean.

    Returns:
        ``None`` where they do not (p < 0.05), or cannot say: fewer than two arms, one replicate
        each, or no scatter.
    """
    error, _ = pooled(list(samples.values()))
    if len(samples) < 2 or not error:
        return None
    from scipy.stats import f_oneway

    p = float(f_oneway(*samples.values()).pvalue)
    if p < LEVEL:
        return None
    means = {name: spread(values).mean for name, values in samples.items()}
    highest, lowest = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    gap = means[highest] - means[lowest]
    # The largest of several differences is tested as one of them all (Bonferroni).
    needed = replicates_needed(gap, error, math.comb(len(samples), 2))
    return Unresolved(len(samples), p, highest, lowest, gap, error, needed)


def replicates_needed(gap: float, std: float, comparisons: int = 1) -> int | None:
    """Return how many replicates per arm would show a difference between two arms.

    By the power of Student's t-test: two-sided at 5 % over all comparisons, with a chance of 80 %.

    Args:
        gap: The difference of the means.
        std: The standard deviation of a replicate, in the same unit.
        comparisons: How many differences are tested.

    Returns:
        At least 2; ``None`` where there is no difference or no scatter, or more than 1,000 are
        needed.
    """
    from statsmodels.stats.power import TTestIndPower

    if not std or not gap:
        return None
    effect, power = min(gap / std, 10.0), TTestIndPower().power
    sizes, level = range(2, _MOST_REPLICATES + 1), LEVEL / comparisons
    place = bisect_left(sizes, POWER, key=lambda n: float(power(effect, n, level)))
    return sizes[place] if place < len(sizes) else None


def smallest_difference(replicates: int, std: float) -> float:
    """Return the smallest difference of two arms that so many replicates of each can show.

    By the power of Student's t-test: two-sided at 5 %, with a chance of 80 %, for one comparison.

    Args:
        replicates: Replicates per arm.
        std: The standard deviation of a replicate; the difference is in its unit.

    Returns:
        Infinity for one replicate, which shows nothing.
    """
    from statsmodels.stats.power import TTestIndPower

    if replicates < 2:
        return math.inf
    return std * float(TTestIndPower().solve_power(nobs1=replicates, alpha=LEVEL, power=POWER))
