"""What the speed of a family is counted in, and the slow ways to draw it.

An image of few or small orbits is drawn faster than one of many, so CPU time is counted in units:
segments (vertices times orbits) of the orbit families, points of the fractals. The slow ways are

- ``authors``: the authors' own code, where its path is given;
- ``reference``: plain Python of ours after the definition, for who does not have that;
- ``official``: our official stream, where there is one.

The orbit families draw the same images in all three, and they are compared. For the fractals the
slow ways only iterate the categories' systems, as ``iteration`` does in compiled code; the counter
stream draws the images too.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

import explorer
from explorer import formulas
from explorer.errors import InputError, nearest
from explorer.formulas import official
from explorer.formulas.base import Rows

INSTANCES = 2
"""Instances of a category that the slow ways draw."""

# Runs a script with its arguments, PNG writing left out; prints the CPU time.
_DRAW = """
import contextlib, io, runpy, sys, time
from PIL import Image
Image.Image.save = lambda *arguments, **options: None
sys.argv = sys.argv[1:]
start = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    runpy.run_path(sys.argv[0], run_name="__main__")
print(time.process_time() - start)
"""

# Iterates systems with a script's class ifs_function; prints the CPU time. In the plane the class
# is given a point and three names for files; in space nothing, and open3d is imported but not used.
_ITERATE = """
import json, runpy, sys, time, types
sys.modules["open3d"] = types.ModuleType("open3d")
ifs_function = runpy.run_path(sys.argv[1])["ifs_function"]
start = time.process_time()
for system, points in json.load(sys.stdin):
    function = ifs_function(*[0.0, 0.0, "", "", ""] if len(system[0]) == 7 else [])
    for numbers in system:
        function.set_param(*numbers)
    function.calculate(points + 1)
print(time.process_time() - start)
"""


@dataclass(frozen=True)
class Family:
    """How one family is measured.

    Attributes:
        unit: What its speed is counted in.
        units: Turns rows of categories into the number of units of an image of each.
        sample: Categories over which the mean number of units is taken.
        images: Images that each slow way draws where it is not said how many: some ten seconds.
        slow: Turns (formula, number of the round, categories, the authors' script) into CPU
            seconds a unit of every slow way.
    """

    unit: str
    units: Callable[[Rows], npt.NDArray[np.int64]]
    sample: int
    images: int
    slow: Callable[[str, int, int, Path | None], dict[str, float]]


def get(formula: str) -> Family:
    """Return how a formula is measured.

    Raises:
        InputError: If there is nothing to compare it with.
    """
    if formula not in _FAMILIES:
        remedy = f"has nothing to be compared with; {nearest(formula, _FAMILIES)}"
        raise InputError("FORMULA", None, formula, remedy)
    return _FAMILIES[formula]


def _draw(formula: str, number: int, categories: int, script: Path | None) -> dict[str, float]:
    """Draw some images with the authors' arguments: best practice, others every round."""
    chosen = {"numof_classes": categories, "numof_instances": INSTANCES, "thread_num": number}
    given = {**official.arguments(formula), **chosen}
    start = time.process_time()
    expected = list(getattr(_reference(), f"official_{formula}")(given))
    spent = {"reference": time.process_time() - start}
    if script is not None:
        with tempfile.TemporaryDirectory() as folder:
            options = [f"--{name}={value}" for name, value in given.items()]
            spent["authors"] = _run(_DRAW, script, [f"--save_root={folder}", *options])
    start = time.process_time()
    drawn = list(official.render(formula, given))
    spent["official"] = time.process_time() - start
    for (name, image), (pixels, _) in zip(drawn, expected, strict=True):
        if (image != pixels).any():
            raise RuntimeError(f"{name} of the official stream is not the reference's")
    return _per_unit(spent, sum(segments for _, segments in expected))


def _iterate(formula: str, number: int, categories: int, script: Path | None) -> dict[str, float]:
    """Iterate the systems of some categories, as often as instances are drawn."""
    rows = formulas.get(formula).categories(None, seed=number, categories=range(categories))
    work = [
        (_with_chances(row["system"][: row["maps"]].tolist()), int(row["points"]))
        for row in rows
        for _ in range(INSTANCES)
    ]
    iterate = _reference().iterate
    start = time.process_time()
    for seed, (system, points) in enumerate(work):
        iterate(system, points, seed)
    spent = {"reference": time.process_time() - start}
    start = time.process_time()
    for seed, (system, count) in enumerate(work):
        _walk(system, count, seed)
    spent["iteration"] = time.process_time() - start
    if script is not None:
        spent["authors"] = _run(_ITERATE, script, [], json.dumps(work))
    return _per_unit(spent, sum(points for _, points in work))


def _walk(system: Sequence[Sequence[float]], count: int, seed: int) -> None:
    """Iterate a system in compiled code."""
    from explorer.formulas import fractal, iterated

    maps = np.array(system)[:, :-1]
    whole = fractal.embed(maps) if maps.shape[1] == 6 else maps
    points = np.zeros((3, count + 1))
    iterated.walk(points, whole, iterated.borders(whole), np.uint64(seed))


def _with_chances(system: Sequence[Sequence[float]]) -> list[list[float]]:
    """Add its chance, proportional to the absolute determinant, to every map."""
    volumes = [abs(_determinant(numbers)) for numbers in system]
    return [[*one, volume / sum(volumes)] for one, volume in zip(system, volumes, strict=True)]


def _determinant(numbers: Sequence[float]) -> float:
    if len(numbers) == 6:
        a, b, c, d, *_ = numbers
        return a * d - b * c
    a, b, c, d, e, f, g, h, i, *_ = numbers
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _per_unit(spent: Mapping[str, float], units: int) -> dict[str, float]:
    return {name: seconds / units for name, seconds in spent.items()}


def _run(program: str, script: Path, arguments: Sequence[str], given: str = "") -> float:
    """Return the CPU time of the authors' script in seconds."""
    if not script.is_file():
        raise InputError("--official-script", None, str(script), "there is no such file")
    command = [sys.executable, "-c", program, str(script), *arguments]
    done = subprocess.run(  # noqa: S603
        command, input=given, capture_output=True, text=True, check=False
    )
    try:
        return float(done.stdout)
    except ValueError as error:
        said = (done.stderr.strip() or "it printed something else than expected").splitlines()[-1]
        raise InputError("--official-script", None, str(script), f"fails: {said}") from error


def _reference() -> ModuleType:
    """Return the families in plain Python.

    It is the oracle of the tests and lives with them, not in what is installed.
    """
    path = Path(explorer.__file__).parents[1] / "tests" / "formulas" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    if not path.is_file() or spec is None or spec.loader is None:
        remedy = f"needs a checkout of explorer, as its tests hold what it compares with ({path})"
        raise InputError("bench render", None, None, remedy)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _segments(rows: Rows) -> npt.NDArray[np.int64]:
    count: npt.NDArray[np.int64] = rows["quantization"] * rows["orbits"]
    return count


def _points(rows: Rows) -> npt.NDArray[np.int64]:
    count: npt.NDArray[np.int64] = rows["points"]
    return count


# Every system has to be searched for, and all orbits are as long: a small sample will do.
_FRACTAL = Family("point", _points, sample=16, images=100, slow=_iterate)

_FAMILIES: Mapping[str, Family] = {
    "visual_atom": Family("segment", _segments, sample=4096, images=100, slow=_draw),
    "rcdb": Family("segment", _segments, sample=4096, images=500, slow=_draw),
    "fractal": _FRACTAL,
    "fractal_contractive": _FRACTAL,
    "exfractal": replace(_FRACTAL, images=1000),
}
