"""How fast a model is pre-trained: images per second, as ratios measured in one run.

Steps with the model, the batch and the recipe of a protocol, in turns on the same cores, by

- ``timm``: the plain way. ``timm.create_model``, timm's optimiser, torchvision's ImageFolder over
  PNG files at the size of the canvas, per-image transforms in the workers of a DataLoader (one
  a core). In float32 on a processor, as is usual (autocast does not pay there), and in the
  arithmetic of the recipe on a GPU. With AdamW also where the recipe has Muon.
- ``timm, small files``: the same over files that were reduced to the model's input beforehand;
- ``ceiling``: our model, forward and backward alone, on one batch that lies on the device;
- ``ours``: `explorer.training.engine.Training`, images to moved weights, with AdamW and, where it
  is the recipe's, with Muon or SGD; and the same ``compiled``, where torch can compile them.

A round is one pass over the same images by each of them. Ratios are taken of wall time round by
round, so that what disturbs the machine disturbs both sides alike; the first round is not counted.
What compiling takes is measured too, so that a recipe says `compile: true` where that pays.
"""

import contextlib
import math
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from explorer import study as config
from explorer.bench import compiling, ways
from explorer.bench.cores import only, usable
from explorer.errors import InputError
from explorer.report import numerals
from explorer.training import arithmetic

_BASES = ("timm", "timm, small files", "ceiling")
_BUSY = 0.5


@dataclass(frozen=True)
class Speed:
    """How fast one way to train is; medians over the rounds.

    Attributes:
        name: ``timm``, ``timm, small files``, ``ceiling``, ``ours, OPTIMISER``, or
            ``ours, OPTIMISER, compiled``.
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
        pretrained: Images that the protocol pre-trains on, repeats counted.
        compiling: What it takes to compile our step, or ``None`` where it cannot be compiled.
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
    pretrained: int
    compiling: compiling.Taken | None

    @property
    def saving(self) -> float | None:
        """Seconds of a trial that compiling saves; ``None`` where nothing can be compiled."""
        if self.compiling is None:
            return None
        rates = {speed.name: speed.wall for speed in self.speeds}
        eager, compiled = (rates[f"ours, {self.optimiser}{how}"] for how in ("", ", compiled"))
        return self.pretrained * (1 / eager - 1 / compiled) - self.compiling.later


def count(rounds: int) -> int:
    """Return how many times :func:`measure` reports progress."""
    return rounds + 3


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
        stack.enter_context(compiling.cache(folder / "compiled"))
        job = ways.Job(protocol, place, cores, rounds + 1, steps, folder)
        advance(1)
        compared: dict[str, ways.Way] = {
            "timm": stack.enter_context(contextlib.closing(ways.Timm(job, job.large))),
            "timm, small files": stack.enter_context(contextlib.closing(ways.Timm(job, job.small))),
            "ceiling": ways.Ceiling(job),
        }
        optimisers = dict.fromkeys(("adamw", protocol.pretrain.optimiser))
        compared |= {f"ours, {optimiser}": ways.Ours(job, optimiser) for optimiser in optimisers}
        taken = compiling.measure(job, protocol.pretrain.optimiser)
        advance(1)
        if taken is not None:
            compared |= {
                f"ours, {optimiser}, compiled": ways.Ours(job, optimiser, compiled=True)
                for optimiser in optimisers
            }
        parts = ways.Parts(job, protocol.pretrain.optimiser)
        found: list[dict[str, ways.Spent]] = []
        for _ in range(rounds + 1):
            found.append({name: job.clock(way.round) for name, way in compared.items()})
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
        pretrained=protocol.pretraining_images,
        compiling=taken,
    )


def screen(found: Figures) -> RenderableType:
    """Return what was found as tables and a few lines."""
    cores_ = "one core" if found.cores == 1 else f"{found.cores} cores"
    title = (
        f"{found.protocol}, {found.device}, {cores_}, batches of {found.batch}; "
        f"medians of {found.rounds} rounds of {found.images} images, after one for warm-up"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("trained by", no_wrap=True)
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
    lines.append(_worth(found))
    if found.load > _BUSY:
        lines.append(
            f"a busy machine: {found.load:.1f} processes of others ran before; trust the ratios, "
            "not the images per second"
        )
    return Group(title, "", table, "", parts, "", *lines)


def _worth(found: Figures) -> str:
    """Say what compiling takes, and after how many trials a worker has won that back."""
    if found.compiling is None or found.saving is None:
        return "nothing can be compiled here; the warning says why"
    cost = f"compiling takes {found.compiling.first:.0f} s in a worker's first trial"
    if found.saving <= 0:
        return f"{cost} and saves nothing in {found.protocol}'s pre-training"
    trials = math.ceil(found.compiling.first / found.saving)
    return (
        f"{cost} (less once torch has it in its cache) and saves {found.saving:.1f} s a trial of "
        f"{found.protocol}'s pre-training: it pays after {numerals.count(trials, 'trial')} a worker"
    )


def _speeds(found: Sequence[Mapping[str, ways.Spent]]) -> tuple[Speed, ...]:
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
