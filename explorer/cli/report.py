"""The command that writes what a study has found."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from explorer.cli.options import OK, storage_option
from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.report import FidelityReport, StudyReport
    from explorer.store import Database

TABLES = {".md": "markdown", ".csv": "csv", ".tex": "latex", ".json": "json", ".parquet": "parquet"}
"""Ending of a file -> the format of a table in it; ``.html`` is the page of the whole study."""
FRAMES = (".csv", ".json", ".parquet")


def _frame(option: str, what: str) -> Callable[[Any], Any]:
    return click.option(
        option,
        metavar="FILE",
        type=click.Path(path_type=Path),
        help=f"Write {what}, as .csv, .json or .parquet.",
    )


@click.command("report")
@click.argument("study")
@storage_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "csv", "latex", "json", "parquet", "html"]),
    help="What is printed, unless an --output has this format: markdown (default, if no file is "
    "asked for), csv, latex (booktabs), json; html writes the page reports/STUDY.html.",
)
@click.option(
    "--output",
    "outputs",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Write the table, in the format that the ending says: .md, .csv, .tex, .json, .parquet; "
    "or the page of the whole study: .html. May be repeated.",
)
@_frame("--trials", "the trials, a row for each")
@_frame("--rungs", "the probes and losses at the rungs, a row for each")
@_frame("--epochs", "the curves of training, a row per epoch")
@click.option(
    "--figures",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Draw the figures, as PDF and PNG, with figures.tex for a paper.",
)
@click.option("--arms", metavar="A,B,...", help="Rows of the table; default all.")
@click.option(
    "--order",
    type=click.Choice(["file", "accuracy"]),
    help="Of the rows: as in the file (default; sampled arms after them, best first), or best "
    "first; default that of --arms, where these are named.",
)
@click.option(
    "--test",
    type=click.Choice(["welch", "permutation", "dunnett"]),
    default="welch",
    show_default=True,
    help="Of the difference to the baseline.",
)
@click.option(
    "--fidelity",
    is_flag=True,
    help="Decision accuracy: how well its shorter protocols order pairs of arms.",
)
def report_(
    study: str,
    storage: str | None,
    form: str | None,
    outputs: tuple[Path, ...],
    figures: Path | None,
    fidelity: bool,
    arms: str | None,
    order: str | None,
    test: str,
    **frames: Path | None,
) -> int:
    """Print the result of STUDY as a table, and write every file that is asked for.

    Of a study that has run under several protocols it is the table of its fidelity; its results
    under one of them are STUDY@PROTOCOL.
    """
    from explorer import files

    formats = {path: _format(path) for path in outputs}  # before anything is read
    wanted = {option: path for option, path in frames.items() if path is not None}
    for option, path in wanted.items():
        files.ending(path, FRAMES, f"--{option}")
    if form == "html" and "html" not in formats.values():
        formats[Path("reports") / f"{files.plain_name(study)}.html"] = "html"
    if form == "parquet" and "parquet" not in formats.values():
        remedy = "is no text; name a file that ends in .parquet with --output"
        raise InputError("--format", None, form, remedy)
    from explorer import report, store

    loaders = {"trials": report.load, "rungs": report.load_rungs, "epochs": report.load_epochs}
    with store.connect(storage or store.default_url()) as database:
        content = _read(database, study, test, fidelity=fidelity)
        if isinstance(content, report.StudyReport):
            names = [name for name in (arms or "").split(",") if name]
            content = report.arrange(content, arms=names, order=order or "file")
        paths = [files.write(p, _rendered(database, content, kind)) for p, kind in formats.items()]
        for option, path in wanted.items():
            report.export(loaders[option](database, study), path, f"--{option}")
            paths.append(path)
        if figures is not None:
            from explorer.report.figures import draw

            paths += draw(database, content, figures)
        prints = form not in formats.values() and (form is not None or not paths)
        if prints:
            click.echo(_rendered(database, content, form or "markdown"), nl=False)
    for path in paths:
        click.echo(path, err=prints)  # not into the table
    return OK


def _format(path: Path) -> str:
    """Return the format of a file by its ending; a device without one takes Markdown."""
    from explorer import files

    if not path.suffix and path.exists() and not path.is_file():
        return "markdown"
    return TABLES.get(files.ending(path, (*TABLES, ".html"), "--output"), "html")


def _read(
    database: "Database", study: str, test: str, *, fidelity: bool
) -> "StudyReport | FidelityReport":
    from explorer import report, store

    several = study not in store.study_names(database) and report.members(study, database)
    if fidelity or several:
        return report.fidelity(database, study)
    return report.summarise(database, study, test=test)


def _rendered(
    database: "Database", content: "StudyReport | FidelityReport", kind: str
) -> str | bytes:
    """Return the content of a file."""
    from explorer import report

    if isinstance(content, report.FidelityReport):
        if kind in {"html", "parquet"}:
            remedy = "there is none of the fidelity; write another"
            raise InputError("--output", None, kind, remedy)
        return report.render(content, kind)
    if kind == "html":
        from explorer.report.page import html

        return html(database, content)
    if kind == "parquet":
        return bytes(report.to_frame(content).to_parquet(index=False))
    shares = {} if kind == "csv" else report.importances(database, content.study)
    return report.render(content, kind, shares)
