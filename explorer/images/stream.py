"""Images of a formula for PyTorch, drawn when they are asked for."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import distributed
from torch.utils import data

from explorer.formulas import Ranges
from explorer.images.plan import Plan

Sample = tuple[Any, int]
"""An image and its label."""


class Images(data.Dataset[Sample]):
    """N categories times M instances of a formula, addressed by index.

    Image ``index`` is instance ``index % M`` of category ``index // M``, its label. The pixels are
    those of :func:`explorer.images.render` with the same arguments. For the whole set in another
    order every epoch, sharded over workers and ranks, see :meth:`stream`.

    Args:
        formula, ranges, categories, instances, size, canvas, seed: As in ``render``.
        transform: Called with the PIL image (mode L), as torchvision does; without it an image is
            a uint8 tensor ``[1, size, size]``.

    Raises:
        UnknownFormula, BrokenFormula, RangeError: As in ``render``.
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
        index %= len(self)
        (image,), category = self.plan.draw([index]), index // self.plan.instances
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
        process = (distributed.get_rank(), distributed.get_world_size()) if known else (0, 1)
        rank = process[0] if rank is None else rank
        size = process[1] if world_size is None else world_size
        if not 0 <= rank < size:
            raise ValueError(f"rank {rank} is not in 0..{size - 1}")
        return Stream(self, range(rank, len(self), size), epoch if shuffle else None)


class Stream(data.IterableDataset[Sample]):
    """Images at some places of an epoch's order; see :meth:`Images.stream`."""

    def __init__(self, images: Images, places: range, epoch: int | None) -> None:
        self.images, self.places, self.epoch = images, places, epoch

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Sample]:
        worker = data.get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        order = np.arange(len(self.images))
        if self.epoch is not None:
            np.random.default_rng([self.images.plan.seed, self.epoch]).shuffle(order)
        for index in order[self.places.start :: self.places.step][number::workers].tolist():
            yield self.images[index]
