"""The authors' images, pixel for pixel, in the authors' order.

The numbers come from one sequential generator, CPython's ``random`` seeded with ``thread_num + 1``;
so an image can only be had by drawing all before it. It is kept to prove that our pixels are the
authors', and to make their datasets again; studies use the counter stream.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from explorer.errors import nearest
from explorer.formulas import MAX_CANVAS, RangeError
from explorer.formulas.base import Images


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of an authors' program.

    Args:
        name: The authors' name.
        default: The recommended value; its type is the argument's.
        least: Least value that their program can run with, or None for any.
        meaning: What it is, for people.
        most: Greatest value that we draw, or None for any.
    """

    name: str
    default: float
    least: float | None
    meaning: str
    most: float | None = None


_BOTH = (
    Argument("numof_classes", 1000, 0, "categories of all processes together"),
    Argument("numof_instances", 1000, 0, "images per category"),
    Argument("image_size", 512, 1, "side of an image in pixels", MAX_CANVAS),
    Argument("numof_thread", 1, 1, "number of processes"),
    Argument("thread_num", 0, 0, "the process to draw; its generator's seed is one more"),
    Argument("perlin_min", 0.0, None, "least noise level; the greatest is 4 more"),
    Argument("line_width", 0.1, None, "greatest line width"),
    Argument("oval_rate", 2.0, None, "greatest stretch of the nucleus"),
)

ARGUMENTS: Mapping[str, tuple[Argument, ...]] = {
    "visual_atom": (
        *_BOTH,
        Argument("start_class", 0, 0, "number of the first category of process 0"),
        Argument("vertex_num_min", 200, 1, "least number of vertices"),
        Argument("vertex_num_max", 1000, None, "greatest number of vertices"),
        Argument("line_num_min", 1, 0, "least number of orbits"),
        Argument("line_num_max", 200, None, "greatest number of orbits"),
        Argument("radius_min", 10, None, "least radius; the greatest is 50 more"),
        Argument("start_pos", 512, 0, "greatest distance from the middle, in half pixels"),
        Argument("nami_1_min", 0, None, "least first frequency"),
        Argument("nami_1_max", 20, None, "greatest first frequency"),
        Argument("nami_2_min", 0, None, "least second frequency"),
        Argument("nami_2_max", 20, None, "greatest second frequency"),
    ),
    "rcdb": (
        *_BOTH,
        Argument("vertex_num", 200, 3, "greatest number of vertices"),
        Argument("line_num_min", 1, 0, "least number of orbits; the greatest is 199 more"),
        Argument("radius_min", 0, None, "least radius; the greatest is 100 more"),
        Argument("start_pos", 400, 0, "greatest distance from the middle, in half pixels"),
    ),
}
"""Formula -> the arguments of its authors' program (``render_VisualAtom.py``, ``make_rcdb.py``)."""


_DRAWN = (
    *("Vertex", "Perlin_noise", "line_width", "Center_rad", "Line_num", "Oval_rate_x"),
    *("Oval_rate_y", "start_pos_h", "start_pos_w", "nami_1", "nami_2"),
)
"""What a category has drawn, as the authors call it in their files for RCDB; the last two are
VisualAtom's."""


def arguments(formula: str) -> dict[str, float]:
    """Return the authors' argument names of a formula with their defaults.

    Raises:
        RangeError: If there is no authors' stream of the formula.
    """
    if formula not in ARGUMENTS:
        hint = nearest(formula, ARGUMENTS)
        raise RangeError(formula, None, f"has no official stream; {hint}")
    return {argument.name: argument.default for argument in ARGUMENTS[formula]}


def render(
    formula: str,
    given: Mapping[str, float],
    tell: Callable[[int, Mapping[str, float]], object] = lambda *_: None,
) -> Iterator[tuple[str, Images]]:
    """Draw a formula as its authors' program does.

    Args:
        formula: Name of a formula in :data:`ARGUMENTS`.
        given: Some of the authors' arguments; the rest keeps its default. VisualAtom-1k is made of
            ``numof_thread=20`` processes, ``thread_num`` 0 to 19.
        tell: Called with the number of a category and what it has drawn, before it is drawn; the
            names are those of the authors' files for RCDB.

    Returns:
        An iterator of the authors' file name (``00000/vertex_0337_instance_0000.png`` for
        VisualAtom, ``image/00000/00000_0000.png`` for RCDB) and the image, uint8
        ``[image_size, image_size]``, category by category.

    Raises:
        RangeError: For a formula without an authors' stream, an unknown argument, or a value that
            the authors' program could not run with or would not end. Raised before anything is
            drawn.
    """
    return _images(_checked(formula, given), tell, atom=formula == "visual_atom")


def _images(
    a: SimpleNamespace, tell: Callable[[int, Mapping[str, float]], object], *, atom: bool
) -> Iterator[tuple[str, Images]]:
    """Draw the process ``thread_num`` of VisualAtom, or of radial contours."""
    from explorer.authors import kernels
    from explorer.formulas import raster

    rng = random.Random(a.thread_num + 1)
    canvas, work = raster.canvas_array(a.image_size), raster.work_array()
    inside = slice(raster.GUARD, raster.GUARD + a.image_size)
    radius_max = a.radius_min + (50 if atom else 100)
    background, grey_max = (0, 255) if atom else (255, a.image_size // 2)

    def place() -> Any:
        return (a.image_size + rng.randint(-a.start_pos, a.start_pos)) / 2

    share = int(a.numof_classes / a.numof_thread)
    first = a.thread_num * share + (a.start_class if atom else 0)
    for category in range(first, first + share):
        q = rng.randint(a.vertex_num_min, a.vertex_num_max) if atom else _vertices(rng, a)
        orbits = rng.randint(a.line_num_min, a.line_num_max if atom else a.line_num_min + 199)
        level = rng.uniform(a.perlin_min, a.perlin_min + 4)
        width = rng.uniform(0.0, a.line_width)
        radius = rng.randint(a.radius_min, radius_max)
        frequencies = _frequencies(rng, a) if atom else ()
        oval_x = rng.uniform(1, a.oval_rate)
        oval_y = rng.uniform(1, a.oval_rate)
        y, x = place(), place()
        drawn = (q, level, width, radius, orbits, oval_x, oval_y, y, x, *frequencies)
        tell(category, dict(zip(_DRAWN, drawn, strict=False)))
        angle, cosine, sine = _turn(q)
        waves = [[0.5 * math.sin(angle * i * n) for i in range(q)] for n in frequencies or (0, 0)]
        for instance in range(a.numof_instances):
            state = np.array(rng.getstate()[1], np.uint32)
            # VisualAtom moves its vertices to the centre, radial contours only what is drawn.
            kernels.grow(
                canvas,
                work,
                state,
                cosine * radius * oval_x + (x if atom else 0.0),
                sine * radius * oval_y + (y if atom else 0.0),
                cosine,
                sine,
                np.array(waves),
                orbits,
                float(level),
                1.0 if atom else 2.0,
                float(width),
                0.0 if atom else x,
                0.0 if atom else y,
                np.uint8(background),
                grey_max,
            )
            rng.setstate((3, tuple(state.tolist()), None))
            name = f"image/{category:05d}/{category:05d}_{instance:04d}.png"
            if atom:
                name = f"{category:05d}/vertex_{q:04d}_instance_{instance:04d}.png"
            yield name, canvas[inside, inside].copy()
            if not atom:
                oval_x = rng.uniform(1, a.oval_rate)
                oval_y = rng.uniform(1, a.oval_rate)
                radius = rng.randint(a.radius_min, radius_max)
            y, x = place(), place()


def _vertices(rng: random.Random, a: SimpleNamespace) -> int:
    q = 0
    while not 2 < q <= a.vertex_num:
        q = int(rng.expovariate(1 / 100))
    return q


def _frequencies(rng: random.Random, a: SimpleNamespace) -> tuple[int, ...]:
    n1 = rng.randint(a.nami_1_min, a.nami_1_max)
    n2 = rng.randint(a.nami_2_min, a.nami_2_max)
    while n2 == n1 != 0:
        n2 = rng.randint(a.nami_2_min, a.nami_2_max)
    return n1, n2


def _turn(count: int) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Angle of a part of the turn, cosines and sines of its multiples.

    Python's own: another library's may differ in the last digit.
    """
    angle = math.pi * 2 / count
    cosine = np.array([math.cos(angle * i) for i in range(count)])
    sine = np.array([math.sin(angle * i) for i in range(count)])
    return angle, cosine, sine


def _checked(formula: str, given: Mapping[str, float]) -> SimpleNamespace:
    """Return all arguments, each of its type and in its bounds."""
    a = arguments(formula)
    for name, value in given.items():
        if name not in a:
            raise RangeError(name, None, f"unknown argument; {nearest(name, a)}")
        if isinstance(a[name], int) and value != int(value):
            raise RangeError(name, value, "must be an integer")
        a[name] = type(a[name])(value)
    for argument in ARGUMENTS[formula]:
        _check_bounds(argument, a)
    if formula == "rcdb":
        if a["image_size"] % 2:
            remedy = "must be even, as half of it is a grey level"
            raise RangeError("image_size", a["image_size"], remedy)
        return SimpleNamespace(**a)
    only = a["nami_2_min"]
    if only == a["nami_2_max"] != 0 and a["nami_1_min"] <= only <= a["nami_1_max"]:
        remedy = "the second frequency could never differ from the first; widen nami_2_min"
        raise RangeError("nami_2_max", only, f"{remedy}..nami_2_max")
    return SimpleNamespace(**a)


def _check_bounds(argument: Argument, a: Mapping[str, float]) -> None:
    name, value, low = argument.name, a[argument.name], argument.name.replace("_max", "_min")
    if argument.least is not None and value < argument.least:
        raise RangeError(name, value, f"must be at least {argument.least}")
    if argument.most is not None and value > argument.most:
        raise RangeError(name, value, f"must be at most {argument.most}")
    if value < a.get(low, value):
        raise RangeError(name, value, f"is below {low} ({a[low]}); raise it")
