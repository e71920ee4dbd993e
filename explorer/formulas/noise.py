"""Perlin noise in one dimension, and the distribution of its value."""

from functools import cache

import numpy as np
import numpy.typing as npt

# Ken Perlin's permutation (reference implementation of Improving Noise, SIGGRAPH 2002).
PERMUTATION: npt.NDArray[np.uint8] = np.frombuffer(
    bytes.fromhex(
        "97a0895b5a0f830dc95f6035c2e907e18c24671e458e086325f0150a17be0694"
        "f778ea4b001ac53e5efcdbcb75230b2039b12158ed953857ae147d88aba844af"
        "4aa547868b301ba64d929ee7536fe57a3cd385e6dc695c29372ef528f4668f36"
        "41193fa101d85049d14c84bbd05912a9c8c4878274bc9f56a4646dc6adba0340"
        "34d9e2fa7c7b05ca2693767eff5255d4cfce3be32f103a11b6bd1c2adfb7aad5"
        "77f898022c9aa346dd99659ba72bac09811627fd13626c6e4f71e0e8b2b97068"
        "daf661e4fb22f2c1eed2900cbfb3a2f1513391ebf90eef6b31c0d61fb5c76a9d"
        "b854ccb07379322d7f0496fe8aeccd5dde72431d1848f38d80c34e42d73d9cb4"
    ),
    dtype=np.uint8,
)


# Gradient at every integer position, by its last byte; once more the first, so that the next
# position is the next entry.
_HASHED = np.append(PERMUTATION, PERMUTATION[0])
GRADIENTS: npt.NDArray[np.float32] = np.where(_HASHED & 8, -1.0, (_HASHED & 7) + 1.0).astype(
    np.float32
)


def value(
    cell: npt.NDArray[np.int64], fraction: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Noise at ``cell + fraction``, one octave, in the float32 arithmetic of ``pnoise1``.

    Args:
        cell: Integer parts of the positions, any shape.
        fraction: Fractional parts in [0, 1), same shape.
    """
    f = fraction.astype(np.float32)
    fade = f * f * f * (f * (f * np.float32(6) - np.float32(15)) + np.float32(10))
    left = f * GRADIENTS[cell & 255]
    right = (f - np.float32(1)) * GRADIENTS[(cell & 255) + 1]
    result: npt.NDArray[np.float32] = np.float32(0.4) * (left + fade * (right - left))
    return result


@cache
def quantiles() -> npt.NDArray[np.int64]:
    """Distribution of the noise value at a uniform position, as 4,096 equally likely values.

    Each entry is the mean of its 4,096th of the distribution, in units of 2**-30, rising.
    """
    cell = np.arange(256)[:, None]
    fraction = ((np.arange(1024) + 0.5) / 1024).astype(np.float32)[None, :]
    values = np.sort(value(np.broadcast_to(cell, (256, 1024)), fraction.repeat(256, 0)), axis=None)
    fixed = np.rint(values.astype(np.float64) * 2**30).astype(np.int64)
    table: npt.NDArray[np.int64] = (fixed.reshape(4096, 64).sum(axis=1) + 32) >> 6
    table.setflags(write=False)
    return table
