"""Downstream tasks: real images with labels, as uint8 arrays at the model's size.

Loading answers with arrays or with a `DownstreamError` that names what is wrong. The split
depends on the task alone (its seed), never on the trial: all arms see the same images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from explorer.images import image_files
from explorer.training.inputs import LUMA
from explorer.training.recipe import Task

TEST_FRACTION = 0.2

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Part = tuple[Images, Labels]


class DownstreamError(ValueError):
    """A downstream task that cannot be loaded; the message names the offending thing."""


@dataclass(frozen=True)
class Downstream:
    """A downstream task in memory.

    Images are uint8 [N, C, S, S] with C = 1 (digits) or 3 (all others); labels are int64 [N].
    """

    name: str
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    classes: tuple[str, ...]

    @property
    def channels(self) -> int:
        """Channels of the images, and so of the model."""
        return int(self.train_images.shape[1])


def load(task: Task, *, image_size: int) -> Downstream:
    """Load a task, resize its images once, and split it.

    Args:
        task: Which, and how it is split.
        image_size: Side of the model's input, in pixels. The middle square of an image is
            resized to it (bicubic, antialiased).

    Raises:
        DownstreamError: Something is missing, empty, unreadable or too small; it is named.
    """
    if task.name == "digits":
        train, test, classes = _digits(task, image_size)
    elif task.name == "imagefolder":
        train, test, classes = _imagefolder(task, image_size)
    else:
        train, test, classes = _torchvision(task, image_size)
    if task.train_size is not None:
        chosen = _choose(train[1], task, len(classes))
        train = train[0][chosen], train[1][chosen]
    return Downstream(task.title, *train, *test, classes)


def sample_folder(
    root: Path, categories: int, instances: int, *, image_size: int, seed: int
) -> Part:
    """Read some images of some classes of a folder, to be pre-trained on.

    Args:
        root: Holds one folder a class.
        categories: Classes to choose.
        instances: Images a class to choose.
        image_size: Side that the middle square of an image is resized to, in pixels.
        seed: Seed of both choices.

    Returns:
        uint8 [categories * instances, 3, S, S], class by class, and the labels from 0.

    Raises:
        DownstreamError: The folder has fewer classes, or a chosen class fewer images.
    """
    found = _classes(root.expanduser())
    if categories > len(found):
        raise DownstreamError(f"{root}: has {len(found)} classes, not {categories} to choose from")
    rng = np.random.default_rng([seed, 3])
    names = sorted(rng.permutation(list(found))[:categories].tolist())
    chosen: dict[str, list[Path]] = {}
    for name in names:
        if instances > len(found[name]):
            raise DownstreamError(
                f"{root / name}: has {len(found[name])} images, not {instances} to choose from"
            )
        picked = np.sort(rng.permutation(len(found[name]))[:instances])
        chosen[name] = [found[name][i] for i in picked]
    return _read(chosen, tuple(names), image_size)


def grey(images: Images) -> Images:
    """Return the luma, uint8 [N, S, S], of images in grey [N, S, S] or colour [N, 3, S, S]."""
    if images.ndim == 3:
        return images
    luma = np.empty((len(images), *images.shape[2:]), np.uint8)
    for image, colour in zip(luma, images, strict=True):
        image[...] = np.rint(np.tensordot(LUMA, colour, axes=1))
    return luma


Loaded = tuple[Part, Part, tuple[str, ...]]


def _digits(task: Task, size: int) -> Loaded:
    from sklearn.datasets import load_digits

    raw, labels = load_digits(return_X_y=True)
    small = np.round(raw.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    images = _stack([Image.fromarray(image) for image in small], size)
    classes = tuple(str(digit) for digit in range(10))
    return (*_split(images, labels.astype(np.int64), task, classes), classes)


def _imagefolder(task: Task, size: int) -> Loaded:
    root = _root(task)
    train, held_out = root / "train", root / "val"
    if train.is_dir() != held_out.is_dir():
        there, missing = (train, held_out) if train.is_dir() else (held_out, train)
        raise DownstreamError(f"{missing}: missing beside {there}; both are needed, or neither")
    if not train.is_dir():
        found = _classes(root)
        classes = tuple(found)
        return (*_split(*_read(found, classes, size), task, classes), classes)
    if task.test_fraction is not None:
        raise DownstreamError(f"{root}: has val/, so test_fraction has no effect; remove it")
    found, tested = _classes(train), _classes(held_out, least=1)
    classes = tuple(found)
    unknown = sorted(tested.keys() - found.keys())
    if unknown:
        raise DownstreamError(f"{held_out / unknown[0]}: no class of that name in {train}")
    return _read(found, classes, size), _read(tested, classes, size), classes


def _classes(root: Path, least: int = 2) -> dict[str, list[Path]]:
    """Find the image files below a folder of classes, sorted, at any depth below the class."""
    if not root.is_dir():
        raise DownstreamError(f"{root}: no such directory; it should hold one folder a class")
    folders = sorted(
        entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if not folders:
        raise DownstreamError(f"{root}: empty; it should hold one folder a class")
    if len(folders) < least:
        raise DownstreamError(f"{folders[0]}: the only class in {root}; at least two are needed")
    found: dict[str, list[Path]] = {}
    for folder in folders:
        files = image_files(folder)
        if not files:
            raise DownstreamError(f"{folder}: no image in this class folder")
        found[folder.name] = files
    return found


def _read(found: dict[str, list[Path]], classes: tuple[str, ...], size: int) -> Part:
    files = [(file, classes.index(name)) for name, files in found.items() for file in files]
    images = np.empty((len(files), 3, size, size), np.uint8)
    for index, (file, _) in enumerate(files):
        try:
            with Image.open(file) as image:
                images[index] = _planes(image.convert("RGB"), size)
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise DownstreamError(f"{file}: not a readable image ({error})") from error
    return images, np.array([label for _, label in files], np.int64)


def _torchvision(task: Task, size: int) -> Loaded:
    from torchvision import datasets

    root = _root(task)

    def part(kind: str) -> tuple[list[Any], list[int], tuple[str, ...]]:
        source: Any
        if task.name == "flowers102":
            source = datasets.Flowers102(root, split=kind, download=True)
        else:
            maker: Callable[..., Any] = getattr(datasets, task.name.upper())
            source = maker(root, train=kind == "train", download=True)
        pairs = [source[index] for index in range(len(source))]
        count = len(source.classes) if hasattr(source, "classes") else 1 + max(y for _, y in pairs)
        names = tuple(getattr(source, "classes", map(str, range(count))))
        return [image for image, _ in pairs], [label for _, label in pairs], names

    try:
        images, labels, classes = part("train")
        if task.name == "flowers102":
            # As usual: its small `val` split is trained on as well.
            more_images, more_labels, _ = part("val")
            images, labels = images + more_images, labels + more_labels
        test_images, test_labels, _ = part("test")
    except (URLError, OSError, RuntimeError) as error:
        raise DownstreamError(
            f"{task.name}: not found in {root} and not fetched ({error}); connect to the network "
            "once, or copy the files that torchvision expects there"
        ) from error
    return (
        (_stack(images, size), np.array(labels, np.int64)),
        (_stack(test_images, size), np.array(test_labels, np.int64)),
        classes,
    )


def _root(task: Task) -> Path:
    if task.path is None:
        raise DownstreamError(f"{task.name}: needs a path")
    return task.path.expanduser()


def _stack(images: list[Image.Image], size: int) -> Images:
    return np.stack([_planes(image, size) for image in images])


def _planes(image: Image.Image, size: int) -> Images:
    """Resize the middle square of an image; uint8 [C, size, size]."""
    fitted = np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))
    return fitted[None] if fitted.ndim == 2 else fitted.transpose(2, 0, 1)


def _split(
    images: Images, labels: Labels, task: Task, classes: tuple[str, ...]
) -> tuple[Part, Part]:
    """Keep a share of every class, at least one image, for testing."""
    fraction = TEST_FRACTION if task.test_fraction is None else task.test_fraction
    rng = np.random.default_rng([task.seed, 0])
    testing = np.zeros(len(labels), bool)
    for label, name in enumerate(classes):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise DownstreamError(
                f"{task.path or task.name}: class {name} has one image; two are needed to split"
            )
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        testing[rng.permutation(members)[:count]] = True
    return (images[~testing], labels[~testing]), (images[testing], labels[testing])


def _choose(labels: Labels, task: Task, classes: int) -> NDArray[np.int64]:
    """Choose `train_size` images, evenly over the classes as far as they last."""
    size = task.train_size or 0
    where = task.path or task.name
    if size > len(labels):
        raise DownstreamError(
            f"{where}: train_size {size} is more than the {len(labels)} training images"
        )
    if size < classes:
        raise DownstreamError(f"{where}: train_size {size} is less than the {classes} classes")
    rng = np.random.default_rng([task.seed, 1])
    # The k-th images of all classes come before the (k+1)-th ones; ties fall at random.
    rank = np.empty(len(labels), np.int64)
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        rank[members] = rng.permutation(len(members))
    order = np.lexsort((rng.permutation(len(labels)), rank))
    return np.sort(order[:size])
