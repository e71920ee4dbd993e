"""How fast a model is pre-trained: images per second, as ratios measured in one run.

Steps with the model, the batch and the recipe of a protocol, in turns on the same cores, by

- ``timm``: the plain way. ``timm.create_model``, timm's optimiser, torchvision's ImageFolder over
  PNG files at the size of the canvas, per-image transforms in the workers of a DataLoader (one
  a core). In float32 on a processor, as is usual (autocast does not pay there), and in the
  arithmetic of the recipe on a GPU. With AdamW also where the recipe has Muon.
- ``timm, small files``: the same over files that were reduced to the model's input beforehand;
- ``ceiling``: our model, forward and backward alone, on one batch that lies on the device;
- ``ours``: `explorer.training.engine.Training`, images to moved weights, with AdamW and, where it
  is the recipe's, with Muon or SGD.

A round is one pass over the same images by each of them. Ratios are taken of wall time round by
round, so that what disturbs the machine disturbs both sides alike; the first round is not counted.
"""

import contextlib
import functools
import math
import multiprocessing
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import timm.data
import timm.loss
import timm.optim
import torch
from PIL import Image
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn
from torchvision import datasets, transforms

from explorer import config, dataset
from explorer.bench.cores import only, usable
from explorer.dataset import ProxyDataset
from explorer.errors import InputError
from explorer.training import arithmetic, engine, models
from explorer.training.recipe import Augmentation, FineTune

_FORMULA = "visual_atom"
_BASES = ("timm", "timm, small files", "ceiling")
_PARTS = ("data and augmentation", "forward and backward", "clip", "optimiser")
_BUSY = 0.5


@dataclass(frozen=True)
class Speed:
    """How fast one way to train is; medians over the rounds.

    Attributes:
        name: ``timm``, ``timm, small files``, ``ceiling`` or ``ours, OPTIMISER``.
        wall: Images per second of wall time.
        cpu: Images per second of processor time, that of worker processes included.
        ratios: How many times faster than the way of that name, in wall time.
    """

    name: str
    wall: float
    cpu: float
    ratios: Mapping[str, float]


@dataclass(frozen=True)
class Figures:
    """What a bench found.

    Attributes:
        protocol: Name of the protocol.
        device: Where it was trained.
        cores: Processors that every way had, and worker processes of the DataLoader.
        arithmetic: Of the matrix products of ours and of the ceiling.
        batch: Images a step.
        images: Images a round.
        rounds: Number of rounds that the medians are of.
        speeds: Every way to train.
        optimiser: The recipe's.
        parts: Milliseconds of wall time that the parts of our step take, with the recipe's
            optimiser.
        load: Processes of others that ran before, in the mean of the last minute.
    """

    protocol: str
    device: str
    cores: int
    arithmetic: str
    batch: int
    images: int
    rounds: int
    speeds: tuple[Speed, ...]
    optimiser: str
    parts: Mapping[str, float]
    load: float


def count(rounds: int) -> int:
    """Return how many times :func:`measure` reports progress."""
    return rounds + 2


def measure(
    name: str,
    *,
    rounds: int = 5,
    steps: int = 8,
    cores: int | None = None,
    device: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Figures:
    """Measure how fast the pre-training of a protocol is.

    Args:
        name: Of the protocol, or its file.
        rounds: Rounds that are counted, at least 1.
        steps: Steps a round, at least; at least one image a category is trained on.
        cores: Processors to use; default one, and all with a GPU, where only the DataLoader
            has a use for them.
        device: ``cpu`` or ``cuda``; default what the protocol asks for.
        progress: Called with 1 for each of ``count(rounds)`` steps.

    Raises:
        InputError: There is no such protocol, device or number of processors.
    """
    protocol = config.load_protocol(name, source="--protocol")
    place = _device(device, name, protocol)
    processors = usable()
    cores = cores or (len(processors) if place.type == "cuda" else 1)
    if cores > len(processors):
        remedy = f"this process may use {len(processors)}"
        raise InputError("--cores", None, cores, remedy)
    load = os.getloadavg()[0]
    advance = progress or (lambda _: None)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(only(processors[:cores]))
        stack.enter_context(_threads(cores))
        job = _Job(protocol, place, cores, rounds + 1, steps, folder)
        advance(1)
        ways: dict[str, _Way] = {
            "timm": stack.enter_context(contextlib.closing(_Timm(job, job.large))),
            "timm, small files": stack.enter_context(contextlib.closing(_Timm(job, job.small))),
            "ceiling": _Ceiling(job),
        }
        optimisers = dict.fromkeys(("adamw", protocol.pretrain.optimiser))
        ways |= {f"ours, {optimiser}": _Ours(job, optimiser) for optimiser in optimisers}
        parts = _Parts(job, protocol.pretrain.optimiser)
        found: list[dict[str, _Spent]] = []
        for _ in range(rounds + 1):
            found.append({name: job.clock(way.round) for name, way in ways.items()})
            parts.round()
            advance(1)
    return Figures(
        protocol=name,
        device=torch.cuda.get_device_name(place) if place.type == "cuda" else place.type,
        cores=cores,
        arithmetic=str(arithmetic.matrix_type(protocol.pretrain, place)).removeprefix("torch."),
        batch=job.batch,
        images=len(job.proxy.labels),
        rounds=rounds,
        speeds=_speeds(found[1:]),
        optimiser=protocol.pretrain.optimiser,
        parts=parts.medians(),
        load=load,
    )


def screen(found: Figures) -> RenderableType:
    """Return what was found as tables and a few lines."""
    cores_ = "one core" if found.cores == 1 else f"{found.cores} cores"
    title = (
        f"{found.protocol}, {found.device}, {cores_}, batches of {found.batch}; "
        f"medians of {found.rounds} rounds of {found.images} images, after one for warm-up"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("trained by")
    for heading in ("images/s", "images/CPU s", *(f"x {base}" for base in _BASES)):
        table.add_column(heading, justify="right")
    for speed in found.speeds:
        ratios = (f"{speed.ratios[base]:.2f}" for base in _BASES)
        table.add_row(
            Text(speed.name, style="bold"), f"{speed.wall:.0f}", f"{speed.cpu:.0f}", *ratios
        )
    parts = Table(box=None, pad_edge=False, title=f"a step of ours, {found.optimiser}")
    parts.title_justify = "left"
    for heading in ("part", "ms", "%"):
        parts.add_column(heading, justify="left" if heading == "part" else "right")
    total = sum(found.parts.values())
    for part, spent in found.parts.items():
        parts.add_row(part, f"{spent:.1f}", f"{100 * spent / total:.0f}")
    lines = [
        f"matrix products: {found.arithmetic} in ours and in the ceiling, "
        + ("float32 in timm" if found.device == "cpu" else "the same in timm"),
        "ratios are of wall time; CPU seconds are of the process, and for timm of its workers too",
    ]
    if found.load > _BUSY:
        lines.append(
            f"a busy machine: {found.load:.1f} processes of others ran before; trust the ratios, "
            "not the images per second"
        )
    return Group(title, "", table, "", parts, "", *lines)


class _Way(Protocol):
    def round(self) -> int:
        """Train once on all images; return how many they were."""


@dataclass(frozen=True)
class _Spent:
    images: int
    wall: float
    cpu: float


class _Job:
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
        self.proxy: ProxyDataset = dataset.render_dataset(_FORMULA, None, **sizes, size=side)
        self.large, self.small = folder / "canvas", folder / "model"
        for folder_, size in ((self.large, sizes["canvas"]), (self.small, side)):
            dataset.export_imagefolder(dataset.Plan(_FORMULA, None, **sizes, size=size), folder_)

    def training(self, optimiser: str) -> engine.Training:
        """Make a fresh run of the recipe, with its optimiser or with AdamW."""
        recipe = self.recipe
        if optimiser != recipe.optimiser:
            changed = {"optimiser": optimiser, "matrix_learning_rate": None}
            recipe = FineTune.model_validate({**recipe.model_dump(), **changed})
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

    def clock(self, work: Callable[[], int]) -> _Spent:
        self.wait()
        wall, cpu = time.perf_counter(), _cpu_time()
        images = work()
        self.wait()
        return _Spent(images, time.perf_counter() - wall, _cpu_time() - cpu)

    def wait(self) -> None:
        """Let the device finish what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class _Timm:
    """The plain way to train a model of timm on an ImageFolder."""

    def __init__(self, job: _Job, folder: Path) -> None:
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


class _Ceiling:
    """Forward and backward of our model on one batch that never changes."""

    def __init__(self, job: _Job) -> None:
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


class _Ours:
    """Our loop, one epoch a round."""

    def __init__(self, job: _Job, optimiser: str) -> None:
        self.images = len(job.proxy.labels)
        self.events = job.training(optimiser).run()

    def round(self) -> int:
        """Train for one epoch."""
        next(self.events)
        return self.images


class _Parts:
    """The parts of our step, one after the other, each with a clock of its own."""

    def __init__(self, job: _Job, optimiser: str) -> None:
        self.job, self.training = job, job.training(optimiser)
        self.spent: dict[str, list[float]] = {part: [] for part in _PARTS}

    def round(self) -> None:
        """Make as many steps as a round has."""
        training = self.training
        chosen = torch.arange(self.job.batch, device=self.job.device) % len(training.labels)
        for _ in range(training.epoch_steps):
            images, targets = self._timed(_PARTS[0], functools.partial(training.batch, chosen))
            self._timed(_PARTS[1], functools.partial(training.differentiate, images, targets))
            self._timed(_PARTS[2], training.clip)
            self._timed(_PARTS[3], training.update)

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


def _transforms(recipe: Augmentation, job: _Job) -> Callable[[Image.Image], Tensor]:
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


def _speeds(found: Sequence[Mapping[str, _Spent]]) -> tuple[Speed, ...]:
    walls = {name: [r[name].images / r[name].wall for r in found] for name in found[0]}
    speeds = []
    for name, rates in walls.items():
        cpu = statistics.median(r[name].images / r[name].cpu for r in found)
        ratios = {
            base: statistics.median(o / b for o, b in zip(rates, walls[base], strict=True))
            for base in _BASES
        }
        speeds.append(Speed(name, statistics.median(rates), cpu, ratios))
    return tuple(speeds)


def _cpu_time() -> float:
    """Return the processor time of this process and of its workers in seconds."""
    ticks = 0
    for worker in multiprocessing.active_children():
        with contextlib.suppress(OSError):  # it has just ended
            stat = Path(f"/proc/{worker.pid}/stat").read_text(encoding="utf-8")
            ticks += sum(int(field) for field in stat.rpartition(")")[2].split()[11:13])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device(wanted: str | None, name: str, protocol: config.Protocol) -> torch.device:
    found = wanted or ("cuda" if protocol.resources.gpus else "cpu")
    if found == "cuda" and not torch.cuda.is_available():
        if wanted:
            raise InputError("--device", None, wanted, "torch sees no GPU here; write cpu")
        remedy = "wants a GPU, and torch sees none here; add --device cpu, or take laptop"
        raise InputError("--protocol", None, name, remedy)
    return torch.device(found)
