"""Contact sheets of the arms: the images that they were pre-trained on, inside the page."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from explorer.report import numerals
from explorer.report.figures import dataset_of, first_row, images, sheet
from explorer.report.figures.arms import extremes
from explorer.report.summary import Arm, StudyReport

MOST_SHEETS, SHOWN_BEST = 12, 6
"""Arms that are shown; of more only so many of the best, the worst and the baseline."""

_CATEGORIES, _INSTANCES, _SIDE = 3, 6, 112  # sharp at half that size on a page


@dataclass(frozen=True, slots=True)
class Sheet:
    """The images of one arm.

    Attributes:
        arm: Its name.
        role: ``best``, ``worst``, ``baseline`` or several of them; empty for most.
        ranges: Its varied ranges in words.
        accuracy: Its mean and spread in percent.
        uri: The picture, a row per category and a column per instance, as a data URI; empty where
            it could not be drawn.
        width: Its width in pixels.
        height: Its height.
        alt: What it shows, for those who do not see it; or why there is none.
    """

    arm: str
    role: str
    ranges: str
    accuracy: str
    uri: str
    width: int
    height: int
    alt: str


def sheets(
    report: StudyReport, trials: pd.DataFrame, definition: Mapping[str, Any]
) -> tuple[list[Sheet], str]:
    """Draw the images of the arms of a study, as their first replicates had them.

    Arms that are not pre-trained on a formula have no sheet.

    Args:
        report: What the study has found.
        trials: A row per attempt, as :func:`explorer.report.load` returns them.
        definition: The definition of the study.

    Returns:
        The sheets, the best arm first, and a note on what they show.
    """
    possible = [
        arm for arm in report.pretrained if not dataset_of(definition, arm.name).get("images")
    ]
    shown = possible
    if len(possible) > MOST_SHEETS:
        base = [arm for arm in possible if arm.name == report.baseline]
        kept = [*possible[:SHOWN_BEST], *base, possible[-1]]
        shown = [arm for arm in possible if arm in kept]
    drawn = [_sheet(arm, report, trials, definition) for arm in shown]
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


def _sheet(
    arm: Arm, report: StudyReport, trials: pd.DataFrame, definition: Mapping[str, Any]
) -> Sheet:
    ranges = numerals.ranges(arm.ranges) or "default ranges"
    spread = arm.accuracy
    score = f"{numerals.mean_std(spread.mean, spread.std)} %" if spread else numerals.MISSING
    pixels, lack = images(
        first_row(trials, arm.name),
        dataset_of(definition, arm.name),
        categories=_CATEGORIES,
        instances=_INSTANCES,
        side=_SIDE,
    )
    role = _role(arm, report)
    if not len(pixels):
        return Sheet(arm.name, role, ranges, score, "", 0, 0, f"No images: {lack}.")
    picture = sheet(pixels)
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=85)
    encoded = base64.b64encode(stream.getvalue()).decode("ascii")
    rows, columns = pixels.shape[:2]
    alt = f"{numerals.count(rows, 'row')} of {columns} images of {arm.formula} with {ranges}"
    uri = f"data:image/webp;base64,{encoded}"
    return Sheet(arm.name, role, ranges, score, uri, *picture.size, alt)


def _role(arm: Arm, report: StudyReport) -> str:
    best, worst = extremes(report)
    roles = {"best": best, "worst": worst}
    names = [name for name, other in roles.items() if other is not None and arm is other]
    return ", ".join([*names, *(["baseline"] if arm.name == report.baseline else [])])
