"""Image families of other packages: the entry points of the group ``explorer.formulas``.

A distribution offers a family by name, as a subclass of :class:`Formula` or an instance of one::

    [project.entry-points."explorer.formulas"]
    lissajous = "explorer_lissajous:Lissajous"

Nothing of theirs is imported before that family is asked for, and one that is broken is in no
other's way.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from explorer.formulas.base import Formula, RangeError

GROUP = "explorer.formulas"
"""The group of the entry points."""


class BrokenFormula(ValueError):  # noqa: N818  (it reads as what it says)
    """A family of another package that cannot be used, said in one line.

    Args:
        name: Name of the family.
        remedy: The entry point, its distribution, and what is wrong with them.
    """

    def __init__(self, name: str, remedy: str) -> None:
        self.name = name
        self.remedy = " ".join(remedy.split())
        super().__init__(f"formula '{name}': {self.remedy}")

    def __reduce__(self) -> tuple[type["BrokenFormula"], tuple[str, str]]:
        return type(self), (self.name, self.remedy)


@cache
def offered() -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points by name: one each, or more where distributions collide."""
    points: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=GROUP):
        points[point.name] = (*points.get(point.name, ()), point)
    return points


@cache
def load(name: str) -> Formula:
    """Return the family that the entry point of that name offers.

    Raises:
        BrokenFormula: If there are several, it cannot be imported, is no :class:`Formula`, has
            another name, or says less of itself than a family has to.
        KeyError: If there is none.
    """
    points = offered()[name]
    if len(points) > 1:
        raise BrokenFormula(name, f"{named(points)} collide; uninstall all but one")
    try:
        offer = points[0].load()
        formula = offer() if isinstance(offer, type) and issubclass(offer, Formula) else offer
        wrong = _wrong(formula, name)
    except Exception as error:  # whatever their module raises must stay their own problem
        wrong = f"cannot be loaded ({type(error).__name__}: {error})"
        raise BrokenFormula(name, f"{named(points)} {wrong}") from error
    if wrong:
        raise BrokenFormula(name, f"{named(points)} {wrong}")
    return formula  # it is one: see _wrong


def named(points: tuple[EntryPoint, ...]) -> str:
    """Name entry points and their distributions, for the reader of an error."""
    return " and ".join(
        f"entry point '{point.name} = {point.value}' of distribution {distribution(point)}"
        for point in points
    )


def distribution(point: EntryPoint) -> str:
    """Name the distribution of an entry point with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


def _wrong(formula: object, name: str) -> str:
    """Say what is wrong with what an entry point has brought, or nothing."""
    if not isinstance(formula, Formula):
        return f"is no Formula but {formula!r}"
    for attribute in ("name", "title", "source", "parameters"):
        if not getattr(formula, attribute, None):
            return f"lacks the attribute '{attribute}'"
    if formula.name != name:
        return f"brings a formula whose name is '{formula.name}'; the two must be the same"
    try:
        formula.resolve({p.name: p.default for p in formula.parameters})
    except RangeError as error:
        return f"has a wrong default: {error}"
    return ""
