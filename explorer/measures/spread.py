"""Within and between categories: a one-way analysis of variance of the pixels."""

import math
from typing import NamedTuple

import numpy as np

from explorer.measures.pixels import Images, Labels, reduced


class Spread(NamedTuple):
    """How far images lie apart, as shares of the way from black to white.

    Attributes:
        within: How far instances lie from the mean of their category, in [0, 0.71]: the root of the
            mean square within categories per pixel, ``sum |x - mean of its category|² / (N - C)``.
            Does not depend on the number of instances. 0 where no category has two.
        between: How far the means of the categories lie from one another, in [0, 0.71]: the root of
            the variance component between categories per pixel, ``(MSB - MSW) / n0`` (MSB and MSW
            the mean squares between and within, n0 the mean number of instances, corrected for
            unequal ones), and 0 where it is negative. Does not grow with the spread within. 0 where
            there is one category; where none has two instances, the whole spread.
        share: The share of the spread that is between categories, in [0, 1]: with w and b the
            squares of the two ``b / (b + w)``, the intraclass correlation. 0 where categories do
            not differ.
    """

    within: float
    between: float
    share: float


def spreads(images: Images, labels: Labels) -> Spread:
    """Measure images reduced to at most 32 x 32 pixels by area."""
    vectors = reduced(images)
    total, pixels = vectors.shape
    _, category, counts = np.unique(labels, return_inverse=True, return_counts=True)
    groups = len(counts)
    sums = np.zeros((groups, pixels))
    np.add.at(sums, category, vectors)
    means = sums / counts[:, None]
    within = float(((vectors - means[category]) ** 2).sum()) / pixels
    within = within / (total - groups) if total > groups else 0.0
    component = 0.0
    if groups > 1:
        deviations = ((means - vectors.mean(axis=0)) ** 2).sum(axis=1) / pixels
        between = float((counts * deviations).sum()) / (groups - 1)
        instances = (total - float((counts**2).sum()) / total) / (groups - 1)
        component = (between - within) / instances
        # Sums of equal images cancel to within rounding only.
        within = within if within > _ROUNDING else 0.0
        component = component if component > _ROUNDING else 0.0
    share = component / (component + within) if component > 0 else 0.0
    return Spread(math.sqrt(within), math.sqrt(component), share)


_ROUNDING = 1e-12
