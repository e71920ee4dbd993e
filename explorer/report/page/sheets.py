"""Contact sheets of the arms: what was rendered, as pictures inside the page."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explorer import formulas
from explorer.images import Plan, render_plan
from explorer.report import numerals
from explorer.report.definition import Definition
from explorer.report.layout import accuracy
from explorer.report.page.words import places
from explorer.report.summary import Arm, StudyReport

MOST_SHEETS = 12
"""Arms that are shown; of more only the baseline, the best and the worst."""

SHOWN_BEST = 6

_CATEGORIES, _INSTANCES = 3, 6
_SIDE, _GAP = 112, 6  # pixels of an image, and between two: sharp at half that size on a page
_CANVAS = 256  # where a study does not say


@dataclass(frozen=True, slots=True)
class Sheet:
    """The images of one arm.

    Attributes:
        arm: Its name.
        role: ``best``, ``worst``, ``baseline`` or several of them; empty for most.
        ranges: Its varied ranges in words.
        accuracy: Its mean and spread in percent.
        uri: The picture, a row a category and a column an instance, as a data URI; empty where it
            could not be drawn.
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


def sheets(report: StudyReport, said: Definition, dataset: Mapping[str, Any]) -> list[Sheet]:
    """Draw the images of the arms of a study, as the first of their trials had them.

    Arms that are not pre-trained on a formula have no sheet. The same study gives the same bytes
    with the same version of Pillow.

    Args:
        report: What the study has found.
        said: What it asks for.
        dataset: The part of that name of its protocol.
    """
    return [_sheet(arm, report, said, dataset) for arm in chosen(report)]


def chosen(report: StudyReport) -> list[Arm]:
    """Return the arms that are shown: all, or of many the baseline, the best and the worst."""
    drawn = [arm for arm in report.ranked if arm.formula and "dataset.images" not in arm.changes]
    if len(drawn) <= MOST_SHEETS:
        return drawn
    base = [arm for arm in drawn if arm.name == report.baseline]
    shown = [*drawn[:SHOWN_BEST], *base, drawn[-1]]
    return [arm for arm in drawn if arm in shown]


def note(report: StudyReport) -> str:
    """Say what the sheets show."""
    shown = chosen(report)
    drawn = sum(arm.formula is not None for arm in report.ranked)
    text = (
        "The first images that each arm was pre-trained on under its first seed, the best arm "
        "first. Rows are categories, columns instances of them."
    )
    if len(shown) < drawn:
        text += f" {len(shown)} of {drawn} arms: the {SHOWN_BEST} best, the worst and the baseline."
    return text


def _sheet(arm: Arm, report: StudyReport, said: Definition, dataset: Mapping[str, Any]) -> Sheet:
    role = _role(arm, report)
    ranges = numerals.ranges(arm.ranges) or "default ranges"
    score = f"{accuracy(arm, None, places(report))} %"
    try:
        plan = _plan(arm, said, dataset)
        uri, width, height = _picture(plan)
    except (formulas.RangeError, formulas.UnknownFormula, formulas.BrokenFormula) as error:
        why = f"No images: {arm.formula} cannot be drawn here ({error})."
        return Sheet(arm.name, role, ranges, score, "", 0, 0, why)
    alt = (
        f"{plan.categories} categories of {plan.family.title} with {ranges}, "
        f"{numerals.count(plan.instances, 'instance')} each"
    )
    return Sheet(arm.name, role, ranges, score, uri, width, height, alt)


def _role(arm: Arm, report: StudyReport) -> str:
    ranked = report.ranked
    pretrained = [one for one in ranked if one.formula]
    roles = []
    if arm is ranked[0]:
        roles.append("best")
    elif arm is pretrained[-1]:
        roles.append("worst")
    if arm.name == report.baseline:
        roles.append("baseline")
    return ", ".join(roles)


def _plan(arm: Arm, said: Definition, dataset: Mapping[str, Any]) -> Plan:
    sizes = {
        "categories": dataset.get("categories", _CATEGORIES),
        "instances": dataset.get("instances", _INSTANCES),
        "canvas": dataset.get("canvas", _CANVAS),
    }
    own = ((key, arm.changes.get(f"dataset.{key}")) for key in sizes)
    sizes |= {key: value for key, value in own if value is not None}
    seeds = [one.seed for one in arm.replicates if one.seed is not None]
    return Plan(
        str(arm.formula),
        {**said.space_of(arm.name).defaults, **arm.ranges},
        categories=min(_CATEGORIES, sizes["categories"]),
        instances=min(_INSTANCES, sizes["instances"]),
        canvas=sizes["canvas"],
        size=min(_SIDE, sizes["canvas"]),
        seed=seeds[0] if seeds else 0,
    )


def _picture(plan: Plan) -> tuple[str, int, int]:
    """Return a sheet as a data URI, with its width and height in pixels."""
    from PIL import Image

    pitch = plan.size + _GAP
    size = (plan.instances * pitch - _GAP, plan.categories * pitch - _GAP)
    # Clear between the images, so that the page shows, light or dark.
    sheet = Image.new("RGBA", size)
    for number, image in enumerate(render_plan(plan).images):
        row, column = divmod(number, plan.instances)
        sheet.paste(Image.fromarray(image).convert("RGBA"), (column * pitch, row * pitch))
    stream = io.BytesIO()
    sheet.save(stream, "WEBP", quality=85)
    encoded = base64.b64encode(stream.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{encoded}", *size
