"""Proxy datasets: N categories times M instances of a formula, in memory, on disk, on a sheet."""

from explorer.dataset.imagefolder import export_imagefolder, verify_imagefolder
from explorer.dataset.png import write_png
from explorer.dataset.render import ProxyDataset, render_dataset
from explorer.dataset.sheet import contact_sheet

__all__ = [
    "ProxyDataset",
    "contact_sheet",
    "export_imagefolder",
    "render_dataset",
    "verify_imagefolder",
    "write_png",
]
