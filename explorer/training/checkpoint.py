"""What a trial has done so far, in a file, so that it can go on after a fault."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

_log = logging.getLogger("explorer")


class Checkpoint:
    """What one phase of a trial has done, on disk.

    The file is replaced in one step, so that it is whole at any moment. It helps and is never
    needed: where it cannot be written the trial goes on without, and one that is damaged or of
    another trial counts as none.

    Args:
        folder: Where the file is; made where it is missing. ``None`` saves nothing.
        key: What tells the phase from all others, and names the file.
        code: What computes it, by name. A file that other code wrote is used, with a warning.
    """

    def __init__(self, folder: Path | None, key: str, code: Mapping[str, str]) -> None:
        self._path = folder and folder / f"{key}.pt"
        self._key = key
        self._code = dict(code)

    def save(self, content: Callable[[], dict[str, Any]]) -> None:
        """Write plain values, lists and tensors; they are asked for where there is a file."""
        if self._path is None:
            return
        part = self._path.with_name(f"{self._path.name}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            torch.save({"key": self._key, "code": self._code, **content()}, part)
            part.replace(self._path)
        except (OSError, RuntimeError) as error:  # torch's word for a full disk is the latter
            with suppress(OSError):
                part.unlink(missing_ok=True)
            _log.warning("no checkpoint at %s: %s", self._path, str(error).splitlines()[0])

    def load(self, remarks: list[str]) -> dict[str, Any] | None:
        """Return what was saved last, or ``None``; a remark says where other code has saved it."""
        if self._path is None or not self._path.exists():
            return None
        try:
            content: dict[str, Any] = torch.load(self._path, map_location="cpu", weights_only=True)
        except Exception as error:  # noqa: BLE001 - torch raises anything for a damaged file
            _log.warning("checkpoint %s cannot be read: %s", self._path, type(error).__name__)
            return None
        if content.get("key") != self._key:
            return None
        others = [
            f"{name} {there}, now {self._code.get(name)}"
            for name, there in content["code"].items()
            if there != self._code.get(name)
        ]
        if others:
            remark = f"Went on from what other code had computed: {'; '.join(others)}."
            remarks.append(remark)
            _log.warning("checkpoint %s: %s", self._path, remark)
        return content

    def discard(self) -> None:
        """Delete the file, if there is one."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
