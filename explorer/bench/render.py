"""How fast images are drawn: images per second and core, as ratios measured in one run.

Best-practice ranges at 512 x 512, without writing PNG files. Every round draws the same images
(same seed, same categories), one after the other on one core, with

- ``authors``: the authors' own script, where its path is given;
- ``reference``: plain Python and Pillow after the definition, about as fast as that script;
- ``official``: our official stream, which gives the same pixels;

and four times as many categories with ``counter``, our counter stream, in jobs of 16 instances as a
dataset is rendered. An image of few or small orbits is drawn faster than one of many, so CPU time
is counted in segments (vertices times orbits) and told as images of the mean number of segments.
"""

import contextlib
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

import explorer
from explorer import formulas
from explorer.dataset.render import Plan
from explorer.errors import InputError, nearest
from explorer.formulas import official

_ROUNDS = 5
_INSTANCES = 2  # of a category, drawn by the slow ones
_JOB = 16  # instances of a category, drawn by the counter stream
_SIDE = 512
_BUSY = 0.5

STEPS = _ROUNDS + 2
"""Times that :func:`measure` reports progress."""

# Runs a script with its arguments, PNG writing left out; prints the CPU time.
_AUTHORS = """
import contextlib, io, runpy, sys, time
from PIL import Image
Image.Image.save = lambda *arguments, **options: None
sys.argv = sys.argv[1:]
start = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    runpy.run_path(sys.argv[0], run_name="__main__")
print(time.process_time() - start)
"""

# Renders a folder; prints a line after the first images, then the peak of its memory in bytes.
# (Not ru_maxrss, in which a child begins with its parent's peak.)
_RENDER = """
import sys
from pathlib import Path
from explorer import dataset
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
        name: ``authors``, ``reference``, ``official`` or ``counter``.
        segment: CPU seconds a segment.
        images: Images of the mean number of segments, per second and core.
        ratios: How many times faster than the way of that name.
    """

    name: str
    segment: float
    images: float
    ratios: Mapping[str, float]


@dataclass(frozen=True)
class Figures:
    """What a bench found.

    Attributes:
        formula: The image family.
        speeds: Every way to draw.
        rounds: Number of rounds that the medians are of.
        segments: Mean number of segments of an image.
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
    segments: float
    two_cores: float | None
    first_image: float
    written: int
    memory: int
    load: float


def measure(
    formula: str,
    *,
    images: int,
    script: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Figures:
    """Measure how fast a formula is drawn.

    Args:
        formula: Name of a formula with an official stream.
        images: Images that each of the slow ways draws in all rounds together, about.
        script: The authors' script, to be measured too.
        progress: Called with 1 for each of ``STEPS`` steps.

    Raises:
        InputError: If there is nothing to compare that formula with, or the script fails.
    """
    reference = _reference(formula)
    if script is not None and not script.is_file():
        raise InputError("--official-script", None, str(script), "there is no such file")
    load = os.getloadavg()[0]
    advance = progress or (lambda _: None)
    categories = max(1, round(images / _ROUNDS / _INSTANCES))
    _counter(formula, 0, 1)  # compile, or load from the cache
    list(official.render(formula, _arguments(formula, 0, 1)))
    spent: dict[str, list[float]] = {}
    for number in range(_ROUNDS):
        found = _round(formula, _arguments(formula, number, categories), reference, script)
        for name, seconds in {
            **found,
            "counter": _counter(formula, number, 4 * categories),
        }.items():
            spent.setdefault(name, []).append(seconds)
        advance(1)
    rows = formulas.get(formula).categories(None, seed=0, categories=range(4096))
    segments = float((rows["quantization"] * rows["orbits"]).mean())
    two_cores = _two_cores(formula, 4 * categories)
    advance(1)
    first_image, memory = _process(formula, categories)
    advance(1)
    return Figures(
        formula=formula,
        speeds=_speeds(spent, segments),
        rounds=_ROUNDS,
        segments=segments,
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
    for heading in ("ns/segment", "images/s", *(f"x {name}" for name in bases)):
        table.add_column(heading, justify="right")
    for speed in found.speeds:
        numbers = (speed.segment * 1e9, speed.images, *(speed.ratios[name] for name in bases))
        table.add_row(Text(speed.name, style="bold"), *(f"{number:.1f}" for number in numbers))
    cores_ = "not measured: this process may use one core only"
    if found.two_cores is not None:
        cores_ = f"{found.two_cores:.2f} times one, in wall time"
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_row("an image has", f"{found.segments:,.0f} segments, in the mean")
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


def _speeds(spent: Mapping[str, Sequence[float]], segments: float) -> tuple[Speed, ...]:
    names = [name for name in ("authors", "reference", "official", "counter") if name in spent]
    speeds = []
    for name in names:
        ratios = {
            base: statistics.median(s / f for s, f in zip(spent[base], spent[name], strict=True))
            for base in names
            if base in {"authors", "reference"}
        }
        segment = statistics.median(spent[name])
        speeds.append(Speed(name, segment, 1 / (segment * segments), ratios))
    return tuple(speeds)


def _arguments(formula: str, number: int, categories: int) -> dict[str, float]:
    """Return the authors' arguments: best practice, other categories every round."""
    given = {"numof_classes": categories, "numof_instances": _INSTANCES, "thread_num": number}
    return {**official.arguments(formula), **given}


def _round(
    formula: str, given: dict[str, float], reference: Callable[..., Any], script: Path | None
) -> dict[str, float]:
    """Return the CPU seconds a segment of the ways that draw the same images."""
    start = time.process_time()
    expected = list(reference(given))
    segments = sum(count for _, count in expected)
    found = {"reference": (time.process_time() - start) / segments}
    if script is not None:
        found["authors"] = _authors(script, given) / segments
    start = time.process_time()
    drawn = list(official.render(formula, given))
    found["official"] = (time.process_time() - start) / segments
    for (name, image), (pixels, _) in zip(drawn, expected, strict=True):
        if (image != pixels).any():
            raise RuntimeError(f"{name} of the official stream is not the reference's")
    return found


def _authors(script: Path, given: Mapping[str, float]) -> float:
    """Return the CPU time of the authors' script in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--{name}={value}" for name, value in given.items()]
        command = [sys.executable, "-c", _AUTHORS, str(script), f"--save_root={folder}", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        return float(done.stdout)
    except ValueError as error:
        said = (done.stderr.strip() or "it printed something else than expected").splitlines()[-1]
        raise InputError("--official-script", None, str(script), f"fails: {said}") from error


def _counter(formula: str, seed: int, categories: int) -> float:
    """Return the CPU time of the counter stream in seconds a segment."""
    family = formulas.get(formula)
    rows = family.categories(None, seed=seed, categories=range(categories))
    segments = int((rows["quantization"] * rows["orbits"]).sum()) * _JOB
    start = time.process_time()
    for category in range(categories):
        family.render(None, seed=seed, category=category, instances=range(_JOB), canvas=_SIDE)
    return (time.process_time() - start) / segments


def _two_cores(formula: str, categories: int) -> float | None:
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return None
    plan = Plan(formula, None, categories, _JOB, _SIDE, _SIDE, 0, None)
    ratios = []
    for _ in range(_ROUNDS):
        walls = []
        for count in (1, 2):
            with _only(usable[:count]):  # the threads of a plan are as many
                start = time.perf_counter()
                plan.run(plan.draw)
                walls.append(time.perf_counter() - start)
        ratios.append(walls[0] / walls[1])
    return statistics.median(ratios)


@contextlib.contextmanager
def _only(processors: Sequence[int]) -> Iterator[None]:
    """Keep this thread, and those that it starts, on some processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _process(formula: str, categories: int) -> tuple[float, int]:
    """Return when a new process has its first images, and the peak of its memory in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", _RENDER, formula, folder, str(categories)]
        environment = {**os.environ, "PYTHONPATH": str(Path(explorer.__file__).parents[1])}
        start = time.perf_counter()
        with subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            if process.stdout is not None:
                process.stdout.readline()
            first = time.perf_counter() - start
            rest, said = process.communicate()
    if process.returncode:
        line = said.strip().splitlines()[-1]
        raise InputError("bench render", None, None, f"a second process fails: {line}")
    return first, int(rest.split()[-1])


def _reference(formula: str) -> Callable[..., Any]:
    """Return the plain Python that draws the authors' images.

    It is the oracle of the tests and lives with them, not in what is installed.
    """
    if formula not in official.STREAMS:
        remedy = f"has nothing to be compared with; {nearest(formula, official.STREAMS)}"
        raise InputError("FORMULA", None, formula, remedy)
    path = Path(explorer.__file__).parents[1] / "tests" / "formulas" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    if not path.is_file() or spec is None or spec.loader is None:
        remedy = f"needs a checkout of explorer, as its tests hold what it compares with ({path})"
        raise InputError("bench render", None, None, remedy)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, f"official_{formula}")  # type: ignore[no-any-return]
