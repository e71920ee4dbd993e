"""How images lie in files: a PNG file each, tar shards, or one file of arrays."""

import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from explorer import files
from explorer.formulas import streams
from explorer.images.plan import Images, Plan

PART = ".part"
"""Suffix of a file that is being written."""

_LEVEL = 2  # of zlib: less than half the time of Pillow's usual 6, files a twentieth larger
SHARD = 1000
"""Images per shard: some tens of MB at 512 x 512."""

Contents = Iterable[tuple[int, bytes]]


class ImageFolder:
    """``00003/00017.png`` is instance 17 of category 3.

    A layout stores the images of a plan in numbered files.

    Attributes:
        order: Indices of the images in the order in which they are stored, int64 ``[total]``.
        most: Images per file; the last one may have fewer.
        pattern: What the names of files look like, and those of folders, which end in ``/``.
    """

    pattern = r"\d{5}/(\d{5}\.png)?"

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.order = np.arange(plan.total)
        self.most = 1

    @property
    def files(self) -> int:
        """Number of files."""
        return -(-self.plan.total // self.most)

    def held(self, file: int) -> Any:
        """Return the indices of the images in a file, int64."""
        return self.order[file * self.most : (file + 1) * self.most]

    def name(self, file: int) -> str:
        """Return the name of a file."""
        return "{:05d}/{:05d}.png".format(*divmod(file, self.plan.instances))

    def encode(self, image: Images) -> bytes:
        """Encode an image; called in threads."""
        return _png(image, compress_level=_LEVEL)

    def write(self, path: Path, contents: Contents) -> None:
        """Write a file of encoded images, with their indices."""
        for _, content in contents:
            path.write_bytes(content)

    def info(self) -> Mapping[str, bytes]:
        """Return further files, by their names."""
        return {}


class WebDataset(ImageFolder):
    """``shard-000000.tar`` holds 1,000 images, for the webdataset library.

    Images are shuffled before they are cut into shards, so that whoever reads shards one after the
    other meets all categories at any time; the order follows from the seed of the plan. Instance 17
    of category 3 is the member ``00003_00017.png``, followed by ``00003_00017.cls``, the category
    in digits. The bytes of a shard depend on the images and the version of zlib only.
    ``_info.json`` tells timm's reader of the split ``train``.
    """

    pattern = r"shard-\d{6}\.tar|_info\.json"

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        # By our own hash: a library's shuffle may differ from one version to the next.
        keys = streams.keys("order of shards", plan.seed, range(plan.total))
        self.order = np.argsort(keys, kind="stable")
        self.most = SHARD

    def name(self, file: int) -> str:
        """Return the name of a shard."""
        return f"shard-{file:06d}.tar"

    def write(self, path: Path, contents: Contents) -> None:
        """Write a shard."""
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as shard:
            for index, content in contents:
                names = self._members(index)
                for name, held in ((names[0], content), names[1]):
                    member = tarfile.TarInfo(name)  # of no owner, made in 1970: the same bytes
                    member.size = len(held)
                    shard.addfile(member, io.BytesIO(held))

    def info(self) -> Mapping[str, bytes]:
        """Return what timm reads."""
        split = {
            "name": "train",
            "num_samples": self.plan.total,
            "filenames": [self.name(file) for file in range(self.files)],
            "shard_lengths": [len(self.held(file)) for file in range(self.files)],
        }
        return {"_info.json": json.dumps({"splits": {"train": split}}, indent=2).encode() + b"\n"}

    def _members(self, index: int) -> tuple[str, tuple[str, bytes]]:
        """Return the name of an image, and the name and the content of its label."""
        category, instance = divmod(index, self.plan.instances)
        key = f"{category:05d}_{instance:05d}"
        return f"{key}.png", (f"{key}.cls", str(category).encode())


class Npz(ImageFolder):
    """``images.npz`` holds the arrays ``images`` and ``labels`` of :meth:`Plan.dataset`.

    Uncompressed, so that ``numpy.load`` can map it.
    """

    pattern = r"images\.npz"

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.most = plan.total

    def name(self, _file: int) -> str:
        """Return the name of the one file."""
        return "images.npz"

    def encode(self, image: Images) -> bytes:
        """Return the pixels."""
        return image.tobytes()

    def write(self, path: Path, contents: Contents) -> None:
        """Write both arrays."""
        # Entries are made in 1980: the same bytes at every export.
        with zipfile.ZipFile(path, "w") as archive:
            with archive.open(zipfile.ZipInfo("labels.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, self.plan.labels)
            with archive.open(zipfile.ZipInfo("images.npy"), "w", force_zip64=True) as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": self.plan.shape}
                np.lib.format.write_array_header_1_0(file, header)
                for _, content in contents:
                    file.write(content)


LAYOUTS: Mapping[str, Callable[[Plan], ImageFolder]] = {
    "imagefolder": ImageFolder,
    "webdataset": WebDataset,
    "npz": Npz,
}
"""Every layout by name."""


def encode(image: Images) -> bytes:
    """Encode one grey image, uint8 ``[H, W]``, as PNG."""
    return _png(image, compress_level=_LEVEL)


def write_png(image: Images, path: str | Path) -> Path:
    """Write one grey image, uint8 ``[H, W]``, as a small PNG file: see :func:`files.write`."""
    return files.write(Path(path), _png(image, optimize=True))


def _png(image: Images, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", **options)
    return buffer.getvalue()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Write a file under another name, which is yielded, and then give it its own.

    The latter is atomic. Where the block raises, nothing is left of what it wrote.
    """
    path = Path(os.path.realpath(path))  # a link is followed, its target replaced
    part = path.with_name(path.name + PART)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    part.replace(path)
