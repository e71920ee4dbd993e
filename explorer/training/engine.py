"""The training loop, used twice: pre-training on the proxy, fine-tuning downstream.

The images are one uint8 tensor on the device, of which a batch is a slice; or, where they do not
fit, threads make the next batches while a step computes (`explorer.training.sources`). A batch is
normalised and augmented on the device. There are no worker processes: nothing is left for them.

Every random choice of a step follows from (seed, epoch) or (seed, step) alone, not from what was
drawn before. So the whole state of a run is its weights, its optimisers and its step count, and
neither torch's nor numpy's global random state is read or changed. With one thread on a CPU the
same arguments give the same weights, bit for bit; on CUDA a recipe may ask for that.

Nothing is compiled unless the recipe says so. What torch.compile saves in the steps of a short
pre-training it takes for compiling; `python -m benchmarks.train --compile` measures both.
"""

import copy
import logging
import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import chain, islice, tee
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as nnf
from numpy.typing import NDArray
from torch import Tensor, nn

from explorer.training import optimisers
from explorer.training.arithmetic import autocast, determinism
from explorer.training.augment import augment, photometric
from explorer.training.inputs import Normalise
from explorer.training.models import channels_of, drop_branches, drop_patches, place
from explorer.training.recipe import Phase, Pretrain
from explorer.training.sources import Source, feed, portions

_log = logging.getLogger("explorer")

PhaseName = Literal["pretrain", "finetune"]
# How much work a fault may cost at most.
SECONDS_BETWEEN_SAVES = 600.0
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


class TrainingOutOfMemory(RuntimeError):  # noqa: N818 - it reads as what happened
    """The images, or a step on one batch of them, do not fit into the memory of the device."""


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
    loss: float
    """Mean over the training batches since the last rung."""
    seconds: float
    """Spent in the epoch that is under way and not reported by an `Epoch` yet."""


@dataclass(frozen=True, slots=True)
class Due:
    """Ten minutes have passed; the state may be saved."""


class Training:
    """One run of one phase: the model, its optimisers and how far they have come.

    Fewer images than a batch holds are one batch an epoch.

    Args:
        model: Is moved to `device` and trained in place.
        images: uint8 [N, C, H, W] or grey [N, H, W]. Of instances that are fresh in every epoch,
            image `index` of epoch `e` (from 0) is asked for as `e * N + index`.
        labels: int64 [N], from 0 to `classes` - 1.
        recipe: Of the phase; its rungs, if it is a `Pretrain`, are reported.
        classes: Outputs of the model's head.
        seed: Of the order of the images and of the augmentation.
        device: Where to train.
        phase: Named in errors.

    Raises:
        ValueError: There is nothing to tell apart: no image, or fewer than two classes.
        TrainingOutOfMemory: The model and the images do not fit on the device.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Source,
        labels: NDArray[np.int64],
        recipe: Phase,
        *,
        classes: int,
        seed: int,
        device: torch.device,
        phase: PhaseName,
    ) -> None:
        if classes < 2 or not len(images):
            raise ValueError(
                f"{phase}: {len(images)} images of {classes} categories; "
                "training needs images of at least two"
            )
        self.recipe = recipe
        self.classes = classes
        self.seed = seed
        self.device = device
        self.phase: PhaseName = phase
        self.shape = images.shape
        self.step = 0
        with self._memory():
            self.model = place(model, device)
            self.source = feed(images, device)
            self.labels = torch.from_numpy(labels).to(device)
            self.normalise = Normalise.of(self.model, self.source, device)
            patch_drop = recipe.patch_drop if isinstance(recipe, Pretrain) else 0.0
            self._patch_drop = drop_patches(self.model, patch_drop)
            self._branches = drop_branches(self.model, recipe.drop_path)
        self._forward: Callable[[Tensor], Tensor] = (
            torch.compile(self.model) if recipe.compile else self.model
        )
        self.optimisers = optimisers.build(model, recipe)
        self.images_seen = 0
        self.epoch_steps = math.ceil(len(labels) / recipe.batch_size)
        self.steps = self.epoch_steps * recipe.epochs
        # Of the epoch that is under way: a loss and a number of hits a step, and its time so far.
        self._losses: list[Tensor] = []
        self._hits: list[Tensor] = []
        self._seconds = 0.0
        self._since_rung: list[Tensor] = []

    @property
    def compiled(self) -> bool:
        """Whether steps run compiled; no longer once something could not be compiled."""
        return self._forward is not self.model

    def run(self) -> Iterator[Epoch | Rung | Due]:
        """Train from the current step to the end, and say so at every epoch and rung.

        Every ten minutes it also says that it is time to save.

        At an event the caller may use the model, in evaluation mode too; the loop sets the
        training mode again.

        Raises:
            TrainingDiverged: The loss or, at the end, a weight is not finite.
            TrainingOutOfMemory: A step does not fit into the memory of the device.
        """
        rungs = {max(1, round(share * self.steps)): share for share in self._rungs()}
        looked, saved = len(self._losses), time.monotonic()
        with closing(self._batches()) as batches:
            while self.step < self.steps:
                began = time.perf_counter()
                with self._memory():
                    chosen, images = next(batches)
                self._advance(images, chosen)
                ended = self.step % self.epoch_steps == 0
                if ended or self.step in rungs or len(self._losses) - looked >= STEPS_BETWEEN_LOOKS:
                    self._look(self._losses[looked:])
                    looked = len(self._losses)
                self._seconds += time.perf_counter() - began
                if ended:
                    looked = 0
                    yield self._epoch()
                if self.step in rungs:
                    loss = float(torch.stack(self._since_rung).mean())
                    self._since_rung = []
                    yield Rung(self.images_seen, rungs[self.step], loss, self._seconds)
                if time.monotonic() - saved >= SECONDS_BETWEEN_SAVES:
                    saved = time.monotonic()
                    yield Due()
        if not all(bool(p.isfinite().all()) for p in self.model.parameters()):
            raise TrainingDiverged(self.phase, self.step, self.steps)
        self.model.eval()

    def _epoch(self) -> Epoch:
        """Sum up the epoch that has ended."""
        mean = float(torch.stack(self._losses).mean())
        accuracy = float(torch.stack(self._hits).sum()) / len(self.labels)
        seconds = self._seconds
        self._losses, self._hits, self._seconds = [], [], 0.0
        return Epoch(self.step // self.epoch_steps, mean, accuracy, self.images_seen, seconds)

    def logits(self, images: Source) -> NDArray[np.float64]:
        """Compute the outputs of the head, float64 [N, classes], for uint8 [N, C, H, W].

        In float32 and evaluation mode, at the scale of the input that was trained on.
        """
        return forward(self.model, self.model, images, self.normalise, device=self.device)

    def state(self) -> dict[str, Any]:
        """Copy all that a run needs to go on: plain numbers, lists and tensors.

        Take it at an event, save it with `torch.save`, and load it with `weights_only=True`.
        """
        return copy.deepcopy(
            {
                "phase": self.phase,
                "seed": self.seed,
                "steps": self.steps,
                "step": self.step,
                "images_seen": self.images_seen,
                "losses": self._losses,
                "hits": self._hits,
                "since_rung": self._since_rung,
                "seconds": self._seconds,
                "model": self.model.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            }
        )

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where a run with the same arguments was when its `state` was taken.

        What follows is what would have followed there, bit for bit; events that it had reported
        are not reported again.

        Raises:
            ValueError: The state is of another phase, seed or number of steps.
            RuntimeError: It is of another model, by torch.
        """
        for name in ("phase", "seed", "steps"):
            if state[name] != getattr(self, name):
                raise ValueError(
                    f"{self.phase}: cannot go on from a run with {name} {state[name]}; "
                    f"this one has {getattr(self, name)}"
                )
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            # Torch keeps the tensors that it is given; the state must not change with ours.
            optimiser.load_state_dict(copy.deepcopy(saved))
        self.step, self.images_seen = state["step"], state["images_seen"]
        self._losses = [loss.to(self.device) for loss in state["losses"]]
        self._hits = [hits.to(self.device) for hits in state["hits"]]
        self._since_rung = [loss.to(self.device) for loss in state["since_rung"]]
        self._seconds = state["seconds"]

    def batch(self, images: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Make the batch of the current step.

        Args:
            images: As they are, uint8 [B, C, H, W].
            chosen: Their indices, int64 [B].

        Returns:
            Images, float [B, C, H, W], normalised and augmented; targets, float [B, classes].
        """
        levels = photometric(
            images.to(self.device, non_blocking=True),
            self.recipe.augmentation.photometric,
            mixed(self.seed, 5, self.step),
        )
        labels = self.labels[(chosen % len(self.labels)).to(self.device)]
        return augment(
            self.normalise(levels, channels_of(self.model)),
            nnf.one_hot(labels, self.classes).float(),
            self.recipe.augmentation,
            mixed(self.seed, 1, self.step),
        )

    def differentiate(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Leave the gradients of a batch in the parameters.

        Returns:
            The loss, and the number of images whose strongest class is the target's.
        """
        self.model.train()
        try:
            loss, logits = self._backward(images, targets)
        except RuntimeError as error:
            if not self.compiled or not _from_compiler(error):
                raise
            reason = " ".join(str(error).split("\n", 2)[:2])  # the first says only which backend
            _log.warning("%s: goes on without compiling: %s", self.phase, reason)
            self._forward = self.model
            loss, logits = self._backward(images, targets)
        return loss.detach(), (logits.argmax(1) == targets.argmax(1)).sum()

    def _backward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Add up the gradients of a batch, as many images at a time as the recipe says."""
        self.model.zero_grad(set_to_none=True)
        size = self.recipe.micro_batch or len(images)
        parts = zip(images.split(size), targets.split(size), strict=True)  # type: ignore[no-untyped-call]
        losses, logits = [], []
        for number, (shown, wanted) in enumerate(parts):
            self._leave_out(len(shown), number)
            with autocast(self.recipe, self.device):
                found = self._forward(shown)
            logits.append(found.float())
            loss = nnf.cross_entropy(
                logits[-1], wanted, label_smoothing=self.recipe.label_smoothing
            )
            if len(shown) < len(images):
                loss = loss * (len(shown) / len(images))
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        if len(losses) == 1:
            return losses[0], logits[0]
        return torch.stack(losses).sum(), torch.cat(logits)

    def _leave_out(self, count: int, part: int) -> None:
        """Draw what the network leaves out of a part of the current step's batch."""
        stream = (self.step, part) if part else (self.step,)
        self._patch_drop.seed = mixed(self.seed, 6, *stream)
        if self._branches:
            generator = torch.Generator(self.device).manual_seed(mixed(self.seed, 7, *stream))
            for branch in self._branches:
                branch.draw(count, generator)

    def clip(self) -> None:
        """Shorten the gradient to the length that the recipe allows."""
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)

    def update(self) -> None:
        """Move the weights, at the learning rates of the current step."""
        factor = schedule(self.step, self.steps, self.recipe.warmup, self.recipe.floor)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * factor
            optimiser.step()

    def _advance(self, images: Tensor, chosen: Tensor) -> None:
        """Make one step on the images of these indices."""
        with self._memory(), determinism(self.recipe):
            loss, hits = self.differentiate(*self.batch(images, chosen))
            self.clip()
            self.update()
        self._losses.append(loss)
        self._since_rung.append(loss)
        self._hits.append(hits)
        self.step += 1
        self.images_seen += len(chosen)

    @contextmanager
    def _memory(self) -> Iterator[None]:
        """Say in one line what did not fit into memory, and what to lower."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            lacks = isinstance(error, (MemoryError, torch.OutOfMemoryError))
            # What the allocator of the CPU raises has no type of its own.
            if not lacks and "can't allocate memory" not in str(error):
                raise
            batch = min(self.recipe.batch_size, self.shape[0])
            height, width = self.shape[-2:]
            raise TrainingOutOfMemory(
                f"{self.phase}: out of memory on {self.device} at step {self.step + 1} with "
                f"batches of {batch} images of {height} x {width}; lower the batch_size or the "
                f"model's image_size"
            ) from error

    def _batches(self) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Yield indices and images of every batch from the current step to the end."""
        epoch, done = divmod(self.step, self.epoch_steps)
        dealt = chain.from_iterable(map(self._deal, range(epoch, self.recipe.epochs)))
        order, wanted = tee(islice(dealt, done, None))
        yield from zip(order, self.source.batches(wanted), strict=True)

    def _deal(self, epoch: int) -> Iterator[Tensor]:
        """Deal the images of an epoch, in random order, into batches of equal size."""
        generator = torch.Generator().manual_seed(mixed(self.seed, 0, epoch))
        order = torch.randperm(len(self.labels), generator=generator)
        if isinstance(self.recipe, Pretrain):
            # The copies of an image lie in one batch, as in the authors' scripts.
            distinct = math.ceil(len(order) / self.recipe.copies)
            order = order[:distinct].repeat_interleave(self.recipe.copies)[: len(order)]
            if self.recipe.instances == "fresh":
                order += epoch * len(self.labels)
        size, larger = divmod(len(order), self.epoch_steps)
        for step in range(self.epoch_steps):
            first = step * size + min(step, larger)
            yield order[first : first + size + (step < larger)]

    def _look(self, losses: list[Tensor]) -> None:
        finite = torch.stack(losses).isfinite().tolist()
        if not all(finite):
            first = self.step - len(losses) + finite.index(False) + 1
            raise TrainingDiverged(self.phase, first, self.steps)

    def _rungs(self) -> tuple[float, ...]:
        return self.recipe.rungs if isinstance(self.recipe, Pretrain) else ()


def schedule(step: int, steps: int, warmup: float, floor: float = 0.0) -> float:
    """Share of the peak learning rate at a step (from 0): linear warm-up, then half a cosine."""
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    cosine = 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))
    return floor + (1 - floor) * cosine


def forward(
    model: nn.Module,
    function: Callable[[Tensor], Tensor],
    images: Source,
    normalise: Normalise,
    *,
    device: torch.device,
) -> NDArray[np.float64]:
    """Apply a function of a model to uint8 [N, C, H, W], a batch at a time, as float64 [N, ...]."""
    model.eval()
    channels = channels_of(model)
    batches = feed(images, torch.device("cpu")).batches(portions(len(images)))
    with torch.inference_mode():
        parts = [function(normalise(b.to(device), channels)).double().cpu() for b in batches]
    return torch.cat(parts).numpy()


def _from_compiler(error: RuntimeError) -> bool:
    from torch._dynamo.exc import TorchDynamoException

    return isinstance(error, TorchDynamoException)


def mixed(seed: int, *stream: int) -> int:
    """Mix a seed with the numbers of a stream into a new seed of 63 bits."""
    state = np.random.SeedSequence([seed, *stream]).generate_state(1, np.uint64)
    return int(state[0]) >> 1
