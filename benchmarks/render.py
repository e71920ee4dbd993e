"""How fast images are drawn, against the authors' code and against plain Python, in one run.

``python -m benchmarks.render [FORMULA] [--official-script FILE]``: some minutes, best-practice
ranges at 512 x 512, without writing PNG files. Expected of ``visual_atom`` on one core: the counter
stream 400 times, our authors' stream 120 times as fast as the authors' script (docs/families.md).

An image of few or small orbits is drawn faster than one of many, so CPU time is counted in units:
segments (vertices times orbits) of the orbit families, points of the fractals. The ways are

- ``authors``: the authors' own code, where its path is given: the renderer of an orbit family, or
  the file that defines ``ifs_function``;
- ``reference``: plain Python of ours after the definition;
- ``official``: our authors' stream, whose images are compared with the reference's;
- ``iteration``: the systems of fractals, iterated in compiled code as the first two do;
- ``counter``: our counter stream, four times as many categories, in jobs of 16 instances.

The search for the systems of the fractals is left out.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import plain
from benchmarks.common import busy, only, ratio, table, usable
from explorer import authors, formulas
from explorer.formulas import fractal, iterated
from explorer.images import Plan

ROUNDS = 5
SIDE = 512
_JOB = 16  # instances of a category, drawn by the counter stream
_SLOW = 2  # instances of a category that the slow ways draw

# Images that each slow way draws in all rounds together: some ten seconds.
IMAGES = {
    "visual_atom": 100,
    "rcdb": 500,
    "fractal": 100,
    "fractal_contractive": 100,
    "exfractal": 1000,
}

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


def units(formula: str, rows: Any) -> Any:
    """Return the segments, or points, of an image of every category."""
    return rows["points"] if "fractal" in formula else rows["quantization"] * rows["orbits"]


def slow_ways(formula: str, seed: int, categories: int, script: Path | None) -> dict[str, float]:
    """Return the CPU seconds per unit of all ways but the counter stream."""
    ways = _iterate if "fractal" in formula else _draw
    spent, count = ways(formula, seed, categories, script)
    return {name: seconds / count for name, seconds in spent.items()}


def _draw(
    formula: str, seed: int, categories: int, script: Path | None
) -> tuple[dict[str, float], int]:
    """Draw some images with the authors' arguments: best practice, others every round."""
    chosen = {"numof_classes": categories, "numof_instances": _SLOW, "thread_num": seed}
    given = {**authors.arguments(formula), **chosen}
    start = time.process_time()
    expected = list(getattr(plain, f"official_{formula}")(given))
    spent = {"reference": time.process_time() - start}
    if script is not None:
        with tempfile.TemporaryDirectory() as folder:
            options = [f"--{name}={value:g}" for name, value in given.items()]
            spent["authors"] = _run(_DRAW, script, [f"--save_root={folder}", *options])
    start = time.process_time()
    drawn = list(authors.render(formula, given))
    spent["official"] = time.process_time() - start
    for (name, image), (pixels, _) in zip(drawn, expected, strict=True):
        if (image != pixels).any():
            sys.exit(f"{name} of the authors' stream is not the reference's")
    return spent, sum(segments for _, segments in expected)


def _iterate(
    formula: str, seed: int, categories: int, script: Path | None
) -> tuple[dict[str, float], int]:
    """Iterate the systems of some categories, as often as instances are drawn."""
    rows = formulas.get(formula).categories(None, seed=seed, categories=range(categories))
    maps = [row["system"][: row["maps"]] for row in rows for _ in range(_SLOW)]
    wholes = [fractal.embed(m) if m.shape[1] == 6 else m.copy() for m in maps]
    points = [int(row["points"]) for row in rows for _ in range(_SLOW)]
    work = []
    for system, whole, count in zip(maps, wholes, points, strict=True):
        chances = np.diff(iterated.borders(whole), prepend=0) / 2**31
        work.append((np.column_stack([system, chances]).tolist(), count))
    start = time.process_time()
    for number, (system, count) in enumerate(work):
        plain.iterate(system, count, number)
    spent = {"reference": time.process_time() - start}
    start = time.process_time()
    for number, (whole, count) in enumerate(zip(wholes, points, strict=True)):
        space = np.zeros((3, count + 1))
        iterated.walk(space, whole, iterated.borders(whole), np.uint64(number))
    spent["iteration"] = time.process_time() - start
    if script is not None:
        spent["authors"] = _run(_ITERATE, script, [], json.dumps(work))
    return spent, sum(points)


def _run(program: str, script: Path, arguments: list[str], given: str = "") -> float:
    """Return the CPU time of the authors' script in seconds."""
    command = [sys.executable, "-c", program, str(script), *arguments]
    done = subprocess.run(  # noqa: S603
        command, input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip() or "it fails").splitlines()[-1]
        sys.exit(f"{script}: {last}")
    return float(done.stdout)


def counter(formula: str, seed: int, categories: int) -> float:
    """Return the CPU seconds per unit of the counter stream."""
    family = formulas.get(formula)
    rows = family.categories(None, seed=seed, categories=range(categories))
    start = time.process_time()
    for category in range(categories):
        family.render(None, seed=seed, category=category, instances=range(_JOB), canvas=SIDE)
    return (time.process_time() - start) / (int(units(formula, rows).sum()) * _JOB)


def two_cores(formula: str, categories: int) -> float:
    """Return how many times as fast two cores draw as one, in wall time."""
    plan = Plan(formula, None, max(1, categories // 4), 4 * _JOB, SIDE, SIDE, 0)
    spent: dict[str, list[float]] = {"1": [], "2": []}
    for _ in range(ROUNDS):
        for count in (1, 2):
            with only(usable()[:count]):  # the threads of a plan are as many
                start = time.perf_counter()
                for _ in plan.drawn(np.arange(plan.total), lambda *_: None):
                    pass
                spent[str(count)].append(time.perf_counter() - start)
    return ratio(spent, "1", "2")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("formula", nargs="?", default="visual_atom", choices=IMAGES)
    parser.add_argument("--official-script", type=Path, help="the authors' code")
    parser.add_argument("--images", type=int, help="that each of the slow ways draws")
    options = parser.parse_args()
    formula, script = options.formula, options.official_script
    categories = max(1, round((options.images or IMAGES[formula]) / ROUNDS / _SLOW))
    note = busy()
    counter(formula, 0, 1)  # compile, or load from the cache
    slow_ways(formula, 0, 1, script)
    spent: dict[str, list[float]] = {}
    for seed in range(ROUNDS):
        found = slow_ways(formula, seed, categories, script)
        found["counter"] = counter(formula, seed, 4 * categories)
        for name, seconds in found.items():
            spent.setdefault(name, []).append(seconds)
    sample = 16 if "fractal" in formula else 4096
    rows = formulas.get(formula).categories(None, seed=0, categories=range(sample))
    mean = float(units(formula, rows).mean())
    unit = "point" if "fractal" in formula else "segment"
    bases = [name for name in ("authors", "reference") if name in spent]
    lines = []
    for name, each in spent.items():
        seconds = statistics.median(each)
        ratios = [f"{ratio(spent, base, name):.1f}" for base in bases]
        speeds = (seconds * 1e9, 1e-6 / seconds, 1 / (seconds * mean))
        lines.append([name, *(f"{number:.1f}" for number in speeds), *ratios])
    headings = ["drawn by", f"ns/{unit}", f"million {unit}s/s", "images/s"]
    print(f"{formula}, {SIDE} x {SIDE}, one core, CPU time; medians of {ROUNDS} rounds")
    print(table([*headings, *(f"x {base}" for base in bases)], lines))
    print(f"an image has {mean:,.0f} {unit}s in the mean")
    if len(usable()) > 1:
        print(f"two cores are {two_cores(formula, 4 * categories):.2f} times one, in wall time")
    print(note, end="\n" if note else "")


if __name__ == "__main__":
    main()
