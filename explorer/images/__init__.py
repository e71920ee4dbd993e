"""Datasets as functions from an index to an image: drawn, in memory, in files, on a sheet."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.authors import PRESETS, OfficialPlan
from explorer.images.imagefolder import export_imagefolder, export_official
from explorer.images.npz import export_npz
from explorer.images.plan import Plan, ProxyDataset, render, render_dataset
from explorer.images.png import write_png
from explorer.images.shards import export_webdataset
from explorer.images.sheet import contact_sheet
from explorer.images.verify import Stored

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
    "export_imagefolder",
    "export_npz",
    "export_official",
    "export_webdataset",
    "image_files",
    "read",
    "render",
    "render_dataset",
    "write_png",
]

LAYOUTS: Mapping[str, Callable[..., Path]] = {
    "imagefolder": export_imagefolder,
    "webdataset": export_webdataset,
    "npz": export_npz,
}
"""Layout -> the function that writes it; all take the same arguments."""

# Made when asked for: torch and Pillow take a while to import.
_LATER = {"Folder": "reader", "image_files": "reader", "read": "reader"}
_LATER |= {"Images": "stream", "Stream": "stream"}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
