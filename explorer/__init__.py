"""Explore the design space of formula-driven supervised learning (FDSL).

Six names, each shown by an example in docs/python.md:

- :func:`render` draws images of a formula into an array.
- :class:`Images` is the same as a PyTorch dataset, drawn on the fly.
- :func:`variety` measures how different images are from one another.
- :func:`evaluate` is one trial: draw, pre-train, fine-tune, score.
- :func:`run` runs a study.
- :func:`load` reads a study into a pandas frame.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explorer.api import load, run
    from explorer.images import render
    from explorer.images.stream import Images
    from explorer.measures import variety
    from explorer.trial import evaluate

__version__ = "0.1.0"

__all__ = ["Images", "evaluate", "load", "render", "run", "variety"]

# Imported when they are asked for: to draw needs no torch, to read a study no Ray.
_HOMES = {
    "Images": "explorer.images.stream",
    "evaluate": "explorer.trial",
    "load": "explorer.api",
    "render": "explorer.images",
    "run": "explorer.api",
    "variety": "explorer.measures",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'explorer' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
