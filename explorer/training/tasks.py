"""The downstream tasks: where their images and labels come from. A further task is one entry.

Three kinds of name are known:

- the entries of ``BUILT_IN`` below;
- the entry points of the group ``explorer.tasks``, by which another package adds a :class:`Kind`::

      [project.entry-points."explorer.tasks"]
      leaves = "my_package.leaves:LEAVES"

- any data set that timm reads: ``hfds/OWNER/NAME`` for one of the Hugging Face hub,
  ``tfds/NAME``, ``wds/NAME`` and ``torch/NAME``, see ``timm.data.create_dataset``.

Nothing heavy is imported before a task is loaded: recipes are checked against the names here. A
kind tells the labels of its images at once and decodes an image only when it is asked for, so
that 200 labelled images of 100,000 cost 200 decodings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.error import URLError

from explorer.errors import InputError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from explorer.training.recipe import Task

GROUP = "explorer.tasks"
"""The group of the entry points."""

TIMM_PREFIXES = ("hfds/", "hfids/", "tfds/", "torch/", "wds/")
"""How the names of timm's readers begin."""


class DownstreamError(ValueError):
    """A downstream task that cannot be loaded; the message names the offending thing."""


@dataclass(frozen=True)
class Split:
    """Images of one split, undecoded.

    Attributes:
        labels: int64 [N], from 0.
        read: Decodes the image of an index; called from several threads at once.
    """

    labels: NDArray[np.int64]
    read: Callable[[int], Image.Image]


@dataclass(frozen=True)
class Source:
    """What a task consists of before anything is chosen, resized or scattered.

    Attributes:
        classes: Names of the classes; a label is an index into them.
        train: Images to choose the labelled ones from.
        test: Images to test on; ``None`` keeps a seeded share of every class of `train` for that.
        channels: 1 for grey images, 3 for colour.
    """

    classes: tuple[str, ...]
    train: Split
    test: Split | None = None
    channels: Literal[1, 3] = 3


@dataclass(frozen=True)
class Kind:
    """One entry of the registry.

    Attributes:
        load: Finds the images of a task; raises `DownstreamError` where it cannot.
        path: Whether a task of this kind has a `path`: ``required``, ``optional`` or ``refused``.
        split: Who splits it: its ``own`` test images, a ``share`` of every class, or ``either``.
        fixed: Whether its images are the same for ever, so that a process may keep them.
    """

    load: Callable[[Task], Source]
    path: Literal["required", "optional", "refused"] = "required"
    split: Literal["own", "share", "either"] = "own"
    fixed: bool = False


def kind(name: str) -> Kind:
    """Return the kind of task of a name.

    Raises:
        DownstreamError: The name is unknown (the nearest is suggested), or the package that
            offers it is broken.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    if name.startswith(TIMM_PREFIXES):
        return _TIMM
    if name in _offered():
        return _plugin(name)
    raise DownstreamError(
        f"no task named '{name}'; {nearest(name, names())}, or a timm data set "
        "such as hfds/OWNER/NAME"
    )


def names() -> list[str]:
    """Return the names of the tasks that are built in or offered by other packages, sorted."""
    return sorted({*BUILT_IN, *_offered()})


# --- The built-in kinds -------------------------------------------------------------------------


def _digits(_task: Task) -> Source:
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    raw, labels = load_digits(return_X_y=True)
    small = np.round(raw.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    split = Split(labels.astype(np.int64), lambda index: Image.fromarray(small[index]))
    return Source(tuple("0123456789"), split, channels=1)


def _imagefolder(task: Task) -> Source:
    from explorer.images import splits

    root = root_of(task)
    with _one_line():
        divided = splits(root) if root.is_dir() else None
    if divided is None:
        files = class_files(root)
        return Source(tuple(files), _files(files, tuple(files)))
    train, held_out = divided
    if task.test_fraction is not None:
        raise DownstreamError(
            f"{root}: has {held_out.name}/, so test_fraction has no effect; remove it"
        )
    files, tested = class_files(train), class_files(held_out, least=1)
    classes = tuple(files)
    unknown = sorted(tested.keys() - files.keys())
    if unknown:
        raise DownstreamError(f"{held_out / unknown[0]}: no class of that name in {train}")
    return Source(classes, _files(files, classes), _files(tested, classes))


def class_files(root: Path, least: int = 2) -> dict[str, list[Path]]:
    """Find the image files of a folder of classes, sorted, at any depth below the class.

    Raises:
        DownstreamError: There are fewer classes than `least`, or one without an image.
    """
    from explorer import images

    with _one_line():
        files = images.class_files(root)
    if not files:
        raise DownstreamError(f"{root}: empty; it should hold one folder per class")
    if len(files) < least:
        raise DownstreamError(f"{root / min(files)}: the only class in {root}; two are needed")
    for name, found in files.items():
        if not found:
            raise DownstreamError(f"{root / name}: no image in this class folder")
    return files


def read_file(file: Path) -> Image.Image:
    """Decode the middle square of an image file, in colour; see :func:`explorer.images.read`.

    Raises:
        DownstreamError: It is no image, or a damaged one.
    """
    from PIL import Image

    from explorer.images import read

    with _one_line():
        return Image.fromarray(read(file, 3, None).transpose(1, 2, 0))


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise DownstreamError(str(error)) from error


def _files(files: dict[str, list[Path]], classes: tuple[str, ...]) -> Split:
    rows = [(file, classes.index(name)) for name, paths in files.items() for file in paths]
    return Split(_labels(label for _, label in rows), lambda index: read_file(rows[index][0]))


def _torchvision(name: str, train: Sequence[str], test: str = "test") -> Kind:
    """Make the kind of a data set of torchvision.

    Args:
        name: Of its class in `torchvision.datasets`.
        train: Its splits to choose labelled images from, as its `split` calls them.
        test: Its split to test on.
    """

    def load(task: Task) -> Source:
        from torchvision import datasets

        root = root_of(task)
        maker = getattr(datasets, name)

        def part(split: str) -> Any:
            # The oldest of its classes have no `split`.
            which = {"train": split == "train"} if name.startswith("CIFAR") else {"split": split}
            # Asked to download, StanfordCars fails even where its files are: its host is gone.
            try:
                return maker(root, download=False, **which)
            except (RuntimeError, OSError):
                return maker(root, download=True, **which)

        with _fetching(
            task,
            f"connect to the network once, or copy the files that torchvision's "
            f"{name} expects there",
        ):
            parts, held_out = [part(split) for split in train], part(test)
            splits = [_indexed(data) for data in (*parts, held_out)]
        count = 1 + max(int(split.labels.max()) for split in splits)
        classes = getattr(parts[0], "classes", None) or range(count)
        return Source(tuple(map(str, classes)), _joined(splits[:-1]), splits[-1])

    return Kind(load, fixed=True)


def _timm(task: Task) -> Source:
    from timm.data import create_dataset

    root = None if task.path is None else str(root_of(task))
    train, test = task.splits or ("train", "test")

    def part(split: str) -> Any:
        return create_dataset(task.name, root=root, split=split, download=True)

    with _fetching(
        task, "the data set, its splits and the package that reads it must be there, or the network"
    ):
        parts = part(train), part(test)
        train_split, test_split = (_indexed(data) for data in parts)
    count = 1 + max(int(split.labels.max()) for split in (train_split, test_split))
    return Source(_class_names(parts[0], count), train_split, test_split)


def _class_names(data: Any, count: int) -> tuple[str, ...]:
    numbers = getattr(getattr(data, "reader", data), "class_to_idx", None) or {}
    by_label = {label: str(name) for name, label in numbers.items()}
    return tuple(by_label.get(label, str(label)) for label in range(count))


def _indexed(data: Any) -> Split:
    """Find the labels of a data set without decoding its images, where it tells them."""
    if not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        # Streams of timm (tfds, wds, hfids) have an order but no index.
        pairs = list(data)
        return Split(_labels(label for _, label in pairs), lambda index: _picture(pairs[index][0]))
    reader: Any = getattr(data, "reader", None)
    for owner, attribute in ((data, "targets"), (data, "labels"), (data, "_labels")):
        if (told := getattr(owner, attribute, None)) is not None:
            labels = _labels(told)
            break
    else:
        if hasattr(data, "_samples"):  # torchvision's StanfordCars
            labels = _labels(label for _, label in data._samples)  # noqa: SLF001 - it has no other
        elif hasattr(reader, "iter_targets"):  # timm's hfds
            labels = _labels(reader.iter_targets())
        elif isinstance(samples := getattr(reader, "samples", None), list):  # timm's folders
            labels = _labels(label for _, label in samples)
        else:
            labels = _labels(data[index][1] for index in range(len(data)))
    return Split(labels, lambda index: _picture(data[index][0]))


def _labels(labels: Iterable[Any]) -> NDArray[np.int64]:
    import numpy as np

    return np.array([int(label) for label in labels], np.int64)


def _picture(image: Any) -> Image.Image:
    import numpy as np
    from PIL import Image

    return image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))


def _joined(splits: Sequence[Split]) -> Split:
    """Chain splits to one."""
    import numpy as np

    rows = [(split, index) for split in splits for index in range(len(split.labels))]

    def read(index: int) -> Image.Image:
        split, inside = rows[index]
        return split.read(inside)

    return Split(np.concatenate([split.labels for split in splits]), read)


@contextmanager
def _fetching(task: Task, remedy: str) -> Iterator[None]:
    """Turn what goes wrong while a data set is fetched into one line."""
    try:
        yield
    except DownstreamError:
        raise
    except (URLError, OSError, RuntimeError, ValueError, ImportError, AssertionError) as error:
        where = f" in {task.path}" if task.path else ""
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DownstreamError(
            f"{task.name}: not found{where} and not fetched ({reason}); {remedy}"
        ) from error


def root_of(task: Task) -> Path:
    """Return the folder of a task.

    Raises:
        DownstreamError: It has none.
    """
    if task.path is None:
        raise DownstreamError(f"{task.name}: needs a path")
    return task.path.expanduser()


_TIMM = Kind(_timm, path="optional")

BUILT_IN: dict[str, Kind] = {
    "digits": Kind(_digits, path="refused", split="share", fixed=True),
    "imagefolder": Kind(_imagefolder, split="either"),
    "cifar10": _torchvision("CIFAR10", ["train"]),
    "cifar100": _torchvision("CIFAR100", ["train"]),
    "dtd": _torchvision("DTD", ["train", "val"]),
    "fgvcaircraft": _torchvision("FGVCAircraft", ["trainval"]),
    # As usual, the small `val` splits of Flowers and DTD are trained on as well.
    "flowers102": _torchvision("Flowers102", ["train", "val"]),
    "food101": _torchvision("Food101", ["train"]),
    "oxfordiiitpet": _torchvision("OxfordIIITPet", ["trainval"]),
    "stanfordcars": _torchvision("StanfordCars", ["train"]),
    "stl10": _torchvision("STL10", ["train"]),
    "svhn": _torchvision("SVHN", ["train"]),
}
"""Tasks by name: scikit-learn's digits, any folder of classes, and data sets of torchvision."""


# --- Kinds of other packages --------------------------------------------------------------------


@cache
def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


@cache
def _plugin(name: str) -> Kind:
    point = _offered()[name]
    try:
        loaded = point.load()
    except Exception as error:  # whatever their module raises is their problem, said in one line
        raise DownstreamError(
            f"task '{name}': entry point {point.value} cannot be loaded "
            f"({type(error).__name__}: {error})"
        ) from error
    if not isinstance(loaded, Kind):
        raise DownstreamError(f"task '{name}': entry point {point.value} is no Kind")
    return loaded
