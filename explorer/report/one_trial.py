"""What may be learned from one trial an arm: which arm it picks, and how well it orders them."""

from collections.abc import Sequence

import numpy as np

from explorer.report.agreement import Floats, Sample


def agreement_of_one(sample: Sample, reference: Sample, *, paired: bool = False) -> float | None:
    """Return Kendall's tau with a reference that one trial an arm has in the mean.

    Every arm shows one of its replicates, all combinations alike likely, and has its mean in the
    reference. It is tau-a: two arms that show the same value count as neither in order nor out of
    it.

    Args:
        sample: Values by arm.
        reference: Values by arm; only the arms that both have are compared.
        paired: The values of an arm are of the same trials in both, in the same order, as those of
            the reference itself are. A trial is then compared with the mean of the *others*: how
            well a reference agrees with one more run of its own is the yardstick for cheaper
            measurements. Of an arm with fewer than two trials there are no others, and where they
            are not as many in both it is not known which to leave out.

    Returns:
        A number in [-1, 1]; ``None`` for fewer than three arms.
    """
    shown: list[Floats] = []
    known: list[Floats] = []
    for arm, values in sample.items():
        own, other = (np.asarray(v, np.float64) for v in (values, reference.get(arm, ())))
        if not len(own) or not len(other):
            continue
        means = np.full(len(own), other.mean())
        if paired and len(own) == len(other):
            if len(own) < 2:
                continue
            means = (other.sum() - other) / (len(other) - 1)
        shown.append(own)
        known.append(means)
    if len(shown) < 3:
        return None
    weights = [np.full(len(own), 1 / len(own)) for own in shown]
    trials = [np.concatenate(parts) for parts in (shown, known, weights)]
    agreed, later = 0.0, 0
    for parts in zip(shown, known, weights, strict=True):
        later += len(parts[0])
        (x, y, w), (others_x, others_y, others_w) = parts, (part[later:] for part in trials)
        orders = np.sign(np.subtract.outer(x, others_x)) * np.sign(np.subtract.outer(y, others_y))
        agreed += float(w @ orders @ others_w)
    return agreed / (len(shown) * (len(shown) - 1) / 2)


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
