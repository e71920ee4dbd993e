"""A dataset as a folder of PNG files: one of a formula, or an authors' one made again."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from explorer import __version__
from explorer.authors import OfficialPlan
from explorer.images import manifest, png
from explorer.images.plan import Images, Plan, Progress

LAYOUT = "imagefolder"


def export_imagefolder(
    plan: Plan, directory: str | Path, *, progress: Progress | None = None
) -> Path:
    """Write a proxy dataset as PNG files, one folder per category.

    ``directory/00003/00017.png`` is instance 17 of category 3. ``directory/dataset.json`` says what
    the images are and, once all are there, their digest: that of :meth:`Plan.dataset`. An image has
    its name only when it is complete, so an interrupted export is continued by the same call. A
    bounded number of images is held in memory.

    Args:
        plan: What to draw.
        directory: Where to write; missing, empty, or with a part of the same dataset.
        progress: Called with the number of images finished since its last call.

    Returns:
        The path of ``dataset.json``.

    Raises:
        InputError: If the directory holds another dataset or other files (nothing has been written
            then), or cannot be written.
    """
    root, what = Path(directory), manifest.identity(plan, LAYOUT)

    def belongs(name: str) -> bool:
        match = re.fullmatch(r"(\d{5})/(?:(\d{5})\.png)?", name)
        if match is None:
            return False
        return int(match[1]) < plan.categories and int(match[2] or 0) < plan.instances

    def keep(category: int, numbers: range, images: Images) -> None:
        for number, image in zip(numbers, images, strict=True):
            _write_missing(root / _image_name(category, number), image)

    with png.writing(root):
        manifest.prepare(root, what, belongs)
        for category in range(plan.categories):
            (root / f"{category:05d}").mkdir(exist_ok=True)
        digest = plan.digest()
        for _ in plan.drawn(digest, progress, keep):
            pass
        return manifest.write(root, what, digest.hexdigest())


def compare(root: Path, plan: Plan, progress: Progress | None) -> tuple[list[str], str]:
    """Render the images again and compare the files with them.

    Returns:
        ``"missing NAME"`` or ``"changed NAME"`` of every file, in order, and the images' digest.
    """

    def look(category: int, numbers: range, images: Images) -> list[str]:
        names = [_image_name(category, number) for number in numbers]
        return [_state(root, name, image) for name, image in zip(names, images, strict=True)]

    digest = plan.digest()
    states = [state for *_, some in plan.drawn(digest, progress, look) for state in some]
    return [state for state in states if state], digest.hexdigest()


def export_official(
    plan: OfficialPlan, directory: str | Path, *, progress: Progress | None = None
) -> Path:
    """Draw a dataset as the authors' program does, pixel for pixel, under the authors' names.

    The files are grey where theirs repeat the grey level in three channels. ``dataset.json``
    records stream, arguments, seeds and digests. An interrupted export is continued by the same
    call: a process that was done is left, one that was not draws its images again (its generator is
    sequential) and writes those that are missing.

    Args, return value and errors are those of :func:`export_imagefolder`.
    """
    root = Path(directory)
    what = {
        "formula": plan.formula,
        "stream": "official",
        "layout": LAYOUT,
        "arguments": plan.arguments,
        "seeds": list(plan.seeds),
        "explorer": __version__,
    }
    folders = {f"{c:05d}" for seed in plan.seeds for c in plan.categories(seed)}

    def belongs(name: str) -> bool:
        match = re.fullmatch(r"image/|(?:image/)?(\d{5,})/(?:\w+\.png)?", name)
        return match is not None and (match[1] is None or match[1] in folders)

    def keep(name: str, image: Images) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        _write_missing(root / name, image)

    with png.writing(root):
        manifest.prepare(root, what, belongs)
        done = _done(root, plan)
        if progress is not None and done:
            progress(plan.each * len(done))
        left = tuple(seed for seed in plan.seeds if seed not in done)
        for seed, digest in plan.run(keep, progress, left):
            done[seed] = digest
            manifest.write(root, what, None, processes=_processes(plan, done))
        return manifest.write(root, what, _digest(done), processes=_processes(plan, done))


def compare_official(
    root: Path, plan: OfficialPlan, progress: Progress | None
) -> tuple[list[str], str]:
    """Draw the authors' images again and compare the files with them; see :func:`compare`."""
    states: dict[str, str] = {}

    def look(name: str, image: Images) -> None:
        states[name] = _state(root, name, image)

    digest = _digest(dict(plan.run(look, progress, plan.seeds)))
    return [states[name] for name in sorted(states) if states[name]], digest


def official_plan_of(known: Mapping[str, Any], workers: int | None) -> OfficialPlan:
    """Return what a manifest of the authors' stream describes.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: If it describes no dataset.
    """
    seeds, arguments = known["seeds"], dict(known["arguments"])
    plan = OfficialPlan(known["formula"], arguments, None, workers)
    if seeds == list(plan.seeds):
        return plan
    (seed,) = seeds
    return OfficialPlan(known["formula"], arguments, seed, workers)


def _done(root: Path, plan: OfficialPlan) -> dict[int, str]:
    """Return the digests of the processes that are noted as done and have all their files."""
    noted = {entry["seed"]: entry["digest"] for entry in manifest.read(root).get("processes", ())}
    held = Counter(path.parent.name for path in root.rglob("*.png")) if noted else Counter()
    instances = int(plan.arguments["numof_instances"])
    return {
        seed: digest
        for seed, digest in noted.items()
        if all(held[f"{category:05d}"] == instances for category in plan.categories(seed))
    }


def _processes(plan: OfficialPlan, done: Mapping[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "seed": seed,
            "thread_num": seed - 1,
            "categories": [plan.categories(seed)[0], plan.categories(seed)[-1]],
            "digest": done[seed],
        }
        for seed in plan.seeds
        if seed in done
    ]


def _digest(done: Mapping[int, str]) -> str:
    return hashlib.sha256("".join(done[seed] for seed in sorted(done)).encode()).hexdigest()


def _write_missing(path: Path, image: Images) -> None:
    if not path.exists():
        png.write(path, png.encode(image))


def _state(root: Path, name: str, image: Images) -> str:
    """Return ``"missing NAME"``, ``"changed NAME"`` or ``""`` where the file holds these pixels."""
    try:
        held = png.decode((root / name).read_bytes())
    except FileNotFoundError:
        return f"missing {name}"
    except OSError:
        held = None
    return "" if held is not None and np.array_equal(held, image) else f"changed {name}"


def _image_name(category: int, instance: int) -> str:
    return f"{category:05d}/{instance:05d}.png"
