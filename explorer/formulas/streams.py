"""The counter-based random stream: numbers addressed by what they are for, not by order.

Every number is a hash of (formula, seed, category, ...), so that it can be had in any order and by
any worker. Only wrapping 64-bit integer arithmetic is used and single IEEE 754 operations on
float64: the same numbers on every machine.

A range does not enter the hash. Two arms of a study that differ in one range therefore draw the
same positions in every other range, which makes their comparison sharper.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Draws = Sequence[str | tuple[str, str]]
"""Fields to draw: a parameter by its name, or (field, parameter)."""

GOLDEN = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio: the increment of SplitMix64."""

MAX_SEED = 2**63 - 1

_INSTANCES = 2**32  # purpose of the hash that instances start from


def mix(word: Words) -> Words:
    """Scramble 64-bit words (finaliser of SplitMix64; Steele, Lea & Flood, OOPSLA 2014)."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def absorb(state: Words, word: Words) -> Words:
    """Hash the next word of an address into a state; the two broadcast."""
    return mix((state ^ mix(word + np.uint64(GOLDEN))) + np.uint64(GOLDEN))


def keys(formula: str, seed: int, categories: Sequence[int] | range) -> Words:
    """Return the keys ``[len(categories)]`` of some categories.

    Raises:
        ValueError: If the seed or a category is negative or does not fit 63 bits.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed: {seed}: must be in 0..{MAX_SEED}")
    if len(categories) and min(categories) < 0:
        raise ValueError(f"category: {min(categories)}: must not be negative")
    return absorb(_root(formula, seed), np.asarray(categories, dtype=np.uint64))


@lru_cache(maxsize=16)
def _root(formula: str, seed: int) -> Words:
    name = int.from_bytes(formula.encode(), "little")
    state = np.zeros(1, np.uint64)
    while name:
        state = absorb(state, np.array([name & MAX_SEED], np.uint64))
        name >>= 63
    state = absorb(state, np.array([seed], np.uint64))
    state.setflags(write=False)
    return state


def words(key: Words, purposes: Sequence[int] | range) -> Words:
    """Return uniform words ``[len(key), len(purposes)]``, one for every key and purpose."""
    return absorb(key[:, None], np.asarray(purposes, dtype=np.uint64)[None, :])


def integers(word: Words, low: int, high: int) -> npt.NDArray[np.int64]:
    """Turn uniform words into uniform integers of low..high, both ends included.

    The range must have fewer than 2**32 values.
    """
    span = np.uint64(high - low + 1)
    return low + ((word >> np.uint64(32)) * span >> np.uint64(32)).astype(np.int64)


def floats(word: Words, low: float, high: float) -> npt.NDArray[np.float64]:
    """Turn uniform words into uniform numbers of low..high."""
    unit = (word >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return np.minimum(low + unit * (high - low), high)


def rows(
    key: Words,
    draws: Draws,
    ranges: Mapping[str, tuple[float, float]],
) -> npt.NDArray[Any]:
    """Draw one row of numbers for every key.

    Args:
        key: ``[n]``, the keys.
        draws: What to draw, in the order of the hash's purposes.
        ranges: Parameter -> (low, high): integers of both, or floats.

    Returns:
        Structured array ``[n]`` of int64 and float64 fields.
    """
    pairs = [(draw, draw) if isinstance(draw, str) else draw for draw in draws]
    whole = [isinstance(ranges[parameter][0], int) for _, parameter in pairs]
    kinds = [np.int64 if integer else np.float64 for integer in whole]
    drawn = np.empty(len(key), [(pair[0], kind) for pair, kind in zip(pairs, kinds, strict=True)])
    word = words(key, range(len(pairs)))
    for purpose, ((field, parameter), integer) in enumerate(zip(pairs, whole, strict=True)):
        low, high = ranges[parameter]
        number = word[:, purpose]
        drawn[field] = (
            integers(number, int(low), int(high)) if integer else floats(number, low, high)
        )
    return drawn


def with_fields(drawn: npt.NDArray[Any], **fields: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return rows with further fields, each ``[len(drawn), ...]``."""
    added = [(name, values.dtype, values.shape[1:]) for name, values in fields.items()]
    full = np.empty(len(drawn), [*drawn.dtype.descr, *added])
    for name in drawn.dtype.names or ():
        full[name] = drawn[name]
    for name, values in fields.items():
        full[name] = values
    return full


def instance_keys(category_key: Words, instances: Sequence[int] | range) -> Words:
    """Return the keys ``[len(instances)]`` of some instances of the category of that one key."""
    start = words(category_key, [_INSTANCES])[:, 0]
    return absorb(start, np.asarray(instances, dtype=np.uint64))
