"""Strips of images: what the best, the worst and the baseline arm were pre-trained on.

Nothing is kept of the images of a trial; they follow from formula, ranges and seed, and the first
of each category are drawn afresh.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.formulas import BrokenFormula, RangeError, UnknownFormula
from explorer.images import render_dataset
from explorer.images.plan import Images
from explorer.report.definition import protocol_of
from explorer.report.figures.material import Material, Role, extremes

TILES = 6
"""Images of an arm, the first of so many categories."""

SIZE = 64
"""Side of an image in pixels."""

_CANVAS = 256  # where a study does not say on how many pixels its images were drawn
_GAP, _FRAME, _WHITE = 4, 176, 255


@dataclass(frozen=True, slots=True)
class Strip:
    """The images of an arm.

    Attributes:
        role: What the arm is marked as in the figure.
        said: What it is, in words: ``best``, ``worst and baseline``.
        arm: Its name.
        images: uint8 [tiles, side, side]; empty where there is nothing to draw.
        lack: Why there are no images, else empty.
    """

    role: Role
    said: str
    arm: str
    images: Images
    lack: str


def strips(material: Material) -> tuple[Strip, ...]:
    """Draw the images of the best, the worst and the baseline arm, an arm once.

    Returns:
        The strips in that order; empty where none of these arms has images of a formula.
    """
    best, worst = extremes(material.report)
    found: dict[str, tuple[Role, str]] = {best.name: ("best", "best")}
    if worst is not None:
        found[worst.name] = ("worst", "worst")
    baseline = material.report.baseline
    if baseline in found:
        role, said = found[baseline]
        found[baseline] = (role, f"{said} and baseline")
    elif baseline is not None:
        found[baseline] = ("baseline", "baseline")
    drawn = tuple(_strip(material, role, said, arm) for arm, (role, said) in found.items())
    return drawn if any(len(strip.images) for strip in drawn) else ()


def _strip(material: Material, role: Role, said: str, arm: str) -> Strip:
    images, lack = _images(material, arm)
    return Strip(role, said, arm, images, lack)


def _images(material: Material, arm: str) -> tuple[Images, str]:
    none = np.empty((0, SIZE, SIZE), np.uint8)
    attrs = _attributes(material, arm)
    if attrs is None:
        return none, "no trial yet"
    if "dataset.images" in material.said.arm_changes.get(arm, {}):
        return none, "real images"
    if attrs.get("ranges") is None:
        return none, "from scratch: no images"
    formula = attrs.get("formula") or material.said.formula_of(arm)
    canvas = _canvas(material, arm)
    try:
        drawn = render_dataset(
            str(formula),
            {parameter: (low, high) for parameter, (low, high) in attrs["ranges"].items()},
            categories=TILES,
            instances=1,
            canvas=canvas,
            size=min(SIZE, canvas),
            seed=int(attrs.get("seed") or 0),
        )
    except (UnknownFormula, BrokenFormula, RangeError):
        return none, f"{formula} cannot be drawn here"
    return drawn.images, ""


def _attributes(material: Material, arm: str) -> Mapping[str, Any] | None:
    """Return the user attributes of an arm's first replicate, as far as there is one."""
    trials = [
        trial.user_attrs
        for trial in material.study.get_trials(deepcopy=False)
        if trial.number in material.counted and trial.user_attrs.get("arm") == arm
    ]
    return min(trials, key=lambda attrs: int(attrs["replicate"]), default=None)


def _canvas(material: Material, arm: str) -> int:
    said = material.study.user_attrs.get("definition") or {}
    return int((protocol_of(said, arm).get("dataset") or {}).get("canvas") or _CANVAS)


def mosaic(images: Images, columns: int) -> Images:
    """Put images on white in rows of so many, each in a thin frame, as some are white too.

    Args:
        images: uint8 [n, side, side], n a multiple of ``columns``.
        columns: Images a row.

    Returns:
        uint8 [H, W].
    """
    framed = np.pad(images, ((0, 0), (1, 1), (1, 1)), constant_values=_FRAME)
    spaced = np.pad(framed, ((0, 0), (0, _GAP), (0, _GAP)), constant_values=_WHITE)
    side = spaced.shape[1]
    rows = spaced.reshape(-1, columns, side, side).swapaxes(1, 2).reshape(-1, columns * side)
    return np.ascontiguousarray(rows[:-_GAP, :-_GAP])
