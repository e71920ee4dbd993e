"""Image families (formulas), by name."""

from explorer.errors import nearest
from explorer.formulas.base import MAX_CANVAS, Formula, Parameter, RangeError, Ranges
from explorer.formulas.exfractal import ExFractal
from explorer.formulas.fractal import ContractiveFractal, Fractal
from explorer.formulas.perlin import Perlin
from explorer.formulas.rcdb import RadialContours
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

_FORMULAS: tuple[Formula, ...] = (
    VisualAtom(),
    RadialContours(),
    Perlin(),
    Fractal(),
    ContractiveFractal(),
    ExFractal(),
)
_REGISTRY = {formula.name: formula for formula in _FORMULAS}


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
