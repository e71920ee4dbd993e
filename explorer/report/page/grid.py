"""A table as the page needs it: numbers that stand below each other, and what to sort by."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.report.layout import UNRESOLVED
from explorer.report.numerals import EN_DASH, MINUS
from explorer.report.tables import Emphasis, Table

FIGURE_SPACE = "\N{FIGURE SPACE}"  # as wide as a digit where all digits are equally wide
_POINT_SPACE = "\N{PUNCTUATION SPACE}"
_RANGE = re.compile(rf"\d{EN_DASH}\d")
_NUMBER = re.compile(rf"([+\-{MINUS}]?\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class GridCell:
    """A cell.

    Attributes:
        text: Its text, in a column of numbers padded to the width of its column.
        mark: A dagger that follows it without moving the number, else empty.
        emphasis: As in :class:`~explorer.report.tables.Cell`.
        value: What a column of numbers is sorted by; ``None`` where the cell has no number.
    """

    text: str
    mark: str = ""
    emphasis: Emphasis = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with its heading.

    Attributes:
        name: What it is referred to by; letters, digits and hyphens.
        title: Its heading.
        table: The table.
        rows: Its cells, as they stand on a page.
    """

    name: str
    title: str
    table: Table
    rows: tuple[tuple[GridCell, ...], ...]


def grid(name: str, title: str, table: Table | None) -> Grid | None:
    """Arrange a table for a page, if there is one."""
    if table is None:
        return None
    columns = []
    for index, column in enumerate(table.columns):
        cells = [row[index] for row in table.rows]
        texts = [cell.text.removesuffix(UNRESOLVED) for cell in cells]
        marks = [cell.text[len(text) :] for cell, text in zip(cells, texts, strict=True)]
        shown = texts if column.text else aligned(texts)
        values = [None if column.text else number(text) for text in texts]
        emphasis = [cell.emphasis for cell in cells]
        parts = zip(shown, marks, emphasis, values, strict=True)
        columns.append([GridCell(*each) for each in parts])
    return Grid(name, title, table, tuple(zip(*columns, strict=True)))


def number(text: str) -> float | None:
    """Return the first number in a text: 80.2 of ``80.2 ± 6.2``."""
    match = _NUMBER.search(text)
    return float(match[0].replace(MINUS, "-")) if match else None


def aligned(texts: Sequence[str]) -> list[str]:
    """Pad the numbers of texts, so that right-aligned they stand point below point.

    Texts with as many numbers are taken for alike: ``+8.7 [+5.5, +11.8]`` and
    ``+10.7 [+7.5, +13.8]``. A column with ranges (``0-20``) is left as it is.
    """
    if any(_RANGE.search(text) for text in texts):
        return list(texts)
    pieces = [_NUMBER.split(text) for text in texts]
    alike: dict[int, list[list[str]]] = {}
    for split in pieces:
        alike.setdefault(len(split), []).append(split)
    for length, group in alike.items():
        for place in range(1, length, 2):
            wholes, _, parts = zip(*(split[place].partition(".") for split in group), strict=True)
            before, after = max(map(len, wholes)), max(map(len, parts))
            for split, whole, part in zip(group, wholes, parts, strict=True):
                point = ("." if part else _POINT_SPACE) if after else ""
                split[place] = (
                    whole.rjust(before, FIGURE_SPACE) + point + part.ljust(after, FIGURE_SPACE)
                )
    return ["".join(split) for split in pieces]
