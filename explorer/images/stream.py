"""Images of a formula for PyTorch, drawn when they are asked for."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import distributed
from torch.utils import data

from explorer.formulas import Ranges, streams
from explorer.images.plan import Plan

Sample = tuple[Any, int]
"""An image and its label."""

_MASK = 2**64 - 1
_ROUNDS = 6


class Images(data.Dataset[Sample]):
    """N categories times M instances of a formula, addressed by index.

    Image ``index`` is instance ``index % M`` of category ``index // M``, its label. The pixels are
    those of :func:`explorer.images.render` with the same arguments. For the whole set in another
    order every epoch, sharded over workers and ranks, see :meth:`stream`.

    Args:
        formula: Name of the formula.
        ranges: Parameter or group name -> (low, high); the rest keeps the formula's default.
        categories: Number of categories N.
        instances: Images per category M.
        size: Side of the images after exact area averaging, at most ``canvas``.
        canvas: Side that the formula draws on, in pixels.
        seed: Seed of all random numbers.
        transform: Called with the PIL image (mode L), as torchvision does; without it an image is
            a uint8 tensor ``[1, size, size]``.

    Raises:
        UnknownFormula: If there is no such formula.
        RangeError: If a range or a number is out of bounds.
    """

    def __init__(
        self,
        formula: str,
        ranges: Ranges | None = None,
        *,
        categories: int,
        instances: int,
        size: int = 224,
        canvas: int = 512,
        seed: int = 0,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.plan = Plan(formula, ranges, categories, instances, canvas, size, seed)
        self.transform = transform

    def __len__(self) -> int:
        return self.plan.total

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of {len(self)} images")
        category, instance = divmod(index % len(self), self.plan.instances)
        (image,) = self.plan.draw(category, range(instance, instance + 1))
        if self.transform is None:
            return torch.from_numpy(image)[None], category
        from PIL import Image

        return self.transform(Image.fromarray(image)), category

    def stream(
        self,
        epoch: int = 0,
        *,
        shuffle: bool = True,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> "Stream":
        """Return all images of one epoch, divided among ranks and the workers of their loaders.

        Where the number of images is no multiple of the ranks, some ranks have one image more.

        Args:
            epoch: Number of the epoch, which has an order of its own.
            shuffle: Whether the order is random; else it is that of the indices.
            rank: Number of this process; by default that of ``torch.distributed``, else 0.
            world_size: Number of processes; by default that of ``torch.distributed``, else 1.

        Raises:
            ValueError: If the rank is not in 0..world_size - 1.
        """
        known = distributed.is_available() and distributed.is_initialized()
        rank = rank if rank is not None else distributed.get_rank() if known else 0
        size = distributed.get_world_size() if known else 1
        size = size if world_size is None else world_size
        if not 0 <= rank < size:
            raise ValueError(f"rank {rank} is not in 0..{size - 1}")
        return Stream(self, range(rank, len(self), size), epoch if shuffle else None)


class Stream(data.IterableDataset[Sample]):
    """Images at some places of an epoch's order; see :meth:`Images.stream`.

    The order is a seeded permutation that is computed index by index: a set of any size takes no
    memory.
    """

    def __init__(self, images: Images, places: range, epoch: int | None) -> None:
        self.images, self.places, self.epoch = images, places, epoch

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Sample]:
        worker = data.get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        count, seed = len(self.images), self.images.plan.seed
        for place in self.places[number::workers]:
            index = place if self.epoch is None else permuted(place, count, seed, self.epoch)
            yield self.images[index]


def permuted(place: int, count: int, seed: int, epoch: int) -> int:
    """Return what stands at a place of a random permutation of ``range(count)``.

    A Feistel network on the least even number of bits that holds ``count``, walked along its cycle
    until it comes to a number below ``count`` (Black & Rogaway, CT-RSA 2002).
    """
    half = (max(count - 1, 1).bit_length() + 1) // 2
    low = (1 << half) - 1
    while True:
        left, right = place >> half, place & low
        for number in range(_ROUNDS):
            word = _mix(_mix(_mix(seed + streams.GOLDEN) + epoch) + number) ^ right
            left, right = right, left ^ (_mix(word) >> 32 & low)
        place = left << half | right
        if place < count:
            return place


def _mix(word: int) -> int:
    """Scramble a 64-bit word as :func:`explorer.formulas.streams.mix` does, in Python."""
    word &= _MASK
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    word = (word ^ word >> 27) * 0x94D049BB133111EB & _MASK
    return word ^ word >> 31
