"""Image families (formulas), by name."""

from explorer.errors import nearest
from explorer.formulas.base import MAX_CANVAS, Formula, Parameter, RangeError, Ranges
from explorer.formulas.streams import MAX_SEED
from explorer.formulas.visual_atom import VisualAtom

__all__ = [
    "MAX_CANVAS",
    "MAX_SEED",
    "Formula",
    "Parameter",
    "RangeError",
    "Ranges",
    "UnknownFormula",
    "get",
    "names",
]

_REGISTRY: dict[str, Formula] = {formula.name: formula for formula in (VisualAtom(),)}


class UnknownFormula(ValueError):  # noqa: N818  (it reads as what it says)
    """A name that is no formula; the message names the nearest that is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.remedy = nearest(name, _REGISTRY)
        super().__init__(f"unknown formula '{name}'; {self.remedy}")

    def __reduce__(self) -> tuple[type["UnknownFormula"], tuple[str]]:
        return type(self), (self.name,)


def names() -> tuple[str, ...]:
    """Names of all formulas, sorted."""
    return tuple(sorted(_REGISTRY))


def get(name: str) -> Formula:
    """Return the formula of that name.

    Raises:
        UnknownFormula: If there is none.
    """
    try:
        return _REGISTRY[name]
    except KeyError:
        raise UnknownFormula(name) from None
