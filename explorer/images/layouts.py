"""How images lie in files: a PNG file each, tar shards, or one file of arrays."""

import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image

from explorer import files
from explorer.images.plan import Images, Plan

PART = ".part"
"""Suffix of a file that is being written."""

BROKEN = (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zipfile.BadZipFile)
"""What reading a damaged file raises."""

_LEVEL = 2  # of zlib: less than half the time of Pillow's usual 6, files a twentieth larger
SHARD = 1000
"""Images per shard: some tens of MB at 512 x 512."""

Contents = Iterable[tuple[int, bytes]]
Reader = Callable[[int], Images | None]


class Layout:
    """A way to store the images of a plan: files, each with a run of the images in their order.

    Each kind has ``name(place)``, the name of the file that holds the image of this number;
    ``write(path, contents)``, which writes a file of numbered, encoded images; and
    ``open(path, places)``, which returns the images of a file by their numbers (``None`` for a
    damaged one) and raises ``FileNotFoundError`` or one of :data:`BROKEN`.
    """

    pattern: str
    """What the names of its files look like, and those of its folders, which end in ``/``."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.most = plan.total  # images per file

    def places(self, place: int) -> range:
        """Return the numbers of the images in the file that holds the image of this number."""
        first = place - place % self.most
        return range(first, min(first + self.most, self.plan.total))

    def info(self) -> Mapping[str, bytes]:
        """Return further files, by their names."""
        return {}


class _ImageFolder(Layout):
    """``00003/00017.png`` is instance 17 of category 3."""

    pattern = r"\d{5}/(\d{5}\.png)?"

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.most = 1

    def name(self, place: int) -> str:
        return "{:05d}/{:05d}.png".format(*divmod(place, self.plan.instances))

    def encode(self, image: Images) -> bytes:
        return encode(image)

    def write(self, path: Path, contents: Contents) -> None:
        for _, content in contents:
            path.write_bytes(content)

    def open(self, path: Path, _places: range) -> Reader:
        content = path.read_bytes()
        return lambda _: decode(content)


class _WebDataset(_ImageFolder):
    """``shard-000000.tar`` holds the first 1,000 images, for the webdataset library.

    Instance 17 of category 3 is the member ``00003_00017.png``, followed by ``00003_00017.cls``,
    the category in digits. The bytes of a shard depend on the images and the version of zlib only.
    ``_info.json`` tells timm's reader of the split ``train``.
    """

    pattern = r"shard-\d{6}\.tar|_info\.json"

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.most = SHARD

    def name(self, place: int) -> str:
        return f"shard-{place // self.most:06d}.tar"

    def write(self, path: Path, contents: Contents) -> None:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as shard:
            for place, content in contents:
                names = self._members(place)
                for name, held in ((names[0], content), names[1]):
                    member = tarfile.TarInfo(name)  # of no owner, made in 1970: the same bytes
                    member.size = len(held)
                    shard.addfile(member, io.BytesIO(held))

    def open(self, path: Path, places: range) -> Reader:
        with path.open("rb") as file:
            file.seek(-1024, os.SEEK_END)
            if file.read() != bytes(1024) or file.tell() % 512:
                raise tarfile.ReadError("the end is missing")
        with tarfile.open(path) as shard:
            members = [(m.name, shard.extractfile(m)) for m in shard]
            contents = [(name, file.read() if file else b"") for name, file in members]
        held = zip((name for name, _ in contents[::2]), contents[1::2], strict=True)
        if list(held) != [self._members(place) for place in places]:
            raise ValueError("other members")
        return lambda place: decode(contents[2 * (place - places.start)][1])

    def info(self) -> Mapping[str, bytes]:
        firsts = range(0, self.plan.total, self.most)
        split = {
            "name": "train",
            "num_samples": self.plan.total,
            "filenames": [self.name(first) for first in firsts],
            "shard_lengths": [len(self.places(first)) for first in firsts],
        }
        return {"_info.json": json.dumps({"splits": {"train": split}}, indent=2).encode() + b"\n"}

    def _members(self, place: int) -> tuple[str, tuple[str, bytes]]:
        """Return the name of an image, and the name and the content of its label."""
        category, instance = divmod(place, self.plan.instances)
        key = f"{category:05d}_{instance:05d}"
        return f"{key}.png", (f"{key}.cls", str(category).encode())


class _Npz(Layout):
    """``images.npz`` holds the arrays ``images`` and ``labels`` of :meth:`Plan.dataset`.

    Uncompressed. It is compared in memory, as ``numpy.load`` reads it.
    """

    pattern = r"images\.npz"

    def name(self, _place: int) -> str:
        return "images.npz"

    def encode(self, image: Images) -> bytes:
        return image.tobytes()

    def write(self, path: Path, contents: Contents) -> None:
        # Entries are made in 1980: the same bytes at every export.
        with zipfile.ZipFile(path, "w") as archive:
            with archive.open(zipfile.ZipInfo("labels.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, self.plan.labels)
            with archive.open(zipfile.ZipInfo("images.npy"), "w", force_zip64=True) as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": self.plan.shape}
                np.lib.format.write_array_header_1_0(file, header)
                for _, content in contents:
                    file.write(content)

    def open(self, path: Path, _places: range) -> Reader:
        with np.load(path) as arrays:
            images, labels = arrays["images"], arrays["labels"]
        if (images.shape, images.dtype) != (self.plan.shape, np.uint8):
            raise ValueError("other images")
        if not np.array_equal(labels, self.plan.labels):
            raise ValueError("other labels")
        reader: Reader = images.__getitem__
        return reader


def encode(image: Images) -> bytes:
    """Encode one grey image, uint8 ``[H, W]``, as PNG."""
    return _png(image, compress_level=_LEVEL)


def decode(content: bytes) -> Images | None:
    """Return the pixels of a grey PNG file that is whole, or ``None`` for anything else."""
    try:
        with Image.open(io.BytesIO(content)) as file:
            kind = file.format, file.mode
            file.verify()  # the check sum of every chunk, to the last
        with Image.open(io.BytesIO(content)) as file:
            return np.asarray(file) if kind == ("PNG", "L") else None
    except (OSError, SyntaxError):  # Pillow raises either for a damaged file
        return None


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


Kind = _ImageFolder | _Npz
LAYOUTS: Mapping[str, Callable[[Plan], Kind]] = {
    "imagefolder": _ImageFolder,
    "webdataset": _WebDataset,
    "npz": _Npz,
}
"""Every layout by name: makes a :class:`Layout` of a plan."""
