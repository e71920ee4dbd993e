"""Datasets in files: written, continued after an interruption, and compared with what they are.

``dataset.json``, the manifest, stands beside the images and says what they are.
"""

import json
import os
import platform
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from explorer import __version__, files, formulas
from explorer.authors import OfficialPlan
from explorer.errors import InputError
from explorer.images import layouts
from explorer.images.plan import Images, Plan, Progress

MANIFEST = "dataset.json"

_SIZES = ("seed", "categories", "instances", "canvas", "size")


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
    origin = formulas.origin(plan.formula)
    content = {
        "formula": plan.formula,
        **({"package": origin} if origin else {}),
        "stream": "counter",
        "layout": layout,
        "ranges": {name: list(ends) for name, ends in plan.resolved.items()},
        **{name: getattr(plan, name) for name in _SIZES},
    }

    def encode(places: range, images: Images) -> list[bytes]:
        missing = [not (root / kind.name(place)).exists() for place in places]
        return [kind.encode(i) if m else b"" for i, m in zip(images, missing, strict=True)]

    def draw() -> str:
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
            _write(root / name, text)
        return digest.hexdigest()

    return _resumable(root, content, kind.pattern, draw)


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
    }

    def keep(name: str, image: Images) -> None:
        if not (root / name).exists():
            _write(root / name, layouts.encode(image))

    pattern = r"image/|(image/)?\d{5,}/(\w+\.png)?"
    return _resumable(root, content, pattern, lambda: plan.run(keep, progress))


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
        root, plan, known = Path(self.directory), self._plan, _read(Path(self.directory))
        wrong: dict[str, str] = {}

        def look(name: str, read: Callable[[], Images | None], image: Images) -> None:
            if name in wrong:
                return
            try:
                held = read()
            except FileNotFoundError:
                wrong[name] = "missing"
            except layouts.BROKEN:
                wrong[name] = "changed"
            else:
                if held is None or not np.array_equal(held, image):
                    wrong[name] = "changed"

        if isinstance(plan, OfficialPlan):
            digest = plan.run(
                lambda name, image: look(name, lambda: _png(root / name), image), progress
            )
        else:
            digest = _compare(root, plan, layouts.LAYOUTS[known["layout"]](plan), look, progress)
        if digest != known.get("digest"):
            wrong[MANIFEST] = "changed"
        return tuple(f"{wrong[name]} {name}" for name in sorted(wrong))

    @property
    def _plan(self) -> Plan | OfficialPlan:
        path = Path(self.directory) / MANIFEST
        known = _read(path.parent)
        try:
            if known["stream"] == "official":
                arguments, seeds = dict(known["arguments"]), known["seeds"]
                plan = OfficialPlan(known["formula"], arguments, None, self.workers)
                if seeds == list(plan.seeds):
                    return plan
                (seed,) = seeds
                return OfficialPlan(known["formula"], arguments, seed, self.workers)
            _ = layouts.LAYOUTS[known["layout"]]
            ranges = {name: (low, high) for name, (low, high) in known["ranges"].items()}
            sizes = {name: known[name] for name in _SIZES}
            return Plan(known["formula"], ranges, workers=self.workers, **sizes)
        except (formulas.UnknownFormula, formulas.BrokenFormula) as error:
            raise InputError(path, "formula", error.name, error.remedy) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(path, None, None, f"describes no dataset: {error}") from error


def _compare(
    root: Path,
    plan: Plan,
    kind: layouts.Kind,
    look: Callable[[str, Callable[[], Images | None], Images], None],
    progress: Progress | None,
) -> str:
    """Look at every image of a plan in its file; returns the digest of the images as drawn."""
    lock = Lock()
    opened = lru_cache(maxsize=4)(
        lambda first: kind.open(root / kind.name(first), kind.places(first))
    )

    def read(place: int) -> Images | None:
        with lock:
            file = opened(kind.places(place).start)
        return file(place)

    def compare(places: range, images: Images) -> None:
        for place, image in zip(places, images, strict=True):
            look(kind.name(place), partial(read, place), image)

    digest = plan.digest()
    deque(plan.drawn(digest, progress, compare), maxlen=0)
    for name, text in kind.info().items():
        wanted = np.frombuffer(text, np.uint8)
        look(name, lambda name=name: np.fromfile(root / name, np.uint8), wanted)  # type: ignore[misc]
    return digest.hexdigest()


def _png(path: Path) -> Images | None:
    return layouts.decode(path.read_bytes())


def _resumable(
    root: Path, content: Mapping[str, Any], pattern: str, draw: Callable[[], str]
) -> Path:
    """Write a manifest without a digest, let the files be written, and add their digest.

    Refuses a directory with another dataset, or with files and folders (``00003/``) whose names do
    not match the pattern.
    """
    content = {**content, "explorer": __version__}
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }

    def note(digest: str | None) -> None:
        whole = {**content, "digest": digest, "versions": versions}
        _write(root / MANIFEST, (json.dumps(whole, indent=2) + "\n").encode())

    try:
        if root.exists() and not root.is_dir():
            raise InputError(root, None, None, "is a file; name a directory")
        files.make_folder(root)
        held = _read(root) if (root / MANIFEST).exists() else {}
        for key in content.keys() if held else ():
            if held.get(key) != content[key]:
                _refuse(root, f"another dataset ({key} {held.get(key)}, not {content[key]})")
        known = rf"({pattern if held else ''}|{MANIFEST})({layouts.PART})?"
        other = [name for name in _names(root) if not re.fullmatch(known, name)]
        if other:
            _refuse(root, f"other files ({min(other).rstrip('/')})")
        if not held:
            note(None)
        note(draw())
    except FileExistsError as error:  # where a directory was to be made
        raise InputError(error.filename, None, None, "is a file; name a directory") from error
    except OSError as error:
        reason = error.strerror or str(error)
        source = error.filename or root
        raise InputError(source, None, None, f"cannot be written: {reason}") from error
    return root / MANIFEST


def _names(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        inside = (Path(folder).relative_to(root).as_posix() + "/").removeprefix("./")
        yield from (f"{inside}{name}/" for name in folders)
        yield from (f"{inside}{name}" for name in names)


def _refuse(root: Path, held: str) -> None:
    raise InputError(root, None, None, f"holds {held}; name an empty or a new directory")


def _write(path: Path, content: bytes) -> None:
    with layouts.whole(path) as part:
        part.write_bytes(content)


def _read(root: Path) -> Mapping[str, Any]:
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
