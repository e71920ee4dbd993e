"""An authors' dataset made again: their arguments, their processes, their file names.

The authors draw a dataset by several processes side by side, each with its share of the categories
and a sequential generator of its own, seeded with ``thread_num + 1``. Here a process is a thread.
"""

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from explorer.authors import streams
from explorer.formulas import RangeError
from explorer.formulas.base import Images

PRESETS: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "visualatom-1k": ("visual_atom", {"numof_thread": 20, "numof_classes": 1000}),
    "visualatom-21k": ("visual_atom", {"numof_thread": 20, "numof_classes": 21_000}),
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
        streams.render(self.formula, self.given)
        if not self.total:
            name = "numof_classes" if not self.share else "numof_instances"
            remedy = "leaves nothing to draw; a process draws numof_classes / numof_thread"
            raise RangeError(name, self.arguments[name], remedy)

    @property
    def arguments(self) -> dict[str, float]:
        """All of the authors' arguments but ``thread_num``."""
        full = {**streams.arguments(self.formula), **self.given}
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
    def total(self) -> int:
        """Number of images."""
        return self.share * int(self.arguments["numof_instances"]) * len(self.seeds)

    def categories(self, seed: int) -> range:
        """Numbers of the categories that the process of a seed draws."""
        first = (seed - 1) * self.share + int(self.arguments.get("start_class", 0))
        return range(first, first + self.share)

    def run(
        self,
        visit: Callable[[str, Images | bytes], None],
        progress: Callable[[int], None] | None = None,
    ) -> dict[int, Mapping[str, float]]:
        """Draw all images, a thread per process.

        Args:
            visit: Called in the threads with the name and the image; for RCDB also with the name
                and the content of the file that the authors write per category.
            progress: Called with the number of images finished since its last call.

        Returns:
            What each category has drawn, by its number.
        """
        stop, lock = threading.Event(), threading.Lock()
        categories: dict[int, Mapping[str, float]] = {}

        def tell(category: int, drawn: Mapping[str, float]) -> None:
            categories[category] = drawn
            if self.formula == "rcdb":
                lines = [f"{name},{value}\r\n" for name, value in drawn.items()]
                visit(f"param/{category:05d}.csv", "".join(lines).encode())

        def process(seed: int) -> None:
            given = {**self.arguments, "thread_num": seed - 1}
            for name, image in streams.render(self.formula, given, tell):
                if stop.is_set():
                    break
                visit(name, image)
                if progress is not None:
                    with lock:
                        progress(1)

        pool = ThreadPoolExecutor(max_workers=self.workers or len(os.sched_getaffinity(0)))
        try:
            for _ in pool.map(process, self.seeds):
                pass
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
        return categories
