"""Images as the measures see them: chosen, checked, in portions, reduced.

Everywhere in this room ``images`` are uint8 [N, S, S] (0 is black) and ``labels`` int64 [N], the
category of each image.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Floats = NDArray[np.float64]

SIDE = 32
"""Measures of distance compare images reduced to this side: position and shape, not raster."""

SAMPLE = 512
"""Images that are measured by default: about a second on one core at 64 x 64 pixels."""

_MIN_SIDE = 8
_CHUNK_PIXELS = 2**18


def check(images: Images, labels: Labels) -> None:
    """Raise ``ValueError`` if these are not the images and the labels of a dataset."""
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 3 or shape[1] != shape[2] or shape[1] < _MIN_SIDE:
        wanted = f"uint8 [N, S, S], S at least {_MIN_SIDE}"
        raise ValueError(f"images must be {wanted}, not {images.dtype} {list(shape)}")
    if len(images) == 0:
        raise ValueError("there is no image to measure")
    if labels.shape != (len(images),):
        raise ValueError(f"labels must be [{len(images)}], one an image, not {list(labels.shape)}")


def chunks(images: Images) -> Iterator[Images]:
    """Yield the images in portions that stay in the cache, however many or large they are."""
    step = max(1, _CHUNK_PIXELS // images[0].size)
    for start in range(0, len(images), step):
        yield images[start : start + step]


def reduced(images: Images) -> Floats:
    """Reduce images to at most SIDE x SIDE pixels by exact area averaging: float64 [N, pixels].

    In [0, 1]. The side need not be a multiple of SIDE: a pixel that straddles two is shared.
    """
    side = images.shape[1]
    small = min(side, SIDE)
    edges = np.arange(small + 1) * (side / small)
    pixel = np.arange(side)
    left = np.maximum(edges[:-1, None], pixel[None, :])
    right = np.minimum(edges[1:, None], pixel[None, :] + 1)
    weights = np.clip(right - left, 0.0, None) * (small / side)
    reduced = [weights @ chunk.astype(np.float64) @ weights.T for chunk in chunks(images)]
    return np.concatenate(reduced).reshape(len(images), -1) / 255


def entropy(shares: Floats) -> float:
    """Return the Shannon entropy in nats of shares that sum to 1."""
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def subsample(labels: Labels, *, seed: int, sample: int = SAMPLE) -> Labels:
    """Choose images evenly over the categories.

    At most ``sample // 2`` categories are taken first, so that each can show two instances: the
    spread within categories needs pairs. They give one instance each in turn until the sample is
    full. Where they run out, the remaining categories fill it up. Returns ascending indices into
    ``labels``, int64 [min(N, sample)].

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
