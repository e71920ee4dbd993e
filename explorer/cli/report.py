"""The command that writes what a study has found."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from explorer.cli.options import OK, Decorator, storage_option
from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.report import Judgement, StudyReport
    from explorer.store import Database

FORMATS = {
    ".md": "markdown",
    ".csv": "csv",
    ".tex": "latex",
    ".json": "json",
    ".parquet": "parquet",
    ".html": "html",  # the page of the whole study
}
FRAMES = (".csv", ".json", ".parquet")


def _frame(option: str, what: str) -> Decorator:
    text = f"Write {what}, as .csv, .json or .parquet."
    return click.option(option, metavar="FILE", type=click.Path(path_type=Path), help=text)


@click.command("report")
@click.argument("study")
@storage_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "csv", "latex", "json", "html"]),
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
    url: str,
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

    Of a study that has run under several protocols it is the decision accuracy of these; its
    results under one of them are STUDY@PROTOCOL.
    """
    from explorer import files

    os.environ["MPLBACKEND"] = "agg"  # that of a notebook or a desktop may not be there
    # All endings are looked at before anything is read.
    formats = {path: FORMATS[files.ending(path, FORMATS, "--output")] for path in outputs}
    wanted = {option: path for option, path in frames.items() if path is not None}
    for option, path in wanted.items():
        files.ending(path, FRAMES, f"--{option}")
    if form == "html" and "html" not in formats.values():
        formats[Path("reports") / f"{files.plain_name(study)}.html"] = "html"
    from explorer import report, store

    loaders = {"trials": report.load, "rungs": report.load_rungs, "epochs": report.load_epochs}
    with store.connect(url) as database:
        several = study not in store.study_names(database) and report.members(study, database)
        result: StudyReport | tuple[Judgement, ...]
        if fidelity or several:
            by_paper = () if fidelity else report.published(database, study)
            result = by_paper or (report.fidelity(database, study),)
        else:
            result = report.summarise(database, study, test=test)
            names = [name for name in (arms or "").split(",") if name]
            result = report.arrange(result, arms=names, order=order or "file")
        paths = [files.write(p, _rendered(database, result, f)) for p, f in formats.items()]
        for option, path in wanted.items():
            report.export(loaders[option](database, study), path, f"--{option}")
            paths.append(path)
        if figures is not None:
            from explorer.report.figures import draw

            paths += draw(database, result, figures)
        prints = form not in formats.values() and (form is not None or not paths)
        if prints:
            click.echo(_rendered(database, result, form or "markdown"), nl=False)
    for path in paths:
        click.echo(path, err=prints)  # not into the table
    return OK


def _rendered(
    database: "Database", result: "StudyReport | tuple[Judgement, ...]", form: str
) -> str | bytes:
    """Return the content of a file."""
    from explorer import report

    if form not in {"html", "parquet"}:
        return report.render(result, form)
    if isinstance(result, tuple):
        raise InputError("--output", None, form, "there is none of the fidelity; write another")
    if form == "html":
        from explorer.report.page import html

        return html(database, result)
    return bytes(report.to_frame(result).to_parquet(index=False))
