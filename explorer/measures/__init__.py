"""How different the images of a dataset are from one another, and what they are made of.

:func:`variety` takes a seeded, stratified subsample and returns every measure of it;
:data:`MEASURES`, the one place where a measure is registered, says what each of them is. Each is a
function of this room, defined for every array of grey images: where a textbook definition divides
by zero (blank images, a single category) its docstring says which value stands in, and no NaN comes
out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from explorer.images import sameness
from explorer.measures import marks, similarity, spectrum
from explorer.measures.pixels import SAMPLE, Floats, Images, Labels, check, subsample
from explorer.measures.spread import Spread, spreads

__all__ = ["MEASURES", "SAMPLE", "Measure", "remarks", "subsample", "variety"]

FEW = 256
"""Of fewer images the Vendi scores and the intrinsic dimension say little."""


@dataclass(frozen=True)
class Sample:
    """The images that are measured, uint8 [N, S, S], and their categories, int64 [N]."""

    images: Images
    labels: Labels

    @cached_property
    def spectrum(self) -> Floats:
        """The radial power spectrum, float64 [S // 2]."""
        return spectrum.radial_spectrum(self.images)

    @cached_property
    def spread(self) -> Spread:
        """The spread within and between categories."""
        return spreads(self.images, self.labels)


@dataclass(frozen=True, slots=True)
class Measure:
    """What a variety measure is.

    Attributes:
        name: Its key in the database and in :func:`variety`.
        title: Heading of its column.
        unit: Its unit; empty for a pure number.
        higher_means: What a higher value says of the images.
        source: Where its definition comes from.
        of: Its value.
    """

    name: str
    title: str
    unit: str
    higher_means: str
    source: str
    of: Callable[[Sample], float]


_VENDI = "Friedman and Dieng, The Vendi Score, TMLR 2023"
_ANOVA = "one-way analysis of variance; Searle et al., Variance Components, 1992, ch. 3"
_SPREAD = "grey levels / 255"
# fmt: off
_ALL = (
    Measure("vendi_pixels", "Vendi score of pixels", "effective images",
            "more images that differ in shape and place", _VENDI,
            lambda s: similarity.vendi_pixels(s.images)),
    Measure("vendi_features", "Vendi score", "effective images",
            "more images that differ in shape and texture, wherever it is",
            f"{_VENDI}; random features: Naeem et al., ICML 2020",
            lambda s: similarity.vendi_features(s.images)),
    Measure("intrinsic_dimension", "Intrinsic dimension", "dimensions",
            "images vary in more ways", "TwoNN; Facco et al., Scientific Reports 2017",
            lambda s: similarity.intrinsic_dimension(s.images)),
    Measure("within_spread", "Within spread", _SPREAD,
            "instances of a category differ more", _ANOVA,
            lambda s: s.spread.within),
    Measure("between_spread", "Between spread", _SPREAD,
            "categories differ more from one another", _ANOVA,
            lambda s: s.spread.between),
    Measure("between_share", "Between share", "",
            "more of the spread is between categories: they are easier to tell apart",
            "intraclass correlation ICC(1); Shrout and Fleiss, Psychological Bulletin 1979",
            lambda s: s.spread.share),
    Measure("spectral_slope", "Spectral slope", "log power / log frequency",
            "finer structure (white noise 0, natural images about -2)",
            "van der Schaaf and van Hateren, Vision Research 1996",
            lambda s: spectrum.spectral_slope(s.spectrum)),
    Measure("spectral_entropy", "Spectral entropy", "", "power at more spatial frequencies",
            "Shannon entropy of the spectrum; Powell and Percival, J. Phys. A 1979",
            lambda s: spectrum.spectral_entropy(s.spectrum)),
    Measure("edge_density", "Edge density", "share of pixels", "more contour",
            "gradient of Sobel and Feldman, 1968", lambda s: marks.edge_density(s.images)),
    Measure("orientation_entropy", "Orientation entropy", "",
            "contours that run in more directions",
            "gradient histogram as in Dalal and Triggs, CVPR 2005",
            lambda s: marks.orientation_entropy(s.images)),
    Measure("grey_entropy", "Grey entropy", "bits", "more grey levels, more evenly used",
            "Shannon, Bell System Technical Journal 1948", lambda s: marks.grey_entropy(s.images)),
    Measure("ink_coverage", "Ink coverage", "share of pixels", "more of the canvas drawn on",
            "share of pixels off the background level", lambda s: marks.ink_coverage(s.images)),
    Measure("compressed_bits", "Compressed size", "bits per pixel",
            "less that repeats within an image", "DEFLATE (RFC 1951), a bound on the entropy",
            lambda s: marks.compressed_bits(s.images)),
)
# fmt: on

MEASURES: Mapping[str, Measure] = {measure.name: measure for measure in _ALL}
"""Every measure by name, in the order of reports."""


def variety(
    images: Images, labels: Labels, *, seed: int = 0, sample: int = SAMPLE
) -> dict[str, float]:
    """Return every measure of a dataset, by name, from a seeded subsample.

    Args:
        images: uint8 [N, S, S], S at least 8.
        labels: int64 [N].
        seed: Seed of the subsample.
        sample: Images to measure; see :func:`subsample`. The Vendi scores and the intrinsic
            dimension grow with it, so that only values of the same sample size compare.

    Raises:
        ValueError: If there is no image, if the arrays do not fit together, or if ``sample`` is
            below 2.
    """
    check(images, labels)
    chosen = subsample(labels, seed=seed, sample=sample)
    measured = Sample(images[chosen], labels[chosen])
    # One thread: a trial has one core, and sums in another order are other numbers.
    with threadpool_limits(limits=1):
        return {name: float(each.of(measured)) for name, each in MEASURES.items()}


def remarks(
    images: Images,
    labels: Labels,
    values: Mapping[str, float],
    *,
    sample: int = SAMPLE,
    classes: Sequence[str] = (),
) -> list[str]:
    """Say where images are all alike, or a subsample was too small for what it was to measure.

    Takes the whole dataset, what :func:`variety` returned for it, its ``sample``, and the names of
    the categories where they have some.
    """
    measured, sentences = min(len(labels), sample), sameness(images, labels, classes)
    if measured < FEW:
        sentences.append(
            f"Only {measured} images were measured: Vendi scores and the intrinsic dimension are "
            f"too low below {FEW}."
        )
    if values["vendi_pixels"] > measured / 2:
        sentences.append(
            f"The Vendi score of {values['vendi_pixels']:.0f} is near its ceiling, the {measured} "
            "images measured: a larger sample would give a higher one."
        )
    if np.bincount(np.unique(labels, return_inverse=True)[1]).max() < 2:
        sentences.append("No category has two instances: the spread within categories is unknown.")
    return sentences
