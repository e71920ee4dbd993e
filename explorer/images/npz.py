"""A proxy dataset as one file of NumPy arrays."""

import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from explorer.images import manifest, png
from explorer.images.plan import Plan, Progress

LAYOUT = "npz"

_FILE = "images.npz"


def export_npz(plan: Plan, directory: str | Path, *, progress: Progress | None = None) -> Path:
    """Write a proxy dataset as one file for ``numpy.load``.

    ``directory/images.npz`` holds ``images``, uint8 ``[categories * instances, size, size]``,
    category by category, and ``labels``, int64, uncompressed: the arrays of :meth:`Plan.dataset`.
    The file has its name only when it is complete; an interrupted export is done anew by the same
    call. A bounded number of images is held in memory.

    Args, return value and errors are those of :func:`export_imagefolder`.
    """
    root, what = Path(directory), manifest.identity(plan, LAYOUT)
    path = root / _FILE
    with png.writing(root):
        manifest.prepare(root, what, {_FILE}.__contains__)
        if path.exists() and manifest.read(root).get("digest"):
            if progress is not None:
                progress(plan.total)
            return root / manifest.MANIFEST
        with png.whole(path) as part, zipfile.ZipFile(part, "w") as archive:
            with archive.open(_entry("labels"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, plan.labels)
            with archive.open(_entry("images"), "w", force_zip64=True) as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": plan.shape}
                np.lib.format.write_array_header_1_0(file, header)
                digest = plan.digest()
                for _, _, images, _ in plan.drawn(digest, progress):
                    file.write(images.data)
        return manifest.write(root, what, digest.hexdigest())


def compare(root: Path, plan: Plan, progress: Progress | None) -> tuple[list[str], str]:
    """Render the images again and compare the file with them.

    Returns:
        ``"missing images.npz"``, ``"changed images.npz"`` or nothing, and the images' digest.
    """
    path = root / _FILE
    digest = plan.digest()
    with ExitStack() as stack:
        file = _open(path, plan, stack)
        for _, _, images, _ in plan.drawn(digest, progress):
            if file is not None and _read(file, images.nbytes) != images.tobytes():
                file = None
        same = file is not None and _read(file, 1) == b""
    state = "changed" if path.exists() else "missing"
    return [] if same else [f"{state} {_FILE}"], digest.hexdigest()


def _open(path: Path, plan: Plan, stack: ExitStack) -> IO[bytes] | None:
    """Return a file whose rest should be the images' bytes, or ``None`` if all is wrong already."""
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
        with archive.open("labels.npy") as file:
            labels = np.lib.format.read_array(file)
        images = stack.enter_context(archive.open("images.npy"))
        np.lib.format.read_magic(images)
        shape, fortran, kind = np.lib.format.read_array_header_1_0(images)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    held = shape == plan.shape and not fortran and kind == np.dtype(np.uint8)
    return images if held and np.array_equal(labels, plan.labels) else None


def _read(file: IO[bytes], size: int) -> bytes | None:
    try:
        return file.read(size)
    except (OSError, EOFError, zipfile.BadZipFile):
        return None


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(f"{name}.npy")  # made in 1980: the same bytes at every export
