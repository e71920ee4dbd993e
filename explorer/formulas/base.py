"""What every image family offers: named parameter ranges, category draws, pixels."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from explorer.errors import nearest
from explorer.formulas import streams

Ranges = Mapping[str, tuple[float, float]]
"""Parameter or group name -> (low, high), both ends inclusive."""

MAX_CANVAS = 4096
"""Largest side of a canvas in pixels."""

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[Any]


class RangeError(ValueError):
    """A range that a formula cannot draw from, said in one line.

    Args:
        parameter: The offending name as it was given.
        value: The offending range or end.
        remedy: What would be right.
    """

    def __init__(self, parameter: str, value: object, remedy: str) -> None:
        self.parameter = parameter
        self.value = value
        self.remedy = remedy
        shown = "" if value is None else f"{value}: "
        super().__init__(f"{parameter}: {shown}{remedy}")

    def __reduce__(self) -> tuple[type["RangeError"], tuple[str, object, str]]:
        return type(self), (self.parameter, self.value, self.remedy)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a formula, drawn uniformly between the two ends of its range.

    Args:
        name: Public, stable name.
        kind: ``int`` (uniform integers, both ends drawn) or ``float``.
        low: Smallest legal value of either end.
        high: Largest legal value of either end.
        default: The best-practice range.
        unit: Unit of the value, for people.
        description: What it does to the image, for people.
        symbol: The symbol in the paper.
    """

    name: str
    kind: type[int] | type[float]
    low: float
    high: float
    default: tuple[float, float]
    unit: str
    description: str
    symbol: str

    def check(self, name: str, ends: object) -> tuple[float, float]:
        """Return the two ends as numbers of this parameter's kind.

        Args:
            name: The name to blame (the parameter's own or that of its group).
            ends: The range as given.

        Raises:
            RangeError: If ``ends`` is not a legal range of this parameter.
        """
        if isinstance(ends, str) or not isinstance(ends, Sequence) or len(ends) != 2:
            raise RangeError(name, ends, "give two numbers, low and high")
        for end in ends:
            if isinstance(end, bool) or not isinstance(end, int | float | np.integer | np.floating):
                raise RangeError(name, end, "give a number")
            if not self.low <= end <= self.high:
                raise RangeError(name, end, f"must be in {self.low}..{self.high} ({self.unit})")
            if self.kind is int and end != int(end):
                raise RangeError(name, end, "must be an integer")
        low, high = (self.kind(end) for end in ends)
        if low > high:
            raise RangeError(name, f"{low}..{high}", "low is above high; swap the two")
        return low, high


class Formula(ABC):
    """An image family. One subclass per file; instances are registered by name.

    A *category* owns one draw of the parameters from their ranges, an *instance* is one image of
    it. The pixels of an image depend on (formula, ranges, seed, category, instance, canvas) and on
    nothing else: not on the order, the worker, the machine or which other images are drawn.

    Attributes:
        name: Public, stable name, which all random numbers are derived from.
        title: Its name for people.
        source: Where it was published.
        version: Raised whenever the pixels of any image change. Results are remembered by it.
        parameters: What has a range.
        groups: Name -> parameters that it sets together.
        log_from: Parameters that span decades -> where the logarithmic scale begins on which a
            sampler moves the ends of their ranges. Below, and without it, the scale is even.
        draws: What a category draws: parameters by name, or (field of the row, parameter). Numbers
            are addressed by their place here: append only.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    version: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]]
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    log_from: ClassVar[Mapping[str, float]] = {}
    draws: ClassVar[streams.Draws] = ()

    def resolve(self, ranges: Ranges | None = None) -> dict[str, tuple[float, float]]:
        """Complete some ranges to all of them.

        Args:
            ranges: Parameter or group name -> (low, high). Setting a group sets its members; what
                is not named keeps its default.

        Returns:
            Parameter name -> (low, high) for every parameter, in the order of ``parameters``.

        Raises:
            RangeError: For a name that is no parameter or group, low above high, an end outside
                the legal limits or not of the parameter's kind, or a group given with its member.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        full = {p.name: p.check(p.name, p.default) for p in self.parameters}
        setter: dict[str, str] = {}
        for given, ends in (ranges or {}).items():
            for member in self.groups.get(given, (given,)):
                if member not in known:
                    hint = nearest(given, [*known, *self.groups])
                    raise RangeError(given, None, f"unknown parameter of {self.name}; {hint}")
                if member in setter:
                    first, last = sorted((given, setter[member]), key=lambda n: n in self.groups)
                    raise RangeError(first, None, f"is already set by its group '{last}'; drop one")
                setter[member] = given
                full[member] = known[member].check(given, ends)
        return full

    def categories(
        self, ranges: Ranges | None, *, seed: int, categories: Sequence[int] | range
    ) -> Rows:
        """Draw the parameters of some categories.

        Args:
            ranges: As for :meth:`resolve`.
            seed: Any non-negative integer below 2**63.
            categories: Category numbers; a category's row depends on its own number only.

        Returns:
            Structured array ``[len(categories)]``, one field per drawn parameter.
        """
        return self.rows(self.resolve(ranges), seed, categories)

    def rows(self, full: Ranges, seed: int, categories: Sequence[int] | range) -> Rows:
        """Draw :attr:`draws` for some categories; a family may add fields of its own."""
        return streams.rows(streams.keys(self.name, seed, categories), self.draws, full)

    def render(
        self,
        ranges: Ranges | None,
        *,
        seed: int,
        category: int,
        instances: Sequence[int] | range,
        canvas: int,
    ) -> Images:
        """Draw some instances of one category in grey.

        Args:
            ranges: As for :meth:`resolve`.
            seed: Any non-negative integer below 2**63.
            category: Category number.
            instances: Instance numbers, in any order.
            canvas: Side of the square image in pixels.

        Returns:
            uint8 ``[len(instances), canvas, canvas]``.

        Raises:
            RangeError: If a range is not legal, the canvas is too small or too large, or an
                instance is negative.
        """
        full = self.resolve(ranges)
        if not 1 <= canvas <= MAX_CANVAS:
            raise RangeError("canvas", canvas, f"must be in 1..{MAX_CANVAS} (px)")
        if len(instances) and min(instances) < 0:
            raise RangeError("instances", min(instances), "must not be negative")
        images = np.empty((len(instances), canvas, canvas), np.uint8)
        key = streams.keys(self.name, seed, [category])
        row = self.rows(full, seed, [category])[0]
        self.draw_into(images, full, row=row, keys=streams.instance_keys(key, instances))
        return images

    @abstractmethod
    def draw_into(self, images: Images, full: Ranges, *, row: np.void, keys: streams.Words) -> None:
        """Draw some instances of one category: what a family has to provide.

        Args:
            images: Where to draw, uint8 ``[n, canvas, canvas]``, C-contiguous; its old content is
                to be overwritten.
            full: Range of every parameter, as :meth:`resolve` returns it.
            row: What the category has drawn, an entry of :meth:`categories`.
            keys: uint64 ``[n]``, the random keys of the instances.
        """
