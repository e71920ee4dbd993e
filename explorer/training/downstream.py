"""Downstream tasks: real images with labels, as uint8 at the model's size.

Where images come from is the business of `explorer.training.tasks`. Here they are split, the
labelled ones are drawn, and every image is reduced, scattered and inverted as its task says. All
of that follows from the task alone (its seed), never from the trial: all arms see the same images.
Sets that do not fit into memory are decoded as they are trained on (`explorer.training.sources`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from explorer.images import sameness
from explorer.training import tasks
from explorer.training.inputs import LUMA
from explorer.training.recipe import Scatter, Task
from explorer.training.sources import Images, Indices, Source, Streamed, choose, fitted
from explorer.training.tasks import DownstreamError, Split

__all__ = ["Downstream", "DownstreamError", "grey", "load", "sample_folder"]

TEST_FRACTION = 0.2
# Of the training split, for the frozen-feature scores; more adds time, not certainty, to a value
# that only has to rank.
PROBE_IMAGES = 2_000

Labels = NDArray[np.int64]
Part = tuple[Source, Labels]


@dataclass(frozen=True)
class Downstream:
    """A downstream task.

    Images are uint8 [N, C, S, S] with C = 1 (grey) or 3 (colour); labels are int64 [N].

    Attributes:
        name: As a report calls it.
        train_images: Training images that are used: all draws of the labelled ones, and more of
            the training split, up to 2,000 in all, for the scores of frozen features.
        train_labels: Their labels.
        test_images: Test images.
        test_labels: Their labels.
        classes: Names of the classes.
        draws: Per draw, the indices of the labelled training images; none means that all are.
        remarks: What is odd about training images in memory, in sentences.
    """

    name: str
    train_images: Source
    train_labels: Labels
    test_images: Source
    test_labels: Labels
    classes: tuple[str, ...]
    draws: tuple[Indices, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        """Channels of the images, and so of the model."""
        return self.train_images.shape[1]

    def labelled(self, draw: int) -> Part:
        """Return the images and labels of a draw, to be fine-tuned on."""
        chosen = np.flatnonzero(self._mask(draw))
        return choose(self.train_images, chosen), self.train_labels[chosen]

    def held_out(self, draw: int) -> Part:
        """Return training images that a draw leaves out, and their labels; there may be none."""
        left = np.flatnonzero(~self._mask(draw))
        return choose(self.train_images, left), self.train_labels[left]

    def _mask(self, draw: int) -> NDArray[np.bool_]:
        mask = np.full(len(self.train_labels), not self.draws)
        if self.draws:
            mask[self.draws[draw]] = True
        return mask


def load(task: Task, *, image_size: int, threads: int = 1, room: int | None = None) -> Downstream:
    """Load a task, split it, draw the labelled images, and reduce all that is used.

    A process keeps the last four tasks that it has loaded, where their images never change.

    Args:
        task: Which, how it is split and how its images are shown.
        image_size: Side of the model's input, in pixels. The middle square of an image is
            resized to it, or to the scattered size (bicubic, antialiased).
        threads: How many decode images.
        room: Bytes that a set of images may take; a larger one is decoded as it is used. ``None``
            is no limit, and 0 decodes nothing yet.

    Raises:
        DownstreamError: Something is missing, empty, unreadable or too small; it is named.
    """
    read = _kept if tasks.kind(task.name).fixed else _load
    return read(task, image_size, threads, room)


def _load(task: Task, image_size: int, threads: int, room: int | None) -> Downstream:
    source = tasks.kind(task.name).load(task)
    labels = source.train.labels
    if source.test is None:
        train, test = _split(labels, task, source.classes)
        test_split = source.train
    else:
        train, test = np.arange(len(labels)), np.arange(len(source.test.labels))
        test_split = source.test
    draws: tuple[Indices, ...] = ()
    if task.train_size is not None:
        classes = len(source.classes)
        chosen = [_choose(labels[train], task, classes, draw) for draw in range(task.draws)]
        more = _order(labels[train], classes, np.random.default_rng([task.seed, 2]))
        used = np.unique(np.concatenate([*chosen, more[:PROBE_IMAGES]]))
        draws = tuple(np.searchsorted(used, part) for part in chosen)
        train = train[used]
    # Where both come from one split an image is shown alike in either; else each has its stream.
    apart = int(source.test is not None)

    def shown(split: Split, chosen: Indices, stream: int) -> Source:
        draw = _show(split, chosen, task, image_size, source.channels, stream)
        shape = (len(chosen), source.channels, image_size, image_size)
        return fitted(Streamed(draw, shape, threads), room)

    images = shown(source.train, train, 0)
    remarks: list[str] = []
    if not isinstance(images, Streamed):
        remarks = sameness(images, labels[train], source.classes)
    return Downstream(
        task.title,
        images,
        labels[train],
        shown(test_split, test, apart),
        test_split.labels[test],
        source.classes,
        draws,
        tuple(remarks),
    )


# Of a study one task or a few are loaded again and again.
_kept = lru_cache(maxsize=4)(_load)


def sample_folder(
    root: Path, categories: int, instances: int, *, image_size: int, seed: int, threads: int = 1
) -> tuple[Streamed, Labels]:
    """Choose some images of some classes of a folder, to be pre-trained on.

    Args:
        root: Holds one folder per class.
        categories: Classes to choose.
        instances: Images to choose per class.
        image_size: Side that the middle square of an image is resized to, in pixels.
        seed: Seed of both choices.
        threads: How many decode images.

    Returns:
        Images, [categories * instances, 3, S, S], class by class, and the labels from 0.

    Raises:
        DownstreamError: The folder has fewer classes, or a chosen class fewer images.
    """
    files = tasks.class_files(root.expanduser())
    if categories > len(files):
        raise DownstreamError(f"{root}: has {len(files)} classes, not {categories} to choose from")
    rng = np.random.default_rng([seed, 3])
    names = sorted(rng.permutation(list(files))[:categories].tolist())
    chosen: list[Path] = []
    for name in names:
        if instances > len(files[name]):
            raise DownstreamError(
                f"{root / name}: has {len(files[name])} images, not {instances} to choose from"
            )
        picked = np.sort(rng.permutation(len(files[name]))[:instances])
        chosen += [files[name][index] for index in picked]

    def draw(places: Indices) -> Images:
        return _pixels(lambda i: _fit(tasks.read_file(chosen[i]), image_size), places, shape)

    shape = (len(chosen), 3, image_size, image_size)
    labels = np.repeat(np.arange(categories, dtype=np.int64), instances)
    return Streamed(draw, shape, threads), labels


def grey(images: Images) -> Images:
    """Return the luma, uint8 [N, S, S], of images in grey [N, S, S] or colour [N, 3, S, S]."""
    if images.ndim == 3:
        return images
    luma = np.empty((len(images), *images.shape[2:]), np.uint8)
    for image, colour in zip(luma, images, strict=True):
        image[...] = np.rint(np.tensordot(LUMA, colour, axes=1))
    return luma


def scatter(
    image: Image.Image, recipe: Scatter, size: int, rng: np.random.Generator
) -> Image.Image:
    """Show the middle square of an image at a random scale, angle and place.

    Args:
        image: Of any size, mode L or RGB.
        recipe: Ranges of scale, angle and place.
        size: Side of the result, in pixels.
        rng: Four numbers are drawn.

    Returns:
        An image of size x size of the same mode. What lies around the scattered image has the
        median of its border, per channel; where its corners reach over the edge they are cut.
    """
    scale = rng.uniform(*recipe.scale)
    angle = np.deg2rad(rng.uniform(-recipe.angle, recipe.angle))
    x, y = rng.uniform(-1, 1, 2) * recipe.place * (1 - scale) / 2 * size
    small = _fit(image, max(1, round(scale * size)))
    pixels = np.asarray(small)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    background = tuple(int(level) for level in np.median(border.reshape(len(border), -1), axis=0))
    # From a pixel of the result back to one of the image, both turned about their middles.
    cos, sin, middle = np.cos(angle), np.sin(angle), small.width / 2
    x, y = size / 2 + x, size / 2 + y
    back = (cos, sin, middle - cos * x - sin * y, -sin, cos, middle + sin * x - cos * y)
    return small.transform(
        (size, size),
        Image.Transform.AFFINE,
        back,
        Image.Resampling.BICUBIC,
        fillcolor=background if len(background) > 1 else background[0],
    )


def _show(
    split: Split,
    chosen: Indices,
    task: Task,
    size: int,
    channels: Literal[1, 3],
    stream: int,
) -> Callable[[Indices], Images]:
    """Return what decodes chosen images of a split and shows them as the task says."""
    mode = "L" if channels == 1 else "RGB"

    def show(place: int) -> Image.Image:
        index = int(chosen[place])
        image = split.read(index).convert(mode)
        # By the image's own number: what it looks like depends on no choice of others.
        rng = np.random.default_rng([task.seed, 4, stream, index])
        inverted = rng.random() < task.invert
        placed = scatter(image, task.scatter, size, rng) if task.scatter else _fit(image, size)
        return ImageOps.invert(placed) if inverted else placed

    return lambda places: _pixels(show, places, (len(chosen), channels, size, size))


def _pixels(show: Callable[[int], Image.Image], places: Indices, shape: tuple[int, ...]) -> Images:
    """Put the images at some places of a set of this shape into one array."""
    _, channels, height, width = shape
    images = np.empty((len(places), channels, height, width), np.uint8)
    for image, place in zip(images, places.tolist(), strict=True):
        image[...] = np.asarray(show(place)).reshape(height, width, channels).transpose(2, 0, 1)
    return images


def _fit(image: Image.Image, size: int) -> Image.Image:
    """Resize the middle square of an image."""
    return ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)


def _split(labels: Labels, task: Task, classes: tuple[str, ...]) -> tuple[Indices, Indices]:
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
    return np.flatnonzero(~testing), np.flatnonzero(testing)


def _choose(labels: Labels, task: Task, classes: int, draw: int) -> Indices:
    """Choose `train_size` images, evenly over the classes as far as they last."""
    size = task.train_size or 0
    where = task.path or task.name
    if size > len(labels):
        raise DownstreamError(
            f"{where}: train_size {size} is more than the {len(labels)} training images"
        )
    if size < classes:
        raise DownstreamError(f"{where}: train_size {size} is less than the {classes} classes")
    stream = [task.seed, 1, draw] if draw else [task.seed, 1]
    return _order(labels, classes, np.random.default_rng(stream))[:size]


def _order(labels: Labels, classes: int, rng: np.random.Generator) -> Indices:
    """Order images so that the k-th ones of all classes precede the (k+1)-th; ties at random."""
    rank = np.empty(len(labels), np.int64)
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        rank[members] = rng.permutation(len(members))
    return np.lexsort((rng.permutation(len(labels)), rank))
