"""Augmentation of whole batches with tensor operations, on the device where the batch lies.

Every draw follows from the seed that is handed in, and no global random state is touched. What is
drawn an image is drawn on the device; what is drawn a batch is drawn by numpy, because to read it
from a GPU would hold up the loop. Images are float [B, C, H, W] with mean near zero
(what moves in from outside is zero, the mean grey), labels are class probabilities [B, classes].
"""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from explorer.training.recipe import Augmentation, Photometric

ASPECT = (3 / 4, 4 / 3)
ERASED_AREA = (0.02, 1 / 3)
ERASED_ASPECT = (0.3, 1 / 0.3)
# RandAugment's whole range of factors.
FACTORS = (0.1, 1.9)
WHITE = 255.0


def augment(
    images: Tensor, targets: Tensor, recipe: Augmentation, seed: int
) -> tuple[Tensor, Tensor]:
    """Apply a recipe's augmentations to a batch.

    Args:
        images: float [B, C, H, W], normalised.
        targets: float [B, classes], rows sum to one.
        recipe: Which augmentations, and how strong.
        seed: Of this batch, in 0..2⁶³ - 1.

    Returns:
        Augmented images and targets, of the same shapes. The targets differ from those given
        only under mixup and cutmix.
    """
    generator = torch.Generator(images.device).manual_seed(seed)
    if recipe.crop is not None or recipe.shift > 0 or recipe.flip:
        images = warp(images, recipe, generator)
    if recipe.erase > 0:
        images = erase(images, recipe.erase, generator, noise=recipe.erase_with == "noise")
    if recipe.mixup > 0 or recipe.cutmix > 0:
        kept, blend = _share(recipe.mixup, recipe.cutmix, np.random.default_rng(seed))
        images, targets = mix(images, targets, kept, generator, blend=blend)
    return images, targets


def photometric(images: Tensor, recipe: Photometric, seed: int) -> Tensor:
    """Change the grey levels of randomly chosen images of a batch, all channels alike.

    Args:
        images: Grey levels of 0 to 255, uint8 or float [B, C, H, W].
        recipe: Which changes, and in which share of the images.
        seed: Of this batch, in 0..2⁶³ - 1.

    Returns:
        Grey levels, float [B, C, H, W] in 0..255; the images as they came where nothing is on.
    """
    if recipe == Photometric():
        return images
    generator = torch.Generator(images.device).manual_seed(seed)
    levels = images.float()
    count = len(levels)

    def changed(share: float, change: Callable[[Tensor], Tensor]) -> Tensor:
        if share == 0:
            return levels
        chosen = _uniform(count, 0, 1, generator) < share
        return torch.where(_each(chosen), change(levels).clamp(0, WHITE), levels)

    def factor() -> Tensor:
        return _each(_uniform(count, *FACTORS, generator))

    levels = changed(recipe.stretch, stretch)
    levels = changed(recipe.invert, lambda x: WHITE - x)
    threshold = _each(_uniform(count, 0, WHITE, generator))
    levels = changed(recipe.solarise, lambda x: torch.where(x < threshold, x, WHITE - x))
    bits = torch.randint(4, 8, (count,), generator=generator, device=levels.device)
    step = _each(2.0**bits)
    levels = changed(recipe.posterise, lambda x: (x / step).floor() * step)
    contrast, brightness = factor(), factor()
    levels = changed(
        recipe.contrast, lambda x: torch.lerp(x.mean(dim=(1, 2, 3), keepdim=True), x, contrast)
    )
    return changed(recipe.brightness, lambda x: x * brightness)


def stretch(images: Tensor) -> Tensor:
    """Stretch each image of [B, C, H, W] to the levels from 0 to 255; a constant one stays."""
    low, high = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
    span = high - low
    return torch.where(span > 0, (images - low) * (WHITE / span.clamp(min=1e-6)), images)


def _each(values: Tensor) -> Tensor:
    """Shape a value per image, [B], so that it meets [B, C, H, W]."""
    return values[:, None, None, None]


def warp(images: Tensor, recipe: Augmentation, generator: torch.Generator) -> Tensor:
    """Crop and resize, shift and mirror in one bilinear sampling."""
    count, device = len(images), images.device
    width = torch.ones(count, device=device)
    height = torch.ones(count, device=device)
    if recipe.crop is not None:
        area = _uniform(count, *recipe.crop, generator)
        aspect = _uniform(count, math.log(ASPECT[0]), math.log(ASPECT[1]), generator).exp()
        width = (area * aspect).sqrt().clamp(max=1)
        height = (area / aspect).sqrt().clamp(max=1)
    # The window stays inside the image, then moves by the shift. The grid spans -1..1.
    x = (1 - width) * _uniform(count, -1, 1, generator)
    y = (1 - height) * _uniform(count, -1, 1, generator)
    x = x + 2 * recipe.shift * _uniform(count, -1, 1, generator)
    y = y + 2 * recipe.shift * _uniform(count, -1, 1, generator)
    if recipe.flip:
        width = width * (torch.randint(2, (count,), generator=generator, device=device) * 2 - 1)
    zero = torch.zeros_like(width)
    theta = torch.stack([width, zero, x, zero, height, y], dim=1).view(count, 2, 3)
    grid = nnf.affine_grid(theta, list(images.shape), align_corners=False)
    # A crop's border repeats the last pixel; only a shift shows what lies outside.
    padding = "zeros" if recipe.shift > 0 else "border"
    return nnf.grid_sample(images, grid, padding_mode=padding, align_corners=False)


def erase(
    images: Tensor, chance: float, generator: torch.Generator, *, noise: bool = False
) -> Tensor:
    """Erase a random rectangle in a share `chance` of the images (Zhong et al., 2020).

    With the mean grey, or with normal noise per pixel and channel.
    """
    count = len(images)
    area = _uniform(count, *ERASED_AREA, generator)
    aspect = _uniform(count, math.log(ERASED_ASPECT[0]), math.log(ERASED_ASPECT[1]), generator)
    chosen = _uniform(count, 0, 1, generator) < chance
    inside = _rectangles(images, area, aspect.exp(), generator)
    erased = (inside & chosen[:, None, None])[:, None]
    if not noise:
        return images.masked_fill(erased, 0)
    return torch.where(erased, torch.empty_like(images).normal_(generator=generator), images)


def mix(
    images: Tensor, targets: Tensor, kept: float, generator: torch.Generator, *, blend: bool
) -> tuple[Tensor, Tensor]:
    """Blend every image and its target with another of the batch, by mixup or by cutmix.

    Where a cut-out rectangle reaches over the border, the targets follow the area that is really
    pasted.

    Args:
        images: float [B, C, H, W].
        targets: float [B, classes].
        kept: Share of every image that stays, in 0..1.
        generator: On the device of the images.
        blend: Mixup, or else cutmix.
    """
    count = len(images)
    other = torch.randperm(count, generator=generator, device=images.device)
    if blend:
        share = torch.full((count,), kept, device=images.device)
        mixed = images.lerp(images[other], 1 - kept)
    else:
        area = torch.full((count,), 1 - kept, device=images.device)
        inside = _rectangles(images, area, torch.ones_like(area), generator)
        share = 1 - inside.float().mean(dim=(1, 2))
        mixed = torch.where(inside[:, None], images[other], images)
    share = share[:, None]
    return mixed, share * targets + (1 - share) * targets[other]


def _rectangles(images: Tensor, area: Tensor, aspect: Tensor, generator: torch.Generator) -> Tensor:
    """Mark, bool [B, H, W], a rectangle per image: area as a fraction, centre anywhere."""
    count, _, height, width = images.shape
    y = (torch.arange(height, device=images.device) + 0.5) / height
    x = (torch.arange(width, device=images.device) + 0.5) / width
    half_height = (area * aspect).sqrt()[:, None] / 2
    half_width = (area / aspect).sqrt()[:, None] / 2
    rows = (y - _uniform(count, 0, 1, generator)[:, None]).abs() < half_height
    columns = (x - _uniform(count, 0, 1, generator)[:, None]).abs() < half_width
    return rows[:, :, None] & columns[:, None, :]


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(count, generator=generator, device=generator.device)
    return low + (high - low) * drawn


def _share(mixup: float, cutmix: float, rng: np.random.Generator) -> tuple[float, bool]:
    """Draw the share λ that a batch keeps, one per batch as in the papers, and whether by mixup."""
    blend = mixup > 0 and (cutmix == 0 or bool(rng.random() < 0.5))
    alpha = mixup if blend else cutmix
    return float(rng.beta(alpha, alpha)), blend
