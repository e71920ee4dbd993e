"""Writing a file all at once or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from explorer.errors import InputError


@contextmanager
def replacing(path: Path, option: str) -> Iterator[Path]:
    """Yield a path to write to, whose file takes the place of another in one step.

    Folders that are missing are made. Where the block fails, what was there stays.

    Args:
        path: The file that is to be there in the end.
        option: What named it, for the error line.

    Raises:
        InputError: If the path cannot be written to.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "is a folder; name a file in it")
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(option, None, str(path), f"cannot be written: {reason}") from error
