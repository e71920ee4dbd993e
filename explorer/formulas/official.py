"""The official stream: the authors' images, pixel for pixel, in the authors' order.

The numbers come from one sequential generator, CPython's ``random`` seeded with ``thread_num + 1``;
so an image can only be had by drawing all before it. It is kept to prove that our pixels are the
authors', and to make their datasets again; studies use the counter stream.
"""

import inspect
import math
import random
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from explorer.errors import nearest
from explorer.formulas.base import MAX_CANVAS, Images, RangeError


def visual_atom(
    *,
    numof_classes: int = 1000,
    numof_instances: int = 1000,
    start_class: int = 0,
    image_size: int = 512,
    numof_thread: int = 1,
    thread_num: int = 0,
    vertex_num_min: int = 200,
    vertex_num_max: int = 1000,
    perlin_min: float = 0,
    line_num_min: int = 1,
    line_num_max: int = 200,
    line_width: float = 0.1,
    radius_min: int = 10,
    oval_rate: float = 2,
    start_pos: int = 512,
    nami_1_min: int = 0,
    nami_1_max: int = 20,
    nami_2_min: int = 0,
    nami_2_max: int = 20,
) -> Iterator[tuple[str, Images]]:
    """Draw VisualAtom as ``render_VisualAtom.py`` of Takashima et al. (CVPR 2023) does.

    The arguments have the authors' names; the defaults are those of VisualAtom-1k, which is made of
    ``numof_thread=20`` processes, ``thread_num`` 0 to 19.

    Args:
        numof_classes: Categories of all processes together.
        numof_instances: Images of every category.
        start_class: Number of the first category of process 0.
        image_size: Side of the image in pixels.
        numof_thread: Number of processes.
        thread_num: Which of them to draw; its generator is seeded with ``thread_num + 1``.
        vertex_num_min: Least number of vertices.
        vertex_num_max: Greatest number of vertices.
        perlin_min: Least noise level; the greatest is 4 more.
        line_num_min: Least number of orbits.
        line_num_max: Greatest number of orbits.
        line_width: Greatest line width.
        radius_min: Least radius; the greatest is 50 more.
        oval_rate: Greatest stretch of the nucleus.
        start_pos: Greatest distance of the centre from the middle, in half pixels.
        nami_1_min: Least first frequency.
        nami_1_max: Greatest first frequency.
        nami_2_min: Least second frequency.
        nami_2_max: Greatest second frequency.

    Yields:
        The authors' file name (``00000/vertex_0337_instance_0000.png``) and the image, uint8
        ``[image_size, image_size]``, category by category.

    Raises:
        RangeError: If the authors' program could not run with these arguments or would not end.
    """
    _ordered("vertex_num_min", vertex_num_min, "vertex_num_max", vertex_num_max, least=1)
    _ordered("line_num_min", line_num_min, "line_num_max", line_num_max, least=0)
    _ordered("nami_1_min", nami_1_min, "nami_1_max", nami_1_max)
    _ordered("nami_2_min", nami_2_min, "nami_2_max", nami_2_max)
    if nami_2_min == nami_2_max != 0 and nami_1_min <= nami_2_min <= nami_1_max:
        raise RangeError(
            "nami_2_max",
            nami_2_max,
            "the second frequency could never differ from the first; widen nami_2_min..nami_2_max",
        )
    _within("start_class", start_class, 0)
    _check_frame(numof_classes, numof_instances, image_size, numof_thread, thread_num, start_pos)

    def images() -> Iterator[tuple[str, Images]]:
        from explorer.formulas import official_kernels, raster

        rng = random.Random(thread_num + 1)
        canvas, work = raster.canvas_array(image_size), raster.work_array()
        inside = slice(raster.GUARD, raster.GUARD + image_size)
        share = int(numof_classes / numof_thread)
        first = thread_num * share + start_class
        for category in range(first, first + share):
            q = rng.randint(vertex_num_min, vertex_num_max)
            orbits = rng.randint(line_num_min, line_num_max)
            level = rng.uniform(perlin_min, perlin_min + 4)
            width = rng.uniform(0.0, line_width)
            radius = rng.randint(radius_min, radius_min + 50)
            n1 = rng.randint(nami_1_min, nami_1_max)
            n2 = rng.randint(nami_2_min, nami_2_max)
            while n2 == n1 != 0:
                n2 = rng.randint(nami_2_min, nami_2_max)
            oval_x = rng.uniform(1, oval_rate)
            oval_y = rng.uniform(1, oval_rate)
            y, x = _position(rng, image_size, start_pos), _position(rng, image_size, start_pos)
            angle, cosine, sine = _turn(q)
            waves = np.array([[0.5 * math.sin(angle * i * n) for i in range(q)] for n in (n1, n2)])
            for instance in range(numof_instances):
                state = np.array(rng.getstate()[1], np.uint32)
                official_kernels.grow(
                    canvas,
                    work,
                    state,
                    cosine * radius * oval_x + x,
                    sine * radius * oval_y + y,
                    cosine,
                    sine,
                    waves,
                    orbits,
                    float(level),
                    1.0,
                    float(width),
                    0.0,
                    0.0,
                    np.uint8(0),
                    255,
                )
                rng.setstate((3, tuple(state.tolist()), None))
                name = f"{category:05d}/vertex_{q:04d}_instance_{instance:04d}.png"
                yield name, canvas[inside, inside].copy()
                y, x = _position(rng, image_size, start_pos), _position(rng, image_size, start_pos)

    return images()


def rcdb(
    *,
    numof_classes: int = 1000,
    numof_instances: int = 1000,
    image_size: int = 512,
    numof_thread: int = 1,
    thread_num: int = 0,
    vertex_num: int = 200,
    perlin_min: float = 0,
    line_num_min: int = 1,
    line_width: float = 0.1,
    radius_min: int = 0,
    oval_rate: float = 2,
    start_pos: int = 400,
) -> Iterator[tuple[str, Images]]:
    """Draw the radial contour database as the renderer of Kataoka et al. (CVPR 2022) does.

    The arguments have the authors' names; the defaults are the recommended ones.

    Args:
        numof_classes: Categories of all processes together.
        numof_instances: Images of every category.
        image_size: Side of the image in pixels, even; the greatest grey is half of it.
        numof_thread: Number of processes.
        thread_num: Which of them to draw; its generator is seeded with ``thread_num + 1``.
        vertex_num: Greatest number of vertices.
        perlin_min: Least noise level; the greatest is 4 more.
        line_num_min: Least number of orbits; the greatest is 199 more.
        line_width: Greatest line width.
        radius_min: Least radius; the greatest is 100 more.
        oval_rate: Greatest stretch of the innermost contour.
        start_pos: Greatest distance of the centre from the middle, in half pixels.

    Yields:
        The authors' file name (``image/00000/00000_0000.png``) and the image, uint8
        ``[image_size, image_size]``, category by category.

    Raises:
        RangeError: If the authors' program could not run with these arguments or would not end.
    """
    _within("vertex_num", vertex_num, 3)
    _within("line_num_min", line_num_min, 0)
    _check_frame(numof_classes, numof_instances, image_size, numof_thread, thread_num, start_pos)
    if image_size % 2:
        raise RangeError("image_size", image_size, "must be even, as half of it is a grey level")

    def images() -> Iterator[tuple[str, Images]]:
        from explorer.formulas import official_kernels, raster

        rng = random.Random(thread_num + 1)
        canvas, work = raster.canvas_array(image_size), raster.work_array()
        inside = slice(raster.GUARD, raster.GUARD + image_size)
        share = int(numof_classes / numof_thread)
        for category in range(thread_num * share, (thread_num + 1) * share):
            q = 0
            while not 2 < q <= vertex_num:
                q = int(rng.expovariate(1 / 100))
            orbits = rng.randint(line_num_min, line_num_min + 199)
            level = rng.uniform(perlin_min, perlin_min + 4)
            width = rng.uniform(0.0, line_width)
            radius = rng.randint(radius_min, radius_min + 100)
            oval_x = rng.uniform(1, oval_rate)
            oval_y = rng.uniform(1, oval_rate)
            y, x = _position(rng, image_size, start_pos), _position(rng, image_size, start_pos)
            _, cosine, sine = _turn(q)
            for instance in range(numof_instances):
                state = np.array(rng.getstate()[1], np.uint32)
                official_kernels.grow(
                    canvas,
                    work,
                    state,
                    cosine * radius * oval_x,
                    sine * radius * oval_y,
                    cosine,
                    sine,
                    np.zeros((2, q)),
                    orbits,
                    float(level),
                    2.0,
                    float(width),
                    x,
                    y,
                    np.uint8(255),
                    image_size // 2,
                )
                rng.setstate((3, tuple(state.tolist()), None))
                name = f"image/{category:05d}/{category:05d}_{instance:04d}.png"
                yield name, canvas[inside, inside].copy()
                oval_x = rng.uniform(1, oval_rate)
                oval_y = rng.uniform(1, oval_rate)
                radius = rng.randint(radius_min, radius_min + 100)
                y, x = _position(rng, image_size, start_pos), _position(rng, image_size, start_pos)

    return images()


STREAMS: Mapping[str, Callable[..., Iterator[tuple[str, Images]]]] = {
    "visual_atom": visual_atom,
    "rcdb": rcdb,
}
"""Formula -> its official stream; the keyword arguments have the authors' names."""


def arguments(formula: str) -> dict[str, float]:
    """Return the authors' argument names of a formula with their defaults.

    Raises:
        RangeError: If the formula has no official stream.
    """
    if formula not in STREAMS:
        hint = nearest(formula, STREAMS)
        raise RangeError(formula, None, f"has no official stream; {hint}")
    parameters = inspect.signature(STREAMS[formula]).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters}


def render(formula: str, given: Mapping[str, float]) -> Iterator[tuple[str, Images]]:
    """Draw the official stream of a formula with the authors' arguments, given by name.

    Args:
        formula: Name of a formula in ``STREAMS``.
        given: Some of the authors' arguments; the rest keeps its default.

    Returns:
        An iterator of (file name, image), as :func:`visual_atom`.

    Raises:
        RangeError: For a formula without an official stream, an unknown argument, a value of the
            wrong kind, or what the stream itself refuses. Raised before anything is drawn.
    """
    known = arguments(formula)
    annotations = inspect.signature(STREAMS[formula]).parameters
    for name, value in given.items():
        if name not in known:
            raise RangeError(name, None, f"unknown argument; {nearest(name, known)}")
        if annotations[name].annotation is int and value != int(value):
            raise RangeError(name, value, "must be an integer")
    kinds = {name: annotations[name].annotation for name in given}
    return STREAMS[formula](**{name: kinds[name](value) for name, value in given.items()})


def _position(rng: random.Random, image_size: int, start_pos: int) -> float:
    return (image_size + rng.randint(-start_pos, start_pos)) / 2


def _turn(count: int) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Angle of a part of the turn, cosines and sines of its multiples.

    Python's own: another library's may differ in the last digit.
    """
    angle = math.pi * 2 / count
    cosine = np.array([math.cos(angle * i) for i in range(count)])
    sine = np.array([math.sin(angle * i) for i in range(count)])
    return angle, cosine, sine


def _check_frame(
    numof_classes: int,
    numof_instances: int,
    image_size: int,
    numof_thread: int,
    thread_num: int,
    start_pos: int,
) -> None:
    """Check the arguments that both programs have, with the same limits."""
    _within("image_size", image_size, 1, MAX_CANVAS)
    _within("numof_thread", numof_thread, 1)
    _within("numof_classes", numof_classes, 0)
    _within("numof_instances", numof_instances, 0)
    _within("thread_num", thread_num, 0)
    _within("start_pos", start_pos, 0)


def _within(name: str, value: float, low: float, high: float | None = None) -> None:
    if value < low:
        raise RangeError(name, value, f"must be at least {low}")
    if high is not None and value > high:
        raise RangeError(name, value, f"must be at most {high}")


def _ordered(low_name: str, low: int, high_name: str, high: int, least: int | None = None) -> None:
    if least is not None:
        _within(low_name, low, least)
    if low > high:
        raise RangeError(high_name, high, f"is below {low_name} ({low}); raise it")
