"""An authors' dataset made again: their arguments, their processes, their file names, our speed.

The authors draw a dataset by several processes side by side, each with its share of the categories
and a sequential generator of its own, seeded with ``thread_num + 1``. Here a process is a thread.
"""

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer import __version__
from explorer.formulas import RangeError, official
from explorer.images import manifest, png
from explorer.images.imagefolder import LAYOUT, state_of
from explorer.images.render import Images, Progress, cores

_VISUAL_ATOM = {
    "numof_instances": 1000,
    "start_class": 0,
    "image_size": 512,
    "numof_thread": 20,
    "vertex_num_min": 200,
    "vertex_num_max": 1000,
    "perlin_min": 0,
    "line_num_min": 1,
    "line_num_max": 200,
    "line_width": 0.1,
    "radius_min": 10,
    "oval_rate": 2,
    "start_pos": 512,
    "nami_1_min": 0,
    "nami_1_max": 20,
    "nami_2_min": 0,
    "nami_2_max": 20,
}

PRESETS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "visualatom-1k": ("visual_atom", {**_VISUAL_ATOM, "numof_classes": 1000}),
    "visualatom-21k": ("visual_atom", {**_VISUAL_ATOM, "numof_classes": 21_000}),
}
"""Dataset of a paper -> formula, authors' arguments.

``visualatom-1k`` is the authors' published command (``make_VisualAtom.sh``): 20 processes of 50
categories. For 21,000 categories they published no command; ``visualatom-21k`` assumes the same one
with ``numof_classes=21000``: 20 processes of 1,050 categories.
"""


@dataclass(frozen=True)
class OfficialPlan:
    """A dataset of the official stream that is to be drawn; everything checked at construction.

    Args:
        formula: Name of a formula with an official stream.
        given: Some of the authors' arguments but ``thread_num``; the rest keeps its default.
        seed: The number given to ``random.seed``, ``thread_num + 1``: only that process is drawn;
            None for all ``numof_thread`` processes, seeds 1 to ``numof_thread``.
        workers: Threads, or None for one a core; a process is drawn by one thread.

    Raises:
        RangeError: For a formula without an official stream, an unknown argument, or a value that
            the stream refuses.
    """

    formula: str
    given: Mapping[str, float]
    seed: int | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        if "thread_num" in self.given:
            value = self.given["thread_num"]
            raise RangeError("thread_num", value, "is the seed less 1; give the seed instead")
        if self.seed is not None and self.seed < 1:
            remedy = "must be at least 1 in the official stream (thread_num + 1)"
            raise RangeError("seed", self.seed, remedy)
        if self.workers is not None and self.workers < 1:
            raise RangeError("workers", self.workers, "must be at least 1")
        official.render(self.formula, self.given)
        if not self.total:
            name = "numof_classes" if not self.share else "numof_instances"
            remedy = "leaves nothing to draw; a process draws numof_classes / numof_thread"
            raise RangeError(name, self.arguments[name], remedy)

    @property
    def arguments(self) -> dict[str, float]:
        """All of the authors' arguments but ``thread_num``."""
        full = {**official.arguments(self.formula), **self.given}
        del full["thread_num"]
        return {name: int(value) if value == int(value) else value for name, value in full.items()}

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the processes."""
        if self.seed is not None:
            return (self.seed,)
        return tuple(range(1, int(self.arguments["numof_thread"]) + 1))

    @property
    def share(self) -> int:
        """Categories of one process; the authors leave a remainder out."""
        return int(self.arguments["numof_classes"] / self.arguments["numof_thread"])

    @property
    def each(self) -> int:
        """Images of one process."""
        return self.share * int(self.arguments["numof_instances"])

    @property
    def total(self) -> int:
        """Number of images."""
        return self.each * len(self.seeds)

    def categories(self, seed: int) -> range:
        """Numbers of the categories that the process of a seed draws."""
        first = (seed - 1) * self.share + int(self.arguments.get("start_class", 0))
        return range(first, first + self.share)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides over the files."""
        return {
            "formula": self.formula,
            "stream": "official",
            "layout": LAYOUT,
            "arguments": self.arguments,
            "seeds": list(self.seeds),
            "explorer": __version__,
        }

    def run(
        self,
        visit: Callable[[str, Images], None],
        progress: Progress | None,
        seeds: tuple[int, ...],
    ) -> Iterator[tuple[int, str]]:
        """Draw some processes in threads.

        Args:
            visit: Called in the threads with the name and the image.
            progress: Called with the number of images finished since its last call.
            seeds: Seeds of the processes.

        Yields:
            The seed and the digest of a process when it is done: the SHA-256 of its images, each
            preceded by its name.
        """
        stop, lock = threading.Event(), threading.Lock()

        def process(seed: int) -> tuple[int, str]:
            digest = hashlib.sha256()
            given = {**self.arguments, "thread_num": seed - 1}
            for name, image in official.render(self.formula, given):
                if stop.is_set():
                    break
                visit(name, image)
                digest.update(name.encode())
                digest.update(image.data)
                if progress is not None:
                    with lock:
                        progress(1)
            return seed, digest.hexdigest()

        pool = ThreadPoolExecutor(max_workers=self.workers or cores())
        try:
            for future in as_completed([pool.submit(process, seed) for seed in seeds]):
                yield future.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def export_official(
    plan: OfficialPlan, directory: str | Path, *, progress: Progress | None = None
) -> Path:
    """Draw a dataset of the official stream as the authors' program does, pixel for pixel.

    The names are the authors' (``00000/vertex_0337_instance_0000.png`` for VisualAtom,
    ``image/00000/00000_0000.png`` for RCDB); the files are grey where
    theirs repeat the grey level in three channels. ``dataset.json`` records stream, arguments,
    seeds and digests. An image has its name only when it is complete; an interrupted export is
    continued by the same call: a process that was done is left, one that was not draws its images
    again (its generator is sequential) and writes those that are missing.

    Args:
        plan: What to draw.
        directory: Where to write; missing, empty, or with a part of the same dataset.
        progress: Called with the number of images finished since its last call.

    Returns:
        The path of ``dataset.json``.

    Raises:
        InputError: If the directory holds another dataset or other files (nothing has been written
            then), or cannot be written.
    """
    root, what = Path(directory), plan.identity
    folders = {f"{c:05d}" for seed in plan.seeds for c in plan.categories(seed)}
    made: set[Path] = set()

    def belongs(name: str) -> bool:
        match = re.fullmatch(r"image/|(?:image/)?(\d{5,})/(?:\w+\.png)?", name)
        return match is not None and (match[1] is None or match[1] in folders)

    def visit(name: str, image: Images) -> None:
        path = root / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        if not path.exists():
            png.write(path, png.encode(image))

    with png.writing(root):
        manifest.prepare(root, what, belongs)
        done = _done(root, plan)
        if progress is not None and done:
            progress(plan.each * len(done))
        left = tuple(seed for seed in plan.seeds if seed not in done)
        for seed, digest in plan.run(visit, progress, left):
            done[seed] = digest
            manifest.write(root, what, None, processes=_processes(plan, done))
        return manifest.write(root, what, _digest(done), processes=_processes(plan, done))


def compare(root: Path, plan: OfficialPlan, progress: Progress | None) -> tuple[list[str], str]:
    """Draw the images again and compare the files with them.

    Returns:
        ``"missing NAME"`` or ``"changed NAME"`` of every file, in order, and the digest.
    """
    wrong: list[tuple[str, str]] = []

    def visit(name: str, image: Images) -> None:
        state = state_of(root / name, image)
        if state:
            wrong.append((name, state))

    digest = _digest(dict(plan.run(visit, progress, plan.seeds)))
    return [f"{state} {name}" for name, state in sorted(wrong)], digest


def plan_of(known: Mapping[str, Any], workers: int | None) -> OfficialPlan:
    """Return what a manifest of the official stream describes.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: If it describes no dataset.
    """
    seeds, arguments = known["seeds"], dict(known["arguments"])
    plan = OfficialPlan(known["formula"], arguments, None, workers)
    if seeds == list(plan.seeds):
        return plan
    (seed,) = seeds
    return OfficialPlan(known["formula"], arguments, seed, workers)


def _done(root: Path, plan: OfficialPlan) -> dict[int, str]:
    """Return the digests of the processes that are noted as done and have all their files."""
    noted = {entry["seed"]: entry["digest"] for entry in manifest.read(root).get("processes", ())}
    held = Counter(path.parent.name for path in root.rglob("*.png")) if noted else Counter()
    instances = int(plan.arguments["numof_instances"])
    return {
        seed: digest
        for seed, digest in noted.items()
        if all(held[f"{category:05d}"] == instances for category in plan.categories(seed))
    }


def _processes(plan: OfficialPlan, done: Mapping[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "seed": seed,
            "thread_num": seed - 1,
            "categories": [plan.categories(seed)[0], plan.categories(seed)[-1]],
            "digest": done[seed],
        }
        for seed in plan.seeds
        if seed in done
    ]


def _digest(done: Mapping[int, str]) -> str:
    return hashlib.sha256("".join(done[seed] for seed in sorted(done)).encode()).hexdigest()
