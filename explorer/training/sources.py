"""Where a batch comes from: images in one tensor on the device, or made when their turn comes.

A dataset is a function from indices to images. Where all of them fit into memory they are made
once and lie in one tensor; else threads make those of the next batches while a step computes. The
bits of a batch are the same, and whoever trains need not know which it is.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Images = NDArray[np.uint8]
Indices = NDArray[np.int64]

# Batches that are made while a step computes on another.
AHEAD = 2
# A batch where all images are wanted in their order.
PORTION = 256


class Streamed:
    """Images that are made when they are asked for, in threads.

    Args:
        draw: Makes the images of some indices, int64 [n], in their order: uint8 [n, H, W] or
            [n, C, H, W]. It is called from several threads at once.
        shape: Of all images, [N, H, W] or [N, C, H, W].
        threads: How many make images.
    """

    def __init__(
        self, draw: Callable[[Indices], Images], shape: tuple[int, ...], threads: int = 1
    ) -> None:
        self.draw = draw
        self.shape = shape
        self.threads = threads

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: Indices) -> Images:
        (images,) = self.arrays([np.asarray(chosen)])
        return images

    @property
    def nbytes(self) -> int:
        """Bytes of all images together."""
        return int(np.prod(self.shape, dtype=np.int64))

    def only(self, chosen: Indices) -> "Streamed":
        """Return the images at these indices, not made yet."""
        shape = (len(chosen), *self.shape[1:])
        return Streamed(lambda places: self.draw(chosen[places]), shape, self.threads)

    def whole(self) -> Images:
        """Make all images."""
        images = np.empty(self.shape, np.uint8)
        order = [np.arange(len(self))[i : i + PORTION] for i in range(0, len(self), PORTION)]
        for chosen, part in zip(order, self.arrays(order), strict=True):
            images[chosen[0] : chosen[-1] + 1] = part
        return images

    def arrays(self, order: Iterable[Indices]) -> Iterator[Images]:
        """Yield the images of one set of indices after the other; the next ones are being made."""
        pool, upcoming = ThreadPoolExecutor(self.threads), iter(order)
        waiting: deque[list[Future[Images]]] = deque()
        try:
            while True:
                for chosen in islice(upcoming, 1 + AHEAD - len(waiting)):
                    parts = np.array_split(chosen, min(self.threads, max(1, len(chosen))))
                    waiting.append([pool.submit(self.draw, part) for part in parts])
                if not waiting:
                    return
                made = [part.result() for part in waiting.popleft()]
                yield made[0] if len(made) == 1 else np.concatenate(made)
        finally:
            pool.shutdown(cancel_futures=True)

    def batches(self, order: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield uint8 [B, C, H, W] per tensor of indices, on the host."""
        for images in self.arrays(chosen.numpy() for chosen in order):
            yield _with_channels(images)


class Resident:
    """Images in one tensor on a device.

    Args:
        images: uint8 [N, C, H, W] or grey [N, H, W].
        device: Where they are to lie.
    """

    def __init__(self, images: Images, device: torch.device) -> None:
        self.tensor = _with_channels(images).to(device)

    def __len__(self) -> int:
        return len(self.tensor)

    def batches(self, order: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield uint8 [B, C, H, W] per tensor of indices, on the device."""
        for chosen in order:
            yield self.tensor[chosen.to(self.tensor.device)]


Source = Images | Streamed
"""A dataset as it is handed on: an array, or what makes one."""


def feed(images: Source, device: torch.device) -> Resident | Streamed:
    """Put what is in memory on the device; what is streamed stays so."""
    return images if isinstance(images, Streamed) else Resident(images, device)


def fitted(images: Streamed, room: int | None) -> Source:
    """Make all images if they take no more than `room` bytes; ``None`` is no limit."""
    return images.whole() if room is None or images.nbytes <= room else images


def choose(images: Source, chosen: Indices) -> Source:
    """Return the images at these indices; those that are streamed are not made yet."""
    return images.only(chosen) if isinstance(images, Streamed) else images[chosen]


def portions(count: int) -> tuple[Tensor, ...]:
    """Return the indices of all images in their order, in batches for a forward pass."""
    return torch.split(torch.arange(count), PORTION)


def _with_channels(images: Images) -> Tensor:
    tensor = torch.from_numpy(images)
    return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor
