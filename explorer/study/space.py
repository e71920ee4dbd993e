"""Search spaces: the parameters of a formula, and how far studies may move their ranges."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from explorer import files, formulas
from explorer.errors import InputError, Mistakes, nearest, refuse
from explorer.study.reading import File, Range, plain, validate


class Bounds(File):
    """How far a study may move the two ends of one parameter's range, and where they stand."""

    low: Range = Field(description="least and greatest value of the low end")
    high: Range = Field(description="least and greatest value of the high end")
    default: Range = Field(description="the range where a study does not vary it")
    log_from: float | None = Field(
        default=None, description="where a sampler's logarithmic scale begins; null: an even one"
    )

    @property
    def shift(self) -> float | None:
        """What a sampler adds to a value before it takes the logarithm; ``None``: it takes none.

        Nothing where no end is below :attr:`log_from`: then the scale is logarithmic throughout.
        """
        if self.log_from is None or self.low[0] < 0:
            return None
        return 0.0 if self.low[0] >= self.log_from else self.log_from

    def within(self, low: float, high: float) -> Self:
        """Return narrower bounds: neither end lies outside of two values.

        Raises:
            ValueError: If nothing is left.
        """
        ends = [(max(a, low), min(b, high)) for a, b in (self.low, self.high)]
        if low > high or any(a > b for a, b in ends):
            least, greatest = self.low[0], self.high[1]
            raise ValueError(f"must be two values inside of {plain((least, greatest))}")
        return self.model_copy(update={"low": ends[0], "high": ends[1]})

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
                bounds = f"{plain((least, greatest))}, the bounds of the search space"
                return f"its {name} end must lie in {bounds}"
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

    def unknown(self, parameter: str, source: str | Path, key: str) -> InputError:
        """Return the mistake of naming a parameter that the space does not have."""
        remedy = f"no parameter of the search space of {self.formula}"
        value = None if key.endswith(parameter) else parameter
        return InputError(source, key, value, f"{remedy}; {nearest(parameter, self.parameters)}")

    def check(self, ranges: Mapping[str, Range], source: str | Path, key: str) -> None:
        """Refuse ranges that are not of this space, or that its formula cannot draw from.

        Args:
            ranges: Parameter -> range.
            source: What says so, for the error lines.
            key: The entry under which they stand, likewise.

        Raises:
            InputError: What is wrong: all of it, a line each.
        """
        mistakes = Mistakes()
        for parameter, value in ranges.items():
            place = f"{key}.{parameter}"
            if parameter not in self.parameters:
                mistakes.append(self.unknown(parameter, source, place))
            elif problem := self.parameters[parameter].problem(value):
                mistakes.append(InputError(source, place, plain(value), problem))
        refuse(mistakes)
        check_ranges(formulas.get(self.formula), self.complete(ranges), source, f"{key}.*")


class _Narrowed(File):
    """What a file says of one parameter: each entry replaces what its formula says."""

    low: Range | None = None
    high: Range | None = None
    default: Range | None = None


class _SpaceFile(File):
    """A search space as its file says it: what differs from its formula."""

    description: str = ""
    formula: str
    parameters: dict[str, _Narrowed | None] = Field(default_factory=dict)


def load_search_space(
    name: str, *, source: str | Path = "search space", key: str = "search_space"
) -> SearchSpace:
    """Read a search space by name or file, or take that of a formula as it is.

    What a file does not say is what the formula says: both ends of a range move within its limits,
    and its default ranges hold.

    Args:
        name: Its name or its file, or the name of a formula.
        source: What names it, for the error line.
        key: The entry that names it, likewise.

    Raises:
        InputError: If it is missing or wrong: unknown formula, a parameter that the formula
            does not have, bounds outside the formula's limits.
    """
    path, file = Path(name), None
    if name not in formulas.names() or name in dict(files.available("search_spaces")):
        path = files.find("search_spaces", name, source=source, key=key, others=formulas.names())
        file = validate(_SpaceFile, files.read(path), path)
        name, source, key = file.formula, path, "formula"
    formula = find_formula(name, source, key)
    known = [*(parameter.name for parameter in formula.parameters), *formula.groups]
    mistakes = Mistakes()
    named: dict[str, _Narrowed] = {}
    for parameter, entry in (file.parameters if file else {}).items():
        named[parameter] = entry or _Narrowed()
        if parameter not in known:
            remedy = f"unknown parameter of {formula.name}; {nearest(parameter, known)}"
            mistakes.append(InputError(path, f"parameters.{parameter}", None, remedy))
            continue
        for end in named[parameter].model_fields_set:
            with mistakes:
                ends = {parameter: getattr(entry, end)}
                check_ranges(formula, ends, path, f"parameters.*.{end}")
    refuse(mistakes)
    space = SearchSpace(
        description=(file and file.description) or formula.title,
        formula=name,
        parameters=_bounds(formula, named, path),
    )
    check_ranges(formula, space.complete({}), path, "parameters.*.default")
    return space


def _bounds(
    formula: formulas.Formula, named: Mapping[str, _Narrowed], path: Path
) -> dict[str, Bounds]:
    """Return the bounds of all parameters of a formula, those of a group as one.

    A group whose members a file names, or whose members differ in their defaults, is taken apart.
    """
    parameters = {parameter.name: parameter for parameter in formula.parameters}
    whole = {
        member: group
        for group, members in formula.groups.items()
        if group in named
        or not (set(members) & set(named) or len({parameters[m].default for m in members}) > 1)
        for member in members
    }
    bounds: dict[str, Bounds] = {}
    mistakes = Mistakes()
    for name in dict.fromkeys(whole.get(parameter, parameter) for parameter in parameters):
        members = [parameters[member] for member in formula.groups.get(name, (name,))]
        least, greatest = max(m.low for m in members), min(m.high for m in members)
        entry = named.get(name, _Narrowed())
        content = {
            # A bound of one end holds for what lies beyond it of the other.
            "low": entry.low or (least, min(greatest, entry.high[1]) if entry.high else greatest),
            "high": entry.high or (max(least, entry.low[0]) if entry.low else least, greatest),
            "default": entry.default or members[0].default,
            "log_from": formula.log_from.get(members[0].name),
        }
        with mistakes:
            bounds[name] = validate(Bounds, content, path, f"parameters.{name}")
    refuse(mistakes)
    return bounds


def find_formula(
    name: str, source: str | Path = "formula", key: str | None = None
) -> formulas.Formula:
    """Return the formula of a name, or say at the place that names it why there is none."""
    try:
        return formulas.get(name)
    except (formulas.UnknownFormula, formulas.BrokenFormula) as error:
        raise InputError(source, key, name, error.remedy) from error


def check_ranges(
    formula: formulas.Formula, ranges: Mapping[str, Range], source: str | Path, place: str
) -> None:
    """Refuse ranges that a formula cannot draw from.

    Args:
        formula: The formula.
        ranges: Parameter -> range.
        source: What says so, for the error line.
        place: The key of a range there, with ``*`` for the parameter.

    Raises:
        InputError: If there is one.
    """
    try:
        formula.resolve(ranges)
    except formulas.RangeError as error:
        value = ranges.get(error.parameter)
        shown = error.value if value is None else plain(value)
        raise InputError(
            source, place.replace("*", error.parameter), shown, error.remedy
        ) from error
