"""From uint8 images on the device to the float batch that a model takes."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

# Rec. 601 luma, as Pillow's convert("L").
LUMA = (0.299, 0.587, 0.114)
# Below one grey level the images carry nothing; dividing by less would only blow up rounding.
LEAST_STD = 1.0


@dataclass(frozen=True)
class Standardise:
    """Shift and scale that give a set of images mean 0 and standard deviation 1 a channel.

    Each set is standardised by its own training images, so that faint proxies and bright
    photographs reach the model alike.
    """

    mean: Tensor
    """float [1, C, 1, 1], in grey levels."""
    std: Tensor
    """float [1, C, 1, 1], in grey levels, at least one."""

    @classmethod
    def of(cls, images: Tensor) -> Self:
        """Measure uint8 [N, C, H, W], exactly and without a float copy of them."""
        channels = images.shape[1]
        counts = torch.stack(
            [torch.bincount(images[:, c].reshape(-1), minlength=256) for c in range(channels)]
        ).double()
        levels = torch.arange(256, dtype=torch.float64, device=images.device)
        share = counts / counts.sum(dim=1, keepdim=True)
        mean = share @ levels
        std = ((share @ levels.square()) - mean.square()).clamp(min=LEAST_STD**2).sqrt()
        return cls(mean.float().view(1, -1, 1, 1), std.float().view(1, -1, 1, 1))

    def __call__(self, images: Tensor, channels: int) -> Tensor:
        """Turn uint8 [B, C, H, W] into float [B, channels, H, W].

        Grey images are repeated over the channels of a colour model; colour images become
        their luma for a grey one.
        """
        batch = (images.float() - self.mean) / self.std
        have = batch.shape[1]
        if have == channels:
            return batch
        if have == 1:
            return batch.expand(-1, channels, -1, -1)
        # Numbers, not a tensor of weights, which would have to be copied to a GPU every time.
        return LUMA[0] * batch[:, :1] + LUMA[1] * batch[:, 1:2] + LUMA[2] * batch[:, 2:]
