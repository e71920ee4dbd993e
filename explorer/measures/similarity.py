"""How many images there are in effect, and in how many ways they vary."""

import math

import numpy as np

from explorer.measures.features import features
from explorer.measures.pixels import Floats, Images, entropy, reduced

_DISCARDED = 0.1


def vendi(similarity: Floats) -> float:
    """Return the effective number of different items of a similarity matrix, float64 [N, N].

    ``exp(-sum(l * log(l)))`` over the eigenvalues l of K / N (Friedman and Dieng, 2023,
    definition 3.1): 1 where all items are equal, N where none resembles another.
    """
    eigenvalues = np.linalg.eigvalsh(similarity / len(similarity))
    return max(1.0, math.exp(entropy(np.clip(eigenvalues, 0.0, None))))


def vendi_pixels(images: Images) -> float:
    """Return the Vendi score of the images by the correlation of their pixels; at most SIDE².

    Images are reduced to at most 32 x 32 pixels by area. Blank images, which have no direction,
    count as equal to each other and orthogonal to all others. Thin lines in different places hardly
    overlap, so that this score is high for sparse images, however alike their shapes are;
    :func:`vendi_features` is not.
    """
    vectors = reduced(images)
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    # The mean of a blank image need not be exact: what is left of it is rounding, not contrast.
    blank = length < 1e-9
    vectors = np.where(blank, 0.0, vectors / np.where(blank, 1.0, length))
    vectors = np.hstack([vectors, blank.astype(np.float64)])
    return vendi(vectors @ vectors.T)


def vendi_features(images: Images) -> float:
    """Return the Vendi score of the images by the features of a random network.

    The kernel is ``exp(-d²)`` of the distance d of two images' features
    (:func:`~explorer.measures.features.features`). Grows with N more slowly than that of pixels.
    """
    vectors = features(images)
    square = (vectors**2).sum(axis=1)
    distance = np.clip(square[:, None] + square[None, :] - 2 * (vectors @ vectors.T), 0.0, None)
    return vendi(np.exp(-distance))


def intrinsic_dimension(images: Images) -> float:
    """Return the dimension of the surface that the images lie on.

    The two-nearest-neighbours estimate (TwoNN; Facco, d'Errico, Rodriguez and Laio, Scientific
    Reports 2017): for images on a surface of dimension d, the ratio m of the distances to the
    second and to the first neighbour has the distribution function ``1 - m^-d``. The line
    ``-log(1 - F) = d log(m)`` through the origin is fitted by least squares to the empirical
    distribution, without its greatest tenth, as in the paper. Images are reduced to at most
    32 x 32 pixels by area. Copies of an image count once; 0 where fewer than
    three images differ. Estimates above about 10 are too low unless there are many images (512 of
    white noise, of dimension 1,024, give about 100): compare the same sample size only.
    """
    vectors = np.unique(reduced(images), axis=0)
    if len(vectors) < 3:
        return 0.0
    square = (vectors**2).sum(axis=1)
    distance = square[:, None] + square[None, :] - 2 * (vectors @ vectors.T)
    np.fill_diagonal(distance, np.inf)
    first, second = np.partition(distance, 1, axis=1)[:, :2].T
    # Of squared distances; equal images are gone, what is left of zero is rounding.
    ratio = np.sort(0.5 * np.log(second / np.maximum(first, 1e-12)))
    count = len(ratio)
    kept = ratio[: max(1, int(count * (1 - _DISCARDED)))]
    empirical = -np.log1p(-np.arange(1, len(kept) + 1) / count)
    spread = float((kept**2).sum())
    return float((kept * empirical).sum()) / spread if spread > 0 else 0.0
