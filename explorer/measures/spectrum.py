"""Spatial frequencies: the radial power spectrum, its slope and its entropy.

``spectrum`` is float64 [S // 2] as :func:`radial_spectrum` returns it.
"""

import math

import numpy as np

from explorer.measures.pixels import Floats, Images, chunks, entropy


def radial_spectrum(images: Images) -> Floats:
    """Return the mean power at each spatial frequency, over all directions and images.

    Each image is weighted by a Hann window (its borders do not meet, which would show as power),
    centred on its weighted mean, transformed, and scaled to a total power of 1, so that every
    image counts alike whatever its contrast. Entry k - 1 is the mean power of a coefficient in
    the ring ``k - 1/2 <= frequency < k + 1/2``, in cycles per image side. Blank images are left
    out; all is zero where every image is blank. Returns float64 [S // 2].
    """
    side = images.shape[1]
    window = np.hanning(side + 2)[1:-1]
    weights = (window[:, None] * window[None, :]).astype(np.float32)
    rows, columns = np.fft.fftfreq(side, 1 / side), np.fft.rfftfreq(side, 1 / side)
    ring = np.rint(np.hypot(rows[:, None], columns[None, :])).astype(np.int64)
    # A real image's spectrum is symmetric: a coefficient off the two self-conjugate columns
    # stands for two.
    twice = np.where((columns == 0) | (2 * columns == side), 1.0, 2.0)
    times = np.broadcast_to(twice, ring.shape)
    total, count = np.zeros(ring.shape), 0
    for chunk in chunks(images):
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
    """Return the exponent a of power ~ frequency^a, by least squares in double logarithm.

    Frequencies of 2 cycles per image and more count (the window blurs the first into the mean);
    rings without power are left out. 0 where fewer than two have power.
    """
    frequency = np.arange(1, len(spectrum) + 1)
    use = (frequency >= 2) & (spectrum > 0)
    if use.sum() < 2:
        return 0.0
    x, y = np.log(frequency[use]), np.log(spectrum[use])
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


def spectral_entropy(spectrum: Floats) -> float:
    """Return the Shannon entropy of the radial spectrum over its greatest value, in [0, 1]."""
    total = spectrum.sum()
    return entropy(spectrum / total) / math.log(len(spectrum)) if total > 0 else 0.0
