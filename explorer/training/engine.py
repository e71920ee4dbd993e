"""The training loop, used twice: pre-training on the proxy, fine-tuning downstream.

The images are one uint8 tensor on the device; a batch is a slice of it, standardised and
augmented there. There are no workers, because nothing is left for them to do.

Every random choice of a step follows from (seed, epoch) or (seed, step) alone, not from what was
drawn before. So the whole state of a run is its weights, its optimisers and its step count, and
neither torch's nor numpy's global random state is read or changed. With one thread on a CPU the
same arguments give the same weights, bit for bit.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor, nn

from explorer.training import optimisers
from explorer.training.augment import augment
from explorer.training.inputs import Standardise
from explorer.training.models import channels_of
from explorer.training.recipe import Phase, Pretrain

PhaseName = Literal["pretrain", "finetune"]
# Forward only needs no activations kept, so its batches can be larger than a step's.
EVALUATION_BATCH = 256
# How many steps the losses may stay on the device before one look at them (a look waits).
STEPS_BETWEEN_LOOKS = 64


class TrainingDiverged(ValueError):  # noqa: N818 - it reads as what happened
    """The loss or the weights stopped being finite."""

    def __init__(self, phase: PhaseName, step: int, steps: int) -> None:
        self.phase = phase
        self.step = step
        super().__init__(
            f"{phase} diverged at step {step} of {steps}: the loss is not finite; "
            "lower the learning rate or the clip, or lengthen the warm-up"
        )


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch has ended. Loss and accuracy are means over its augmented training batches."""

    epoch: int
    """From 1."""
    loss: float
    accuracy: float
    """In 0..1; under mixup and cutmix against the stronger of the two labels."""
    images_seen: int
    """Since training began, repeats counted."""
    seconds: float
    """Spent in this epoch, without what the caller did between events."""


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung of the pre-training is reached; the model may be probed before the loop goes on."""

    images_seen: int
    share: float
    """Of the pre-training that is done, in 0..1."""


class Training:
    """One run of one phase: the model, its optimisers and how far they have come.

    Args:
        model: Is moved to `device` and trained in place.
        images: uint8 [N, C, H, W] or grey [N, H, W].
        labels: int64 [N], from 0 to `classes` - 1.
        recipe: Of the phase; its rungs, if it is a `Pretrain`, are reported.
        classes: Outputs of the model's head.
        seed: Of the order of the images and of the augmentation.
        device: Where to train.
        phase: Named in errors.
    """

    def __init__(
        self,
        model: nn.Module,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        recipe: Phase,
        *,
        classes: int,
        seed: int,
        device: torch.device,
        phase: PhaseName,
    ) -> None:
        self.model = model.to(device)
        self.images = to_device(images, device)
        self.labels = torch.from_numpy(labels).to(device)
        self.standardise = Standardise.of(self.images)
        self.recipe = recipe
        self.classes = classes
        self.seed = seed
        self.device = device
        self.phase: PhaseName = phase
        self.optimisers = optimisers.build(model, recipe)
        self.step = 0
        self.images_seen = 0
        self.epoch_steps = math.ceil(len(labels) / recipe.batch_size)
        self.steps = self.epoch_steps * recipe.epochs

    def run(self) -> Iterator[Epoch | Rung]:
        """Train from the current step to the end, and say so at every epoch and rung.

        At an event the caller may use the model, in evaluation mode too; the loop sets the
        training mode again.

        Raises:
            TrainingDiverged: The loss or, at the end, a weight is not finite.
        """
        rungs = {max(1, round(share * self.steps)): share for share in self._rungs()}
        losses: list[Tensor] = []
        hits: list[Tensor] = []
        looked, seconds = 0, 0.0
        batches = self._deal(self.step // self.epoch_steps)
        while self.step < self.steps:
            began = time.perf_counter()
            loss, hit = self._advance(batches[self.step % self.epoch_steps])
            losses.append(loss)
            hits.append(hit)
            ended = self.step % self.epoch_steps == 0
            if ended or self.step in rungs or len(losses) - looked >= STEPS_BETWEEN_LOOKS:
                self._look(losses[looked:])
                looked = len(losses)
            seconds += time.perf_counter() - began
            if ended:
                epoch = self.step // self.epoch_steps
                mean = float(torch.stack(losses).mean())
                accuracy = float(torch.stack(hits).sum()) / len(self.labels)
                yield Epoch(epoch, mean, accuracy, self.images_seen, seconds)
                losses, hits, looked, seconds = [], [], 0, 0.0
                batches = self._deal(epoch)
            if self.step in rungs:
                yield Rung(self.images_seen, rungs[self.step])
        if not all(bool(p.isfinite().all()) for p in self.model.parameters()):
            raise TrainingDiverged(self.phase, self.step, self.steps)
        self.model.eval()

    def _advance(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Make one step on the images of these indices; the loss and the number of hits."""
        recipe = self.recipe
        self.model.train()
        generator = torch.Generator(self.device).manual_seed(mixed(self.seed, 1, self.step))
        images = self.standardise(self.images[batch], channels_of(self.model))
        targets = nnf.one_hot(self.labels[batch], self.classes).float()
        images, targets = augment(images, targets, recipe.augmentation, generator)
        with autocast(recipe, self.device):
            logits = self.model(images)
        logits = logits.float()
        loss = nnf.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
        self.model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        factor = schedule(self.step, self.steps, recipe.warmup)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * factor
            optimiser.step()
        self.step += 1
        self.images_seen += len(batch)
        return loss.detach(), (logits.argmax(1) == targets.argmax(1)).sum()

    def _deal(self, epoch: int) -> tuple[Tensor, ...]:
        """Deal the images of an epoch, in random order, into batches of equal size."""
        generator = torch.Generator().manual_seed(mixed(self.seed, 0, epoch))
        order = torch.randperm(len(self.labels), generator=generator).to(self.device)
        return torch.tensor_split(order, self.epoch_steps)

    def _look(self, losses: list[Tensor]) -> None:
        finite = torch.stack(losses).isfinite().tolist()
        if not all(finite):
            first = self.step - len(losses) + finite.index(False) + 1
            raise TrainingDiverged(self.phase, first, self.steps)

    def _rungs(self) -> tuple[float, ...]:
        return self.recipe.rungs if isinstance(self.recipe, Pretrain) else ()


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate at a step (from 0): linear warm-up, then half a cosine."""
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))


def predict(
    model: nn.Module, images: NDArray[np.uint8], standardise: Standardise, *, device: torch.device
) -> NDArray[np.int64]:
    """Predict classes, int64 [N], for uint8 [N, C, H, W], in float32 and evaluation mode.

    `standardise` is that of the images which the model was trained on.
    """
    model.eval()
    channels = channels_of(model)
    with torch.inference_mode():
        found = [
            model(standardise(batch.to(device), channels)).argmax(dim=1)
            for batch in torch.split(to_device(images, torch.device("cpu")), EVALUATION_BATCH)
        ]
    predicted: NDArray[np.int64] = torch.cat(found).cpu().numpy()
    return predicted


def autocast(recipe: Phase, device: torch.device) -> torch.autocast:
    """The arithmetic that a recipe asks for on this device."""
    wanted = recipe.precision == "bfloat16" or (
        recipe.precision == "auto" and (device.type == "cuda" or _has_amx())
    )
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def to_device(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Put images on the device as uint8 [N, C, H, W]; grey [N, H, W] gain their channel."""
    tensor = torch.from_numpy(images)
    return (tensor.unsqueeze(1) if tensor.ndim == 3 else tensor).to(device)


def mixed(seed: int, *stream: int) -> int:
    """Mix a seed with the numbers of a stream into a new seed of 63 bits."""
    state = np.random.SeedSequence([seed, *stream]).generate_state(1, np.uint64)
    return int(state[0]) >> 1


def _has_amx() -> bool:
    capable = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(capable()) if capable is not None else False
