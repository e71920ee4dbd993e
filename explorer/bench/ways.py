"""The ways to train that `explorer bench train` compares, on the same images and recipe."""

import contextlib
import functools
import math
import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import timm.data
import timm.loss
import timm.optim
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import datasets, transforms

from explorer import images as dataset
from explorer import study as config
from explorer.images import ProxyDataset
from explorer.training import arithmetic, engine, models
from explorer.training.recipe import Augmentation, FineTune

FORMULA = "visual_atom"
PARTS = ("data and augmentation", "forward and backward", "clip", "optimiser")


class Way(Protocol):
    """One way to train."""

    def round(self) -> int:
        """Train once on all images; return how many they were."""


@dataclass(frozen=True)
class Spent:
    """What a round of one way took: images, and seconds of the clock and of processors."""

    images: int
    wall: float
    cpu: float


class Job:
    """What all ways share: the images, in memory and in files, the recipe and the clock."""

    def __init__(
        self,
        protocol: config.Protocol,
        device: torch.device,
        cores: int,
        epochs: int,
        steps: int,
        folder: Path,
    ) -> None:
        self.device, self.cores, self.model = device, cores, protocol.model
        self.classes = protocol.dataset.categories
        # What is loaded for a task has these channels, without loading it.
        self.channels = 1 if all(t.name == "digits" for t in protocol.downstream) else 3
        said = protocol.pretrain.model_dump(exclude={"rungs"})
        self.recipe = FineTune.model_validate({**said, "epochs": epochs})
        self.batch = self.recipe.batch_size
        sizes: dict[str, Any] = {
            "categories": self.classes,
            "instances": math.ceil(self.batch * steps / self.classes),
            "canvas": protocol.dataset.canvas,
            "seed": 0,
        }
        side = self.model.image_size
        self.proxy: ProxyDataset = dataset.render_dataset(FORMULA, None, **sizes, size=side)
        self.large, self.small = folder / "canvas", folder / "model"
        for folder_, size in ((self.large, sizes["canvas"]), (self.small, side)):
            dataset.export_imagefolder(dataset.Plan(FORMULA, None, **sizes, size=size), folder_)

    def training(self, optimiser: str, *, compiled: bool = False) -> engine.Training:
        """Make a fresh run of the recipe, with its optimiser or with AdamW."""
        changed: dict[str, Any] = {"compile": compiled}
        if optimiser != self.recipe.optimiser:
            changed |= {"optimiser": optimiser, "matrix_learning_rate": None}
        recipe = FineTune.model_validate({**self.recipe.model_dump(), **changed})
        model = models.build(self.model, classes=self.classes, channels=self.channels, seed=0)
        return engine.Training(
            model,
            self.proxy.images,
            self.proxy.labels,
            recipe,
            classes=self.classes,
            seed=0,
            device=self.device,
            phase="pretrain",
        )

    def chosen(self, training: engine.Training) -> Tensor:
        """Return the indices of one full batch, the same every time."""
        return torch.arange(self.batch, device=self.device) % len(training.labels)

    def clock(self, work: Callable[[], int]) -> Spent:
        """Do some work that returns how many images it trained on."""
        self.wait()
        wall, cpu = time.perf_counter(), _cpu_time()
        images = work()
        self.wait()
        return Spent(images, time.perf_counter() - wall, _cpu_time() - cpu)

    def wait(self) -> None:
        """Let the device finish what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class Timm:
    """The plain way to train a model of timm on an ImageFolder."""

    def __init__(self, job: Job, folder: Path) -> None:
        recipe, self.job = job.recipe, job
        pooled = {"global_pool": "avg", "class_token": False}
        self.model: nn.Module = timm.create_model(
            job.model.name,
            img_size=job.model.image_size,
            patch_size=job.model.patch_size,
            in_chans=job.channels,
            num_classes=job.classes,
            **(pooled if job.model.pooling == "average" else {}),
        ).to(job.device)
        self.optimiser = timm.optim.create_optimizer_v2(
            self.model,
            opt="sgd" if recipe.optimiser == "sgd" else "adamw",
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self.mixup, self.loss = _mixing(recipe, job.classes)
        self.loader = torch.utils.data.DataLoader(
            datasets.ImageFolder(
                str(folder),
                _transforms(recipe.augmentation, job),
                loader=functools.partial(_open, "L" if job.channels == 1 else "RGB"),
            ),
            batch_size=job.batch,
            shuffle=True,
            drop_last=len(job.proxy.labels) > job.batch,
            num_workers=job.cores,
            persistent_workers=True,
            pin_memory=job.device.type == "cuda",
            worker_init_fn=_leave_interrupts_alone,
        )

    def round(self) -> int:
        """Train for one epoch of full batches."""
        images_seen = 0
        self.model.train()
        for images_, labels_ in self.loader:
            images = images_.to(self.job.device, non_blocking=True)
            labels = labels_.to(self.job.device, non_blocking=True)
            if self.mixup is not None:
                images, labels = self.mixup(images, labels)
            with self._autocast():
                loss = self.loss(self.model(images), labels)
            self.optimiser.zero_grad()
            loss.backward()
            if self.job.recipe.clip is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.job.recipe.clip)
            self.optimiser.step()
            images_seen += len(images)
        return images_seen

    def close(self) -> None:
        """End the workers."""
        del self.loader

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.job.device.type == "cpu":
            return contextlib.nullcontext()
        return arithmetic.autocast(self.job.recipe, self.job.device)


class Ceiling:
    """Forward and backward of our model on one batch that never changes."""

    def __init__(self, job: Job) -> None:
        self.training = job.training("adamw")
        self.steps = self.training.epoch_steps
        side = job.model.image_size
        generator = torch.Generator().manual_seed(0)
        # As many as a step of ours has: batches of equal size, so perhaps fewer than the largest.
        size = math.ceil(len(job.proxy.labels) / self.steps)
        images = torch.randn(size, job.channels, side, side, generator=generator)
        labels = torch.randint(job.classes, (size,), generator=generator)
        targets = nn.functional.one_hot(labels, job.classes).float()
        self.images, self.targets = images.to(job.device), targets.to(job.device)

    def round(self) -> int:
        """Differentiate the batch as often as a round has steps."""
        for _ in range(self.steps):
            self.training.differentiate(self.images, self.targets)
        return self.steps * len(self.images)


class Ours:
    """Our loop, one epoch a round."""

    def __init__(self, job: Job, optimiser: str, *, compiled: bool = False) -> None:
        self.images = len(job.proxy.labels)
        self.events = job.training(optimiser, compiled=compiled).run()

    def round(self) -> int:
        """Train for one epoch."""
        next(self.events)
        return self.images


class Parts:
    """The parts of our step, one after the other, each with a clock of its own."""

    def __init__(self, job: Job, optimiser: str) -> None:
        self.job, self.training = job, job.training(optimiser)
        self.spent: dict[str, list[float]] = {part: [] for part in PARTS}

    def round(self) -> None:
        """Make as many steps as a round has."""
        training = self.training
        chosen = self.job.chosen(training)
        for _ in range(training.epoch_steps):
            images, targets = self._timed(PARTS[0], functools.partial(training.batch, chosen))
            self._timed(PARTS[1], functools.partial(training.differentiate, images, targets))
            self._timed(PARTS[2], training.clip)
            self._timed(PARTS[3], training.update)

    def medians(self) -> dict[str, float]:
        """Milliseconds a step, the first round left out."""
        first = self.training.epoch_steps
        return {part: 1e3 * statistics.median(times[first:]) for part, times in self.spent.items()}

    def _timed(self, part: str, work: Callable[[], Any]) -> Any:
        self.job.wait()
        began = time.perf_counter()
        result = work()
        self.job.wait()
        self.spent[part].append(time.perf_counter() - began)
        return result


def _transforms(recipe: Augmentation, job: Job) -> Callable[[Image.Image], Tensor]:
    """Torchvision's transforms for a recipe, to be applied image by image."""
    side = job.model.image_size
    steps: list[Any] = [transforms.Resize(side)]
    if recipe.crop is not None:
        steps = [transforms.RandomResizedCrop(side, scale=recipe.crop)]
    if recipe.flip:
        steps.append(transforms.RandomHorizontalFlip())
    if recipe.shift:
        steps.append(transforms.RandomAffine(0, translate=(recipe.shift, recipe.shift)))
    mean, std = float(job.proxy.images.mean()) / 255, float(job.proxy.images.std()) / 255
    steps += [transforms.ToTensor(), transforms.Normalize([mean] * job.channels, std)]
    if recipe.erase:
        steps.append(transforms.RandomErasing(recipe.erase))
    composed: Callable[[Image.Image], Tensor] = transforms.Compose(steps)
    return composed


def _mixing(recipe: FineTune, classes: int) -> tuple[Callable[..., Any] | None, nn.Module]:
    mixed = recipe.augmentation.mixup, recipe.augmentation.cutmix
    if not any(mixed):
        return None, nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    mixup = timm.data.Mixup(*mixed, label_smoothing=recipe.label_smoothing, num_classes=classes)
    return mixup, timm.loss.SoftTargetCrossEntropy()


def _open(mode: str, path: str) -> Image.Image:
    with Image.open(path) as image:
        return image.convert(mode)


def _leave_interrupts_alone(_: int) -> None:
    # The process that started the workers ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _cpu_time() -> float:
    """Return the processor time of this process and of its workers in seconds."""
    ticks = 0
    for worker in multiprocessing.active_children():
        with contextlib.suppress(OSError):  # it has just ended
            stat = Path(f"/proc/{worker.pid}/stat").read_text(encoding="utf-8")
            ticks += sum(int(field) for field in stat.rpartition(")")[2].split()[11:13])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")
