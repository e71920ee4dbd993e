"""How fast a protocol pre-trains, against plain timm in the same run.

``python -m benchmarks.train [--protocol laptop] [--device cuda]``: two minutes on one core.

Steps with the model, the batch and the recipe of a protocol, in turns on the same cores, by

- ``timm``: the plain way. ``timm.create_model``, timm's optimiser, torchvision's ImageFolder over
  PNG files at the size of the canvas, per-image transforms in the workers of a DataLoader (one per
  core). In float32 on a processor, as is usual (autocast does not pay there), and in the
  arithmetic of the recipe on a GPU. With AdamW also where the recipe has Muon.
- ``timm, small files``: the same over files that were reduced to the model's input beforehand;
- ``ceiling``: our model, forward and backward alone, on one batch that lies on the device;
- ``ours``: `explorer.training.engine.Training`, images to moved weights, with AdamW and, where it
  is the recipe's, with Muon or SGD; with ``--compile`` also compiled.

A round is one pass over the same images by each of them. Ratios are taken of wall time round by
round, so that what disturbs the machine disturbs both sides alike; the first round is not counted.
"""

import argparse
import contextlib
import functools
import math
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm.data
import timm.loss
import timm.optim
import torch
from PIL import Image
from torch import nn
from torchvision import datasets, transforms

from benchmarks.common import busy, only, ratio, table, usable
from explorer import images
from explorer.study import Protocol, load_protocol
from explorer.training import arithmetic, engine, models
from explorer.training.recipe import FineTune

FORMULA = "visual_atom"
BASES = ("timm", "timm, small files", "ceiling")


class Job:
    """What all ways share: the images, in memory and in files, and the recipe."""

    def __init__(
        self, protocol: Protocol, device: torch.device, cores: int, epochs: int, steps: int
    ) -> None:
        self.protocol, self.device, self.cores = protocol, device, cores
        self.model, self.classes = protocol.model, protocol.dataset.categories
        # What is loaded for a task has these channels, without loading it.
        self.channels = 1 if all(t.name == "digits" for t in protocol.downstream) else 3
        recipe = protocol.pretrain.model_dump(
            exclude={"rungs", "patch_drop", "instances", "copies"}
        )
        self.recipe = FineTune.model_validate({**recipe, "epochs": epochs})
        self.instances = math.ceil(self.recipe.batch_size * steps / self.classes)
        self.proxy = self.plan(self.model.image_size).dataset()

    def plan(self, size: int) -> images.Plan:
        """Return the images at a size."""
        canvas = self.protocol.dataset.canvas
        return images.Plan(FORMULA, None, self.classes, self.instances, canvas, size, 0)

    def training(self, optimiser: str, *, compiled: bool = False) -> engine.Training:
        """Make a fresh run of the recipe, with its optimiser or with AdamW."""
        changed: dict[str, Any] = {"compile": compiled}
        if optimiser != self.recipe.optimiser:
            changed |= {"optimiser": optimiser, "matrix_learning_rate": None}
        return engine.Training(
            models.build(self.model, classes=self.classes, channels=self.channels, seed=0),
            self.proxy.images,
            self.proxy.labels,
            FineTune.model_validate({**self.recipe.model_dump(), **changed}),
            classes=self.classes,
            seed=0,
            device=self.device,
            phase="pretrain",
        )

    def clock(self, work: Callable[[], int]) -> tuple[float, float]:
        """Do work that returns its number of images; returns seconds per image, wall and CPU."""
        self.wait()
        wall, cpu = time.perf_counter(), _cpu_time()
        count = work()
        self.wait()
        return (time.perf_counter() - wall) / count, (_cpu_time() - cpu) / count

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
        mixed = recipe.augmentation.mixup, recipe.augmentation.cutmix
        smooth = recipe.label_smoothing
        self.mixup: Any = None
        self.loss: nn.Module = nn.CrossEntropyLoss(label_smoothing=smooth)
        if any(mixed):
            self.mixup = timm.data.Mixup(*mixed, label_smoothing=smooth, num_classes=job.classes)
            self.loss = timm.loss.SoftTargetCrossEntropy()
        opened = functools.partial(_open, "L" if job.channels == 1 else "RGB")
        self.loader = torch.utils.data.DataLoader(
            datasets.ImageFolder(str(folder), _transforms(job), loader=opened),
            batch_size=recipe.batch_size,
            shuffle=True,
            drop_last=len(job.proxy.labels) > recipe.batch_size,
            num_workers=job.cores,
            persistent_workers=True,
            pin_memory=job.device.type == "cuda",
            worker_init_fn=_leave_interrupts_alone,
        )

    def round(self) -> int:
        """Train for one epoch of full batches; returns the number of images."""
        seen = 0
        self.model.train()
        for x, y in self.loader:
            pixels = x.to(self.job.device, non_blocking=True)
            labels = y.to(self.job.device, non_blocking=True)
            if self.mixup is not None:
                pixels, labels = self.mixup(pixels, labels)
            with self._autocast():
                loss = self.loss(self.model(pixels), labels)
            self.optimiser.zero_grad()
            loss.backward()
            if self.job.recipe.clip is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.job.recipe.clip)
            self.optimiser.step()
            seen += len(pixels)
        return seen

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.job.device.type == "cpu":
            return contextlib.nullcontext()
        return arithmetic.autocast(self.job.recipe, self.job.device)


class Ceiling:
    """Forward and backward of our model on one batch that never changes."""

    def __init__(self, job: Job) -> None:
        self.training = job.training("adamw")
        self.steps = self.training.epoch_steps
        # As many as a step of ours has: batches of equal size, so perhaps fewer than the largest.
        size, side = math.ceil(len(job.proxy.labels) / self.steps), job.model.image_size
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randn(size, job.channels, side, side, generator=generator)
        labels = torch.randint(job.classes, (size,), generator=generator)
        targets = nn.functional.one_hot(labels, job.classes).float()
        self.batch = pixels.to(job.device), targets.to(job.device)

    def round(self) -> int:
        """Differentiate the batch as often as a round has steps; returns the number of images."""
        for _ in range(self.steps):
            self.training.differentiate(*self.batch)
        return self.steps * len(self.batch[0])


class Ours:
    """Our loop, one epoch per round."""

    def __init__(self, job: Job, optimiser: str, *, compiled: bool = False) -> None:
        self.count = len(job.proxy.labels)
        self.events = job.training(optimiser, compiled=compiled).run()

    def round(self) -> int:
        """Train for one epoch; returns the number of images."""
        next(self.events)
        return self.count


class Parts:
    """The parts of our step, one after the other, each with a clock of its own."""

    def __init__(self, job: Job, optimiser: str) -> None:
        self.job, self.training = job, job.training(optimiser)
        self.spent: dict[str, list[float]] = {}

    def round(self) -> None:
        """Make as many steps as a round has."""
        training = self.training
        chosen = torch.arange(self.job.recipe.batch_size, device=self.job.device)
        chosen %= len(training.labels)
        for _ in range(training.epoch_steps):
            (images,) = training.source.batches([chosen])
            batch = self._timed(
                "data and augmentation", functools.partial(training.batch, images, chosen)
            )
            self._timed("forward and backward", functools.partial(training.differentiate, *batch))
            self._timed("clip", training.clip)
            self._timed("optimiser", training.update)

    def _timed(self, part: str, work: Callable[[], Any]) -> Any:
        self.job.wait()
        start = time.perf_counter()
        result = work()
        self.job.wait()
        self.spent.setdefault(part, []).append(time.perf_counter() - start)
        return result


def _transforms(job: Job) -> Callable[[Image.Image], Any]:
    """Torchvision's transforms for a recipe, to be applied image by image."""
    recipe, side = job.recipe.augmentation, job.model.image_size
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
    composed: Callable[[Image.Image], Any] = transforms.Compose(steps)
    return composed


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


def measure(job: Job, rounds: int, *, compiled: bool) -> tuple[dict[str, Any], Parts]:
    """Return wall and CPU seconds per image of every way and round, and the parts of our step."""
    optimisers = dict.fromkeys(("adamw", job.recipe.optimiser))
    with tempfile.TemporaryDirectory() as root:
        folders = {size: Path(root) / str(size) for size in ("large", "small")}
        sides = {"large": job.protocol.dataset.canvas, "small": job.model.image_size}
        for size, folder in folders.items():
            images.export(job.plan(sides[size]), folder)
        ways: dict[str, Any] = {
            "timm": Timm(job, folders["large"]),
            "timm, small files": Timm(job, folders["small"]),
            "ceiling": Ceiling(job),
            **{f"ours, {name}": Ours(job, name) for name in optimisers},
        }
        if compiled:
            ways |= {
                f"ours, {name}, compiled": Ours(job, name, compiled=True) for name in optimisers
            }
        parts = Parts(job, job.recipe.optimiser)
        spent: dict[str, Any] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, way in ways.items():
                seconds = job.clock(way.round)
                if number:
                    spent[name].append(seconds)
            parts.round()
        del ways  # ends the workers of the loaders
    return spent, parts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", default="laptop")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default as in the protocol")
    parser.add_argument("--cores", type=int, help="default one; all with a GPU")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="per round, at least")
    parser.add_argument("--compile", action="store_true", help="also compiled: takes a minute more")
    options = parser.parse_args()
    protocol = load_protocol(options.protocol, source="--protocol")
    device = torch.device(options.device or ("cuda" if protocol.resources.gpus else "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("torch sees no GPU here; add --device cpu")
    cores = options.cores or (len(usable()) if device.type == "cuda" else 1)
    note = busy()
    torch.set_num_threads(cores)
    with only(usable()[:cores]):
        job = Job(protocol, device, cores, options.rounds + 1, options.steps)
        spent, parts = measure(job, options.rounds, compiled=options.compile)
    walls = {name: [wall for wall, _ in each] for name, each in spent.items()}
    lines = []
    for name, each in spent.items():
        wall, cpu = (1 / statistics.median(seconds) for seconds in zip(*each, strict=True))
        ratios = [f"{ratio(walls, base, name):.2f}" for base in BASES]
        lines.append([name, f"{wall:.0f}", f"{cpu:.0f}", *ratios])
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    matrices = str(arithmetic.matrix_type(protocol.pretrain, device)).removeprefix("torch.")
    print(f"{options.protocol}, {where}, {cores} core(s), batches of {job.recipe.batch_size};")
    print(f"medians of {options.rounds} rounds of {len(job.proxy.labels)} images")
    print(table(["trained by", "images/s", "images/CPU s", *(f"x {b}" for b in BASES)], lines))
    first = parts.training.epoch_steps
    medians = {part: statistics.median(each[first:]) for part, each in parts.spent.items()}
    print(f"\na step of ours, {job.recipe.optimiser}, matrix products in {matrices}")
    whole = sum(medians.values())
    rows = [[p, f"{1e3 * s:.1f}", f"{100 * s / whole:.0f}"] for p, s in medians.items()]
    print(table(["part", "ms", "%"], rows))
    print(note, end="\n" if note else "")


if __name__ == "__main__":
    main()
