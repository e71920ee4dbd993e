"""Grey levels: how many, how much ink, and how few bytes an image can be written in."""

import math
import zlib

import numpy as np

from explorer.variety.pixels import Images, entropy


def grey_entropy(images: Images) -> float:
    """Return the Shannon entropy of the grey levels of an image, the mean over images.

    Returns:
        Bits in [0, 8]: 0 for one grey level, 8 where all 256 are equally frequent.
    """
    counts = (np.bincount(image.ravel(), minlength=256) for image in images)
    entropies = [entropy(count / image_size) for count in counts for image_size in [count.sum()]]
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


def compressed_bits(images: Images) -> float:
    """Return how many bits a pixel takes when an image is compressed without loss.

    DEFLATE (RFC 1951, zlib at level 9) of each image on its own; the mean over images. Another
    build of zlib may come to slightly other sizes.

    Returns:
        Bits a pixel, from about 0.05 (blank, at 64 x 64) to slightly above 8 (white noise).
    """
    sizes = [len(zlib.compress(image.tobytes(), 9)) for image in images]
    return 8 * math.fsum(sizes) / images.size
