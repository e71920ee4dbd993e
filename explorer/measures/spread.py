"""Within and between categories: a one-way analysis of variance of the pixels."""

import math

import numpy as np

from explorer.measures.pixels import Images, Labels, reduced


def within_spread(images: Images, labels: Labels) -> float:
    """Return how far instances lie from the mean of their category, in [0, 0.71].

    The root of the mean square within categories per pixel, ``sum |x - mean of its category|² /
    (N - C)``, on images reduced to at most 32 x 32 pixels by area, in shares of the way from black
    to white. The estimate does not depend on the number of instances. 0 where the instances of
    every category are equal, and where no category has two.
    """
    return math.sqrt(_variances(images, labels)[0])


def between_spread(images: Images, labels: Labels) -> float:
    """Return how far the means of the categories lie from one another, in [0, 0.71].

    The root of the variance component between categories per pixel, ``(MSB - MSW) / n0`` of a
    one-way analysis of variance (MSB and MSW the mean squares between and within, n0 the mean
    number of instances, corrected for unequal ones), and 0 where it is negative. Unlike the plain
    variance of the category means it does not grow with the spread within categories. 0 where there
    is one category; where none has two instances, the whole spread counts as spread between.
    """
    return math.sqrt(_variances(images, labels)[1])


def between_share(images: Images, labels: Labels) -> float:
    """Return the share of the spread that is between categories, in [0, 1].

    With w and b the squares of the two spreads ``b / (b + w)``, the intraclass correlation: a ratio
    that stays finite where a category has no spread. 0 where categories do not differ (also where
    all images are equal), 1 where all instances of a category are equal and categories are not.
    """
    within, between = _variances(images, labels)
    return between / (between + within) if between > 0 else 0.0


def _variances(images: Images, labels: Labels) -> tuple[float, float]:
    """Return the variance components within and between categories, per pixel."""
    vectors = reduced(images)
    total, pixels = vectors.shape
    _, category, counts = np.unique(labels, return_inverse=True, return_counts=True)
    groups = len(counts)
    sums = np.zeros((groups, pixels))
    np.add.at(sums, category, vectors)
    means = sums / counts[:, None]
    within = float(((vectors - means[category]) ** 2).sum()) / pixels
    within = within / (total - groups) if total > groups else 0.0
    if groups < 2:
        return within, 0.0
    deviations = ((means - vectors.mean(axis=0)) ** 2).sum(axis=1) / pixels
    between = float((counts * deviations).sum()) / (groups - 1)
    instances = (total - float((counts**2).sum()) / total) / (groups - 1)
    # Sums of equal images cancel to within rounding only.
    floor = 1e-12
    component = max(0.0, (between - within) / instances)
    return (within if within > floor else 0.0), (component if component > floor else 0.0)
