"""Proxy datasets: N categories times M instances of a formula, in memory, on disk, on a sheet."""

from collections.abc import Callable, Mapping
from pathlib import Path

from explorer.dataset.folder import Folder
from explorer.dataset.imagefolder import export_imagefolder
from explorer.dataset.npz import export_npz
from explorer.dataset.official import PRESETS, OfficialPlan, export_official
from explorer.dataset.png import write_png
from explorer.dataset.render import Plan, ProxyDataset, render_dataset, render_plan
from explorer.dataset.shards import export_webdataset
from explorer.dataset.sheet import contact_sheet
from explorer.dataset.verify import Stored

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
