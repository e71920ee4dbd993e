"""Proxy datasets: N categories times M instances of a formula, in memory, on disk, on a sheet."""

from collections.abc import Callable, Mapping
from pathlib import Path

from explorer.images.folder import Folder
from explorer.images.imagefolder import export_imagefolder
from explorer.images.npz import export_npz
from explorer.images.official import PRESETS, OfficialPlan, export_official
from explorer.images.png import write_png
from explorer.images.render import Plan, ProxyDataset, render_dataset, render_plan
from explorer.images.shards import export_webdataset
from explorer.images.sheet import contact_sheet
from explorer.images.verify import Stored

__all__ = [
    "LAYOUTS",
    "PRESETS",
    "Folder",
    "OfficialPlan",
    "Plan",
    "ProxyDataset",
    "Stored",
    "contact_sheet",
    "export_imagefolder",
    "export_npz",
    "export_official",
    "export_webdataset",
    "render_dataset",
    "render_plan",
    "write_png",
]

LAYOUTS: Mapping[str, Callable[..., Path]] = {
    "imagefolder": export_imagefolder,
    "webdataset": export_webdataset,
    "npz": export_npz,
}
"""Layout -> the function that writes it; all take the same arguments."""
