"""Datasets as functions from an index to an image: drawn, in memory, in files, on a sheet."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from explorer.authors import PRESETS, OfficialPlan
from explorer.images.exports import LAYOUTS, count_files, export, export_official, verify
from explorer.images.layouts import write_png
from explorer.images.plan import Plan, ProxyDataset, render
from explorer.images.reader import Folder, class_files, image_files, read, sameness, splits
from explorer.images.sheet import contact_sheet

if TYPE_CHECKING:
    from explorer.images.stream import Images, Stream

__all__ = [
    "LAYOUTS",
    "PRESETS",
    "Folder",
    "Images",
    "OfficialPlan",
    "Plan",
    "ProxyDataset",
    "Stream",
    "class_files",
    "contact_sheet",
    "count_files",
    "export",
    "export_official",
    "image_files",
    "read",
    "render",
    "sameness",
    "splits",
    "verify",
    "write_png",
]


def __getattr__(name: str) -> Any:
    if name in {"Images", "Stream"}:  # imported when they are asked for: torch takes a while
        return getattr(import_module("explorer.images.stream"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
