"""Image files of people: which files in a folder are images, and their pixels as they are meant.

The one place that knows of modes, depths, orientation, transparency and damage. Training, variety
and previews read through it.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from explorer.errors import InputError
from explorer.images.plan import Images

_log = logging.getLogger(__name__)

# Containers that Pillow lists but has no decoder for.
_NO_DECODER = {"BUFR", "GRIB", "HDF5", "MPEG"}
_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "area": Image.Resampling.BOX}


@cache
def suffixes() -> frozenset[str]:
    """Return the endings, in small letters, of all image files that Pillow reads."""
    known = Image.registered_extensions()  # makes Pillow load its plug-ins
    formats = Image.OPEN.keys() - _NO_DECODER
    return frozenset(suffix for suffix, kind in known.items() if kind in formats)


def image_files(root: Path) -> list[Path]:
    """Return the image files below a folder, at any depth, told by their endings; sorted.

    Links are followed. Hidden files and folders (``.ipynb_checkpoints``, ``._0.png``) and the
    ``__MACOSX`` of archives are left out.

    Raises:
        InputError: If a link leads nowhere, or to a folder that is read without it too.
    """
    paths: list[Path] = []
    known = {root.resolve()}
    for name, folders, files in os.walk(root, followlinks=True):
        folder = Path(name)
        folders[:] = sorted(each for each in folders if not _hidden(each))
        for inner in folders:
            real = (folder / inner).resolve()
            if real in known:
                remedy = "is read twice, once by a link; remove the link"
                raise InputError(folder / inner, None, None, remedy)
            known.add(real)
        for file in files:
            if _hidden(file) or Path(file).suffix.lower() not in suffixes():
                continue
            if not (folder / file).exists():
                raise InputError(folder / file, None, None, "is a link to a file that is missing")
            paths.append(folder / file)
    return sorted(paths)


def splits(root: Path) -> tuple[Path, Path] | None:
    """Return the folders in a directory to train on and to test on; ``None`` where it has neither.

    Known are train, training, val, valid, validation, test and testing, in any case. Where there
    are both, images to validate on are taken and those to test on are left alone.

    Raises:
        InputError: If one of the two is missing, or there are two of a kind.
    """
    kinds = [[each for each in _folders(root) if each.name.lower() in kind] for kind in _SPLITS]
    there = [folder for folders in kinds for folder in folders]
    if not there:
        return None
    for folders in kinds:
        if len(folders) > 1:
            remedy = f"is the same split as {folders[0].name}; leave one in {root}"
            raise InputError(folders[1], None, None, remedy)
    train, *held_out = kinds
    test = [folder for folders in held_out for folder in folders]
    if not (train and test):
        missing = "val or test" if train else "train"
        remedy = f"is a split without {missing} beside it; add that, or give the folder other names"
        raise InputError(there[0], None, None, remedy)
    return train[0], test[0]


def class_files(root: Path) -> dict[str, list[Path]]:
    """Return the image files of each folder in a directory, sorted, by the name of the folder.

    Raises:
        InputError: As for :func:`image_files`; if the folders are splits and no classes; or if
            there is no such directory.
    """
    if not root.is_dir():
        raise InputError(root, None, None, "no such directory; it should hold one folder per class")
    _refuse_splits(root)
    classes: dict[str, list[Path]] = {folder.name: [] for folder in _folders(root)}
    for file in image_files(root):
        first, *others = file.relative_to(root).parts
        if others:
            classes[first].append(file)
    return classes


def read(
    path: Path, channels: int, size: int | None, *, resample: Literal["bicubic", "area"] = "bicubic"
) -> Images:
    """Read the middle square of an image file.

    It is turned as its EXIF data say, and laid on white where it is transparent. Of several frames
    the first is taken. Values of 9 to 16 bits are scaled by their type's range; signed ones, those
    of 32 bits and floats from the image's own least and greatest value, as neither says which is
    white. A log line tells the first time that one of these is done.

    Args:
        path: The file.
        channels: 1 for grey (ITU-R 601 luma), 3 for colour.
        size: Side that the middle square is resized to, in pixels; ``None`` leaves it as it is.
        resample: How: ``bicubic`` (antialiased) or ``area`` (the mean of the pixels).

    Returns:
        uint8 ``[channels, size, size]``.

    Raises:
        InputError: If the file is no image, is damaged, or cannot be read as it is meant.
    """
    try:
        with Image.open(path) as file:
            if getattr(file, "n_frames", 1) > 1:
                _tell_once("has several frames: the first is taken", path)
            # A turned copy has neither.
            kind, tags = file.format, dict(getattr(file, "tag_v2", {}))
            image = _whole(ImageOps.exif_transpose(file), kind, tags, path)
        image = image.convert("L" if channels == 1 else "RGB")
        size = size or min(image.size)
        fitted = np.asarray(ImageOps.fit(image, (size, size), _RESAMPLING[resample]))
    except InputError:
        raise
    except Exception as error:  # the decoders raise whatever a damaged file makes them stumble over
        reason = str(error).replace(repr(str(path)), "it") or type(error).__name__
        raise InputError(path, None, None, f"not a readable image: {reason}") from error
    return fitted[None] if channels == 1 else np.ascontiguousarray(fitted.transpose(2, 0, 1))


class Folder:
    """The image files below a directory, at any depth; those in one folder are a category.

    Attributes:
        files: The image files, in the order of their names.
        classes: The folders that they lie in, as paths in this one.
        labels: Number of the folder of each, int64 ``[len(files)]``.

    Raises:
        InputError: If it is no directory, or holds no image file.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError("DIR", None, str(root), "there is no such directory")
        _refuse_splits(root)
        self.files = image_files(root)
        if not self.files:
            remedy = "holds no image files (of shards and npz files the folder layout is wanted)"
            raise InputError("DIR", None, str(root), remedy)
        folders = sorted({file.parent for file in self.files})
        self.classes = tuple(folder.relative_to(root).as_posix() for folder in folders)
        numbers = {folder: number for number, folder in enumerate(folders)}
        self.labels: npt.NDArray[np.int64] = np.array([numbers[file.parent] for file in self.files])

    def read(self, chosen: Sequence[int] | npt.NDArray[np.int64], *, size: int) -> Images:
        """Read the images at these indices in grey, reduced by area: uint8 ``[n, size, size]``."""
        files = [self.files[index] for index in chosen]
        return np.concatenate([read(file, 1, size, resample="area") for file in files])


def sameness(
    images: Images, labels: npt.NDArray[np.int64], classes: Sequence[str] = ()
) -> list[str]:
    """Say whether all images are blank, and which classes have one image only, again and again.

    Args:
        images: uint8 ``[N, ..., S, S]``.
        labels: int64 ``[N]``.
        classes: Names of the classes, by label; without them they are said by number.
    """
    if all((image == image[..., :1, :1]).all() for image in images):
        return [f"All {len(images)} images are blank: each has one level throughout."]
    order = np.argsort(labels, kind="stable")
    equal = [
        classes[labels[first]] if classes else str(labels[first])
        for first, *others in np.split(order, 1 + np.flatnonzero(np.diff(labels[order])))
        if others and all(np.array_equal(images[first], images[other]) for other in others)
    ]
    if not equal:
        return []
    names = ", ".join(equal[:3]) + (f" and {len(equal) - 3} more" if len(equal) > 3 else "")
    return [f"All images of a class are equal in: {names}."]


_SPLITS = ({"train", "training"}, {"val", "valid", "validation"}, {"test", "testing"})


def _refuse_splits(root: Path) -> None:
    if divided := splits(root):
        names = " and ".join(each.name for each in divided)
        raise InputError(root, None, None, f"holds the splits {names}; name one of them")


def _folders(root: Path) -> list[Path]:
    return sorted(each for each in root.iterdir() if each.is_dir() and not _hidden(each.name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _whole(
    image: Image.Image, kind: str | None, tags: Mapping[int, Any], path: Path
) -> Image.Image:
    """Return an image whose values mean 0 for black and 255 for white, without transparency."""
    if (levels := _levels(image, kind, tags, path)) is not None:
        return Image.fromarray(levels)
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return image if image.mode in {"L", "RGB"} else image.convert("RGB")


def _levels(
    image: Image.Image, kind: str | None, tags: Mapping[int, Any], path: Path
) -> Images | None:
    """Return the grey levels of an image whose values are not those, ``None`` of another."""
    bits, sample = tags.get(_BITS, (16,))[0], tags.get(_SAMPLE, (1,))[0]
    if kind == "TIFF" and image.mode == "L" and sample == _SIGNED:
        values = (np.asarray(image).astype(np.int64) ^ 0x80) - 0x80
    elif image.mode == "F":
        values = np.asarray(image, np.float64)
        if not np.isfinite(values).all():
            raise InputError(path, None, None, "holds values that are no finite numbers")
    elif image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
    else:
        return None
    # Pillow opens 16-bit PNM files, and elder ones 16-bit PNG, as 32-bit integers.
    typed = image.mode.startswith("I;16") or (image.mode == "I" and kind in {"PNG", "PPM"})
    if typed and kind != "FITS":
        _tell_once("has more than 8 bits per pixel: scaled by the type's range", path)
        black, white = 0.0, 2.0**bits - 1
    else:
        if typed:
            values = (values ^ 0x8000) - 0x8000
        elif kind == "TIFF" and image.mode == "I" and sample != _SIGNED:
            values &= 0xFFFFFFFF  # Pillow's integers have a sign
        _tell_once("has no white of its own: scaled from its least and greatest value", path)
        black, white = float(values.min()), float(values.max())
    levels = np.rint((values - black) * (255 / max(white - black, 1e-300)))
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and image.mode != "L":
        levels = 255 - levels
    clear = image.info.get("transparency")
    return np.where(values == clear, 255, levels).astype(np.uint8)


# Tags of TIFF files, and values of theirs.
_BITS, _PHOTOMETRIC, _SAMPLE = 258, 262, 339
_WHITE_IS_ZERO, _SIGNED = 0, 2


_told: set[str] = set()


def _tell_once(what: str, path: Path) -> None:
    if what not in _told:
        _told.add(what)
        _log.warning("%s: %s; so are others like it", path, what)
