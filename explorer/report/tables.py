"""A report in the formats that people read, and on its way to a file."""

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from explorer.errors import InputError, nearest
from explorer.report.best_layout import lay_out_best
from explorer.report.data import fidelity_to_csv, fidelity_to_json, to_csv, to_json
from explorer.report.fidelity import FidelityReport
from explorer.report.fidelity_layout import lay_out_fidelity
from explorer.report.files import replacing
from explorer.report.importance_layout import lay_out_importance
from explorer.report.latex import latex
from explorer.report.layout import SHOWN_MEASURES, Cell, Layout, lay_out
from explorer.report.pareto_layout import lay_out_front
from explorer.report.summary import StudyReport
from explorer.report.variety import lay_out_variety

_RICH = {"": "", "best": "bold", "second": "underline"}


def render(
    report: StudyReport | FidelityReport,
    format: str,  # noqa: A002 - the word of the command line
) -> str:
    """Write a report as text.

    Args:
        report: What :func:`~explorer.report.summarise` or :func:`~explorer.report.fidelity`
            returns.
        format: One of :data:`FORMATS`: ``markdown`` and ``latex`` (booktabs) are the table of a
            paper with its caption; ``csv`` and ``json`` have every measure in full precision.

    Raises:
        InputError: If there is no such format.
    """
    if format not in FORMATS:
        raise InputError("--format", None, format, f"unknown; {nearest(format, FORMATS)}")
    of_study, of_fidelity = FORMATS[format]
    return of_fidelity(report) if isinstance(report, FidelityReport) else of_study(report)


def write(text: str, path: Path) -> None:
    """Write a rendered report to a file, all of it or nothing.

    Folders that are missing are made. A file that is there is replaced in one step.

    Raises:
        InputError: If the path cannot be written to.
    """
    with replacing(path, "--output") as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def terminal(report: StudyReport, *, width: int) -> RenderableType:
    """Return the table for a terminal, with its caption below.

    Args:
        report: What :func:`~explorer.report.summarise` returns.
        width: Columns of the terminal; as many variety measures are shown as fit.
    """
    for kept in range(len(SHOWN_MEASURES), -1, -1):
        layout = lay_out(report, measures=SHOWN_MEASURES[:kept])
        widths = [
            max(
                len(column.heading.split(" ")[0]),
                len(column.heading.partition(" ")[2]),
                *(len(row[index].text) for row in layout.rows),
            )
            for index, column in enumerate(layout.columns)
        ]
        if sum(widths) + 2 * (len(widths) - 1) + 2 <= width:
            break
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for column in layout.columns:
        table.add_column(
            Text(column.heading.replace(" ", "\n", 1)),
            justify="left" if column.text else "right",
            vertical="bottom" if column.text else "top",
            no_wrap=not column.text,
        )
    for index, row in enumerate(layout.rows):
        if index == layout.first_sample and index > 0:
            table.add_section()
        table.add_row(*[Text(cell.text, style=_RICH[cell.emphasis]) for cell in row])
    return Group(table, Text(), Text(" ".join(layout.caption), style="dim"))


def _markdown(layout: Layout) -> str:
    columns = layout.columns
    if not layout.rows:
        return _markdown_text(" ".join(layout.caption)) + "\n"
    lines = [
        _markdown_row([_markdown_text(column.heading) for column in columns]),
        _markdown_row([":---" if column.text else "---:" for column in columns]),
    ]
    lines += [_markdown_row([_markdown_cell(cell) for cell in row]) for row in layout.rows]
    return "\n".join([*lines, "", _markdown_text(" ".join(layout.caption))]) + "\n"


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_text(cell.text)
    if cell.emphasis == "best":
        return f"**{text}**"
    # Markdown has no underline of its own; every renderer of it knows this tag.
    return f"<u>{text}</u>" if cell.emphasis == "second" else text


def _markdown_text(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{c}" if c in "\\`*_|[]" else c for c in text)


def _layouts(report: StudyReport) -> dict[str, Layout]:
    """Arrange a study's tables: arms, best ranges, importances, Pareto front, variety.

    Returns:
        Those that the study has, by what is added to the name of each.
    """
    found = {
        "": lay_out(report),
        "-best": lay_out_best(report),
        "-importance": lay_out_importance(report),
        "-front": lay_out_front(report),
        "-variety": lay_out_variety(report),
    }
    return {suffix: layout for suffix, layout in found.items() if layout}


FORMATS: Mapping[str, tuple[Callable[[StudyReport], str], Callable[[FidelityReport], str]]] = {
    "markdown": (
        lambda report: "\n".join(map(_markdown, _layouts(report).values())),
        lambda report: _markdown(lay_out_fidelity(report)),
    ),
    "csv": (to_csv, fidelity_to_csv),
    "latex": (
        lambda report: "\n".join(
            latex(layout, label=f"{report.study}{suffix}")
            for suffix, layout in _layouts(report).items()
        ),
        lambda report: latex(lay_out_fidelity(report), label=f"{report.study}-fidelity"),
    ),
    "json": (to_json, fidelity_to_json),
}
"""What a report can be rendered as: that of a study, that of its fidelity."""
