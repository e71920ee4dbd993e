"""Datasets as functions from an index to an image: drawn, in memory, in files, on a sheet."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from explorer.authors import PRESETS, OfficialPlan
from explorer.images.exports import LAYOUTS, Stored, export, export_official
from explorer.images.layouts import write_png
from explorer.images.plan import Plan, ProxyDataset, render, render_dataset
from explorer.images.sheet import contact_sheet

if TYPE_CHECKING:
    from explorer.images.reader import Folder, image_files, read
    from explorer.images.stream import Images, Stream

__all__ = [
    "LAYOUTS",
    "PRESETS",
    "Folder",
    "Images",
    "OfficialPlan",
    "Plan",
    "ProxyDataset",
    "Stored",
    "Stream",
    "contact_sheet",
    "export",
    "export_official",
    "image_files",
    "read",
    "render",
    "render_dataset",
    "write_png",
]

# Imported when they are asked for: torch and Pillow take a while.
_LATER = {"Folder": "reader", "image_files": "reader", "read": "reader"}
_LATER |= {"Images": "stream", "Stream": "stream"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
