"""Contact sheets: categories are rows, instances columns; several formulas side by side."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from explorer.formulas import RangeError
from explorer.images.plan import Images, Plan

_MOST = 2**28  # pixels of all images of a sheet
_ABREAST = 3  # formulas side by side, at most
_LEAST = 12  # width of a panel in heights of its text: room for "instance" and a short line
_BLACK, _GREY, _LINE, _WHITE = 0, 96, 176, 255


def contact_sheet(plans: Sequence[Plan]) -> Images:
    """Draw a labelled sheet of the images of one or several formulas.

    Every plan has a panel: its formula's title, its name and the ranges that it sets, and its
    images with the numbers of categories and instances. At most three panels are side by side.

    Returns:
        uint8 ``[H, W]``, black on white.

    Raises:
        RangeError: If the images have more than 2**28 pixels, a quarter of a gigabyte.
    """
    pixels = sum(plan.total * plan.size**2 for plan in plans)
    if pixels > _MOST:
        remedy = f"makes a sheet of {pixels:,} pixels, at most {_MOST:,}; draw fewer or smaller"
        raise RangeError("size", max(plan.size for plan in plans), remedy)
    rows = -(-len(plans) // _ABREAST)
    abreast = -(-len(plans) // rows)
    grid = [plans[first : first + abreast] for first in range(0, len(plans), abreast)]
    panels = [_panels(row) for row in grid]
    gap = _text_size(max(plan.size for plan in plans))
    widths = [max(row[i].width for row in panels if i < len(row)) for i in range(abreast)]
    heights = [max(panel.height for panel in row) for row in panels]
    width, height = (sum(each) + gap * (len(each) + 1) for each in (widths, heights))
    sheet = Image.new("L", (width, height), _WHITE)
    for i, row in enumerate(panels):
        for j, panel in enumerate(row):
            left = sum(widths[:j]) + gap * (j + 1)
            sheet.paste(panel, (left, sum(heights[:i]) + gap * (i + 1)))
    return np.asarray(sheet)


class _Measures:
    """Where things are on a panel, in pixels."""

    def __init__(self, plan: Plan) -> None:
        text = _text_size(plan.size)
        fonts = [ImageFont.load_default(size) for size in (text, round(1.4 * text))]
        self.small, self.large = cast("list[ImageFont.FreeTypeFont]", fonts)
        self.gap = max(5, plan.size // 20)
        self.pitch = plan.size + self.gap
        self.line, self.headline = (_height(font) + self.gap for font in (self.small, self.large))
        # Left of the images: "category", turned, and the numbers of the rows.
        numbers = round(self.small.getlength(str(plan.categories - 1)))
        self.left = self.line + numbers + 2 * self.gap
        images = self.left + plan.instances * self.pitch
        title = round(self.large.getlength(plan.family.title)) + 1
        self.width = max(images, title, _LEAST * text)
        self.subtitle = _wrapped(_subtitle(plan), self.small, self.width)


def _panels(plans: Sequence[Plan]) -> list[Image.Image]:
    """Draw the panels of one row, their images at one height."""
    measures = [_Measures(plan) for plan in plans]
    lines = max(len(each.subtitle) for each in measures)
    return [_panel(plan, at, lines) for plan, at in zip(plans, measures, strict=True)]


def _panel(plan: Plan, at: _Measures, lines: int) -> Image.Image:
    """Draw the images of one plan with their labels, below so many lines of subtitle."""
    top = at.headline + (lines + 2) * at.line + at.gap
    turned = _turned("category", at.small)
    height = max(plan.categories * at.pitch, turned.height)
    panel = Image.new("L", (at.width, top + height), _WHITE)
    draw = ImageDraw.Draw(panel)
    draw.text((0, 0), plan.family.title, fill=_BLACK, font=at.large)
    for number, line in enumerate(at.subtitle):
        place = (0, at.headline + number * at.line)
        draw.text(place, line, fill=_GREY, font=at.small)

    across = at.left + (plan.instances * at.pitch - at.gap) // 2
    draw.text((across, top - 2 * at.line), "instance", fill=_GREY, font=at.small, anchor="ma")
    for column in range(plan.instances):
        place = (at.left + column * at.pitch + plan.size // 2, top - at.line)
        draw.text(place, str(column), fill=_BLACK, font=at.small, anchor="ma")
    down = (plan.categories * at.pitch - at.gap - turned.height) // 2
    panel.paste(turned, (0, top + max(0, down)))
    for row in range(plan.categories):
        place = (at.left - at.gap, top + row * at.pitch + plan.size // 2)
        draw.text(place, str(row), fill=_BLACK, font=at.small, anchor="rm")
    for number, image in enumerate(plan.dataset().images):
        row, column = divmod(number, plan.instances)
        x, y = at.left + column * at.pitch, top + row * at.pitch
        # A thin frame, for images that are as white as the sheet.
        draw.rectangle((x - 1, y - 1, x + plan.size, y + plan.size), outline=_LINE)
        panel.paste(Image.fromarray(image), (x, y))
    return panel


def _subtitle(plan: Plan) -> list[str]:
    """Return what the images of a plan are, in pieces between which a line may break."""
    ranges = (plan.ranges or {}).items()
    shown = [f"{name}={low:g}" + f"..{high:g}" * (low != high) for name, (low, high) in ranges]
    sizes = (f"seed {plan.seed}", f"canvas {plan.canvas} px")
    return [plan.formula, *(shown or ["default ranges"]), *sizes]


def _wrapped(pieces: Sequence[str], font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Join pieces to lines that are no wider than this, where a piece alone is not."""
    lines = [pieces[0]]
    for piece in pieces[1:]:
        longer = f"{lines[-1]}, {piece}"
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines[-1] += ","
            lines.append(piece)
    return lines


def _turned(text: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Draw a text that reads from below to above."""
    image = Image.new("L", (round(font.getlength(text)) + 1, _height(font)), _WHITE)
    ImageDraw.Draw(image).text((0, 0), text, fill=_GREY, font=font)
    return image.transpose(Image.Transpose.ROTATE_90)


def _text_size(size: int) -> int:
    """Height of the text beside images of a size, in pixels."""
    return min(max(size // 8, 11), 20)


def _height(font: ImageFont.FreeTypeFont) -> int:
    ascent, descent = font.getmetrics()
    return ascent + descent
