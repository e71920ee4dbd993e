"""How fast VisualAtom is drawn: images per second and core, as ratios measured in one run.

    python benchmarks/render.py [--official-script render_VisualAtom.py] [--repeats 5]

Best-practice ranges at 512 x 512, on one core, CPU time, without writing PNG files. Every repeat
draws the same images (same seed, same categories) with

- ``authors``: the authors' own script, where its path is given (it needs the package ``noise``);
- ``reference``: plain Python and Pillow after the definition (tests/formulas/reference.py), about
  as fast as the authors' script;
- ``official``: our official stream, which gives the same pixels;

and as many categories with ``counter``, our counter stream, in jobs of 16 instances as a dataset is
rendered. An image of few or small orbits is drawn faster than one of many, so all are counted in
segments (vertices times orbits) and told as images of 60,300 segments, the mean of the ranges.
Medians over the repeats. Last, a fresh process shows how soon cached kernels draw.

Expect about 6 to 12 images a second for the first two, and some hundred times that for the others;
a run takes about 20 seconds a repeat.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from explorer import formulas
from explorer.formulas import official
from tests.formulas import reference

SEGMENTS = 60_300  # mean of q (600) times mean of K (100.5)
CATEGORIES = 10  # drawn by the slow ones in a repeat
INSTANCES = 2
COUNTER_CATEGORIES = 40
COUNTER_INSTANCES = 16

# Runs a script with its arguments, PNG writing left out; prints the CPU time.
RUNNER = """
import contextlib, io, runpy, sys, time
from PIL import Image
Image.Image.save = lambda *arguments, **options: None
sys.argv = sys.argv[1:]
start = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    runpy.run_path(sys.argv[0], run_name="__main__")
print(time.process_time() - start)
"""

FIRST_IMAGE = """
import time
start = time.perf_counter()
from explorer import formulas
formulas.get("visual_atom").render(None, seed=0, category=0, instances=range(1), canvas=512)
print(time.perf_counter() - start)
"""


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="Images per second and core of VisualAtom.")
    parser.add_argument("--official-script", type=Path, help="the authors' render_VisualAtom.py")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()

    counter(0, 1)  # compile, or load from the cache
    list(official.render("visual_atom", arguments(0) | {"numof_classes": 1}))
    spent: dict[str, list[float]] = {}
    for repeat in range(options.repeats):
        for name, seconds in measure(repeat, options.official_script).items():
            spent.setdefault(name, []).append(seconds)

    order = [name for name in ("authors", "reference", "official", "counter") if name in spent]
    baselines = [name for name in ("authors", "reference") if name in spent]
    print(f"medians of {options.repeats} repeats, one core, 512 x 512, CPU time")
    print(f"{'':10} {'ns/segment':>11} {'images/s':>9}", *(f"{'x ' + n:>11}" for n in baselines))
    for name in order:
        each = statistics.median(spent[name])
        ratios = [
            statistics.median(
                slow / fast for slow, fast in zip(spent[base], spent[name], strict=True)
            )
            for base in baselines
        ]
        print(
            f"{name:10} {each * 1e9:11.1f} {1 / (each * SEGMENTS):9.1f}",
            *(f"{ratio:11.1f}" for ratio in ratios),
        )
    command = [sys.executable, "-c", FIRST_IMAGE]
    root = Path(__file__).parents[1]
    first = subprocess.run(  # noqa: S603
        command, cwd=root, capture_output=True, text=True, check=True
    )
    print(f"a fresh process has its first image after {float(first.stdout):.2f} s")


def arguments(repeat: int) -> dict[str, float]:
    """Return the authors' arguments: best practice, other categories every repeat."""
    given = {"numof_classes": CATEGORIES, "numof_instances": INSTANCES, "thread_num": repeat}
    return {**official.arguments("visual_atom"), **given}


def measure(repeat: int, script: Path | None) -> dict[str, float]:
    """Return the CPU seconds a segment of every way to draw."""
    given = arguments(repeat)
    start = time.process_time()
    expected = list(reference.official_visual_atom(given))
    segments = sum(count for _, count in expected)
    took = {"reference": (time.process_time() - start) / segments}
    if script:
        took["authors"] = authors(script, given) / segments
    start = time.process_time()
    drawn = list(official.render("visual_atom", given))
    took["official"] = (time.process_time() - start) / segments
    for (name, image), (pixels, _) in zip(drawn, expected, strict=True):
        if (image != pixels).any():
            sys.exit(f"{name} of the official stream is not the reference's")
    took["counter"] = counter(repeat, COUNTER_CATEGORIES)
    return took


def authors(script: Path, given: dict[str, float]) -> float:
    """Return the CPU time of the authors' script in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--{name}={value}" for name, value in given.items()]
        command = [sys.executable, "-c", RUNNER, str(script), f"--save_root={folder}", *options]
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=True
        )
    return float(done.stdout)


def counter(seed: int, categories: int) -> float:
    """Return the CPU time of the counter stream in seconds a segment."""
    formula = formulas.get("visual_atom")
    rows = formula.categories(None, seed=seed, categories=range(categories))
    segments = int((rows["quantization"] * rows["orbits"]).sum()) * COUNTER_INSTANCES

    start = time.process_time()
    for category in range(categories):
        instances = range(COUNTER_INSTANCES)
        formula.render(None, seed=seed, category=category, instances=instances, canvas=512)
    return (time.process_time() - start) / segments


if __name__ == "__main__":
    main()
