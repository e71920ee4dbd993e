"""How different the images of a dataset are from one another, and what they are made of.

:func:`measure` takes a seeded, stratified subsample and returns every measure of it;
:data:`MEASURES` says what each of them is. Each is a public function of its own, defined for
every array of grey images: where a textbook definition divides by zero (blank images, a single
category) the docstring says which value stands in, and no NaN comes out.

Everywhere ``images`` are uint8 [N, S, S] (0 is black), ``labels`` int64 [N] (the category of each
image), and ``spectrum`` is float64 [S // 2] as :func:`radial_spectrum` returns it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Floats = NDArray[np.float64]

SAMPLE = 512
"""Images that are measured by default: about half a second on one core at 64 x 64 pixels."""

SIDE = 32
"""Pixel-space measures compare images reduced to this side: position and shape, not raster."""

EDGE_THRESHOLD = 0.1
"""An edge is a step of at least this share of the way from black to white."""

ORIENTATIONS = 18
"""Bins of edge orientation, 10 degrees each, centred on multiples of 10 degrees."""

_MIN_SIDE = 8
_CHUNK_PIXELS = 2**18


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


_ANOVA = "one-way analysis of variance; Searle et al., Variance Components, 1992, ch. 3"
_SPREAD = "grey levels / 255"
# fmt: off
_ALL = (
    Measure("vendi_pixels", "Vendi score", "effective images",
            "more images that differ in shape and place",
            "Friedman and Dieng, The Vendi Score, TMLR 2023"),
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
        sample: Images to measure; see :func:`subsample`. The Vendi score cannot exceed it, so
            that only scores of the same sample size compare.

    Raises:
        ValueError: If there is no image, if the arrays do not fit together, or if ``sample`` is
            below 2.
    """
    _check(images, labels)
    chosen = subsample(labels, seed=seed, sample=sample)
    images, labels = images[chosen], labels[chosen]
    # One thread: a trial has one core, and sums in another order are other numbers.
    with threadpool_limits(limits=1):
        spectrum = radial_spectrum(images)
        values = {
            "vendi_pixels": vendi_pixels(images),
            "within_spread": within_spread(images, labels),
            "between_spread": between_spread(images, labels),
            "between_share": between_share(images, labels),
            "spectral_slope": spectral_slope(spectrum),
            "spectral_entropy": spectral_entropy(spectrum),
            "edge_density": edge_density(images),
            "orientation_entropy": orientation_entropy(images),
            "grey_entropy": grey_entropy(images),
            "ink_coverage": ink_coverage(images),
        }
    return {name: float(values[name]) for name in MEASURES}


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


def vendi_pixels(images: Images) -> float:
    """Return the Vendi score of the images: the effective number of different ones.

    ``exp(-sum(l * log(l)))`` over the eigenvalues l of K / N, where K is the kernel matrix with
    ones on its diagonal (Friedman and Dieng, 2023, definition 3.1). The kernel is the cosine of
    two images, each reduced to at most 32 x 32 pixels by area and centred on its own mean: the
    correlation of their pixels, blind to brightness and contrast. Blank images, which have no
    direction, count as equal to each other and orthogonal to all others.

    Returns:
        A number in [1, N]: 1 where all images are equal up to brightness and contrast, N where
        all are orthogonal. It grows with N and is at most SIDE² (1,024).
    """
    vectors = _reduced(images)
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    # The mean of a blank image need not be exact: what is left of it is rounding, not contrast.
    blank = length < 1e-9
    vectors = np.where(blank, 0.0, vectors / np.where(blank, 1.0, length))
    vectors = np.hstack([vectors, blank.astype(np.float64)])
    # The two Gram matrices have the same eigenvalues; take the smaller.
    small = vectors if len(vectors) <= vectors.shape[1] else vectors.T
    eigenvalues = np.linalg.eigvalsh(small @ small.T / len(images))
    return max(1.0, math.exp(_entropy(np.clip(eigenvalues, 0.0, None))))


def within_spread(images: Images, labels: Labels) -> float:
    """Return how far instances lie from the mean of their category.

    The root of the mean square within categories per pixel, ``sum |x - mean of its category|² /
    (N - C)``, on images reduced to at most 32 x 32 pixels by area, in shares of the way from black
    to white. The estimate does not depend on the number of instances.

    Returns:
        A number in [0, 0.71]; 0 where the instances of every category are equal, and where no
        category has two.
    """
    return math.sqrt(_variances(images, labels)[0])


def between_spread(images: Images, labels: Labels) -> float:
    """Return how far the means of the categories lie from one another.

    The root of the variance component between categories per pixel, ``(MSB - MSW) / n0`` of a
    one-way analysis of variance (MSB and MSW the mean squares between and within, n0 the mean
    number of instances, corrected for unequal ones), and 0 where it is negative. Unlike the plain
    variance of the category means it does not grow with the spread within categories.

    Returns:
        A number in [0, 0.71]; 0 where there is only one category. Where no category has two
        instances, the whole spread counts as spread between.
    """
    return math.sqrt(_variances(images, labels)[1])


def between_share(images: Images, labels: Labels) -> float:
    """Return the share of the spread that is between categories.

    With w and b the squares of :func:`within_spread` and :func:`between_spread`, ``b / (b + w)``:
    the intraclass correlation. A ratio that stays finite where a category has no spread.

    Returns:
        A number in [0, 1]; 0 where categories do not differ (also where all images are equal), 1
        where all instances of a category are equal and categories are not.
    """
    within, between = _variances(images, labels)
    return between / (between + within) if between > 0 else 0.0


def radial_spectrum(images: Images) -> Floats:
    """Return the mean power at each spatial frequency, over all directions and images.

    Each image is weighted by a Hann window (its borders do not meet, which would show as power),
    centred on its weighted mean, transformed, and scaled to a total power of 1, so that every
    image counts alike whatever its contrast. Entry k - 1 is the mean power of a coefficient in
    the ring ``k - 1/2 <= frequency < k + 1/2``, in cycles an image side. Blank images are left
    out.

    Returns:
        float64 [S // 2]; all zeros where every image is blank.
    """
    side = images.shape[1]
    window = np.hanning(side + 2)[1:-1]
    weights = (window[:, None] * window[None, :]).astype(np.float32)
    rows, columns = np.fft.fftfreq(side, 1 / side), np.fft.rfftfreq(side, 1 / side)
    ring = np.rint(np.hypot(rows[:, None], columns[None, :])).astype(np.int64)
    # A real image's spectrum is symmetric: a coefficient off the two self-conjugate columns
    # stands for two.
    twice = np.full(columns.shape, 2.0)
    twice[0] = 1.0
    if side % 2 == 0:
        twice[-1] = 1.0
    times = np.broadcast_to(twice, ring.shape)
    total, count = np.zeros(ring.shape), 0
    for chunk in _chunks(images):
        grey = chunk.astype(np.float32)
        mean = (grey * weights).sum(axis=(1, 2)) / weights.sum()
        waves = np.fft.rfft2((grey - mean[:, None, None]) * weights)
        power = waves.real**2 + waves.imag**2
        power[:, 0, 0] = 0.0
        energy = power.sum(axis=1, dtype=np.float64) @ twice
        # Less than a quarter of a grey level in a single pixel is rounding, not contrast.
        drawn = energy > (0.25 * side) ** 2
        count += int(drawn.sum())
        total += (power[drawn] / energy[drawn, None, None]).sum(axis=0)
    rings = np.arange(1, side // 2 + 1)
    sums = np.bincount(ring.ravel(), weights=(total * times).ravel())[rings]
    counts = np.bincount(ring.ravel(), weights=times.ravel())[rings]
    return np.asarray(sums / counts / max(1, count), dtype=np.float64)


def spectral_slope(spectrum: Floats) -> float:
    """Return the slope of a radial power spectrum in double logarithm, by least squares.

    Frequencies of 2 cycles an image and more count (the window blurs the first into the mean).
    Rings without power are left out.

    Returns:
        The exponent a of power ~ frequency^a: 0 for white noise, about -2 for natural images; 0
        where fewer than two frequencies have power.
    """
    frequency = np.arange(1, len(spectrum) + 1)
    use = (frequency >= 2) & (spectrum > 0)
    if use.sum() < 2:
        return 0.0
    x, y = np.log(frequency[use]), np.log(spectrum[use])
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


def spectral_entropy(spectrum: Floats) -> float:
    """Return how evenly power is spread over spatial frequencies.

    Shannon entropy of the radial spectrum scaled to a sum of 1, over its greatest value
    ``log(F)``.

    Returns:
        A number in [0, 1]: 1 for white noise, near 0 for a grating; 0 where there is no power.
    """
    total = spectrum.sum()
    return _entropy(spectrum / total) / math.log(len(spectrum)) if total > 0 else 0.0


def edge_density(images: Images) -> float:
    """Return the share of pixels on an edge.

    A pixel is on an edge where its Sobel gradient, scaled so that a step from black to white
    gives 1, is at least :data:`EDGE_THRESHOLD`. Beyond the border the outermost pixels repeat.

    Returns:
        A number in [0, 1]; a straight step between two halves of an image gives 2 / S.
    """
    on = sum(int(edges.sum()) for _, _, edges in _gradients(images))
    return on / images.size


def orientation_entropy(images: Images) -> float:
    """Return in how many directions the contours of an image run.

    Shannon entropy of the histogram of gradient directions without their sign, in
    :data:`ORIENTATIONS` bins over 180 degrees, edge pixels weighted by gradient magnitude, over
    its greatest value; the mean over the images that have an edge. (The entropy of all images
    together would say that stripes of any direction are as rich as circles.)

    Returns:
        A number in [0, 1]: 0 for parallel stripes, near 1 for circles; 0 where no image has an
        edge.
    """
    total, drawn = 0.0, 0
    for across, down, edges in _gradients(images):
        image, _, _ = np.nonzero(edges)
        angle = np.arctan2(down[edges], across[edges]) * (ORIENTATIONS / math.pi)
        bins = np.rint(angle).astype(np.int64) % ORIENTATIONS
        weights = np.hypot(across[edges], down[edges])
        cells = len(edges) * ORIENTATIONS
        histogram = np.bincount(image * ORIENTATIONS + bins, weights=weights, minlength=cells)
        for row in histogram.reshape(len(edges), ORIENTATIONS):
            if row.sum() > 0:
                total += _entropy(row / row.sum())
                drawn += 1
    return total / drawn / math.log(ORIENTATIONS) if drawn else 0.0


def grey_entropy(images: Images) -> float:
    """Return the Shannon entropy of the grey levels of an image, the mean over images.

    Returns:
        Bits in [0, 8]: 0 for one grey level, 8 where all 256 are equally frequent.
    """
    counts = (np.bincount(image.ravel(), minlength=256) for image in images)
    entropies = [_entropy(count / image_size) for count in counts for image_size in [count.sum()]]
    return math.fsum(entropies) / len(entropies) / math.log(2)


def ink_coverage(images: Images) -> float:
    """Return the share of pixels that are not background.

    Background is the most frequent grey level of all the images together, the darkest of equally
    frequent ones: black in VisualAtom, white in RCDB. A blank dataset has no ink.

    Returns:
        A number in [0, 255/256].
    """
    counts = np.zeros(256, dtype=np.int64)
    for image in images:
        counts += np.bincount(image.ravel(), minlength=256)
    return float(1 - counts.max() / images.size)


def _check(images: Images, labels: Labels) -> None:
    if images.ndim != 3 or images.shape[1] != images.shape[2] or images.dtype != np.uint8:
        shape = f"{images.dtype} {list(images.shape)}"
        raise ValueError(f"images must be uint8 [N, S, S], not {shape}")
    if len(images) == 0:
        raise ValueError("there is no image to measure")
    if images.shape[1] < _MIN_SIDE:
        raise ValueError(f"images must have a side of at least {_MIN_SIDE} pixels")
    if labels.shape != (len(images),):
        raise ValueError(f"labels must be [{len(images)}], one an image, not {list(labels.shape)}")


def _chunks(images: Images) -> Iterator[Images]:
    """Yield the images in portions that stay in the cache, however many or large they are."""
    step = max(1, _CHUNK_PIXELS // images[0].size)
    for start in range(0, len(images), step):
        yield images[start : start + step]


def _reduced(images: Images) -> Floats:
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
    reduced = [weights @ chunk.astype(np.float64) @ weights.T for chunk in _chunks(images)]
    return np.concatenate(reduced).reshape(len(images), -1) / 255


def _variances(images: Images, labels: Labels) -> tuple[float, float]:
    """Return the variance components within and between categories, per pixel."""
    vectors = _reduced(images)
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


def _gradients(
    images: Images,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield, for portions of n images, the Sobel gradient across and down and where it is an edge.

    float32 [n, S, S], float32 [n, S, S] and bool [n, S, S].
    """
    for chunk in _chunks(images):
        padded = np.pad(chunk, ((0, 0), (1, 1), (1, 1)), mode="edge").astype(np.int16)
        columns = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
        rows = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
        across = (columns[:, :, 2:] - columns[:, :, :-2]) * np.float32(1 / (4 * 255))
        down = (rows[:, 2:] - rows[:, :-2]) * np.float32(1 / (4 * 255))
        yield across, down, across**2 + down**2 >= np.float32(EDGE_THRESHOLD**2)


def _entropy(shares: Floats) -> float:
    """Return the Shannon entropy in nats of shares that sum to 1."""
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())
