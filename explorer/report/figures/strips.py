"""The first images of an arm, drawn anew: they follow from formula, ranges and seed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from explorer.formulas import BrokenFormula, RangeError, UnknownFormula
from explorer.images import render
from explorer.report.figures.arms import titles
from explorer.report.figures.description import Strip
from explorer.report.summary import StudyReport

if TYPE_CHECKING:
    from PIL import Image

TILES, SIDE = 6, 64
"""Images of a strip, and their side in pixels."""

_CANVAS = 256  # where a study does not say on how many pixels its images were drawn
_TRIED = 4  # times as many categories as are shown: some of them are empty
_LIT, _CONTRAST = 0.005, 24  # a share of pixels that differ by so much from the commonest


Pixels = npt.NDArray[np.uint8]


def images(
    row: Mapping[str, Any] | None,
    dataset: Mapping[str, Any],
    *,
    categories: int,
    instances: int,
    side: int,
) -> tuple[Pixels, str]:
    """Draw the first images that a replicate was pre-trained on.

    Categories in which an image is a single shade, or nearly so, are left out as long as there are
    enough others among the first ones.

    Args:
        row: ``formula``, ``seed`` and ``ranges`` of the replicate; ``None`` without any.
        dataset: The entries ``dataset`` of its protocol.
        categories: How many categories are shown, at most those of the dataset.
        instances: Images per category, at most those of the dataset.
        side: Side of an image in pixels, at most the canvas.

    Returns:
        uint8 [categories, instances, side, side], empty where there is nothing to show; and why
        there is nothing, else empty.
    """
    empty = np.empty((0, 0, side, side), np.uint8)
    if row is None:
        return empty, "no replicate yet"
    if dataset.get("images"):
        return empty, "real images"
    if row["ranges"] is None or row["formula"] is None:
        return empty, "from scratch: no images"
    canvas = int(dataset.get("canvas") or _CANVAS)
    shown = min(categories, int(dataset.get("categories") or categories))
    each = min(instances, int(dataset.get("instances") or instances))
    tried = min(_TRIED * shown, int(dataset.get("categories") or _TRIED * shown))
    try:
        drawn = render(
            str(row["formula"]),
            {parameter: (low, high) for parameter, (low, high) in row["ranges"].items()},
            categories=tried,
            instances=each,
            canvas=canvas,
            size=min(side, canvas),
            seed=int(row["seed"] or 0),
            workers=1,
        )
    except (UnknownFormula, BrokenFormula, RangeError) as error:
        return empty, f"{row['formula']} cannot be drawn here ({error})"
    pixels = drawn.reshape(tried, each, *drawn.shape[-2:])
    empty_ones = np.array([not all(map(_shows_something, category)) for category in pixels])
    chosen = np.sort(np.argsort(empty_ones, kind="stable")[:shown])
    return pixels[chosen], ""


def _shows_something(image: Pixels) -> bool:
    commonest = int(np.bincount(image.ravel()).argmax())
    return bool((np.abs(image.astype(int) - commonest) > _CONTRAST).mean() > _LIT)


def first_row(trials: pd.DataFrame, arm: str) -> dict[str, Any] | None:
    """Return formula, seed and complete ranges of an arm's first replicate.

    Args:
        trials: A row per attempt, as :func:`explorer.report.load` returns them.
        arm: Name of the arm.
    """
    rows = trials[trials["arm"] == arm].sort_values(["replicate", "attempt"])
    if rows.empty:
        return None
    row: dict[str, Any] = {str(key): value for key, value in rows.iloc[0].dropna().items()}
    parameters = [column.removesuffix(".low") for column in row if column.endswith(".low")]
    ranges = {p: (row[f"{p}.low"], row[f"{p}.high"]) for p in parameters}
    return {
        "formula": row.get("formula"),
        "seed": row.get("seed"),
        "ranges": ranges if "formula" in row else None,
    }


def dataset_of(definition: Mapping[str, Any], arm: str) -> dict[str, Any]:
    """Return the entries ``dataset`` of the protocol under which an arm runs."""
    changes = (definition.get("arm_changes") or {}).get(arm) or {}
    entries = (definition.get("protocol") or {}).get("dataset") or {}
    return {**entries, **(changes.get("dataset") or {})}


def images_of(
    arm: str, trials: pd.DataFrame, definition: Mapping[str, Any], **size: int
) -> tuple[Pixels, str]:
    """Draw the images of an arm's first replicate, as :func:`images` does."""
    return images(first_row(trials, arm), dataset_of(definition, arm), **size)


def sheet(pixels: Pixels, gap: int = 6) -> "Image.Image":
    """Put images on one picture, a row per category; it is clear between them.

    Args:
        pixels: uint8 [categories, instances, side, side].
        gap: Pixels between two images.
    """
    from PIL import Image

    categories, instances, side, _ = pixels.shape
    pitch = side + gap
    picture = Image.new("LA", (instances * pitch - gap, categories * pitch - gap))
    for row, column in np.ndindex(categories, instances):
        image = Image.fromarray(pixels[row, column]).convert("LA")
        picture.paste(image, (column * pitch, row * pitch))
    return picture


def strips(
    report: StudyReport, trials: pd.DataFrame, definition: Mapping[str, Any]
) -> tuple[Strip, ...]:
    """Draw the images of the best, the worst and the baseline arm.

    Args:
        report: What the study has found.
        trials: A row per attempt, as :func:`explorer.report.load` returns them.
        definition: The definition of the study.

    Returns:
        A strip per arm, in that order; empty where none of them has images of a formula.
    """
    size = {"categories": TILES, "instances": 1, "side": SIDE}
    drawn = []
    for name, known in titles(report).items():
        pixels, lack = images_of(name, trials, definition, **size)
        flat = pixels.reshape(-1, *pixels.shape[-2:])
        drawn.append(Strip(name, known[0], " and ".join(known), flat, lack))
    return tuple(drawn) if any(len(strip.images) for strip in drawn) else ()
