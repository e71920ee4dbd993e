"""The one type of table, and what writes it: terminal, Markdown, LaTeX and json."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.table import Table as Screen
from rich.text import Text

from explorer.errors import visible
from explorer.report.numerals import EN_DASH, MINUS, listed

Emphasis = Literal["", "best", "second"]

_STYLES = {"": "", "best": "bold", "second": "underline"}
_WRAPPED = 24
"""Ranges that take more characters than this stand one below the other, or are wrapped."""

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': "''",
    "±": r"$\pm$",
    MINUS: r"$-$",
    EN_DASH: "--",
    "≥": r"$\geq$",
    "\N{DAGGER}": r"$^{\dagger}$",
    "\N{GREEK SMALL LETTER RHO}": r"$\rho$",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        heading: Its heading.
        text: Whether it is text (left) or numbers (right).
        priority: On a narrow terminal the column of the highest is left out first; 0 stays.
    """

    heading: str
    text: bool = False
    priority: int = 1


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table; ``best`` is printed bold and ``second`` underlined."""

    text: str
    emphasis: Emphasis = ""

    def __post_init__(self) -> None:
        """Show the control characters of a text: it may come from anybody's database."""
        object.__setattr__(self, "text", _line(self.text))


@dataclass(frozen=True, slots=True)
class Table:
    """A table in plain Unicode.

    Attributes:
        columns: The columns; the first is the name of the row.
        rows: A cell per column.
        caption: What it shows, in at most two sentences.
        notes: What else is needed to read it, in sentences.
        first_sample: Index of the row that a rule stands above: of the first sampled arm.
        warning: What must be read before it; empty where nothing.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    first_sample: int | None = None
    warning: str = ""

    def __post_init__(self) -> None:
        """Show the control characters of a text, as in a cell."""
        for part in ("caption", "notes"):
            object.__setattr__(self, part, tuple(map(_line, getattr(self, part))))

    @classmethod
    def of(cls, columns: Sequence[Column], rows: Iterable[Sequence[str]], **parts: Any) -> "Table":
        """Make a table of plain texts."""
        return cls(tuple(columns), tuple(tuple(map(Cell, row)) for row in rows), **parts)

    def ruled(self, index: int) -> bool:
        """Say whether a rule stands above a row."""
        return index > 0 and index == self.first_sample


def _line(text: str) -> str:
    return visible(text.replace("\n", " "))


def terminal(table: Table, *, width: int) -> RenderableType:
    """Return a table for a terminal, with its caption and notes below.

    Args:
        table: The table.
        width: Columns of the terminal. Where the table is wider, columns of the highest priority
            number are left out and named below it; the first column is never left out.
    """
    kept = list(range(len(table.columns)))
    widths = [_width(table, index) for index in kept]
    while len(kept) > 1 and sum(widths[i] for i in kept) + 2 * (len(kept) - 1) > width:
        kept.remove(max(kept[1:], key=lambda i: (table.columns[i].priority, i)))
    screen = Screen(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    tall = any(" " in table.columns[index].heading for index in kept)
    for index in kept:
        column = table.columns[index]
        first, _, second = column.heading.partition(" ")
        lines = (first, second) if second else ("", first)
        screen.add_column(
            Text("\n".join(lines if tall else lines[1:])),
            justify="left" if column.text else "right",
            no_wrap=index == 0 or not column.text,
            overflow="ellipsis",
            min_width=min(widths[index], width),
        )
    for index, row in enumerate(table.rows):
        if table.ruled(index):
            screen.add_section()
        screen.add_row(*[Text(row[i].text, style=_STYLES[row[i].emphasis]) for i in kept])
    hidden = [column.heading for i, column in enumerate(table.columns) if i not in kept]
    more = [f"Left out for want of width: {listed(hidden, 20)}."] if hidden else []
    below = " ".join((*table.caption, *table.notes, *more))
    above: list[RenderableType]
    above = [Text(table.warning, style="bold red"), Text()] if table.warning else []
    parts = [*above, *([screen] if table.rows else []), *([Text()] if table.rows and below else [])]
    return Group(*parts, *([Text(below, style="dim")] if below else []))


def _width(table: Table, index: int) -> int:
    """Return the width that a column needs: text but the name of a row may be wrapped."""
    column, texts = table.columns[index], [row[index].text for row in table.rows]
    head, _, rest = column.heading.partition(" ")
    widest = max((len(text) for text in texts), default=0)
    if index and column.text and widest > _WRAPPED:
        words = [word for text in texts for word in text.split()]
        widest = max(_WRAPPED, *map(len, words))
    return max(len(head), len(rest), widest)


def markdown(table: Table) -> str:
    """Write a table as Markdown: the warning, the table, its caption, its notes."""
    lines = [f"**{_markdown_text(table.warning)}**", ""] if table.warning else []
    if table.rows:
        lines.append(_markdown_row([_markdown_text(c.heading) for c in table.columns]))
        lines.append(_markdown_row([":---" if c.text else "---:" for c in table.columns]))
        lines += [_markdown_row([_markdown_cell(cell) for cell in row]) for row in table.rows]
        lines.append("")
    paragraphs = [" ".join(part) for part in (table.caption, table.notes) if part]
    return "\n".join([*lines, "\n\n".join(map(_markdown_text, paragraphs))]) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_text(cell.text)
    # Markdown has no underline; every renderer of it knows this tag.
    return {"best": f"**{text}**", "second": f"<u>{text}</u>"}.get(cell.emphasis, text)


def _markdown_text(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{c}" if c in "\\`*_|[]" else c for c in text)


def latex(table: Table, *, label: str) -> str:
    """Write a table for ``booktabs``: a floating ``table``, its caption above, its notes below.

    It is set small, and scaled down (by ``graphicx``) where it is still wider than the line. Of a
    table without a row there is its caption, as a paragraph.

    Args:
        table: The table.
        label: What it is referred to by, after ``tab:``; letters that a label cannot have become
            hyphens.
    """
    if not table.rows:
        return f"{escape(' '.join((*table.caption, *table.notes)))}\n"
    alignment = "".join("l" if column.text else "r" for column in table.columns)
    lines = [
        "% \\usepackage{booktabs,graphicx}",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{escape(' '.join(table.caption))}}}",
        f"  \\label{{tab:{safe_label(label)}}}",
        "  \\smallskip\\small",
        *([f"  \\textbf{{{escape(table.warning)}}}\\par\\smallskip"] if table.warning else []),
        "  \\setlength{\\tabcolsep}{4pt}%",
        "  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"  \\begin{{tabular}}{{{alignment}}}",
        "    \\toprule",
        f"    {_latex_row([_latex_heading(column) for column in table.columns])}",
        "    \\midrule",
    ]
    for index, row in enumerate(table.rows):
        lines += ["    \\midrule"] if table.ruled(index) else []
        lines.append(f"    {_latex_row([_latex_cell(cell) for cell in row])}")
    lines += ["    \\bottomrule", "  \\end{tabular}}"]
    if table.notes:
        notes = escape(" ".join(table.notes))
        lines.append(f"  \\par\\smallskip\\parbox{{\\linewidth}}{{\\footnotesize {notes}}}")
    return "\n".join([*lines, "\\end{table}"]) + "\n"


def escape(text: str) -> str:
    """Return text that LaTeX prints as it is.

    Letters outside ASCII are left to its UTF-8 input, the default since 2018.
    """
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    return escaped.replace(r" \%", r"\,\%")


def safe_label(of: str) -> str:
    """Return a name as a label of LaTeX: letters that it cannot have become hyphens."""
    return re.sub(r"[^A-Za-z0-9:.-]+", "-", of)


def _latex_heading(column: Column) -> str:
    """Set a heading of several words over two lines, so that it does not widen its column."""
    return _stacked(column.heading.split(" ", 1), "b", "l" if column.text else "r")


def _stacked(lines: Sequence[str], position: str, alignment: str) -> str:
    """Set lines one below the other, the last (``b``) or first (``t``) on the line of the row."""
    if len(lines) == 1:
        return escape(lines[0])
    body = r"\\".join(_guarded(escape(line)) for line in lines)
    return rf"\begin{{tabular}}[{position}]{{@{{}}{alignment}@{{}}}}{body}\end{{tabular}}"


def _latex_cell(cell: Cell) -> str:
    if len(cell.text) > _WRAPPED and ", " in cell.text:
        return _stacked(cell.text.replace(", ", ",\n").split("\n"), "t", "l")
    command = {"best": "textbf", "second": "underline"}.get(cell.emphasis)
    return rf"\{command}{{{escape(cell.text)}}}" if command else escape(cell.text)


def _latex_row(cells: Sequence[str]) -> str:
    return _guarded(" & ".join(cells)) + r" \\"


def _guarded(line: str) -> str:
    """Keep the start of a line from being read as an argument of the break or rule before it."""
    return f"{{}}{line}" if line.startswith(("[", "*", "(")) else line


def json_text(content: Any) -> str:
    """Write plain data as json; a number that is not finite becomes null."""
    text = json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # JSON lets controls of 0x80 and above stand as they are; a terminal would execute them.
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
