"""Contact sheets: categories are rows, instances columns."""

import numpy as np

from explorer import formulas
from explorer.dataset.render import Images, render_dataset
from explorer.formulas import Ranges

_GAP = 4  # pixels around an image


def contact_sheet(
    formula: str,
    ranges: Ranges | None,
    *,
    categories: int,
    instances: int,
    canvas: int,
    size: int,
    seed: int,
) -> Images:
    """Draw a labelled sheet of a formula's images.

    Args:
        formula: Name of the formula.
        ranges: Parameter or group name -> (low, high); the rest keeps the formula's default.
        categories: Number of rows.
        instances: Number of columns.
        canvas: Side that the formula draws on, in pixels.
        size: Side of an image on the sheet, at most ``canvas``.
        seed: Seed of the counter stream.

    Returns:
        uint8 ``[H, W]``, the images on white with a title and the numbers of rows and columns.

    Raises:
        UnknownFormula: If there is no such formula.
        RangeError: If a range or a number is out of bounds.
    """
    from PIL import Image, ImageDraw, ImageFont

    data = render_dataset(
        formula,
        ranges,
        categories=categories,
        instances=instances,
        canvas=canvas,
        size=size,
        seed=seed,
    )
    font = ImageFont.load_default()
    title = f"{formulas.get(formula).title}, seed {seed}; rows: categories, columns: instances"
    line = int(font.getbbox("0123456789")[3]) + _GAP
    left = int(font.getlength(str(categories - 1))) + 2 * _GAP
    pitch = size + _GAP
    width = max(left + instances * pitch, int(font.getlength(title)) + 2 * _GAP)
    sheet = Image.new("L", (width, 2 * line + categories * pitch), 255)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, 0), title, fill=0, font=font)
    for column in range(instances):
        draw.text((left + column * pitch, line), str(column), fill=0, font=font)
    for row in range(categories):
        top = 2 * line + row * pitch
        draw.text((_GAP, top), str(row), fill=0, font=font)
        for column in range(instances):
            image = Image.fromarray(data.images[row * instances + column])
            sheet.paste(image, (left + column * pitch, top))
    return np.asarray(sheet)
