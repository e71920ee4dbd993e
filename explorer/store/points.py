"""The points of a study's search space: ranges as Optuna parameters.

A varied parameter ``p`` is two of Optuna's: ``p.low``, its low end, and ``p.share`` in [0, 1], how
much of the room above the low end the range takes. All of this box are valid ranges, so that every
sampler may propose any of it.
"""

from collections.abc import Mapping
from math import floor

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from explorer.study import Range, Study


def is_point(study: Study, arm: str) -> bool:
    """Say whether an arm is a point of the study's own search space, and so an Optuna trial.

    Not: from scratch, real images, another formula's space, another protocol.
    """
    foreign = arm in study.arm_spaces or arm in study.arm_protocols
    pretrained = arm not in study.arms or study.arms[arm] is not None
    return pretrained and not foreign and study.draws(arm)


def distributions(study: Study) -> dict[str, BaseDistribution]:
    """Return the distributions of all varied parameters, in a fixed order."""
    space: dict[str, BaseDistribution] = {}
    for parameter in study.varied:
        least, greatest = study.space.parameters[parameter].low
        space[f"{parameter}.low"] = (
            IntDistribution(int(least), int(greatest))
            if study.space.integer(parameter)
            else FloatDistribution(least, greatest)
        )
        space[f"{parameter}.share"] = FloatDistribution(0.0, 1.0)
    return space


def to_params(study: Study, ranges: Mapping[str, Range]) -> dict[str, float]:
    """Return ranges as Optuna parameters; a varied parameter not among them has its default."""
    full = study.space.complete(ranges)
    params: dict[str, float] = {}
    for parameter in study.varied:
        low, high = full[parameter]
        least, room = _room(study, parameter, low)
        if study.space.integer(parameter):
            params[f"{parameter}.low"] = int(low)
            params[f"{parameter}.share"] = (high - least + 0.5) / (room + 1)
        else:
            params[f"{parameter}.low"] = float(low)
            params[f"{parameter}.share"] = (high - least) / room if room else 0.5
    return params


def to_ranges(study: Study, params: Mapping[str, float]) -> dict[str, Range]:
    """Return the range of every parameter of the search space at a point of it."""
    varied: dict[str, Range] = {}
    for parameter in study.varied:
        low, share = params[f"{parameter}.low"], params[f"{parameter}.share"]
        least, room = _room(study, parameter, low)
        if study.space.integer(parameter):
            varied[parameter] = (low, int(least + min(floor(share * (room + 1)), room)))
        else:
            varied[parameter] = (low, least + min(share * room, room))
    return study.space.complete(varied)


def attributes(study: Study, arm: str, ranges: Mapping[str, Range]) -> dict[str, object]:
    """Return the user attributes of the Optuna trial of an arm that begins."""
    return {
        "arm": arm,
        "formula": study.space.formula,
        "ranges": {parameter: list(ends) for parameter, ends in ranges.items()},
        **{f"{parameter}.high": ranges[parameter][1] for parameter in study.varied},
    }


def _room(study: Study, parameter: str, low: float) -> Range:
    """Return the least value that the high end may take above a low end, and the room above it."""
    least, greatest = study.space.parameters[parameter].high
    least = max(low, least)
    return least, greatest - least
