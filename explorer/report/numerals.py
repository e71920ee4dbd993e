"""How numbers are written: as many digits as their uncertainty allows."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

EN_DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
MISSING = EN_DASH


def decimals(uncertainties: Iterable[float]) -> int:
    """Return the decimals for a column of accuracies that have uncertainties of their own.

    Two significant digits of the median uncertainty, and the same for the whole column, so that
    its rows can be compared: a standard deviation from few replicates is known to no more. At
    least 0, at most 2 (a hundredth of a point is below what any test split here resolves), and 1
    where no uncertainty is known.
    """
    places = resolved(uncertainties, digits=2)
    return 1 if places is None else min(2, places)


def resolved(uncertainties: Iterable[float], *, digits: int = 1) -> int | None:
    """Return how many decimals the median of some uncertainties leaves of its first digits.

    Returns:
        At least 0; ``None`` where no uncertainty is known.
    """
    positive = [value for value in uncertainties if value > 0]
    if not positive:
        return None
    return max(0, digits - 1 - math.floor(math.log10(median(positive))))


def signed(value: float, places: int) -> str:
    """Write a difference with its sign: ``+1.2``, ``-0.4``, ``0.0``; a dash for NaN."""
    if math.isnan(value):
        return MISSING
    text = f"{abs(value):.{places}f}"
    if not text.strip("0."):
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


def with_interval(
    write: Callable[[float], str], value: float, low: float | None, high: float | None
) -> str:
    """Write a number and its confidence interval, if it has one: ``0.76 [0.56, 0.83]``."""
    if low is None or high is None or math.isnan(value):
        return write(value)
    return f"{write(value)} [{write(low)}, {write(high)}]"


def p_value(p: float) -> str:
    """Write a p-value: ``<0.001``, ``0.004``, ``0.31``."""
    if p < 0.001:
        return "<0.001"
    return f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def equals(p: float) -> str:
    """Write what follows ``p``: ``= 0.05``, ``< 0.001``."""
    text = p_value(p)
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"


def significant(value: float, digits: int = 3) -> str:
    """Write a number with so many significant digits, never in powers of ten."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else MISSING
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return fixed(value, places)


def fixed(value: float, places: int) -> str:
    """Write a number with so many decimals; a dash for NaN."""
    return MISSING if math.isnan(value) else f"{value:.{places}f}".replace("-", MINUS)


def ranges(of: Mapping[str, tuple[float, float]]) -> str:
    """Write ranges: ``frequency 0-20, orbits 8, position -1 to 1`` (with typographic dashes)."""
    return ", ".join(f"{name} {span(*ends)}" for name, ends in of.items())


def span(low: float, high: float) -> str:
    """Write the two ends of a range: ``0-20``, ``8``, ``-1 to 1`` (with typographic dashes)."""
    if low == high:
        return _end(low)
    return f"{_end(low)}{' to ' if low < 0 else EN_DASH}{_end(high)}"


def _end(value: float) -> str:
    return f"{value:.4g}".replace("-", MINUS) if abs(value) < 1e4 else f"{value:.0f}"


def duration(seconds: float) -> str:
    """Write a duration in few characters: ``42 s``, ``7 min``, ``3 h 05``, ``2 d 4 h``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d}"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def percent(value: float, places: int = 1) -> str:
    """Write a share of 1 in percent, without the sign."""
    return f"{100 * value:.{places}f}"


def mean_std(mean: float, std: float | None, places: int = 1) -> str:
    """Write a mean and its standard deviation, both shares of 1, in percent."""
    if std is None:
        return percent(mean, places)
    return f"{percent(mean, places)} ± {percent(std, places)}"


def count(number: int, noun: str) -> str:
    """Write a number of things: ``1 trial``, ``3 trials``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(parts: Sequence[str], most: int = 6) -> str:
    """Join at least one part: ``a, b and c``; of more than ``most`` parts the first are named."""
    if len(parts) > most:
        parts = [*parts[:most], f"{len(parts) - most} more"]
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def plain(value: Any) -> str:
    """Write a value of a protocol without a programmer's syntax: ``none``, ``yes``, ``2, 3``."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(f"{key} {plain(entry)}" for key, entry in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
