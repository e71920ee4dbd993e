"""How different the images of a dataset are from one another, and what they are made of.

:func:`measure` takes a seeded, stratified subsample and returns every measure of it;
:data:`MEASURES` says what each of them is. Each is a public function of its own, defined for
every array of grey images: where a textbook definition divides by zero (blank images, a single
category) the docstring says which value stands in, and no NaN comes out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from explorer.variety.contours import edge_density, orientation_entropy
from explorer.variety.features import features
from explorer.variety.greys import compressed_bits, grey_entropy, ink_coverage
from explorer.variety.pixels import Images, Labels, check
from explorer.variety.sample import SAMPLE, subsample
from explorer.variety.similarity import intrinsic_dimension, vendi, vendi_features, vendi_pixels
from explorer.variety.spectrum import radial_spectrum, spectral_entropy, spectral_slope
from explorer.variety.spread import between_share, between_spread, within_spread

__all__ = [
    "MEASURES",
    "SAMPLE",
    "Measure",
    "between_share",
    "between_spread",
    "compressed_bits",
    "edge_density",
    "features",
    "grey_entropy",
    "ink_coverage",
    "intrinsic_dimension",
    "measure",
    "orientation_entropy",
    "radial_spectrum",
    "remarks",
    "spectral_entropy",
    "spectral_slope",
    "subsample",
    "vendi",
    "vendi_features",
    "vendi_pixels",
    "within_spread",
]

FEW = 256
"""Of fewer images the Vendi scores and the intrinsic dimension say little."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a variety measure is, for reports.

    Attributes:
        name: Key of the measure in the database and in :func:`measure`.
        title: Heading of its column.
        unit: Its unit; empty for a pure number.
        higher_means: What a higher value says of the images.
        source: Where its definition comes from.
    """

    name: str
    title: str
    unit: str
    higher_means: str
    source: str


_VENDI = "Friedman and Dieng, The Vendi Score, TMLR 2023"
_ANOVA = "one-way analysis of variance; Searle et al., Variance Components, 1992, ch. 3"
_SPREAD = "grey levels / 255"
# fmt: off
_ALL = (
    Measure("vendi_pixels", "Vendi score of pixels", "effective images",
            "more images that differ in shape and place", _VENDI),
    Measure("vendi_features", "Vendi score", "effective images",
            "more images that differ in shape and texture, wherever it is",
            f"{_VENDI}; random features: Naeem et al., ICML 2020"),
    Measure("intrinsic_dimension", "Intrinsic dimension", "dimensions",
            "images vary in more ways",
            "TwoNN; Facco et al., Scientific Reports 2017"),
    Measure("within_spread", "Within spread", _SPREAD,
            "instances of a category differ more", _ANOVA),
    Measure("between_spread", "Between spread", _SPREAD,
            "categories differ more from one another", _ANOVA),
    Measure("between_share", "Between share", "",
            "more of the spread is between categories: they are easier to tell apart",
            "intraclass correlation ICC(1); Shrout and Fleiss, Psychological Bulletin 1979"),
    Measure("spectral_slope", "Spectral slope", "log power / log frequency",
            "finer structure (white noise 0, natural images about -2)",
            "van der Schaaf and van Hateren, Vision Research 1996"),
    Measure("spectral_entropy", "Spectral entropy", "",
            "power at more spatial frequencies",
            "Shannon entropy of the spectrum; Powell and Percival, J. Phys. A 1979"),
    Measure("edge_density", "Edge density", "share of pixels",
            "more contour", "gradient of Sobel and Feldman, 1968"),
    Measure("orientation_entropy", "Orientation entropy", "",
            "contours that run in more directions",
            "gradient histogram as in Dalal and Triggs, CVPR 2005"),
    Measure("grey_entropy", "Grey entropy", "bits",
            "more grey levels, more evenly used", "Shannon, Bell System Technical Journal 1948"),
    Measure("ink_coverage", "Ink coverage", "share of pixels",
            "more of the canvas drawn on", "share of pixels off the background level"),
    Measure("compressed_bits", "Compressed size", "bits a pixel",
            "less that repeats within an image",
            "DEFLATE (RFC 1951), a bound on the entropy"),
)
# fmt: on

MEASURES: Mapping[str, Measure] = {measure.name: measure for measure in _ALL}
"""Every measure by name, in the order of reports."""


def measure(images: Images, labels: Labels, *, seed: int, sample: int = SAMPLE) -> dict[str, float]:
    """Return every measure of a dataset, by name, from a seeded subsample.

    Args:
        images: uint8 [N, S, S], S at least 8.
        labels: int64 [N].
        seed: Seed of the subsample; the same arguments give the same values.
        sample: Images to measure; see :func:`subsample`. The Vendi scores and the intrinsic
            dimension grow with it, so that only values of the same sample size compare.

    Raises:
        ValueError: If there is no image, if the arrays do not fit together, or if ``sample`` is
            below 2.
    """
    check(images, labels)
    chosen = subsample(labels, seed=seed, sample=sample)
    images, labels = images[chosen], labels[chosen]
    # One thread: a trial has one core, and sums in another order are other numbers.
    with threadpool_limits(limits=1):
        spectrum = radial_spectrum(images)
        values = {
            "vendi_pixels": vendi_pixels(images),
            "vendi_features": vendi_features(images),
            "intrinsic_dimension": intrinsic_dimension(images),
            "within_spread": within_spread(images, labels),
            "between_spread": between_spread(images, labels),
            "between_share": between_share(images, labels),
            "spectral_slope": spectral_slope(spectrum),
            "spectral_entropy": spectral_entropy(spectrum),
            "edge_density": edge_density(images),
            "orientation_entropy": orientation_entropy(images),
            "grey_entropy": grey_entropy(images),
            "ink_coverage": ink_coverage(images),
            "compressed_bits": compressed_bits(images),
        }
    return {name: float(values[name]) for name in MEASURES}


def remarks(labels: Labels, values: Mapping[str, float], *, sample: int = SAMPLE) -> list[str]:
    """Say where a subsample was too small for what it was to measure.

    Args:
        labels: int64 [N], of the whole dataset.
        values: What :func:`measure` returned for it.
        sample: As it was given to :func:`measure`.

    Returns:
        Sentences for people; empty where there is nothing to say.
    """
    measured = min(len(labels), sample)
    said = []
    if measured < FEW:
        said.append(
            f"Only {measured} images were measured: Vendi scores and the intrinsic dimension are "
            f"too low below {FEW}."
        )
    if values["vendi_pixels"] > measured / 2:
        said.append(
            f"The Vendi score of {values['vendi_pixels']:.0f} is near its ceiling, the {measured} "
            "images measured: a larger sample would give a higher one."
        )
    if np.bincount(np.unique(labels, return_inverse=True)[1]).max() < 2:
        said.append("No category has two instances: the spread within categories is unknown.")
    return said
