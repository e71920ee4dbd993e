"""Contact sheets of the arms: the images that they were pre-trained on, inside the page."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import pandas as pd

from explorer.report import numerals
from explorer.report.figures import dataset_of, images_of, sheet
from explorer.report.figures.arms import titles
from explorer.report.summary import Arm, StudyReport

MOST_SHEETS, SHOWN_BEST = 12, 6
"""Arms that are shown; of more only so many of the best, the worst and the baseline."""

_SIZE = {"categories": 3, "instances": 6, "side": 112}  # sharp at half that side on a page


def sheets(
    report: StudyReport, trials: pd.DataFrame, definition: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], str]:
    """Draw the images of the arms of a study, as their first replicates had them.

    Arms that are not pre-trained on a formula have no sheet.

    Args:
        report: What the study has found.
        trials: A row per attempt, as :func:`explorer.report.load` returns them.
        definition: The definition of the study.

    Returns:
        The sheets, the best arm first, and a note on what they show. A sheet has ``arm``, ``role``
        (``best``, ``worst``, ``baseline`` or several), ``ranges`` and ``accuracy`` in words; the
        picture as a data ``uri`` (empty where it could not be drawn) with ``width`` and ``height``
        in pixels; and ``alt``, what it shows or why there is none.
    """
    drawable = report.pretrained or [arm for arm in report.arms if arm.formula]
    possible = [arm for arm in drawable if not dataset_of(definition, arm.name).get("images")]
    shown = possible
    if len(possible) > MOST_SHEETS:
        base = [arm for arm in possible if arm.name == report.baseline]
        kept = [*possible[:SHOWN_BEST], *base, possible[-1]]
        shown = [arm for arm in possible if arm in kept]
    roles = titles(report)
    drawn = [
        _sheet(
            arm,
            ", ".join(roles.get(arm.name, ())),
            images_of(arm.name, trials, definition, **_SIZE),
        )
        for arm in shown
    ]
    note = (
        "The first images that each arm was pre-trained on under its first seed, the best arm "
        "first; a row is a category. Categories with an empty image make room for others."
    )
    if len(shown) < len(possible):
        note += (
            f" {len(shown)} of {len(possible)} arms: the {SHOWN_BEST} best, the worst and the "
            "baseline."
        )
    return drawn, note


def _sheet(arm: Arm, role: str, images: tuple[Any, str]) -> dict[str, Any]:
    pixels, lack = images
    spread, ranges = arm.accuracy, numerals.ranges(arm.ranges) or "default ranges"
    known = {
        "arm": arm.name,
        "role": role,
        "ranges": ranges,
        "accuracy": f"{numerals.mean_std(spread.mean, spread.std)} %" if spread else "",
    }
    if not len(pixels):
        return {**known, "uri": "", "alt": f"No images: {lack}."}
    picture = sheet(pixels)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=85)
    encoded = base64.b64encode(stream.getvalue()).decode("ascii")
    rows, columns = pixels.shape[:2]
    return {
        **known,
        "uri": f"data:image/webp;base64,{encoded}",
        "width": picture.width,
        "height": picture.height,
        "alt": f"{numerals.count(rows, 'row')} of {columns} images of {arm.formula} with {ranges}",
    }
