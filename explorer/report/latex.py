"""The table of a study in LaTeX."""

import re

from explorer.report.layout import Cell, Column, Layout
from explorer.report.numerals import EN_DASH, MINUS

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
    "\N{DAGGER}": r"$^{\dagger}$",
    "\N{GREEK SMALL LETTER RHO}": r"$\rho$",
}
_LONG = 24
"""Ranges that take more characters than this stand one below the other."""


def escape(text: str) -> str:
    """Return text that LaTeX prints as it is.

    Letters outside ASCII are left to its UTF-8 input, the default since 2018.
    """
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    return escaped.replace(r" \%", r"\,\%")


def latex(layout: Layout, *, label: str) -> str:
    """Write a table for ``booktabs``: a floating ``table`` with its caption above.

    It is set small, and scaled down (by ``graphicx``) where it is still wider than the line.

    Of a table without a row there is its caption, as a paragraph.

    Args:
        layout: The table.
        label: What it is referred to by, after ``tab:``; letters that a label cannot have become
            hyphens.
    """
    if not layout.rows:
        return f"{escape(' '.join(layout.caption))}\n"
    alignment = "".join("l" if column.text else "r" for column in layout.columns)
    lines = [
        "% \\usepackage{booktabs,graphicx}",
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{escape(' '.join(layout.caption))}}}",
        f"  \\label{{tab:{safe_label(label)}}}",
        "  \\smallskip\\small",
        "  \\setlength{\\tabcolsep}{4pt}%",
        "  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"  \\begin{{tabular}}{{{alignment}}}",
        "    \\toprule",
        f"    {_row([_heading(column) for column in layout.columns])}",
        "    \\midrule",
    ]
    for index, row in enumerate(layout.rows):
        if index == layout.first_sample and index > 0:
            lines.append("    \\midrule")
        lines.append(f"    {_row([_cell(cell) for cell in row])}")
    lines += ["    \\bottomrule", "  \\end{tabular}}", "\\end{table}"]
    return "\n".join(lines) + "\n"


def safe_label(of: str) -> str:
    """Return a name as a label of LaTeX: letters that it cannot have become hyphens."""
    return re.sub(r"[^A-Za-z0-9:.-]+", "-", of)


def _heading(column: Column) -> str:
    """Set a heading of several words over two lines, so that it does not widen its column."""
    return _stacked(column.heading.split(" ", 1), "b", "l" if column.text else "r")


def _stacked(lines: list[str], position: str, alignment: str) -> str:
    """Set lines one below the other, the last (``b``) or first (``t``) on the line of the row."""
    if len(lines) == 1:
        return escape(lines[0])
    body = r"\\".join(_guarded(escape(line)) for line in lines)
    return rf"\begin{{tabular}}[{position}]{{@{{}}{alignment}@{{}}}}{body}\end{{tabular}}"


def _cell(cell: Cell) -> str:
    if len(cell.text) > _LONG and ", " in cell.text:
        return _stacked(cell.text.replace(", ", ",\n").split("\n"), "t", "l")
    text = escape(cell.text)
    if cell.emphasis == "best":
        return rf"\textbf{{{text}}}"
    if cell.emphasis == "second":
        return rf"\underline{{{text}}}"
    return text


def _row(cells: list[str]) -> str:
    return _guarded(" & ".join(cells)) + r" \\"


def _guarded(line: str) -> str:
    """Keep the start of a line from being read as an argument of the break or rule before it."""
    return f"{{}}{line}" if line.startswith(("[", "*", "(")) else line
