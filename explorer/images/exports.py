"""Datasets in files: written, continued after an interruption, and compared with what they are."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from explorer import __version__, formulas
from explorer.authors import OfficialPlan
from explorer.errors import InputError
from explorer.images import layouts, manifest
from explorer.images.plan import Images, Plan, Progress


def export(
    plan: Plan,
    directory: str | Path,
    layout: str = "imagefolder",
    *,
    progress: Progress | None = None,
) -> Path:
    """Write a dataset to files.

    ``directory/dataset.json`` says what the images are and, once all are there, their digest: that
    of :meth:`Plan.dataset`. A file has its name only when it is complete, so an interrupted export
    is continued by the same call: all images are drawn again, and the missing files are written.
    A bounded number of images is held in memory.

    Args:
        plan: What to draw.
        directory: Where to write; missing, empty, or with a part of the same dataset.
        layout: ``imagefolder``, ``webdataset`` or ``npz``; see :mod:`explorer.images.layouts`.
        progress: Called with the number of images finished since its last call.

    Returns:
        The path of ``dataset.json``.

    Raises:
        InputError: If the directory holds another dataset or other files (nothing has been written
            then), or cannot be written.
    """
    root, kind = Path(directory), layouts.LAYOUTS[layout](plan)
    content = manifest.identity(plan, layout)

    def encode(places: range, images: Images) -> list[bytes]:
        missing = [not (root / kind.name(place)).exists() for place in places]
        return [kind.encode(i) if m else b"" for i, m in zip(images, missing, strict=True)]

    with layouts.writing(root):
        manifest.prepare(root, content, kind.pattern)
        digest = plan.digest()
        encoded = chain.from_iterable(part for *_, part in plan.drawn(digest, progress, encode))
        for first in range(0, plan.total, kind.most):
            places, path = kind.places(first), root / kind.name(first)
            share = islice(encoded, len(places))
            if not path.exists():
                with layouts.whole(path) as file:
                    kind.write(file, zip(places, share, strict=True))
            deque(share, maxlen=0)
        deque(encoded, maxlen=0)
        for name, text in kind.info().items():
            manifest.write_file(root / name, text)
        return manifest.write(root, content, digest.hexdigest())


LAYOUTS = {name: partial(export, layout=name) for name in layouts.LAYOUTS}
"""Layout -> the function that writes it; all take the same arguments."""


def export_official(
    plan: OfficialPlan, directory: str | Path, *, progress: Progress | None = None
) -> Path:
    """Draw a dataset as the authors' program does, pixel for pixel, under the authors' names.

    The files are grey where theirs repeat the grey level in three channels. Arguments, return value
    and errors are those of :func:`export`.
    """
    root = Path(directory)
    content = {
        "formula": plan.formula,
        "stream": "official",
        "layout": "imagefolder",
        "arguments": plan.arguments,
        "seeds": list(plan.seeds),
        "explorer": __version__,
    }

    def keep(name: str, image: Images) -> None:
        if not (root / name).exists():
            manifest.write_file(root / name, layouts.encode(image))

    with layouts.writing(root):
        manifest.prepare(root, content, r"image/|(image/)?\d{5,}/(\w+\.png)?")
        return manifest.write(root, content, plan.run(keep, progress))


@dataclass(frozen=True)
class Stored:
    """A dataset on disk.

    Args:
        directory: As given to the function that wrote it.
        workers: Threads, default one per core.

    Raises:
        InputError: If there is no readable manifest.
    """

    directory: str | Path
    workers: int | None = None

    def __post_init__(self) -> None:
        _ = self._plan

    @property
    def total(self) -> int:
        """Number of images that the manifest names."""
        return self._plan.total

    def verify(self, progress: Progress | None = None) -> tuple[str, ...]:
        """Draw the images that the manifest describes again and compare every file with them.

        Args:
            progress: Called with the number of images compared since its last call.

        Returns:
            ``"missing NAME"`` or ``"changed NAME"`` for every file that is not as it should be;
            nothing if all is well.
        """
        root, plan = Path(self.directory), self._plan
        known = manifest.read(root)
        if isinstance(plan, OfficialPlan):
            wrong, digest = _compare_official(root, plan, progress)
        else:
            wrong, digest = _compare(root, plan, known["layout"], progress)
        same = digest == known.get("digest")
        return tuple(wrong if same else [*wrong, f"changed {manifest.MANIFEST}"])

    @property
    def _plan(self) -> Plan | OfficialPlan:
        path = Path(self.directory) / manifest.MANIFEST
        known = manifest.read(path.parent)
        try:
            if known["stream"] == "official":
                return _official(known, self.workers)
            _ = layouts.LAYOUTS[known["layout"]]
            return manifest.plan_of(known, self.workers)
        except (formulas.UnknownFormula, formulas.BrokenFormula) as error:
            raise InputError(path, "formula", error.name, error.remedy) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(path, None, None, f"describes no dataset: {error}") from error


def _official(known: Mapping[str, Any], workers: int | None) -> OfficialPlan:
    plan = OfficialPlan(known["formula"], dict(known["arguments"]), None, workers)
    if known["seeds"] == list(plan.seeds):
        return plan
    (seed,) = known["seeds"]
    return OfficialPlan(plan.formula, plan.given, seed, workers)


def _compare(
    root: Path, plan: Plan, layout: str, progress: Progress | None
) -> tuple[list[str], str]:
    """Return what is wrong with the files, in order, and the digest of the images as drawn."""
    kind, lock = layouts.LAYOUTS[layout](plan), Lock()

    @lru_cache(maxsize=4)
    def opened(first: int) -> Any:
        try:
            name = kind.name(first)
            return kind.open(root / name, kind.places(first))
        except FileNotFoundError:
            return "missing"
        except layouts.BROKEN:
            return "changed"

    def state(place: int, image: Images) -> str:
        with lock:
            file = opened(kind.places(place).start)
        if not isinstance(file, str):
            file = "" if _same(file(place), image) else "changed"
        return file and f"{file} {kind.name(place)}"

    def compare(places: range, images: Images) -> list[str]:
        return [state(place, image) for place, image in zip(places, images, strict=True)]

    digest = plan.digest()
    states = [s for *_, some in plan.drawn(digest, progress, compare) for s in some if s]
    for name, text in kind.info().items():
        path = root / name
        if not path.exists() or path.read_bytes() != text:
            states.append(f"{'changed' if path.exists() else 'missing'} {name}")
    return list(dict.fromkeys(states)), digest.hexdigest()


def _compare_official(
    root: Path, plan: OfficialPlan, progress: Progress | None
) -> tuple[list[str], str]:
    wrong: list[tuple[str, str]] = []

    def look(name: str, image: Images) -> None:
        path = root / name
        if not path.exists():
            wrong.append((name, "missing"))
        elif not _same(layouts.decode(path.read_bytes()), image):
            wrong.append((name, "changed"))

    digest = plan.run(look, progress)
    return [f"{state} {name}" for name, state in sorted(wrong)], digest


def _same(held: Images | None, image: Images) -> bool:
    return held is not None and np.array_equal(held, image)
