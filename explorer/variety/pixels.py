"""Images as the measures see them: checked, in portions, reduced.

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

_MIN_SIDE = 8
_CHUNK_PIXELS = 2**18


def check(images: Images, labels: Labels) -> None:
    """Raise ``ValueError`` if these are not the images and the labels of a dataset."""
    if images.ndim != 3 or images.shape[1] != images.shape[2] or images.dtype != np.uint8:
        shape = f"{images.dtype} {list(images.shape)}"
        raise ValueError(f"images must be uint8 [N, S, S], not {shape}")
    if len(images) == 0:
        raise ValueError("there is no image to measure")
    if images.shape[1] < _MIN_SIDE:
        raise ValueError(f"images must have a side of at least {_MIN_SIDE} pixels")
    if labels.shape != (len(images),):
        raise ValueError(f"labels must be [{len(images)}], one an image, not {list(labels.shape)}")


def chunks(images: Images) -> Iterator[Images]:
    """Yield the images in portions that stay in the cache, however many or large they are."""
    step = max(1, _CHUNK_PIXELS // images[0].size)
    for start in range(0, len(images), step):
        yield images[start : start + step]


def reduced(images: Images) -> Floats:
    """Reduce images to at most SIDE x SIDE pixels by exact area averaging.

    Returns float64 [N, pixels] in [0, 1]. The side need not be a multiple of SIDE: a pixel that
    straddles two is shared between them.
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
