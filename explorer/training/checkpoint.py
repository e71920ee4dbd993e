"""What a trial has done so far, in one file, so that it can go on after a fault."""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

_log = logging.getLogger("explorer")


class Checkpoint:
    """The last rung of one trial, on disk.

    The file is replaced in one step, so that it is whole at any moment. It helps and is never
    needed: where it cannot be written the trial goes on without, and one that is damaged or of
    another trial counts as none.

    Args:
        folder: Where the file is; made where it is missing.
        key: What tells the trial from all others, and names the file.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / f"{key}.pt"
        self._key = key

    def save(self, content: dict[str, Any]) -> None:
        """Write plain values, lists and tensors."""
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            torch.save({"key": self._key, **content}, part)
            part.replace(self._path)
        except (OSError, RuntimeError) as error:  # torch's word for a full disk is the latter
            with suppress(OSError):
                part.unlink(missing_ok=True)
            _log.warning("no checkpoint at %s: %s", self._path, str(error).splitlines()[0])

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last for this trial, or ``None``."""
        if not self._path.exists():
            return None
        try:
            content: dict[str, Any] = torch.load(self._path, map_location="cpu", weights_only=True)
        except Exception as error:  # noqa: BLE001 - torch raises anything for a damaged file
            _log.warning("checkpoint %s cannot be read: %s", self._path, type(error).__name__)
            return None
        return content if content.get("key") == self._key else None

    def discard(self) -> None:
        """Delete the file, if there is one."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
