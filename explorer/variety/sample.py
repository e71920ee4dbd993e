"""Which images of a dataset are measured."""

import numpy as np
from numpy.typing import NDArray

from explorer.variety.pixels import Labels

SAMPLE = 512
"""Images that are measured by default: about a second on one core at 64 x 64 pixels."""


def subsample(labels: Labels, *, seed: int, sample: int = SAMPLE) -> NDArray[np.int64]:
    """Choose images evenly over the categories.

    At most ``sample // 2`` categories are taken first, so that each can show two instances: the
    spread within categories needs pairs, and many categories with two instances each tell more
    than few with many. They give one instance each in turn until the sample is full. Where they
    run out, the remaining categories fill it up.

    Args:
        labels: int64 [N].
        seed: Seed of the choice.
        sample: Images to choose, at least 2; all N where there are no more.

    Returns:
        Ascending indices into ``labels``, int64 [min(N, sample)].

    Raises:
        ValueError: If ``sample`` is below 2.
    """
    if sample < 2:
        raise ValueError(f"sample must be at least 2, not {sample}")
    total = len(labels)
    if total <= sample:
        return np.arange(total)
    random = np.random.default_rng(seed)
    categories, category = np.unique(labels, return_inverse=True)
    place = np.argsort(np.argsort(random.random(len(categories)), kind="stable"))[category]
    shuffled = np.argsort(random.random(total), kind="stable")
    # Within the shuffled order, the turn of an image is how many of its category precede it.
    by_category = shuffled[np.argsort(category[shuffled], kind="stable")]
    starts = np.searchsorted(category[by_category], np.arange(len(categories)))
    turn = np.empty(total, dtype=np.int64)
    turn[by_category] = np.arange(total) - starts[category[by_category]]
    order = np.lexsort((place, turn, place // max(1, sample // 2)))
    return np.sort(order[:sample])
