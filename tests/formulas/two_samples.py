"""Are two samples drawn from one distribution? One procedure for draws and for images.

Every quantity is compared by a test of its own: Kolmogorov-Smirnov, or chi-square where there are
few values. Holm's correction keeps the chance of any rejection at all below ``LEVEL`` where the
distributions are one. The samples of a quantity must be independent of one another: for images,
one image of a category.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from scipy import stats

LEVEL = 0.01

_FEW = 32  # different integers, at most, are compared by chi-square
_RINGS = 8
_GREYS = 8

Sample = dict[str, np.ndarray]


def differences(ours: Sample, theirs: Sample) -> list[str]:
    """Return the quantities whose distributions differ, the surest first."""
    assert set(ours) == set(theirs)
    p = {name: _p(ours[name], theirs[name]) for name in ours}
    rejected: list[str] = []
    for name in sorted(p, key=p.__getitem__):
        if p[name] * (len(p) - len(rejected)) > LEVEL:
            break
        rejected.append(name)
    return rejected


def _p(one: np.ndarray, other: np.ndarray) -> float:
    values = np.unique(np.concatenate([one, other]))
    if len(values) == 1:
        return 1.0
    if np.issubdtype(values.dtype, np.integer) and len(values) <= _FEW:
        table = [[(sample == value).sum() for value in values] for sample in (one, other)]
        return float(stats.chi2_contingency(table).pvalue)
    return float(stats.ks_2samp(one, other, method="asymp").pvalue)


def describe(images: Iterable[np.ndarray], background: int) -> Sample:
    """Measure square images: one number an image of every quantity.

    The part of the image that is ink (of another grey than the background), the same for each of
    8 rings of one width around the middle, and of the ink the part in each of 8 intervals of grey.
    """
    rows = np.array(
        [[*_rings(image != background), *_greys(image, background)] for image in images]
    )
    names = [
        "coverage",
        *(f"ring {k}" for k in range(_RINGS)),
        *(f"grey {k}" for k in range(_GREYS)),
    ]
    return dict(zip(names, rows.T, strict=True))


def _rings(ink: np.ndarray) -> list[float]:
    ring, area = _distances(len(ink))
    return [ink.mean(), *(np.bincount(ring[ink], minlength=_RINGS + 1) / area)[:_RINGS]]


@lru_cache
def _distances(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ring of every pixel, that of the corners last, and the pixels of every ring."""
    middle = np.arange(side) + 0.5 - side / 2
    radius = np.hypot(middle[:, None], middle[None, :])
    ring = np.minimum(radius / (side / 2) * _RINGS, _RINGS).astype(int)
    return ring, np.bincount(ring.ravel())


def _greys(image: np.ndarray, background: int) -> np.ndarray:
    counts = np.bincount(image[image != background] // (256 // _GREYS), minlength=_GREYS)
    return counts / max(counts.sum(), 1)
