"""Any folder of images, read for measuring."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from explorer.errors import InputError
from explorer.image_files import image_files
from explorer.images.render import Images


class Folder:
    """The image files below a directory; those in one folder are a category.

    Attributes:
        files: The image files, in the order of their names.
        labels: Number of the folder of each, int64 ``[len(files)]``.

    Args:
        root: The directory; files at any depth below it count.

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
        """Read some of the images in grey, the middle square of each resized by area.

        Args:
            chosen: Indices into :attr:`files`.
            size: Side of the images that are returned, in pixels.

        Returns:
            uint8 ``[len(chosen), size, size]``.

        Raises:
            InputError: If a file is no image that can be read.
        """
        images = np.empty((len(chosen), size, size), np.uint8)
        for image, index in zip(images, chosen, strict=True):
            file = self.files[index]
            try:
                with Image.open(file) as opened:
                    fitted = ImageOps.fit(opened.convert("L"), (size, size), Image.Resampling.BOX)
            except (UnidentifiedImageError, OSError, SyntaxError) as error:
                raise InputError(
                    "DIR", None, str(file), f"not a readable image: {error}"
                ) from error
            image[...] = np.asarray(fitted)
        return images
