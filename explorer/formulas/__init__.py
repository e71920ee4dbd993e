"""Image families (formulas), by name.

Families of this package stand in ``_FORMULAS``, one line each; other packages bring theirs by
entry points (see :mod:`explorer.formulas.plugins` and docs/new_family.md).
"""

from explorer.errors import nearest
from explorer.formulas import plugins
from explorer.formulas.base import MAX_CANVAS, Formula, Parameter, RangeError, Ranges
from explorer.formulas.bezier import Bezier
from explorer.formulas.dead_leaves import DeadLeaves
from explorer.formulas.exfractal import ExFractal
from explorer.formulas.fractal import ContractiveFractal, Fractal
from explorer.formulas.one_p_frac import OnePFrac
from explorer.formulas.perlin import Perlin
from explorer.formulas.plugins import BrokenFormula
from explorer.formulas.rcdb import RadialContours
from explorer.formulas.streams import MAX_SEED
from explorer.formulas.visual_atom import VisualAtom

__all__ = [
    "BUILT_IN",
    "MAX_CANVAS",
    "MAX_SEED",
    "BrokenFormula",
    "Formula",
    "Parameter",
    "RangeError",
    "Ranges",
    "UnknownFormula",
    "collisions",
    "get",
    "names",
    "origin",
]

_FORMULAS: tuple[Formula, ...] = (
    VisualAtom(),
    RadialContours(),
    Bezier(),
    DeadLeaves(),
    Perlin(),
    Fractal(),
    ContractiveFractal(),
    ExFractal(),
    OnePFrac(),
)
_REGISTRY = {formula.name: formula for formula in _FORMULAS}

BUILT_IN = tuple(_REGISTRY)
"""Names of the formulas that come with this package."""


class UnknownFormula(ValueError):  # noqa: N818  (it reads as what it says)
    """A name that is no formula; the message names the nearest that is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.remedy = f"unknown; {nearest(name, names())}"
        super().__init__(f"unknown formula '{name}'; {nearest(name, names())}")

    def __reduce__(self) -> tuple[type["UnknownFormula"], tuple[str]]:
        return type(self), (self.name,)


def names() -> tuple[str, ...]:
    """Names of all formulas, sorted, those of other packages as they offer them."""
    return tuple(sorted({*BUILT_IN, *plugins.offered()}))


def get(name: str) -> Formula:
    """Return the formula of that name.

    A name that this package has means its own formula, whatever else is installed.

    Raises:
        UnknownFormula: If there is none.
        BrokenFormula: If another package offers it and it cannot be used.
    """
    if name in _REGISTRY:
        return _REGISTRY[name]
    if name in plugins.offered():
        return plugins.load(name)
    raise UnknownFormula(name)


def origin(name: str) -> str:
    """Return the distributions that offer the formula of that name; empty for one of our own."""
    if name in _REGISTRY:
        return ""
    return " and ".join(plugins.distribution(point) for point in plugins.offered()[name])


def collisions() -> tuple[BrokenFormula, ...]:
    """Return what other packages offer under a name of our own; it is not used."""
    return tuple(
        BrokenFormula(name, f"{plugins.named(points)} collides with the formula of this package")
        for name, points in sorted(plugins.offered().items())
        if name in _REGISTRY
    )
