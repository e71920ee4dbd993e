"""PNG files that are complete or absent."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import numpy as np

from explorer import files
from explorer.errors import InputError
from explorer.images.plan import Images

PART = ".part"
"""Suffix of a file that is being written."""

_LEVEL = 2  # of zlib: less than half the time of Pillow's usual 6, files a twentieth larger


def encode(image: Images) -> bytes:
    """Encode one grey image, uint8 ``[H, W]``."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=_LEVEL)
    return buffer.getvalue()


def decode(content: bytes) -> Images | None:
    """Return the pixels of a grey PNG file that is whole, or ``None`` for anything else."""
    from PIL import Image

    try:
        with Image.open(BytesIO(content)) as file:
            kind = file.format, file.mode
            file.verify()  # the check sum of every chunk, to the last
        with Image.open(BytesIO(content)) as file:
            return np.asarray(file) if kind == ("PNG", "L") else None
    except (OSError, SyntaxError):  # Pillow raises either for a damaged file
        return None


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Write a file under another name, which is yielded, and then give it its own.

    The latter is atomic. Where the block raises, nothing is left of what it wrote.
    """
    part = path.with_name(path.name + PART)
    try:
        yield part
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    part.replace(path)


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole(path) as part:
        part.write_bytes(content)


@contextmanager
def writing(where: Path) -> Iterator[None]:
    """Turn a full disk or a place that cannot be written to into a line for the user."""
    try:
        yield
    except OSError as error:
        source = error.filename or where
        if isinstance(error, FileExistsError):  # where a directory was to be made
            raise InputError(source, None, None, "is a file; name a directory") from error
        reason = error.strerror or str(error)
        raise InputError(source, None, None, f"cannot be written: {reason}") from error


def write_png(image: Images, path: str | Path) -> Path:
    """Write one grey image, uint8 ``[H, W]``, as a small PNG file: see :func:`files.write`."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", optimize=True)
    return files.write(Path(path), buffer.getvalue())
