"""What is drawn: contours and their directions, grey levels, ink, and what repeats."""

import math
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from explorer.measures.pixels import Images, chunks, entropy

EDGE_THRESHOLD = 0.1  # share of the way from black to white
ORIENTATIONS = 18  # bins of 10 degrees, centred on multiples of 10 degrees


def edge_density(images: Images) -> float:
    """Return the share of pixels on an edge.

    A pixel is on an edge where its Sobel gradient, scaled so that a step from black to white
    gives 1, is at least :data:`EDGE_THRESHOLD`. Beyond the border the outermost pixels repeat. A
    straight step between two halves of an image gives 2 / S.
    """
    on = sum(int(edges.sum()) for _, _, edges in _gradients(images))
    return on / images.size


def orientation_entropy(images: Images) -> float:
    """Return in how many directions the contours of an image run, in [0, 1].

    Shannon entropy of the histogram of gradient directions without their sign, in
    :data:`ORIENTATIONS` bins over 180 degrees, edge pixels weighted by gradient magnitude, over
    its greatest value; the mean over the images that have an edge, 0 where none has.
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
                total += entropy(row / row.sum())
                drawn += 1
    return total / drawn / math.log(ORIENTATIONS) if drawn else 0.0


def _gradients(
    images: Images,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield, for portions of images, Sobel's gradient across and down, and where it is an edge."""
    for chunk in chunks(images):
        padded = np.pad(chunk, ((0, 0), (1, 1), (1, 1)), mode="edge").astype(np.int16)
        columns = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
        rows = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
        across = (columns[:, :, 2:] - columns[:, :, :-2]) * np.float32(1 / (4 * 255))
        down = (rows[:, 2:] - rows[:, :-2]) * np.float32(1 / (4 * 255))
        yield across, down, across**2 + down**2 >= np.float32(EDGE_THRESHOLD**2)


def grey_entropy(images: Images) -> float:
    """Return the Shannon entropy of the grey levels of an image in bits, the mean over images."""
    counts = (np.bincount(image.ravel(), minlength=256) for image in images)
    entropies = [entropy(count / count.sum()) for count in counts]
    return math.fsum(entropies) / len(entropies) / math.log(2)


def ink_coverage(images: Images) -> float:
    """Return the share of pixels of another grey than the most frequent one, the background."""
    counts = np.sum([np.bincount(image.ravel(), minlength=256) for image in images], axis=0)
    return float(1 - counts.max() / images.size)


def compressed_bits(images: Images) -> float:
    """Return the mean bits per pixel of the images, each compressed by DEFLATE (zlib, level 9).

    From about 0.05 (blank, at 64 x 64) to slightly above 8 (white noise); another build of zlib may
    come to slightly other sizes.
    """
    sizes = [len(zlib.compress(image.tobytes(), 9)) for image in images]
    return 8 * math.fsum(sizes) / images.size
