"""What this machine has, and what is wrong with it."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from explorer import store
from explorer.errors import InputError, masked

_PACKAGES = ("numpy", "numba", "torch", "torchvision", "timm", "optuna", "ray", "sqlalchemy")
_GIBIBYTE = 2**30


def examine(url: str) -> list[dict[str, str | None]]:
    """Look at everything that a study needs on this machine.

    Args:
        url: The database to look at.

    Returns:
        For each thing its ``subject``, its ``state``, and its ``problem``: what is wrong and what
        to do about it, or ``None``.
    """
    checks = {
        "packages": _packages(),
        "processors": _processors(),
        "memory": _memory(),
        "gpu": (_gpu(), None),
        "disk": _disk(),
        "renderer": _renderer(),
        "storage": _storage(url),
    }
    return [{"subject": s, "state": state, "problem": p} for s, (state, p) in checks.items()]


_Finding = tuple[str, str | None]


def _packages() -> _Finding:
    versions, missing = [f"python {platform.python_version()}"], []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    remedy = f"{', '.join(missing)} missing; install the package again" if missing else None
    return ", ".join(versions), remedy


def _processors() -> _Finding:
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, so {cores} single-threaded trials at a time", None


def _memory() -> _Finding:
    free, total = (
        os.sysconf("SC_PAGE_SIZE") * os.sysconf(name) / _GIBIBYTE
        for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES")
    )
    trials = max(1, int(total / 2))
    enough = trials >= len(os.sched_getaffinity(0))
    remedy = None if enough else f"a trial may take 2 GiB; run with --workers {trials}"
    return f"{free:.1f} of {total:.1f} GiB free", remedy


def _gpu() -> str:
    import torch

    if torch.cuda.is_available():
        devices = range(torch.cuda.device_count())
        return ", ".join(torch.cuda.get_device_name(device) for device in devices)
    built = torch.version.cuda
    why = "torch is a build without CUDA" if built is None else "no CUDA device is visible"
    return f"none ({why}); trials run on the processors"


def _disk() -> _Finding:
    free = shutil.disk_usage(Path()).free / _GIBIBYTE
    return f"{free:.1f} GiB free here", None if free >= 2 else "2 GiB are needed; make room"


def _renderer() -> _Finding:
    from explorer.formulas import get

    image = get("visual_atom").render(None, seed=0, category=0, instances=range(1), canvas=64)
    if image.any():
        return "compiled kernels work", None
    return "draws black images", "numba is broken here; install it again"


def _storage(url: str) -> _Finding:
    try:
        with store.connect(url) as database:
            count = len(store.study_names(database))
            return f"{masked(url)}, {count} {'study' if count == 1 else 'studies'}", None
    except InputError as error:
        if "makes it" in error.remedy:  # not there yet, which is no problem
            return f"{masked(url)}, to be made by the first study", None
        return "cannot be used", str(error)
