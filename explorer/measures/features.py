"""Features of a network that needs no download: a random convolutional one.

Naeem et al. (ICML 2020, section 4.2) find features of randomly initialised networks the better
judge of images far from ImageNet. Ours is small: three times a 3 x 3 convolution with He's random
weights (ICCV 2015), a rectifier and a 2 x 2 average. The features are the mean and the standard
deviation of every channel at every depth: they say what an image is made of and hardly where. The
weights come from one fixed seed: the instrument is the same for every dataset.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from explorer.measures.pixels import SIDE, Floats, Images, reduced

_WIDTHS = (16, 32, 64)
_SEED = 20_230_618
_PORTION = 32  # images whose activations stay in the cache
_REFERENCES = 64  # images of each colour of noise
_EXPONENTS = (0.0, -1.0, -2.0, -3.0)
_LEAST_CONTRAST = 0.02  # fainter images are not amplified to full contrast

_Activations = NDArray[np.float32]


def features(images: Images) -> Floats:
    """Return the features of images, blind to their mean brightness and to their contrast.

    Images are reduced to at most 32 x 32 pixels by area. Features are scaled, alike within a
    depth, so that every depth counts the same and the mean squared distance between two of 256
    reference images is 1. These are noise whose power falls with frequency to the power of 0, -1,
    -2 and -3 (white noise to softer than photographs). Returns float64 [N, 224].
    """
    side = min(images.shape[1], SIDE)
    return _describe(reduced(images).astype(np.float32).reshape(-1, side, side)) * _scales()


def _describe(images: _Activations) -> Floats:
    described = []
    for start in range(0, len(images), _PORTION):
        x = images[start : start + _PORTION, :, :, None]
        x = x - x.mean(axis=(1, 2, 3), keepdims=True)
        x = x / np.maximum(x.std(axis=(1, 2, 3), keepdims=True), _LEAST_CONTRAST)
        parts = []
        for weights in _weights():
            x = _halved(np.maximum(_convolved(x, weights), 0))
            parts += [x.mean(axis=(1, 2)), x.std(axis=(1, 2))]
        described.append(np.concatenate(parts, axis=1))
    return np.concatenate(described).astype(np.float64)


def _convolved(x: _Activations, weights: _Activations) -> _Activations:
    """Convolve [n, h, w, c] with [9 c, d]; beyond the border the outermost pixels repeat."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    columns = windows.reshape(-1, len(weights))
    return np.asarray((columns @ weights).reshape(*x.shape[:3], -1))


def _halved(x: _Activations) -> _Activations:
    """Average 2 x 2 pixels of [n, h, w, c]; an odd last row or column is left out."""
    n, height, width, channels = x.shape
    height, width = height // 2, width // 2
    blocks = x[:, : 2 * height, : 2 * width].reshape(n, height, 2, width, 2, channels)
    return np.asarray(blocks.mean(axis=(2, 4)))


@cache
def _weights() -> tuple[_Activations, ...]:
    random = np.random.default_rng(_SEED)
    inputs = [9 * channels for channels in (1, *_WIDTHS[:-1])]
    return tuple(
        (random.standard_normal((count, width)) * np.sqrt(2 / count)).astype(np.float32)
        for count, width in zip(inputs, _WIDTHS, strict=True)
    )


@cache
def _scales() -> Floats:
    random = np.random.default_rng(_SEED + 1)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None, :])
    frequency[0, 0] = np.inf
    white = (random.standard_normal((_REFERENCES, SIDE, SIDE)) for _ in _EXPONENTS)
    noise = [
        np.fft.ifft2(np.fft.fft2(part) * frequency ** (power / 2)).real
        for part, power in zip(white, _EXPONENTS, strict=True)
    ]
    # At full contrast, which the network sees all images at.
    full = np.concatenate([part / part.std() for part in noise]).astype(np.float32)
    variances = _describe(full).var(axis=0)
    depths = np.repeat(np.arange(len(_WIDTHS)), [2 * width for width in _WIDTHS])
    # Two independent images are at twice the variance from one another.
    sums = np.bincount(depths, weights=variances)[depths]
    return np.asarray(1 / np.sqrt(2 * len(_WIDTHS) * sums))
