"""Write a proxy dataset as a folder of PNG files, and compare such a folder with its manifest."""

import json
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from explorer import __version__
from explorer.dataset import png
from explorer.dataset.render import Images, Plan, Progress
from explorer.errors import InputError
from explorer.formulas import Ranges

MANIFEST = "dataset.json"
"""File beside the images that says what they are."""


def export_imagefolder(
    formula: str,
    ranges: Ranges | None,
    directory: str | Path,
    *,
    categories: int,
    instances: int,
    canvas: int,
    size: int,
    seed: int,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a proxy dataset as PNG files, one folder a category.

    ``directory/00003/00017.png`` is instance 17 of category 3. ``directory/dataset.json`` says what
    the images are and, once all are there, their digest: that of :func:`render_dataset` for the
    same arguments. An image has its name only when it is complete, so an interrupted export is
    continued by the same call. A bounded number of images is held in memory.

    Args:
        formula: Name of the formula.
        ranges: Parameter or group name -> (low, high); the rest keeps the formula's default.
        directory: Where to write; missing, empty, or with a part of the same dataset.
        categories: Number of categories N, at least 1.
        instances: Images of every category M, at least 1.
        canvas: Side that the formula draws on, in pixels.
        size: Side of the images after exact area averaging, at most ``canvas``.
        seed: Seed of the counter stream.
        workers: Threads, default one a core; the result does not depend on it.
        progress: Called with the number of images finished since its last call.

    Returns:
        The path of ``dataset.json``.

    Raises:
        UnknownFormula: If there is no such formula.
        RangeError: If a range or a number is out of bounds.
        InputError: If the directory holds another dataset or other files (nothing has been written
            then), or cannot be written.
    """
    plan = Plan(formula, ranges, categories, instances, canvas, size, seed, workers)
    root = Path(directory)
    manifest = root / MANIFEST

    def draw(category: int, numbers: range) -> Images:
        images = plan.draw(category, numbers)
        for number, image in zip(numbers, images, strict=True):
            path = root / _image_name(category, number)
            if not path.exists():
                png.write(path, png.encode(image))
        return images

    try:
        _refuse_foreign(root, plan)
        root.mkdir(parents=True, exist_ok=True)
        if not manifest.exists():
            png.write(manifest, _describe(plan, None))
        for category in range(categories):
            (root / f"{category:05d}").mkdir(exist_ok=True)
        digest = plan.run(draw, progress)
        png.write(manifest, _describe(plan, digest))
    except OSError as error:
        where = error.filename or root
        raise InputError(where, None, None, f"cannot be written: {error.strerror}") from error
    return manifest


def verify_imagefolder(directory: str | Path, *, workers: int | None = None) -> tuple[str, ...]:
    """Compare an exported dataset with its manifest, by rendering it again.

    Args:
        directory: As given to :func:`export_imagefolder`.
        workers: Threads, default one a core.

    Returns:
        ``"missing NAME"`` or ``"changed NAME"`` for every file that is not as it should be;
        nothing if all is well.

    Raises:
        InputError: If there is no readable manifest.
    """
    root = Path(directory)
    manifest = root / MANIFEST
    known = _read_manifest(manifest)
    try:
        ranges = {name: (low, high) for name, (low, high) in known["ranges"].items()}
        keys = ("formula", "categories", "instances", "canvas", "size", "seed")
        plan = Plan(ranges=ranges, workers=workers, **{key: known[key] for key in keys})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(manifest, None, None, f"describes no dataset: {error}") from error

    wrong: list[tuple[int, int, str]] = []

    def draw(category: int, numbers: range) -> Images:
        images = plan.draw(category, numbers)
        for number, image in zip(numbers, images, strict=True):
            state = _compare(root / _image_name(category, number), image)
            if state:
                wrong.append((category, number, state))
        return images

    changed = plan.run(draw) != known.get("digest")
    named = [f"{state} {_image_name(*address)}" for *address, state in sorted(wrong)]
    return (*named, f"changed {MANIFEST}") if changed else tuple(named)


def _compare(path: Path, image: Images) -> str:
    from PIL import Image

    try:
        with Image.open(path) as file:
            same = file.mode == "L" and np.array_equal(np.asarray(file), image)
    except FileNotFoundError:
        return "missing"
    except (OSError, SyntaxError):  # Pillow raises either for a damaged file
        return "changed"
    return "" if same else "changed"


def _image_name(category: int, instance: int) -> str:
    return f"{category:05d}/{instance:05d}.png"


def _identity(plan: Plan) -> dict[str, Any]:
    """What decides over the pixels; with our version, whose kernels drew them."""
    return {
        "formula": plan.formula,
        "stream": "counter",
        "ranges": {name: list(ends) for name, ends in plan.resolved.items()},
        "seed": plan.seed,
        "categories": plan.categories,
        "instances": plan.instances,
        "canvas": plan.canvas,
        "size": plan.size,
        "explorer": __version__,
    }


def _describe(plan: Plan, digest: str | None) -> bytes:
    import PIL

    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }
    content = {**_identity(plan), "digest": digest, "versions": versions}
    return (json.dumps(content, indent=2) + "\n").encode()


def _read_manifest(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(path, None, None, "does not exist; name an exported dataset") from None
    except (OSError, ValueError) as error:
        raise InputError(path, None, None, f"cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InputError(path, None, None, "describes no dataset")
    return content


def _refuse_foreign(root: Path, plan: Plan) -> None:
    """Raise unless the directory is missing, empty, or holds a part of this dataset only."""
    if not root.exists():
        return
    if not root.is_dir():
        raise InputError(root, None, None, "is a file; name a directory")
    present = {entry.name for entry in root.iterdir()} - {MANIFEST + png.PART}
    if not present:
        return
    if MANIFEST not in present:
        _refuse(root, f"other files ({min(present)})")
    held = _read_manifest(root / MANIFEST)
    for key, wanted in _identity(plan).items():
        if held.get(key) != wanted:
            _refuse(root, f"another dataset ({key} {held.get(key)}, not {wanted})")
    _refuse_files(root, plan, sorted(present - {MANIFEST}))


def _refuse_files(root: Path, plan: Plan, names: list[str]) -> None:
    for name in names:
        if not re.fullmatch(r"\d{5}", name) or int(name) >= plan.categories:
            _refuse(root, f"other files ({name})")
        if not (root / name).is_dir():
            _refuse(root, f"other files ({name})")
        with os.scandir(root / name) as entries:
            for entry in entries:
                match = re.fullmatch(r"(\d{5})\.png(\.part)?", entry.name)
                if not match or int(match[1]) >= plan.instances:
                    _refuse(root, f"other files ({name}/{entry.name})")


def _refuse(root: Path, held: str) -> None:
    raise InputError(root, None, None, f"holds {held}; name an empty or a new directory")
