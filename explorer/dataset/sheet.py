"""Contact sheets: categories are rows, instances columns; several formulas side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from explorer.dataset.render import Images, Plan, render_dataset

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

_ABREAST = 3  # formulas side by side, at most
_LEAST = 12  # width of a panel in heights of its text: room for "instance" and a short line
_BLACK, _GREY, _LINE, _WHITE = 0, 96, 176, 255


def contact_sheet(plans: Sequence[Plan]) -> Images:
    """Draw a labelled sheet of the images of one or several formulas.

    Every plan has a panel: its formula's title, its name and the ranges that it sets, and its
    images with the numbers of categories and instances. At most three panels are side by side.

    Args:
        plans: What to draw, at least one.

    Returns:
        uint8 ``[H, W]``, black on white.
    """
    from PIL import Image

    panels = [_panel(plan) for plan in plans]
    rows = -(-len(panels) // _ABREAST)
    abreast = -(-len(panels) // rows)
    gap = _text_size(max(plan.size for plan in plans))
    widths = [max(panel.width for panel in panels[i::abreast]) for i in range(abreast)]
    heights = [
        max(panel.height for panel in panels[i * abreast : (i + 1) * abreast]) for i in range(rows)
    ]
    width, height = (sum(each) + gap * (len(each) + 1) for each in (widths, heights))
    sheet = Image.new("L", (width, height), _WHITE)
    for number, panel in enumerate(panels):
        row, column = divmod(number, abreast)
        left = gap + sum(widths[:column]) + gap * column
        top = gap + sum(heights[:row]) + gap * row
        sheet.paste(panel, (left, top))
    return np.asarray(sheet)


def _panel(plan: Plan) -> "Image.Image":
    """Draw the images of one plan with their labels."""
    from PIL import Image, ImageDraw

    text = _text_size(plan.size)
    small, large = _font(text), _font(round(1.4 * text))
    gap = max(5, plan.size // 20)
    pitch = plan.size + gap
    line, headline = _height(small) + gap, _height(large) + gap
    # Left of the images: "category", turned, and the numbers of the rows.
    left = line + round(small.getlength(str(plan.categories - 1))) + 2 * gap
    grid = left + plan.instances * pitch
    title = plan.family.title
    width = max(grid, round(large.getlength(title)) + 1, _LEAST * text)
    lines = _wrapped(_subtitle(plan), small, width)
    top = headline + (len(lines) + 2) * line + gap
    # At least as high as the word beside the images.
    turned = _turned("category", small)
    height = max(plan.categories * pitch, turned.height)
    panel = Image.new("L", (width, top + height), _WHITE)
    draw = ImageDraw.Draw(panel)
    draw.text((0, 0), title, fill=_BLACK, font=large)
    for number, said in enumerate(lines):
        draw.text((0, headline + number * line), said, fill=_GREY, font=small)

    across = left + (plan.instances * pitch - gap) // 2
    draw.text((across, top - 2 * line), "instance", fill=_GREY, font=small, anchor="ma")
    for column in range(plan.instances):
        place = (left + column * pitch + plan.size // 2, top - line)
        draw.text(place, str(column), fill=_BLACK, font=small, anchor="ma")
    panel.paste(turned, (0, max(top, top + (plan.categories * pitch - gap - turned.height) // 2)))
    for row in range(plan.categories):
        place = (left - gap, top + row * pitch + plan.size // 2)
        draw.text(place, str(row), fill=_BLACK, font=small, anchor="rm")
    _paste_images(panel, draw, plan, (left, top), pitch)
    return panel


def _paste_images(
    panel: "Image.Image",
    draw: "ImageDraw.ImageDraw",
    plan: Plan,
    corner: tuple[int, int],
    pitch: int,
) -> None:
    from PIL import Image

    data = render_dataset(
        plan.formula,
        plan.ranges,
        categories=plan.categories,
        instances=plan.instances,
        canvas=plan.canvas,
        size=plan.size,
        seed=plan.seed,
    )
    for number, image in enumerate(data.images):
        row, column = divmod(number, plan.instances)
        x, y = corner[0] + column * pitch, corner[1] + row * pitch
        # A thin frame, for images that are as white as the sheet.
        draw.rectangle((x - 1, y - 1, x + plan.size, y + plan.size), outline=_LINE)
        panel.paste(Image.fromarray(image), (x, y))


def _subtitle(plan: Plan) -> list[str]:
    """Return what the images of a plan are, in pieces between which a line may break."""
    ranges = (plan.ranges or {}).items()
    said = [f"{name}={low:g}..{high:g}" for name, (low, high) in ranges] or ["default ranges"]
    return [plan.formula, *said, f"seed {plan.seed}", f"canvas {plan.canvas} px"]


def _wrapped(pieces: Sequence[str], font: "ImageFont.FreeTypeFont", width: int) -> list[str]:
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


def _turned(text: str, font: "ImageFont.FreeTypeFont") -> "Image.Image":
    """Draw a text that reads from below to above."""
    from PIL import Image, ImageDraw

    image = Image.new("L", (round(font.getlength(text)) + 1, _height(font)), _WHITE)
    ImageDraw.Draw(image).text((0, 0), text, fill=_GREY, font=font)
    return image.transpose(Image.Transpose.ROTATE_90)


def _text_size(size: int) -> int:
    """Height of the text beside images of a size, in pixels."""
    return min(max(size // 8, 11), 20)


def _font(size: int) -> "ImageFont.FreeTypeFont":
    from PIL import ImageFont

    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(size))


def _height(font: "ImageFont.FreeTypeFont") -> int:
    ascent, descent = font.getmetrics()
    return ascent + descent
