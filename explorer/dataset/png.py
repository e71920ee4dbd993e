"""PNG files that are complete or absent."""

from io import BytesIO
from pathlib import Path

import numpy as np

from explorer.dataset.render import Images
from explorer.errors import InputError

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
    """Return the pixels of a grey PNG file, or ``None`` for anything else."""
    from PIL import Image

    try:
        with Image.open(BytesIO(content)) as file:
            return np.asarray(file) if (file.format, file.mode) == ("PNG", "L") else None
    except (OSError, SyntaxError):  # Pillow raises either for a damaged file
        return None


def write(path: Path, content: bytes) -> None:
    """Write a file under another name and then give it its own, which is atomic."""
    part = path.with_name(path.name + PART)
    part.write_bytes(content)
    part.replace(path)


def write_png(image: Images, path: str | Path) -> Path:
    """Write one grey image, uint8 ``[H, W]``, as a PNG file; an old file is replaced.

    Raises:
        InputError: If the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, encode(image))
    except OSError as error:
        raise InputError(path, None, None, f"cannot be written: {error.strerror}") from error
    return path
