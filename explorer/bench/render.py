"""How fast images are drawn: images per second and core, as ratios measured in one run.

Best-practice ranges at 512 x 512, without writing PNG files. Every round draws some images one
after the other on one core in the slow ways of :mod:`explorer.bench.families`, and four times as
many categories with ``counter``, our counter stream, in jobs of 16 instances as a dataset is
rendered. CPU time is counted in the units of the family and told as images of the mean number of
units. The search for the systems of the fractals is left out.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

import explorer
from explorer import formulas
from explorer.bench import families
from explorer.bench.cores import only, usable
from explorer.errors import InputError
from explorer.images.plan import Plan

_ROUNDS = 5
_JOB = 16  # instances of a category, drawn by the counter stream
_SIDE = 512
_BUSY = 0.5

STEPS = _ROUNDS + 2
"""Times that :func:`measure` reports progress."""

# Renders a folder; prints a line after the first images, then the peak of its memory in bytes.
# (Not ru_maxrss, in which a child begins with its parent's peak.)
_RENDER = """
import sys
from pathlib import Path
from explorer import images as dataset
size = {"categories": int(sys.argv[3]), "instances": 64, "canvas": 512, "size": 512, "seed": 0}
progress = lambda count: print(count, flush=True)
plan = dataset.Plan(sys.argv[1], None, **size)
dataset.export_imagefolder(plan, sys.argv[2], progress=progress)
status = Path("/proc/self/status").read_text()
print(1024 * int(status.split("VmHWM:")[1].split()[0]))
"""


@dataclass(frozen=True)
class Speed:
    """How fast one way to draw is; medians over the rounds.

    Attributes:
        name: ``authors``, ``reference``, ``official``, ``iteration`` or ``counter``.
        unit: CPU seconds a unit.
        images: Images of the mean number of units, per second and core.
        ratios: How many times faster than the way of that name.
    """

    name: str
    unit: float
    images: float
    ratios: Mapping[str, float]


@dataclass(frozen=True)
class Figures:
    """What a bench found.

    Attributes:
        formula: The image family.
        speeds: Every way to draw.
        rounds: Number of rounds that the medians are of.
        unit: What the speed is counted in, ``segment`` or ``point``.
        units: Mean number of units of an image.
        two_cores: Images per second of wall time on two cores against one; ``None`` where this
            process may use only one.
        first_image: Seconds from the start of a second process, its kernels in the cache, to its
            first images on disk.
        written: Images that it wrote.
        memory: Peak resident memory of that process in bytes.
        load: Processes of others that ran before, in the mean of the last minute; times on the
            clock (two cores, a second process) are worth little where it is not near 0.
    """

    formula: str
    speeds: tuple[Speed, ...]
    rounds: int
    unit: str
    units: float
    two_cores: float | None
    first_image: float
    written: int
    memory: int
    load: float


def measure(
    formula: str,
    *,
    images: int | None = None,
    script: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Figures:
    """Measure how fast a formula is drawn.

    Args:
        formula: Name of a formula.
        images: Images that each of the slow ways draws in all rounds together, about; by default
            what takes some ten seconds.
        script: The authors' code, to be measured too: the renderer of an orbit family, or the file
            that defines ``ifs_function``.
        progress: Called with 1 for each of ``STEPS`` steps.

    Raises:
        InputError: If there is nothing to compare that formula with, or the script fails.
    """
    family = families.get(formula)
    load = os.getloadavg()[0]
    advance = progress or (lambda _: None)
    categories = max(1, round((images or family.images) / _ROUNDS / families.INSTANCES))
    _counter(formula, 0, 1)  # compile, or load from the cache
    family.slow(formula, 0, 1, script)
    spent: dict[str, list[float]] = {}
    for number in range(_ROUNDS):
        found = family.slow(formula, number, categories, script)
        found["counter"] = _counter(formula, number, 4 * categories)
        for name, seconds in found.items():
            spent.setdefault(name, []).append(seconds)
        advance(1)
    rows = formulas.get(formula).categories(None, seed=0, categories=range(family.sample))
    units = float(family.units(rows).mean())
    two_cores = _two_cores(formula, 4 * categories)
    advance(1)
    first_image, memory = _process(formula, categories)
    advance(1)
    return Figures(
        formula=formula,
        speeds=_speeds(spent, units),
        rounds=_ROUNDS,
        unit=family.unit,
        units=units,
        two_cores=two_cores,
        first_image=first_image,
        written=64 * categories,
        memory=memory,
        load=load,
    )


def screen(found: Figures) -> RenderableType:
    """Return what was found as a table and a few lines."""
    title = (
        f"{found.formula}, {_SIDE} x {_SIDE}, one core, CPU time; medians of {found.rounds} rounds"
    )
    table = Table(box=None, pad_edge=False)
    bases = [name for name in ("authors", "reference") if name in found.speeds[0].ratios]
    table.add_column("drawn by")
    headings = (f"ns/{found.unit}", f"million {found.unit}s/s", "images/s")
    for heading in (*headings, *(f"x {name}" for name in bases)):
        table.add_column(heading, justify="right")
    for speed in found.speeds:
        ratios = (speed.ratios[name] for name in bases)
        numbers = (speed.unit * 1e9, 1e-6 / speed.unit, speed.images, *ratios)
        table.add_row(Text(speed.name, style="bold"), *(f"{number:.1f}" for number in numbers))
    cores_ = "not measured: this process may use one core only"
    if found.two_cores is not None:
        cores_ = f"{found.two_cores:.2f} times one, in wall time"
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_row("an image has", f"{found.units:,.0f} {found.unit}s, in the mean")
    lines.add_row("two cores are", cores_)
    lines.add_row(
        "a second process has", f"its first images on disk after {found.first_image:.2f} s"
    )
    written = f"at most {found.memory / 2**20:.0f} MiB while it writes {found.written} images"
    lines.add_row("and holds", written)
    if found.load > _BUSY:
        said = f"{found.load:.1f} processes of others ran before; times on the clock are too long"
        lines.add_row("a busy machine", said)
    return Group(title, "", table, "", lines)


def _speeds(spent: Mapping[str, Sequence[float]], units: float) -> tuple[Speed, ...]:
    ways = ("authors", "reference", "official", "iteration", "counter")
    names = [name for name in ways if name in spent]
    speeds = []
    for name in names:
        ratios = {
            base: statistics.median(s / f for s, f in zip(spent[base], spent[name], strict=True))
            for base in names
            if base in {"authors", "reference"}
        }
        unit = statistics.median(spent[name])
        speeds.append(Speed(name, unit, 1 / (unit * units), ratios))
    return tuple(speeds)


def _counter(formula: str, seed: int, categories: int) -> float:
    """Return the CPU time of the counter stream in seconds a unit."""
    family = formulas.get(formula)
    rows = family.categories(None, seed=seed, categories=range(categories))
    units = int(families.get(formula).units(rows).sum()) * _JOB
    start = time.process_time()
    for category in range(categories):
        family.render(None, seed=seed, category=category, instances=range(_JOB), canvas=_SIDE)
    return (time.process_time() - start) / units


def _two_cores(formula: str, categories: int) -> float | None:
    processors = usable()
    if len(processors) < 2:
        return None
    plan = Plan(formula, None, max(1, categories // 4), 4 * _JOB, _SIDE, _SIDE, 0, None)
    ratios = []
    for _ in range(_ROUNDS):
        walls = []
        for count in (1, 2):
            with only(processors[:count]):  # the threads of a plan are as many
                start = time.perf_counter()
                for _ in plan.each(plan.draw):
                    pass
                walls.append(time.perf_counter() - start)
        ratios.append(walls[0] / walls[1])
    return statistics.median(ratios)


def _process(formula: str, categories: int) -> tuple[float, int]:
    """Return when a new process has its first images, and the peak of its memory in bytes."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        command = [sys.executable, "-c", _RENDER, formula, folder, str(categories)]
        environment = {**os.environ, "PYTHONPATH": str(Path(explorer.__file__).parents[1])}
        start = time.perf_counter()
        with subprocess.Popen(  # noqa: S603
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=errors
        ) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            process.stdout.readline()
            first = time.perf_counter() - start
            # Not communicate(), which does not see what has come together with the first line.
            rest = process.stdout.read()
        errors.seek(0)
        said = errors.read()
    if process.returncode:
        line = said.strip().splitlines()[-1]
        raise InputError("bench render", None, None, f"a second process fails: {line}")
    return first, int(rest.split()[-1])
