"""Search spaces: the parameters of a formula, and how far studies may move their ranges."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from explorer import files, formulas
from explorer.errors import InputError, nearest
from explorer.study.reading import File, Range, parse, plain


class Bounds(File):
    """How far a study may move the two ends of one parameter's range, and where they stand."""

    low: Range = Field(description="least and greatest value of the low end")
    high: Range = Field(description="least and greatest value of the high end")
    default: Range = Field(description="the range where a study does not vary it")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for key in ("low", "high", "default"):
            low, high = getattr(self, key)
            if low > high:
                raise ValueError(f"{key}: {plain((low, high))}: the first must not be above")
        if self.low[0] > self.high[0] or self.low[1] > self.high[1]:
            raise ValueError("the bounds of low must not lie above the bounds of high")
        problem = self.problem(self.default)
        if problem:
            raise ValueError(f"default: {plain(self.default)}: {problem}")
        return self

    def problem(self, value: Range) -> str | None:
        """Say what is wrong with a range under these bounds, or return ``None``."""
        if value[0] > value[1]:
            return f"low is above high; write {plain((value[1], value[0]))}"
        for end, name in enumerate(("low", "high")):
            least, greatest = getattr(self, name)
            if not least <= value[end] <= greatest:
                return (
                    f"its {name} end must lie in {plain((least, greatest))}, "
                    "the bounds of the search space"
                )
        return None


class SearchSpace(File):
    """The parameters of one formula that studies may vary."""

    description: str
    formula: str
    parameters: dict[str, Bounds] = Field(min_length=1)

    def integer(self, parameter: str) -> bool:
        """Say whether a parameter (or group of parameters) takes whole numbers only."""
        formula = formulas.get(self.formula)
        kinds = {p.name: p.kind for p in formula.parameters}
        return all(kinds[m] is int for m in formula.groups.get(parameter, (parameter,)))

    def complete(self, ranges: Mapping[str, Range]) -> dict[str, Range]:
        """Return the range of every parameter of the space, the given ones over the defaults."""
        full = {name: bounds.default for name, bounds in self.parameters.items()}
        return {**full, **ranges}


def load_search_space(
    name: str, *, source: str | Path = "search space", key: str = "search_space"
) -> SearchSpace:
    """Read a search space by name or file.

    Args:
        name: Its name or its file.
        source: What names it, for the error line.
        key: The entry that names it, likewise.

    Raises:
        InputError: If it is missing or wrong: unknown formula, a parameter that the formula
            does not have, bounds outside the formula's limits.
    """
    path = files.find("search_spaces", name, source=source, key=key)
    space = parse(SearchSpace, path)
    formula = find_formula(space.formula, path, "formula")
    for parameter, bounds in space.parameters.items():
        for entry in ("low", "high", "default"):
            check_ranges(formula, {parameter: getattr(bounds, entry)}, path, "parameters", entry)
    check_ranges(formula, space.complete({}), path, "parameters", "default")
    return space


def parse_ranges(formula: str, settings: Sequence[str]) -> dict[str, Range]:
    """Read ranges as the command line says them: ``frequency=0..20``, or ``orbits=1`` for both.

    Args:
        formula: Name of the formula that they are for.
        settings: One ``KEY=LOW..HIGH`` each.

    Raises:
        InputError: If there is no such formula, or it cannot draw from a range.
    """
    family = find_formula(formula)
    ranges = _read_settings(settings)
    _check_settings(family, ranges)
    return ranges


def parse_shared_ranges(names: Sequence[str], settings: Sequence[str]) -> list[dict[str, Range]]:
    """Read ranges that are for several formulas: each holds for those that have the parameter.

    Args:
        names: Names of the formulas.
        settings: One ``KEY=LOW..HIGH`` each.

    Returns:
        The ranges of every formula.

    Raises:
        InputError: If there is no such formula, one cannot draw from a range, or a key is a
            parameter of none.
    """
    if len(names) == 1:
        return [parse_ranges(names[0], settings)]
    families = [find_formula(name) for name in names]
    ranges = _read_settings(settings)
    keys = [{*(p.name for p in family.parameters), *family.groups} for family in families]
    for key in ranges:
        if not any(key in known for known in keys):
            hint = nearest(key, set().union(*keys))
            raise InputError("--set", key, None, f"no parameter of {', '.join(names)}; {hint}")
    shares = [{k: ends for k, ends in ranges.items() if k in known} for known in keys]
    for family, share in zip(families, shares, strict=True):
        _check_settings(family, share, said=f" of {family.name}")
    return shares


def _read_settings(settings: Sequence[str]) -> dict[str, Range]:
    ranges: dict[str, Range] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        low, _, high = value.partition("..")
        try:
            ranges[key] = (float(low), float(high or low))
        except ValueError as error:
            raise InputError("--set", None, setting, "write KEY=LOW..HIGH or KEY=VALUE") from error
    return ranges


def _check_settings(
    formula: formulas.Formula, ranges: Mapping[str, Range], *, said: str = ""
) -> None:
    try:
        formula.resolve(ranges)
    except formulas.RangeError as error:
        shown = plain(ranges[error.parameter]) if error.parameter in ranges else None
        raise InputError("--set", f"{error.parameter}{said}", shown, error.remedy) from error


def find_formula(
    name: str, source: str | Path = "formula", key: str | None = None
) -> formulas.Formula:
    """Return the formula of a name, or say at the place that names it why there is none."""
    try:
        return formulas.get(name)
    except (formulas.UnknownFormula, formulas.BrokenFormula) as error:
        raise InputError(source, key, name, error.remedy) from error


def check_ranges(
    formula: formulas.Formula,
    ranges: Mapping[str, Range],
    path: Path,
    prefix: str,
    suffix: str | None = None,
) -> None:
    """Refuse ranges that a formula cannot draw from, at the place in the file that says them."""
    try:
        formula.resolve(ranges)
    except formulas.RangeError as error:
        parts = [prefix, error.parameter, *([suffix] if suffix else [])]
        value = ranges.get(error.parameter)
        shown = error.value if value is None else plain(value)
        raise InputError(path, ".".join(parts), shown, error.remedy) from error
