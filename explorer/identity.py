"""When two trials are the same trial: what decides over a score, as one hash.

A score follows from the ranges, the protocol, the seed, and what computes it: the code of the
rooms that render, measure and train, the versions of the libraries below them, and the arithmetic
of the device. A result is remembered under this hash and not computed twice.
"""

import hashlib
import inspect
import json
import platform
import time
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import explorer
from explorer import formulas
from explorer.study import Protocol, Range

# Rooms whose code can change a score, and the libraries that it stands on.
_ROOMS = ("trial.py", "image_files.py", "formulas", "images/render.py", "training", "variety")
# A folder of a million photographs takes seconds to look through; a run asks before every trial.
_SECONDS_BETWEEN_LOOKS = 60
_LIBRARIES = ("numba", "numpy", "pillow", "scikit-learn", "scipy", "timm", "torch", "torchvision")


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
    """
    drawn = ranges is not None and protocol.dataset.images is None
    asked: dict[str, Any] = {
        "ranges": ranges and {name: list(ends) for name, ends in sorted(ranges.items())},
        "pretrained": ranges is not None,
        "protocol": protocol.digest(pretrained=ranges is not None),
        "threads": float(protocol.resources.cpus),
        "seed": seed,
        "formula": formula if drawn else None,
        "source": _source(formula) if drawn else None,
        "files": _files(protocol, pretrained=ranges is not None),
        "code": code(),
        "device": _device(protocol.resources.gpus > 0),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def code(families: Iterable[str] = ()) -> dict[str, str]:
    """Return the versions and hashes of the code that computes a score on this machine.

    Args:
        families: Formulas whose source is to be among them, where it is another package's.

    Raises:
        UnknownFormula: There is no such formula here.
        BrokenFormula: It cannot be loaded here.
    """
    others = [name for name in families if name not in formulas.BUILT_IN]
    return {**_code(), **{f"formula {name}": _source(name) for name in sorted(others)}}


@cache
def _code() -> dict[str, str]:
    root = Path(explorer.__file__).parent
    files = [file for room in _ROOMS for file in sorted((root / room).rglob("*.py"))]
    files += [root / room for room in _ROOMS if room.endswith(".py")]
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(root)).encode())
        digest.update(file.read_bytes())
    libraries = {library: version(library) for library in _LIBRARIES}
    return {"explorer": digest.hexdigest(), "python": platform.python_version(), **libraries}


@cache
def _source(formula: str) -> str:
    """Return the hash of the file that a family is written in: another package's may change too."""
    file = inspect.getsourcefile(type(formulas.get(formula)))
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def _files(protocol: Protocol, *, pretrained: bool) -> list[str]:
    """Say what the folders of real images hold; a change is seen within a minute."""
    folders = [task.path for task in protocol.downstream if task.path is not None]
    if pretrained and protocol.dataset.images:
        folders.append(protocol.dataset.images)
    look = int(time.monotonic() // _SECONDS_BETWEEN_LOOKS)
    return [_contents(folder.expanduser(), look) for folder in folders]


@lru_cache(maxsize=16)
def _contents(folder: Path, look: int) -> str:
    """Return a hash of the names, sizes and times of the files below a folder."""
    del look  # the same files at another look are looked at again
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
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
