"""From uint8 images on the device to the float batch that a model takes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from explorer.training.sources import Resident, Streamed, portions

# Rec. 601 luma, as Pillow's convert("L").
LUMA = (0.299, 0.587, 0.114)
# Below one grey level the images carry nothing; dividing by less would only blow up rounding.
LEAST_STD = 1.0


@dataclass(frozen=True)
class Normalise:
    """Shift and scale of the input, in grey levels of 0 to 255."""

    mean: Tensor
    """float [1, C, 1, 1], or [1, 1, 1, 1] for all channels alike."""
    std: Tensor
    """The same shape, positive."""

    @classmethod
    def of(cls, model: nn.Module, images: Resident | Streamed, device: torch.device) -> Self:
        """Return the scale of a model's input, on a device.

        A model of `explorer.training.models.build` says whether it is fixed or follows the images;
        only then are these looked at.
        """
        if model.input_scale == "each_set":
            return cls.measured(images.batches(portions(len(images))), device)
        mean, std = model.input_scale  # type: ignore[misc]
        return cls.fixed(float(mean), float(std), device)

    @classmethod
    def fixed(cls, mean: float, std: float, device: torch.device) -> Self:
        """Take mean and deviation as fractions of white, the same for all images."""
        values = torch.tensor([255 * mean, 255 * std], device=device).view(2, 1, 1, 1, 1)
        return cls(values[0], values[1])

    @classmethod
    def measured(cls, batches: Iterable[Tensor], device: torch.device) -> Self:
        """Give uint8 batches [B, C, H, W] together mean 0 and deviation 1 per channel."""
        counts = sum(
            torch.stack([torch.bincount(c.reshape(-1), minlength=256) for c in batch.unbind(1)])
            for batch in batches
        )
        assert isinstance(counts, Tensor)  # noqa: S101 - there is an image
        levels = torch.arange(256, dtype=torch.float64, device=device)
        share = counts.to(device).double()
        share = share / share.sum(dim=1, keepdim=True)
        mean = share @ levels
        std = ((share @ levels.square()) - mean.square()).clamp(min=LEAST_STD**2).sqrt()
        return cls(mean.float().view(1, -1, 1, 1), std.float().view(1, -1, 1, 1))

    def __call__(self, images: Tensor, channels: int) -> Tensor:
        """Turn grey levels, uint8 or float [B, C, H, W], into float [B, channels, H, W].

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
