"""Datasets in files: written, continued after an interruption, and compared with what they are.

``dataset.json``, the manifest, stands beside the images and says what they are, ``categories.csv``
what each category drew. ``checksums.txt`` has the SHA-256 of every file that is complete, and that
of the manifest when all are.
"""

import csv
import hashlib
import io
import json
import os
import platform
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any, TextIO

import numpy as np

from explorer import __version__, files, formulas
from explorer.authors import OfficialPlan
from explorer.errors import InputError
from explorer.formulas import RangeError
from explorer.images import layouts
from explorer.images.plan import Images, Plan, Progress

MANIFEST = "dataset.json"
TABLE = "categories.csv"

_SIZES = ("seed", "categories", "instances", "canvas", "size")
_TEMPORARY = r"\.[0-9a-f]{16}"  # left by a process that was killed
_OTHERS = rf"dataset\.json|categories\.csv|checksums(-\d+-of-\d+)?\.txt|{_TEMPORARY}"


def export(
    plan: Plan,
    directory: str | Path,
    layout: str = "imagefolder",
    *,
    part: tuple[int, int] = (1, 1),
    progress: Progress | None = None,
) -> Path:
    """Write a dataset to files.

    A file has its name only when it is complete, so an interrupted export is continued by the same
    call, which draws what is missing. A bounded number of images is held in memory.

    Args:
        plan: What to draw.
        directory: Where to write; missing, empty, or with a part of the same dataset.
        layout: ``imagefolder``, ``webdataset`` or ``npz``; see :mod:`explorer.images.layouts`.
        part: Number of this part, from 1, and of all: only every so many files are written. Parts
            may be written into one directory at the same time, by several machines.
        progress: Called with the number of images finished since its last call.

    Returns:
        The path of ``dataset.json``.

    Raises:
        InputError: If the directory holds another dataset or other files (nothing has been written
            then), or cannot be written.
        RangeError: If there is no such part.
    """
    root, kind = Path(directory), layouts.LAYOUTS[layout](plan)
    number, parts = part
    if not 1 <= number <= parts <= kind.files:
        remedy = f"must be 1/N to N/N, N at most {kind.files}, the files of this dataset"
        raise RangeError("part", f"{number}/{parts}", remedy)
    origin = formulas.origin(plan.formula)
    content = {
        "formula": plan.formula,
        **({"package": origin} if origin else {}),
        "stream": "counter",
        "layout": layout,
        "version": plan.family.version,
        "ranges": {name: list(ends) for name, ends in plan.resolved.items()},
        **{name: getattr(plan, name) for name in _SIZES},
    }

    def encode(_: range, images: Images) -> list[bytes]:
        return [kind.encode(image) for image in images]

    def draw(sums: _Checksums) -> bool:
        own = range(number - 1, kind.files, parts)
        missing = [file for file in own if not sums.complete(kind.name(file))]
        wanted = kind.order[np.isin(np.arange(plan.total) // kind.most, missing)]
        if progress is not None:
            progress(sum(len(kind.held(file)) for file in own) - len(wanted))
        encoded = chain.from_iterable(plan.drawn(wanted, encode, progress))
        for file in missing:
            with layouts.whole(root / kind.name(file)) as path:
                kind.write(path, zip(kind.held(file).tolist(), encoded, strict=False))
            sums.add(kind.name(file))
        deque(encoded, maxlen=0)  # for the progress of the last images
        if number == 1 and not all(map(sums.complete, (TABLE, *kind.info()))):
            for name, text in {TABLE: _categories(plan), **kind.info()}.items():
                files.write(root / name, text)
                sums.add(name)
        known = _Checksums(root).known  # those of other parts, too
        return all(name in known for name in (*map(kind.name, range(kind.files)), TABLE))

    checksums = "checksums.txt" if parts == 1 else f"checksums-{number}-of-{parts}.txt"
    return _resumable(root, content, kind.pattern, checksums, draw)


LAYOUTS = {name: partial(export, layout=name) for name in layouts.LAYOUTS}
"""Layout -> the function that writes it; all take the same arguments."""


def export_official(
    plan: OfficialPlan, directory: str | Path, *, progress: Progress | None = None
) -> Path:
    """Draw a dataset as the authors' program does, pixel for pixel, under the authors' names.

    The files are grey where theirs repeat the grey level in three channels. As an image can only be
    had by drawing all before it, an export that is continued draws all again. Arguments, return
    value and errors are those of :func:`export`.
    """
    root = Path(directory)
    content = {
        "formula": plan.formula,
        "stream": "official",
        "layout": "imagefolder",
        "arguments": plan.arguments,
        "seeds": list(plan.seeds),
    }

    def draw(sums: _Checksums) -> bool:
        def keep(name: str, held: Images | bytes) -> None:
            if not sums.complete(name):
                with layouts.whole(root / name) as path:
                    path.write_bytes(held if isinstance(held, bytes) else layouts.encode(held))
                sums.add(name)

        keep(TABLE, _table(plan.run(keep, progress)))
        return True

    pattern = r"(image|param)/|param/\d{5,}\.csv|(image/)?\d{5,}/(\w+\.png)?"
    return _resumable(root, content, pattern, "checksums.txt", draw)


def verify(directory: str | Path, progress: Progress | None = None) -> tuple[str, ...]:
    """Compare every file of a dataset on disk, byte for byte, with what was written.

    Args:
        directory: As given to the function that wrote it.
        progress: Called with the number of files compared since its last call.

    Returns:
        ``"missing NAME"`` or ``"changed NAME"`` for every file that is not as it should be, and
        ``"unfinished dataset.json"`` while some are still to be written; nothing if all is well.

    Raises:
        InputError: If there is no readable manifest.
    """
    root = Path(directory)
    _read(root)
    known = _Checksums(root).known
    wrong = {} if MANIFEST in known else {MANIFEST: "unfinished"}
    for name in known:
        try:
            if _sha256(root / name) != known[name]:
                wrong[name] = "changed"
        except OSError:
            wrong[name] = "missing"
        if progress is not None:
            progress(1)
    return tuple(f"{wrong[name]} {name}" for name in sorted(wrong))


def count_files(directory: str | Path) -> int:
    """Return of how many files a dataset on disk has checksums."""
    return len(_Checksums(Path(directory)).known)


def _categories(plan: Plan) -> bytes:
    numbers = range(plan.first_category, plan.first_category + plan.categories)
    drawn = plan.family.categories(plan.ranges, seed=plan.seed, categories=numbers)
    return _table({n: dict(_fields(row)) for n, row in zip(numbers, drawn, strict=True)})


def _fields(row: np.void) -> Iterator[tuple[str, object]]:
    """Yield the numbers of a category; those of an array are named by their places in it."""
    for name in row.dtype.names or ():
        for place in np.ndindex(row[name].shape):
            yield "_".join([name, *map(str, place)]), row[name][place].item()


def _table(categories: Mapping[int, Mapping[str, object]]) -> bytes:
    """Return a CSV file of what categories have drawn, one row each."""
    rows = [{"category": number, **categories[number]} for number in sorted(categories)]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


class _Checksums:
    """SHA-256 of the files that are complete, by name: as ``sha256sum --check`` reads them.

    Args:
        root: Where they are, in one file or in one per part.
        file: Name of the file to add to.
    """

    def __init__(self, root: Path, file: str | None = None) -> None:
        self.root, self.known, self._lock = root, dict[str, str](), Lock()
        self._own, self._path = dict[str, str](), root / (file or "")
        for path in root.glob("checksums*.txt"):
            lines = re.findall(r"^([0-9a-f]{64})  (.+)\n", path.read_text(), re.MULTILINE)
            self.known |= {name: sum_ for sum_, name in lines}
            if path == self._path:
                self._own = {name: sum_ for sum_, name in lines}
        self._file: TextIO | None = None

    def complete(self, name: str) -> bool:
        return name in self.known and (self.root / name).exists()

    def add(self, name: str) -> None:
        """Write down that a file is complete."""
        digest = _sha256(self.root / name)
        with self._lock:
            if self._file is None:
                files.write(self._path, _lines(self._own))  # without a line that was cut off
                self._file = self._path.open("a", encoding="utf-8")
            self.known[name] = self._own[name] = digest
            self._file.write(f"{digest}  {name}\n")
            self._file.flush()

    def close(self) -> None:
        """Write the file anew, sorted by name."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._own:
            files.write(self._path, _lines(self._own))


def _lines(sums: Mapping[str, str]) -> bytes:
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _resumable(
    root: Path,
    content: Mapping[str, Any],
    pattern: str,
    checksums: str,
    draw: Callable[[_Checksums], bool],
) -> Path:
    """Write a manifest, let the files be written, and add its checksum if all are.

    Refuses a directory with another dataset, or with files and folders (``00003/``) whose names do
    not match the pattern.
    """
    content = {**content, "explorer": __version__}
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
    }
    try:
        if root.exists() and not root.is_dir():
            raise InputError(root, None, None, "is a file; name a directory")
        files.make_folder(root)
        names = list(_names(root))  # before another part can have written more than a manifest
        held = _read(root) if (root / MANIFEST).exists() else {}
        for key in content.keys() if held else ():
            if held.get(key) != content[key]:
                _refuse(root, f"another dataset ({key} {held.get(key)}, not {content[key]})")
        known = rf"({pattern}|{_OTHERS})({layouts.PART})?" if held else _TEMPORARY
        other = [name for name in names if not re.fullmatch(known, name)]
        if other:
            _refuse(root, f"other files ({min(other).rstrip('/')})")
        if not held:
            text = json.dumps({**content, "versions": versions}, indent=2)
            files.write(root / MANIFEST, text + "\n")
        sums = _Checksums(root, checksums)
        try:
            if draw(sums) and not sums.complete(MANIFEST):
                sums.add(MANIFEST)
        finally:
            sums.close()
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
