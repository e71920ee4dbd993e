"""A proxy dataset as a folder of PNG files."""

import re
from pathlib import Path

import numpy as np

from explorer.images import manifest, png
from explorer.images.render import Images, Plan, Progress

LAYOUT = "imagefolder"


def export_imagefolder(
    plan: Plan, directory: str | Path, *, progress: Progress | None = None
) -> Path:
    """Write a proxy dataset as PNG files, one folder a category.

    ``directory/00003/00017.png`` is instance 17 of category 3. ``directory/dataset.json`` says what
    the images are and, once all are there, their digest: that of :func:`render_dataset` for the
    same plan. An image has its name only when it is complete, so an interrupted export is
    continued by the same call. A bounded number of images is held in memory.

    Args:
        plan: What to draw.
        directory: Where to write; missing, empty, or with a part of the same dataset.
        progress: Called with the number of images finished since its last call.

    Returns:
        The path of ``dataset.json``.

    Raises:
        InputError: If the directory holds another dataset or other files (nothing has been written
            then), or cannot be written.
    """
    root, what = Path(directory), manifest.identity(plan, LAYOUT)

    def belongs(name: str) -> bool:
        match = re.fullmatch(r"(\d{5})/(?:(\d{5})\.png)?", name)
        if match is None:
            return False
        return int(match[1]) < plan.categories and int(match[2] or 0) < plan.instances

    def draw(category: int, numbers: range) -> Images:
        images = plan.draw(category, numbers)
        for number, image in zip(numbers, images, strict=True):
            path = root / _image_name(category, number)
            if not path.exists():
                png.write(path, png.encode(image))
        return images

    with png.writing(root):
        manifest.prepare(root, what, belongs)
        for category in range(plan.categories):
            (root / f"{category:05d}").mkdir(exist_ok=True)
        return manifest.write(root, what, plan.run(draw, progress))


def compare(root: Path, plan: Plan, progress: Progress | None) -> tuple[list[str], str]:
    """Render the images again and compare the files with them.

    Returns:
        ``"missing NAME"`` or ``"changed NAME"`` of every file, in order, and the images' digest.
    """
    wrong: list[tuple[int, int, str]] = []

    def draw(category: int, numbers: range) -> Images:
        images = plan.draw(category, numbers)
        for number, image in zip(numbers, images, strict=True):
            state = state_of(root / _image_name(category, number), image)
            if state:
                wrong.append((category, number, state))
        return images

    digest = plan.run(draw, progress)
    return [f"{state} {_image_name(*address)}" for *address, state in sorted(wrong)], digest


def state_of(path: Path, image: Images) -> str:
    """Return ``"missing"``, ``"changed"`` or ``""``: whether a PNG file holds these pixels."""
    try:
        found = png.decode(path.read_bytes())
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "changed"
    return "" if found is not None and np.array_equal(found, image) else "changed"


def _image_name(category: int, instance: int) -> str:
    return f"{category:05d}/{instance:05d}.png"
