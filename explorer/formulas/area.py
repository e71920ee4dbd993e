"""Exact area averaging of grey images."""

from typing import Any

import numpy as np

from explorer.formulas.compiled import kernel


@kernel
def average(images: Any, out: Any) -> None:
    """Reduce uint8 ``[n, canvas, canvas]`` to uint8 ``[n, size, size]``, size <= canvas <= 4096.

    An output pixel is the mean of the canvas area under it, rounded half up; a canvas pixel cut by
    the border counts by the part inside. Lengths are counted in units of 1 / (canvas * size) of the
    side, so that every weight is an integer and the result exact.
    """
    canvas, size = images.shape[1], out.shape[1]
    area = np.int64(canvas) * canvas
    # Output pixel j covers the units j * canvas and following, canvas pixel x those from x * size;
    # these are the canvas pixels it begins and ends in, and their parts outside.
    first, last = np.empty(size, np.int64), np.empty(size, np.int64)
    before, behind = np.empty(size, np.int64), np.empty(size, np.int64)
    for j in range(size):
        first[j] = j * canvas // size
        last[j] = ((j + 1) * canvas - 1) // size
        before[j] = j * canvas - first[j] * size
        behind[j] = (last[j] + 1) * size - (j + 1) * canvas
    # total // area by a product: too small by at most 1, as total < 2**32.
    inverse = (np.int64(1) << 40) // area
    across = np.empty(canvas, np.int32)
    summed = np.zeros(canvas + 1, np.int64)
    for number in range(len(images)):
        for i in range(size):
            across[:] = 0
            for y in range(first[i], last[i] + 1):
                weight = size - (before[i] if y == first[i] else 0)
                weight = np.int32(weight - (behind[i] if y == last[i] else 0))
                for x in range(canvas):
                    across[x] = np.int32(across[x] + weight * np.int32(images[number, y, x]))
            for x in range(canvas):
                summed[x + 1] = summed[x] + across[x]
            for j in range(size):
                total = (summed[last[j] + 1] - summed[first[j]]) * size + area // 2
                total -= before[j] * across[first[j]] + behind[j] * across[last[j]]
                mean = (total * inverse) >> 40
                out[number, i, j] = np.uint8(mean + ((mean + 1) * area <= total))
