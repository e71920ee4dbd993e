"""What this machine has, and what is wrong with it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from explorer import store
from explorer.errors import InputError, masked, visible

_PACKAGES = ("numpy", "numba", "torch", "torchvision", "timm", "optuna", "ray", "sqlalchemy")
_GIBIBYTE = 2**30
_ROOM_NEEDED = 2 * _GIBIBYTE
_MEMORY_PER_TRIAL = 2 * _GIBIBYTE


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: What was looked at.
        state: What there is.
        problem: What is wrong and what to do about it; ``None`` where nothing is.
    """

    subject: str
    state: str
    problem: str | None = None


def examine(url: str | None = None) -> list[Finding]:
    """Look at everything that a study needs on this machine.

    Args:
        url: The storage to look at; the default one where ``None``.
    """
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _packages,
        _processors,
        _memory,
        _accelerator,
        _disk,
        _render,
        lambda: _storage(url or store.default_url()),
    )
    return [check() for check in checks]


def screen(findings: list[Finding]) -> RenderableType:
    """Return findings as a table; what is wrong stands out, with its remedy."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        mark = Text("ok", style="green") if finding.problem is None else Text("no", style="red")
        text = ": ".join(filter(None, (finding.state, finding.problem)))
        table.add_row(mark, Text(finding.subject, style="bold"), Text(visible(text)))
    return table


def _python() -> Finding:
    return Finding("python", f"{platform.python_version()} ({sys.executable})")


def _packages() -> Finding:
    versions, missing = [], []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    remedy = f"{', '.join(missing)} missing; install the package again" if missing else None
    return Finding("packages", ", ".join(versions), remedy)


def _processors() -> Finding:
    cores = len(os.sched_getaffinity(0))
    return Finding("processors", f"{cores} cores, so {cores} single-threaded trials at a time")


def _memory() -> Finding:
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    state = f"{available / _GIBIBYTE:.1f} of {total / _GIBIBYTE:.1f} GiB free"
    needed = _MEMORY_PER_TRIAL * len(os.sched_getaffinity(0))
    remedy = None
    if total < needed:
        trials = max(1, total // _MEMORY_PER_TRIAL)
        remedy = f"a trial may take 2 GiB; run with --workers {trials}"
    return Finding("memory", state, remedy)


def _accelerator() -> Finding:
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = "torch is a build without CUDA" if built is None else "no CUDA device is visible"
        return Finding("gpu", f"none ({why}); trials run on the processors")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("gpu", ", ".join(names))


def _disk() -> Finding:
    free = shutil.disk_usage(Path()).free
    remedy = None if free >= _ROOM_NEEDED else "at least 2 GiB are wise; make room"
    return Finding("disk", f"{free / _GIBIBYTE:.1f} GiB free here", remedy)


def _render() -> Finding:
    from explorer.formulas import get

    image = get("visual_atom").render(None, seed=0, category=0, instances=range(1), canvas=64)
    if not image.any():
        return Finding("renderer", "draws black images", "numba is broken here; reinstall it")
    return Finding("renderer", "compiled kernels work")


def _storage(url: str) -> Finding:
    shown = masked(url)
    try:
        with store.connect(url) as database:
            count = len(store.study_names(database))
            return Finding("storage", f"{shown}, {count} {'study' if count == 1 else 'studies'}")
    except InputError as error:
        if "makes it" in error.remedy:  # not there yet, which is no problem
            return Finding("storage", f"{shown}, to be made by the first study")
        return Finding("storage", "cannot be used", str(error))
