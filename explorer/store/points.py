"""The points of a study's search space: ranges as Optuna parameters.

A varied parameter ``p`` is two of Optuna's: ``p.low``, its low end, and ``p.share`` in [0, 1], how
much of the room above the low end the range takes. All of this box are valid ranges, so that every
sampler may propose any of it.

A parameter that spans decades is moved on a logarithmic scale, its share too. Where its low end may
be 0, the logarithm is taken of the end plus the value at which the scale begins, and Optuna's
parameter is that sum and is called so: ``frequency.low+1`` is 21 where the low end is 20.
"""

from collections.abc import Mapping
from math import exp, floor, log

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from explorer.study import Range, Study
from explorer.study.space import Bounds


def is_point(study: Study, arm: str) -> bool:
    """Say whether an arm is a point of the study's own search space, and so an Optuna trial.

    Not: from scratch, real images, another formula's space, another protocol, ranges that reach
    beyond those in which the study varies.
    """
    if arm in study.arm_spaces or arm in study.arm_protocols or not study.draws(arm):
        return False
    ranges = study.arms.get(arm, {})
    return ranges is not None and (arm not in study.arms or _is_inside(study, ranges))


def starts_at_defaults(study: Study) -> bool:
    """Say whether the first sample has the default ranges; not where an arm has them already."""
    defaults = study.space.complete({})
    named = (study.space.complete(study.arms[a] or {}) for a in study.arms if is_point(study, a))
    return _is_inside(study, {}) and defaults not in named


def _is_inside(study: Study, ranges: Mapping[str, Range]) -> bool:
    full = study.space.complete(ranges)
    return all(
        study.bounds(parameter).problem(full[parameter]) is None for parameter in study.varied
    )


def distributions(study: Study) -> dict[str, BaseDistribution]:
    """Return the distributions of all varied parameters, in a fixed order."""
    space: dict[str, BaseDistribution] = {}
    for parameter in study.varied:
        bounds = study.bounds(parameter)
        least, greatest = (end + (bounds.shift or 0) for end in bounds.low)
        scale = bounds.shift is not None
        space[_low(parameter, bounds)] = (
            IntDistribution(int(least), int(greatest), log=scale)
            if study.space.integer(parameter)
            else FloatDistribution(least, greatest, log=scale)
        )
        space[f"{parameter}.share"] = FloatDistribution(0.0, 1.0)
    return space


def to_params(study: Study, ranges: Mapping[str, Range]) -> dict[str, float]:
    """Return ranges as Optuna parameters; a varied parameter not among them has its default."""
    full = study.space.complete(ranges)
    params: dict[str, float] = {}
    for parameter in study.varied:
        low, high = full[parameter]
        bounds, whole = study.bounds(parameter), study.space.integer(parameter)
        first, last = _room(bounds, low, whole=whole)
        place = _scaled(bounds, high + 0.5 * whole)
        sum_ = low + (bounds.shift or 0)
        params[_low(parameter, bounds)] = int(sum_) if whole else float(sum_)
        params[f"{parameter}.share"] = (place - first) / (last - first) if last > first else 0.5
    return params


def to_ranges(study: Study, params: Mapping[str, float]) -> dict[str, Range]:
    """Return the range of every parameter of the search space at a point of it."""
    varied: dict[str, Range] = {}
    for parameter in study.varied:
        bounds, whole = study.bounds(parameter), study.space.integer(parameter)
        low = _inside(params[_low(parameter, bounds)] - (bounds.shift or 0), *bounds.low)
        first, last = _room(bounds, low, whole=whole)
        place = first + params[f"{parameter}.share"] * (last - first)
        high = place if bounds.shift is None else exp(place) - bounds.shift
        high = _inside(floor(high) if whole else high, max(low, bounds.high[0]), bounds.high[1])
        varied[parameter] = (int(low), int(high)) if whole else (low, high)
    return study.space.complete(varied)


def attributes(study: Study, arm: str, ranges: Mapping[str, Range]) -> dict[str, object]:
    """Return the user attributes of the Optuna trial of an arm that begins."""
    return {
        "arm": arm,
        "formula": study.space.formula,
        "ranges": {parameter: list(ends) for parameter, ends in ranges.items()},
        **{f"{parameter}.high": ranges[parameter][1] for parameter in study.varied},
    }


def _low(parameter: str, bounds: Bounds) -> str:
    """Return the name of the Optuna parameter of a low end."""
    return f"{parameter}.low+{bounds.shift:g}" if bounds.shift else f"{parameter}.low"


def _room(bounds: Bounds, low: float, *, whole: bool) -> Range:
    """Return where the high end may lie above a low end, on its scale; a whole number is 1 wide."""
    least, greatest = bounds.high
    return _scaled(bounds, max(low, least)), _scaled(bounds, greatest + whole)


def _scaled(bounds: Bounds, value: float) -> float:
    return value if bounds.shift is None else log(value + bounds.shift)


def _inside(value: float, least: float, greatest: float) -> float:
    """Return a value between two; a logarithm and back is not quite the same."""
    return min(max(value, least), greatest)
