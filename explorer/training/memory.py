"""How much memory a trial may take for its images."""

import os
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

from explorer.training.recipe import Phase
from explorer.training.sources import AHEAD

# A trial holds pre-training images or a task's training and test images, and what it computes.
_SHARE_OF_A_SET = 0.25
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def room(cpus: float, gpus: float) -> int:
    """Return the bytes that one set of images may take to be held in memory.

    It is a quarter of the trial's share of this machine, by the CPUs that it holds, and of the GPU
    if it holds one: a number that does not depend on what else is running.
    """
    share = host() * min(1.0, cpus / len(os.sched_getaffinity(0)))
    if gpus:
        share = min(share, device() * min(1.0, gpus))
    return int(_SHARE_OF_A_SET * share)


def host() -> int:
    """Return the bytes of memory of this machine, or of the container that this is."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in _LIMITS:
        with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
            total = min(total, int(Path(limit).read_text(encoding="ascii")))
    return total


def device() -> int:
    """Return the bytes of memory of the GPU."""
    return int(torch.cuda.get_device_properties(0).total_memory)


def least(model: nn.Module, recipe: Phase, images: int, pixels: int) -> tuple[int, int]:
    """Return the bytes that a phase takes at least: on the device that trains, and on the host.

    On the device weights, gradients and the optimiser's averages, and a batch of floats as it came,
    was normalised and augmented (what a network keeps for its backward pass comes on top); on the
    host the label and the place of every image, and the batches that are being made.

    Args:
        model: The model.
        recipe: Of the phase.
        images: Number of images.
        pixels: Values per image.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    averages = 2 if recipe.optimiser == "adamw" else 1
    batch = min(recipe.batch_size, images) * pixels
    return 4 * (2 + averages) * parameters + 3 * 4 * batch, 16 * images + (1 + AHEAD) * batch


def check(phase: str, needed: float, there: float, where: str) -> None:
    """Raise ``ValueError`` if a phase needs more bytes than there are."""
    if needed > there:
        raise ValueError(
            f"{phase} takes at least {needed / 2**30:.1f} GiB, and {where} has "
            f"{there / 2**30:.1f}; lower {phase}.batch_size or model.image_size"
        )
