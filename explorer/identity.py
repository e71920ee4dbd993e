"""When two trials are the same trial: what decides over a score, as one hash.

A score follows from the ranges, the protocol, the seed, and what computes it: the formula in its
stated version, the trial in its stated version, the libraries below, and the arithmetic of the
device. A result is remembered under this hash and not computed twice.
"""

import hashlib
import json
import platform
import time
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from explorer import __version__, formulas
from explorer.study import Protocol, Range

TRIAL = 1
"""Version of what a trial does with its images: :mod:`explorer.trial`, training, variety, reading.

Raised whenever a trial with the same arguments may come to other scores than before. (The pixels of
a formula have a version of their own: :attr:`explorer.formulas.Formula.version`.)
"""

LIBRARIES = ("numba", "numpy", "pillow", "scikit-learn", "scipy", "timm", "torch", "torchvision")
"""What a score stands on."""

# A folder of a million photographs takes seconds to look through; a run asks before every trial.
_SECONDS_BETWEEN_LOOKS = 60


def result_key(
    ranges: Mapping[str, Range] | None, protocol: Protocol, seed: int, *, formula: str
) -> str:
    """Return the hash of all that decides over the scores of a trial on this machine.

    Args:
        ranges: Range by parameter; ``None`` for the arm from scratch, which no formula takes part
            in.
        protocol: Its protocol.
        seed: Its seed.
        formula: Its image family.

    Returns:
        SHA-256 in hex.

    Raises:
        UnknownFormula, BrokenFormula: There is no such formula here, or it cannot be loaded.
        RangeError: The formula cannot draw from these ranges.
    """
    pretrained = ranges is not None
    return _hash(
        {
            **_images(ranges, protocol, formula),
            "trial": TRIAL,
            "pretrained": pretrained,
            "protocol": protocol.digest(pretrained=pretrained),
            "threads": float(protocol.resources.cpus),
            "seed": seed,
            "files": _files(protocol, pretrained=pretrained),
            "libraries": _libraries(),
            "device": _device(protocol.resources.gpus > 0),
        }
    )


def pretraining_key(
    ranges: Mapping[str, Range], protocol: Protocol, seed: int, *, formula: str, channels: int
) -> str:
    """Return the hash of what is pre-trained: images, model and recipe, whatever comes after it.

    What computes it (libraries, device, threads) has no part, so that a run of days goes on from
    its checkpoint after an update; :func:`computed_by` says what that was. Arguments are those of
    :func:`result_key`, and the channels of the model.
    """
    parts = protocol.model_dump(mode="json", include={"dataset", "model", "pretrain"})
    images = _images(ranges, protocol, formula)
    return _hash({**images, **parts, "trial": TRIAL, "seed": seed, "channels": channels})


def computed_by(protocol: Protocol) -> dict[str, str]:
    """Return what computes a trial on this machine: libraries, device, threads."""
    device = " ".join(filter(None, _device(protocol.resources.gpus > 0)))
    return {**_libraries(), "device": device, "threads": f"{protocol.resources.cpus:g}"}


def _images(ranges: Mapping[str, Range] | None, protocol: Protocol, formula: str) -> dict[str, Any]:
    """Say what decides over the images to pre-train on."""
    drawn = ranges is not None and protocol.dataset.images is None
    return {
        "formula": _stated(formula) if drawn else None,
        "ranges": formulas.get(formula).resolve(ranges) if drawn else None,
    }


def _hash(parts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def code(families: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions of what computes a score on this machine, for the nodes of a cluster.

    Args:
        families: Formulas that are drawn.

    Raises:
        UnknownFormula: There is no such formula here.
        BrokenFormula: It cannot be loaded here.
    """
    stated = {f"formula {name}": _stated(name) for name in sorted(set(families))}
    ours = {"explorer": __version__, "trial": str(TRIAL), "python": platform.python_version()}
    return {**ours, **stated, **_libraries()}


def _stated(formula: str) -> str:
    """Name a formula with its version; one of another package with that of its distribution."""
    family = formulas.get(formula)
    return " ".join(filter(None, (formula, str(family.version), formulas.origin(formula))))


@cache
def _libraries() -> dict[str, str]:
    return {library: version(library) for library in LIBRARIES}


def _files(protocol: Protocol, *, pretrained: bool) -> list[str]:
    """Say what folders of real images and weights hold; a change is seen within a minute."""
    tasks = protocol.downstream if protocol.train else ()
    folders = [task.path for task in tasks if task.path is not None]
    if pretrained and protocol.dataset.images:
        folders.append(protocol.dataset.images)
    if protocol.model.weights:
        folders.append(Path(protocol.model.weights.removeprefix("local-dir:")))
    look = int(time.monotonic() // _SECONDS_BETWEEN_LOOKS)
    return [_contents(folder.expanduser(), look) for folder in folders]


@lru_cache(maxsize=16)
def _contents(folder: Path, look: int) -> str:
    """Return a hash of the names, sizes and times of the files below a folder."""
    del look  # the same files at another look are looked at again
    digest = hashlib.sha256()
    for file in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        state = file.stat()
        digest.update(f"{file} {state.st_size} {state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@cache
def _device(gpu: bool) -> list[str]:
    import torch

    from explorer.training.arithmetic import multiplies_bfloat16

    if gpu:
        return ["cuda", torch.cuda.get_device_name() if torch.cuda.is_available() else ""]
    return ["cpu", torch.backends.cpu.get_cpu_capability(), str(multiplies_bfloat16())]
