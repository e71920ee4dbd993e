"""Render a proxy dataset in parallel.

Kernels run without the interpreter lock, so threads are enough. An image depends on its own
category and instance only; the same arguments give the same bytes for any number of workers.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from explorer import formulas
from explorer.formulas import Formula, RangeError, Ranges

Images = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Progress = Callable[[int], None]
T = TypeVar("T")

# Images rendered by one job: enough that threads seldom wait for the interpreter's lock, few
# enough that a job's images take 8 MiB at most.
_JOB_PIXELS = 2**23
_JOB_INSTANCES = 64


@dataclass(frozen=True)
class ProxyDataset:
    """Images with their categories as labels.

    Args:
        images: uint8 ``[categories * instances, size, size]``, category by category; real images
            in colour ``[..., 3, size, size]``.
        labels: int64 ``[categories * instances]``.
        digest: SHA-256 (hex) of the shape of ``images`` and of the SHA-256 of each, in order.
    """

    images: Images
    labels: npt.NDArray[np.int64]
    digest: str

    @classmethod
    def of(cls, images: Images, labels: npt.NDArray[np.int64]) -> Self:
        """Make a dataset of images, with their digest."""
        digest = hashlib.sha256(str(images.shape).encode())
        for image in images:
            digest.update(hashlib.sha256(np.ascontiguousarray(image).data).digest())
        return cls(images, labels, digest.hexdigest())


@dataclass(frozen=True)
class Plan:
    """A proxy dataset that is to be rendered; everything checked at construction.

    Arguments and errors are those of :func:`render`.
    """

    formula: str
    ranges: Ranges | None
    categories: int
    instances: int
    canvas: int
    size: int
    seed: int
    workers: int | None = None
    first_category: int = 0

    def __post_init__(self) -> None:
        _ = self.resolved
        for name, value, least, most in (
            ("categories", self.categories, 1, 100_000),
            ("instances", self.instances, 1, 2**31),
            ("canvas", self.canvas, 1, formulas.MAX_CANVAS),
            ("size", self.size, 1, self.canvas),
            ("seed", self.seed, 0, formulas.MAX_SEED),
            ("first_category", self.first_category, 0, 2**31),
        ):
            if not least <= value <= most:
                raise RangeError(name, value, f"must be in {least}..{most}")
        if self.workers is not None and self.workers < 1:
            raise RangeError("workers", self.workers, "must be at least 1")

    @property
    def family(self) -> Formula:
        """The formula itself."""
        return formulas.get(self.formula)

    @property
    def resolved(self) -> Mapping[str, tuple[float, float]]:
        """The ranges of all parameters."""
        return self.family.resolve(self.ranges)

    @property
    def total(self) -> int:
        """Number of images."""
        return self.categories * self.instances

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of all images."""
        return self.total, self.size, self.size

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Category of every image, from 0, int64 ``[total]``."""
        return np.repeat(np.arange(self.categories, dtype=np.int64), self.instances)

    def draw(self, indices: Sequence[int] | Indices) -> Images:
        """Draw the images at any indices, in that order: uint8 ``[len(indices), size, size]``.

        Image ``i`` is instance ``i % instances`` of category ``i // instances``, its label; it has
        the same pixels in :meth:`dataset`. Threads may draw at once, each one's kernels run without
        the interpreter's lock, and a plan can be pickled: ``plan.draw`` is a source to stream from.

        Raises:
            IndexError: If an index is not in ``0..total - 1``.
        """
        wanted = np.asarray(indices, np.int64)
        for end in (wanted.min(initial=0), wanted.max(initial=0)):
            if not 0 <= end < self.total:
                raise IndexError(f"index {end} of {self.total} images")
        images = np.empty((len(wanted), self.size, self.size), np.uint8)
        category, instance = np.divmod(wanted, self.instances)
        step = self._step
        for each in np.unique(category):
            places = np.flatnonzero(category == each)
            for first in range(0, len(places), step):
                part = places[first : first + step]
                images[part] = self._render(int(each), instance[part].tolist())
        return images

    @property
    def _step(self) -> int:
        return min(_JOB_INSTANCES, max(1, _JOB_PIXELS // self.canvas**2))

    def _render(self, category: int, instances: Sequence[int]) -> Images:
        images = self.family.render(
            self.ranges,
            seed=self.seed,
            category=self.first_category + category,
            instances=instances,
            canvas=self.canvas,
        )
        if self.size == self.canvas:
            return images
        from explorer.formulas import area

        reduced = np.empty((len(instances), self.size, self.size), np.uint8)
        area.average(images, reduced)
        return reduced

    def drawn(
        self,
        indices: Indices,
        work: Callable[[range, Images], T],
        progress: Progress | None = None,
    ) -> Iterator[T]:
        """Draw images in threads, in the order of their indices; at most a few are in memory.

        Args:
            indices: Of the images, int64 ``[n]``.
            work: Called in the threads with the places in ``indices`` of some images and with
                these; what it returns is yielded in their order.
            progress: Called with the number of images finished since its last call.
        """

        def job(places: range) -> tuple[int, T]:
            images = self.draw(indices[places.start : places.stop])
            return len(places), work(places, images)

        ends = range(0, len(indices), self._step)
        jobs = iter(range(first, min(first + self._step, len(indices))) for first in ends)
        workers = self.workers or len(os.sched_getaffinity(0))
        pool, waiting = ThreadPoolExecutor(workers), deque[Future[tuple[int, T]]]()
        try:
            while True:
                more = islice(jobs, workers + 2 - len(waiting))
                waiting.extend(pool.submit(job, places) for places in more)
                if not waiting:
                    return
                count, result = waiting.popleft().result()
                yield result
                if progress is not None:
                    progress(count)
        finally:
            pool.shutdown(cancel_futures=True)

    def dataset(self, progress: Progress | None = None) -> ProxyDataset:
        """Render all images into one array."""
        images = np.empty(self.shape, np.uint8)

        def keep(places: range, part: Images) -> None:
            images[places.start : places.stop] = part

        deque(self.drawn(np.arange(self.total), keep, progress), maxlen=0)
        return ProxyDataset.of(images, self.labels)


def render(
    formula: str,
    ranges: Ranges | None = None,
    *,
    categories: int,
    instances: int,
    size: int | None = None,
    canvas: int = 512,
    seed: int = 0,
    first_category: int = 0,
    workers: int | None = None,
) -> Images:
    """Render images of a formula.

    Args:
        formula: Its name.
        ranges: Parameter or group name -> (low, high); the rest keeps the formula's default.
        categories: Number of categories N.
        instances: Images per category M.
        size: Side of the images after exact area averaging, at most ``canvas``, which it is by
            default.
        canvas: Side that the formula draws on, in pixels.
        seed: Seed of all random numbers.
        first_category: Number of the first category.
        workers: Threads, or None for one per core; the result does not depend on it.

    Returns:
        uint8 ``[N * M, size, size]``, category by category: their labels are
        ``np.repeat(np.arange(N), M)``.

    Raises:
        UnknownFormula: If there is no such formula.
        BrokenFormula: If another package offers it and it cannot be used.
        RangeError: If a range or a number is out of bounds.
    """
    size = canvas if size is None else size
    sizes = (categories, instances, canvas, size, seed)
    return Plan(formula, ranges, *sizes, workers, first_category).dataset().images
