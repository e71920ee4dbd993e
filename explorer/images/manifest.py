"""``dataset.json``: what the images beside it are, so that an export can go on and be verified."""

import json
import os
import platform
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from explorer import __version__, formulas
from explorer.errors import InputError
from explorer.images.layouts import PART, whole
from explorer.images.plan import Plan

MANIFEST = "dataset.json"
"""File beside the images that says what they are."""


def identity(plan: Plan, layout: str) -> dict[str, Any]:
    """Return what decides over the files; with the versions of the code that draws them."""
    origin = formulas.origin(plan.formula)
    return {
        "formula": plan.formula,
        **({"package": origin} if origin else {}),
        "stream": "counter",
        "layout": layout,
        "ranges": {name: list(ends) for name, ends in plan.resolved.items()},
        "seed": plan.seed,
        "categories": plan.categories,
        "instances": plan.instances,
        "canvas": plan.canvas,
        "size": plan.size,
        "explorer": __version__,
    }


def plan_of(known: Mapping[str, Any], workers: int | None) -> Plan:
    """Return what a manifest of the counter stream describes.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: If it describes no dataset.
    """
    ranges = {name: (low, high) for name, (low, high) in known["ranges"].items()}
    keys = ("formula", "categories", "instances", "canvas", "size", "seed")
    return Plan(ranges=ranges, workers=workers, **{key: known[key] for key in keys})


def write(root: Path, content: Mapping[str, Any], digest: str | None) -> Path:
    """Write the manifest.

    Args:
        root: The dataset's directory.
        content: What it is: :func:`identity`.
        digest: SHA-256 of the images, or ``None`` while files are missing.
    """
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }
    whole_content = {**content, "digest": digest, "versions": versions}
    write_file(root / MANIFEST, (json.dumps(whole_content, indent=2) + "\n").encode())
    return root / MANIFEST


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole(path) as part:
        part.write_bytes(content)


def read(root: Path) -> Mapping[str, Any]:
    """Read the manifest of a dataset's directory.

    Raises:
        InputError: If there is none or it cannot be read.
    """
    path = root / MANIFEST
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(path, None, None, "does not exist; name an exported dataset") from None
    except (OSError, ValueError) as error:
        raise InputError(path, None, None, f"cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(path, None, None, "describes no dataset")
    return content


def prepare(root: Path, content: Mapping[str, Any], pattern: str) -> None:
    """Make a directory ready for a dataset: new, or holding a part of the same one.

    Args:
        root: The directory.
        content: What is to be written: :func:`identity`.
        pattern: What the names of its files (``00003/00017.png``) and folders (``00003/``) match.

    Raises:
        InputError: If it holds another dataset or other files; nothing has been written then.
    """
    if root.exists() and not root.is_dir():
        raise InputError(root, None, None, "is a file; name a directory")
    names = [name for name in _names(root) if name.removesuffix(PART) != MANIFEST]
    if (root / MANIFEST).exists():
        held = read(root)
        for key, wanted in content.items():
            if held.get(key) != wanted:
                _refuse(root, f"another dataset ({key} {held.get(key)}, not {wanted})")
        names = [name for name in names if not re.fullmatch(pattern, name.removesuffix(PART))]
    if names:
        _refuse(root, f"other files ({min(names).rstrip('/')})")
    root.mkdir(parents=True, exist_ok=True)
    if not (root / MANIFEST).exists():
        write(root, content, None)


def _names(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        inside = (Path(folder).relative_to(root).as_posix() + "/").removeprefix("./")
        yield from (f"{inside}{name}/" for name in folders)
        yield from (f"{inside}{name}" for name in files)


def _refuse(root: Path, held: str) -> None:
    raise InputError(root, None, None, f"holds {held}; name an empty or a new directory")
