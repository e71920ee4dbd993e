"""A table as the page needs it: numbers that stand below each other, and what to sort by."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.report.layout import UNRESOLVED, Emphasis, Layout
from explorer.report.numerals import MINUS

FIGURE_SPACE = "\N{FIGURE SPACE}"  # as wide as a digit where all digits are equally wide
_POINT_SPACE = "\N{PUNCTUATION SPACE}"
_NUMBER = re.compile(rf"([+\-{MINUS}]?\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class GridCell:
    """A cell.

    Attributes:
        text: What it says, in a column of numbers padded to the width of its column.
        mark: A dagger that follows it without moving the number, else empty.
        emphasis: As in :class:`~explorer.report.layout.Cell`.
        value: What a column of numbers is sorted by; ``None`` where the cell has no number.
    """

    text: str
    mark: str
    emphasis: Emphasis
    value: float | None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Attributes:
        name: What it is referred to by; letters, digits and hyphens.
        title: Its heading.
        headings: The heading of each column, and whether it is text.
        rows: Its cells.
        first_sample: As in :class:`~explorer.report.layout.Layout`.
        caption: What is needed to read it.
    """

    name: str
    title: str
    headings: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[GridCell, ...], ...]
    first_sample: int
    caption: str


def grid(name: str, title: str, layout: Layout) -> Grid:
    """Arrange a table for a page."""
    columns = []
    for index, column in enumerate(layout.columns):
        cells = [row[index] for row in layout.rows]
        texts = [cell.text.removesuffix(UNRESOLVED) for cell in cells]
        marks = [cell.text[len(text) :] for cell, text in zip(cells, texts, strict=True)]
        shown = texts if column.text else aligned(texts)
        values = [None if column.text else number(text) for text in texts]
        parts = zip(shown, marks, cells, values, strict=True)
        columns.append([GridCell(t, mark, cell.emphasis, v) for t, mark, cell, v in parts])
    return Grid(
        name,
        title,
        tuple((column.heading, column.text) for column in layout.columns),
        tuple(zip(*columns, strict=True)),
        layout.first_sample,
        " ".join(layout.caption),
    )


def number(text: str) -> float | None:
    """Return the first number in a text: 80.2 of ``80.2 ± 6.2``."""
    found = _NUMBER.search(text)
    return float(found[0].replace(MINUS, "-")) if found else None


def aligned(texts: Sequence[str]) -> list[str]:
    """Pad the numbers of texts, so that right-aligned they stand point below point.

    Texts with as many numbers are taken for alike: ``+8.7 [+5.5, +11.8]`` and
    ``+10.7 [+7.5, +13.8]``.
    """
    pieces = [_NUMBER.split(text) for text in texts]
    alike: dict[int, list[list[str]]] = {}
    for split in pieces:
        alike.setdefault(len(split), []).append(split)
    for length, group in alike.items():
        for place in range(1, length, 2):
            wholes, parts = zip(*(_halves(split[place]) for split in group), strict=True)
            before, after = max(map(len, wholes)), max(map(len, parts))
            for split, whole, part in zip(group, wholes, parts, strict=True):
                rest = part.ljust(after, FIGURE_SPACE)
                if after and not part:
                    rest = _POINT_SPACE + rest[1:]
                split[place] = whole.rjust(before, FIGURE_SPACE) + rest
    return ["".join(split) for split in pieces]


def _halves(text: str) -> tuple[str, str]:
    """Split a number into what is before its point, and the point with what is behind."""
    whole, point, part = text.partition(".")
    return whole, point + part
