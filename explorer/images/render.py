"""Render a proxy dataset in parallel.

Kernels run without the interpreter lock, so threads are enough. An image depends on its own
category and instance only; the same arguments give the same bytes for any number of workers.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from explorer import formulas
from explorer.formulas import Formula, RangeError, Ranges

Images = npt.NDArray[np.uint8]
Progress = Callable[[int], None]
Job = tuple[int, range]
"""A category and some of its instances."""
T = TypeVar("T")

# Instances rendered by one job: enough that threads seldom wait for the interpreter's lock, few
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
        """Make a dataset of images that were not rendered."""
        digest = _begin(images.shape)
        digest.update(fingerprint(images))
        return cls(images, labels, digest.hexdigest())


@dataclass(frozen=True)
class Plan:
    """A proxy dataset that is to be rendered; everything checked at construction.

    Args:
        formula: Name of the formula.
        ranges: Parameter or group name -> (low, high); the rest keeps the formula's default.
        categories: Number of categories N.
        instances: Images of every category M.
        canvas: Side that the formula draws on, in pixels.
        size: Side of the images after exact area averaging, at most ``canvas``.
        seed: Seed of the counter stream.
        workers: Threads that render, or None for one a core; the result does not depend on it.

    Raises:
        UnknownFormula: If there is no such formula.
        BrokenFormula: If another package offers it and it cannot be used.
        RangeError: If a range or a number is out of bounds.
    """

    formula: str
    ranges: Ranges | None
    categories: int
    instances: int
    canvas: int
    size: int
    seed: int
    workers: int | None = None

    def __post_init__(self) -> None:
        _ = self.resolved
        for name, value, most in (
            ("categories", self.categories, 100_000),
            ("instances", self.instances, 100_000),
            ("canvas", self.canvas, formulas.MAX_CANVAS),
            ("size", self.size, self.canvas),
        ):
            if not 1 <= value <= most:
                raise RangeError(name, value, f"must be in 1..{most}")
        if not 0 <= self.seed <= formulas.MAX_SEED:
            raise RangeError("seed", self.seed, f"must be in 0..{formulas.MAX_SEED}")
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

    def draw(self, category: int, instances: range) -> Images:
        """Render uint8 ``[len(instances), size, size]``."""
        images = self.family.render(
            self.ranges,
            seed=self.seed,
            category=category,
            instances=instances,
            canvas=self.canvas,
        )
        if self.size == self.canvas:
            return images
        from explorer.formulas import area

        reduced = np.empty((len(instances), self.size, self.size), np.uint8)
        area.average(images, reduced)
        return reduced

    def draw_hashed(self, category: int, instances: range) -> tuple[Images, bytes]:
        """Render, and return the images' :func:`fingerprint` beside them."""
        images = self.draw(category, instances)
        return images, fingerprint(images)

    def digest(self) -> "hashlib._Hash":
        """Return the hash that the fingerprints of all images, in order, make the digest."""
        return _begin(self.shape)

    def each(self, work: Callable[[int, range], T]) -> Iterator[tuple[Job, T]]:
        """Call ``work(category, instances)`` for all images in threads.

        Yields:
            The job and its result, in the order of the images; at most a few are in memory.
        """
        return _in_order(work, self._jobs(), self.workers or cores())

    def run(self, draw: Callable[[int, range], Images], progress: Progress | None = None) -> str:
        """Call ``draw(category, instances)`` for all images in threads, a few at a time.

        Args:
            draw: Returns the images of the instances.
            progress: Called with the number of images finished since its last call.

        Returns:
            The digest of all images that ``draw`` returned.
        """

        def hashed(category: int, instances: range) -> tuple[int, bytes]:
            images = draw(category, instances)
            return len(images), fingerprint(images)

        digest = self.digest()
        for _, (count, hashes) in self.each(hashed):
            digest.update(hashes)
            if progress is not None:
                progress(count)
        return digest.hexdigest()

    def _jobs(self) -> Iterator[Job]:
        count = min(_JOB_INSTANCES, max(1, _JOB_PIXELS // self.canvas**2))
        for category in range(self.categories):
            for first in range(0, self.instances, count):
                yield category, range(first, min(first + count, self.instances))


def _begin(shape: tuple[int, ...]) -> "hashlib._Hash":
    return hashlib.sha256(str(shape).encode())


def fingerprint(images: Images) -> bytes:
    """Return the SHA-256 of every image, one after the other.

    An image at a time, so that the threads that draw can hash as well: hashing an image takes
    longer than drawing a simple one.
    """
    whole = np.ascontiguousarray(images)
    return b"".join(hashlib.sha256(image.data).digest() for image in whole)


def cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0))


def render_dataset(
    formula: str,
    ranges: Ranges | None,
    *,
    categories: int,
    instances: int,
    canvas: int,
    size: int,
    seed: int,
    workers: int = 1,
    progress: Progress | None = None,
) -> ProxyDataset:
    """Render a proxy dataset into one array.

    Args:
        formula: Name of the formula.
        ranges: Parameter or group name -> (low, high); the rest keeps the formula's default.
        categories: Number of categories N, at least 1.
        instances: Images of every category M, at least 1.
        canvas: Side that the formula draws on, in pixels.
        size: Side of the images after exact area averaging, at most ``canvas``.
        seed: Seed of the counter stream.
        workers: Threads; the result does not depend on it.
        progress: Called with the number of images finished since its last call.

    Raises:
        UnknownFormula: If there is no such formula.
        RangeError: If a range or a number is out of bounds.
    """
    return render_plan(
        Plan(formula, ranges, categories, instances, canvas, size, seed, workers), progress
    )


def render_plan(plan: Plan, progress: Progress | None = None) -> ProxyDataset:
    """Render a plan into one array; see :func:`render_dataset`."""
    images = np.empty(plan.shape, np.uint8)

    def draw(category: int, numbers: range) -> Images:
        start = category * plan.instances
        part = images[start + numbers.start : start + numbers.stop]
        part[...] = plan.draw(category, numbers)
        return part

    digest = plan.run(draw, progress)
    labels = np.repeat(np.arange(plan.categories, dtype=np.int64), plan.instances)
    return ProxyDataset(images, labels, digest)


def _in_order(
    work: Callable[[int, range], T], jobs: Iterator[Job], workers: int
) -> Iterator[tuple[Job, T]]:
    waiting: deque[tuple[Job, Future[T]]] = deque()
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        for job in jobs:
            waiting.append((job, pool.submit(work, *job)))
            if len(waiting) > workers + 1:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        pool.shutdown(cancel_futures=True)
