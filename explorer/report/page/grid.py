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
        text: Its text, in a column of numbers padded to the width of its column.
        mark: A dagger that follows it without moving the number, else empty.
        emphasis: As in :class:`~explorer.report.layout.Cell`.
        value: What a column of numbers is sorted by; ``None`` where the cell has no number.
    """

    text: str
    mark: str = ""
    emphasis: Emphasis = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Attributes:
        name: What it is referred to by; letters, digits and hyphens.
        title: Its heading.
        headings: The heading of each column, and whether it is text.
        rows: Its cells.
        first_sample: Index of the first row that a rule stands above.
        caption: What is needed to read it.
    """

    name: str
    title: str
    headings: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[GridCell, ...], ...]
    first_sample: int
    caption: str


def grid(name: str, title: str, layout: Layout) -> Grid:
    """Arrange a table of the report for a page."""
    columns = []
    for index, column in enumerate(layout.columns):
        cells = [row[index] for row in layout.rows]
        texts = [cell.text.removesuffix(UNRESOLVED) for cell in cells]
        marks = [cell.text[len(text) :] for cell, text in zip(cells, texts, strict=True)]
        emphasis = [cell.emphasis for cell in cells]
        columns.append(_column(texts, marks, emphasis, is_text=column.text))
    return Grid(
        name,
        title,
        tuple((column.heading, column.text) for column in layout.columns),
        tuple(zip(*columns, strict=True)),
        layout.first_sample,
        " ".join(layout.caption),
    )


def plain_grid(
    name: str,
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    numbers: Sequence[str] = (),
) -> Grid:
    """Arrange texts for a page.

    Args:
        name: As in :class:`Grid`, like ``title`` and ``caption``.
        title: Its heading.
        headings: A heading per column.
        rows: At least one.
        caption: What is needed to read it.
        numbers: The headings of the columns of numbers.
    """
    columns = [
        _column(texts, [""] * len(rows), [""] * len(rows), is_text=heading not in numbers)
        for heading, texts in zip(headings, zip(*rows, strict=True), strict=True)
    ]
    kinds = tuple((heading, heading not in numbers) for heading in headings)
    return Grid(name, title, kinds, tuple(zip(*columns, strict=True)), len(rows), caption)


def _column(
    texts: Sequence[str], marks: Sequence[str], emphasis: Sequence[Emphasis], *, is_text: bool
) -> list[GridCell]:
    shown = texts if is_text else aligned(texts)
    values = [None if is_text else number(text) for text in texts]
    return [GridCell(*parts) for parts in zip(shown, marks, emphasis, values, strict=True)]


def number(text: str) -> float | None:
    """Return the first number in a text: 80.2 of ``80.2 ± 6.2``."""
    match = _NUMBER.search(text)
    return float(match[0].replace(MINUS, "-")) if match else None


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
            wholes, _, parts = zip(*(split[place].partition(".") for split in group), strict=True)
            before, after = max(map(len, wholes)), max(map(len, parts))
            for split, whole, part in zip(group, wholes, parts, strict=True):
                point = ("." if part else _POINT_SPACE) if after else ""
                split[place] = (
                    whole.rjust(before, FIGURE_SPACE) + point + part.ljust(after, FIGURE_SPACE)
                )
    return ["".join(split) for split in pieces]
