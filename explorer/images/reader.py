"""Image files of people: which files in a folder are images, and their pixels as they are meant.

The one place that knows of modes, depths, orientation, transparency and damage. Training, variety
and previews read through it.
"""

import logging
import os
from collections.abc import Sequence
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
        InputError: If a link leads nowhere, or to a folder that is among those read before.
    """
    paths: list[Path] = []
    read_already = {root.resolve()}
    for name, folders, files in os.walk(root, followlinks=True):
        folder = Path(name)
        folders[:] = [each for each in folders if not _hidden(each)]
        for inner in folders:
            real = (folder / inner).resolve()
            if (folder / inner).is_symlink() and real in read_already:
                raise InputError(folder / inner, None, None, "is a link to a folder read before")
            read_already.add(real)
        for file in files:
            if _hidden(file) or Path(file).suffix.lower() not in suffixes():
                continue
            if not (folder / file).exists():
                raise InputError(folder / file, None, None, "is a link to a file that is missing")
            paths.append(folder / file)
    return sorted(paths)


def read(
    path: Path, channels: int, size: int, *, resample: Literal["bicubic", "area"] = "bicubic"
) -> Images:
    """Read the middle square of an image file.

    It is turned as its EXIF data say, and laid on white where it is transparent. Of several frames
    the first is taken. 16-bit values are scaled by their type's range; 32-bit integers and floats
    from the image's own least and greatest value, as neither says which is white. A log line tells
    the first time that one of these is done.

    Args:
        path: The file.
        channels: 1 for grey (ITU-R 601 luma), 3 for colour.
        size: Side that the middle square is resized to, in pixels.
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
            kind = file.format  # a turned copy has none
            image = _whole(ImageOps.exif_transpose(file), kind, path)
        image = image.convert("L" if channels == 1 else "RGB")
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
        labels: Number of the folder of each, int64 ``[len(files)]``.

    Raises:
        InputError: If it is no directory, or holds no image file.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError("DIR", None, str(root), "there is no such directory")
        self.files = image_files(root)
        if not self.files:
            remedy = "holds no image files (of shards and npz files the folder layout is wanted)"
            raise InputError("DIR", None, str(root), remedy)
        folders = sorted({file.parent for file in self.files})
        numbers = {folder: number for number, folder in enumerate(folders)}
        self.labels: npt.NDArray[np.int64] = np.array([numbers[file.parent] for file in self.files])

    def read(self, chosen: Sequence[int] | npt.NDArray[np.int64], *, size: int) -> Images:
        """Read the images at these indices in grey, reduced by area: uint8 ``[n, size, size]``."""
        files = [self.files[index] for index in chosen]
        return np.concatenate([read(file, 1, size, resample="area") for file in files])


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _whole(image: Image.Image, kind: str | None, path: Path) -> Image.Image:
    """Return an image whose values mean 0 for black and 255 for white, without transparency."""
    # Pillow opens 16-bit PNM files, and elder ones 16-bit PNG, as 32-bit integers.
    if image.mode.startswith("I;16") or (image.mode == "I" and kind in {"PNG", "PPM"}):
        _tell_once("has 16 bits per pixel: scaled by the type's range to 8", path)
        return _scaled(np.asarray(image), 0, 65535)
    if image.mode in {"I", "F"}:
        values = np.asarray(image, np.float64)
        if not np.isfinite(values).all():
            raise InputError(path, None, None, "holds values that are no finite numbers")
        _tell_once("has 32 bits per pixel: scaled from its own least and greatest value", path)
        return _scaled(values, values.min(), values.max())
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, "white")
        return Image.alpha_composite(white, coloured).convert("RGB")
    return image if image.mode in {"L", "RGB"} else image.convert("RGB")


def _scaled(values: npt.NDArray[Any], black: float, white: float) -> Image.Image:
    shares = (values.astype(np.float64) - black) / max(white - black, 1e-300)
    return Image.fromarray(np.rint(255 * shares).astype(np.uint8))


_told: set[str] = set()


def _tell_once(what: str, path: Path) -> None:
    if what not in _told:
        _told.add(what)
        _log.warning("%s: %s; so are others like it", path, what)
