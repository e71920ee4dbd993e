"""A study's varied ranges as Optuna parameters: ``<parameter>.low`` and ``<parameter>.high``."""

from collections.abc import Iterable, Mapping

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from explorer.study import Range, Study

ENDS = ("low", "high")


def distributions(study: Study) -> dict[str, BaseDistribution]:
    """Return the distribution of both ends of every varied parameter, in a fixed order."""
    found: dict[str, BaseDistribution] = {}
    for parameter in study.varied:
        bounds = study.space.parameters[parameter]
        whole = study.space.integer(parameter)
        for end, (least, greatest) in zip(ENDS, (bounds.low, bounds.high), strict=True):
            found[f"{parameter}.{end}"] = (
                IntDistribution(int(least), int(greatest))
                if whole
                else FloatDistribution(least, greatest)
            )
    return found


def to_params(study: Study, ranges: Mapping[str, Range]) -> dict[str, float]:
    """Return ranges as Optuna parameters; a varied parameter not among them has its default."""
    full = study.space.complete(ranges)
    params: dict[str, float] = {}
    for parameter in study.varied:
        whole = study.space.integer(parameter)
        for end, value in zip(ENDS, full[parameter], strict=True):
            params[f"{parameter}.{end}"] = int(value) if whole else float(value)
    return params


def to_ranges(study: Study, params: Mapping[str, float]) -> dict[str, Range]:
    """Return the range of every parameter of the search space under an Optuna trial's values."""
    varied = {p: (params[f"{p}.low"], params[f"{p}.high"]) for p in study.varied}
    return study.space.complete(varied)


def pairs(space: Iterable[str]) -> list[tuple[str, str]]:
    """Return the names of the low and the high end of every range of which both are in a space."""
    known = list(space)
    lows = (name for name in known if name.endswith(".low"))
    found = ((low, low.removesuffix("low") + "high") for low in lows)
    return [(low, high) for low, high in found if high in known]


def bounds(distribution: BaseDistribution) -> tuple[float, float]:
    """Return the least and the greatest value of an end of a range."""
    if isinstance(distribution, IntDistribution | FloatDistribution):
        return distribution.low, distribution.high
    raise TypeError(f"no range of numbers: {distribution}")
