"""PNG files that are complete or absent."""

from io import BytesIO
from pathlib import Path

from explorer.dataset.render import Images
from explorer.errors import InputError

PART = ".part"
"""Suffix of a file that is being written."""


def encode(image: Images) -> bytes:
    """Encode one grey image, uint8 ``[H, W]``."""
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


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
