"""Which files in a folder are images."""

from pathlib import Path

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def image_files(root: Path) -> list[Path]:
    """Return the image files below a folder, at any depth, told by their endings; sorted."""
    return sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
