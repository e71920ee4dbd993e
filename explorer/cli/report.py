"""The command that writes what a study has found."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from explorer.cli.options import OK, storage_option
from explorer.errors import InputError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

    from explorer.report import FidelityReport, StudyReport


@click.command("report")
@click.argument("study")
@storage_option
@click.option(
    "--format",
    "form",
    default="markdown",
    show_default=True,
    metavar="FORMAT",
    help="markdown, csv, latex (booktabs), json, parquet (to a file), or html: a page of all.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File; default standard output, and for html reports/STUDY.html.",
)
@click.option(
    "--arms",
    metavar="A,B,...",
    help="Rows of the table, in this order; default all.",
)
@click.option(
    "--order",
    type=click.Choice(["file", "accuracy"]),
    default="file",
    show_default=True,
    help="Of the named arms; sampled ones come after them, best first.",
)
@click.option(
    "--test",
    type=click.Choice(["welch", "permutation"]),
    default="welch",
    show_default=True,
    help="Of the difference to the baseline.",
)
@click.option(
    "--trials",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write its trials, a row each, as .csv, .json or .parquet instead.",
)
@click.option(
    "--epochs",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write their epoch curves, a row an epoch, likewise.",
)
@click.option(
    "--rungs",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the probes and losses at their rungs, a row a rung, likewise.",
)
@click.option("--figures", type=click.Path(path_type=Path), help="Draw the figures here instead.")
@click.option(
    "--fidelity",
    is_flag=True,
    help="How well its shorter protocols order the arms as the longest does.",
)
def report_(
    study: str,
    storage: str | None,
    form: str,
    output: Path | None,
    arms: str | None,
    order: str,
    test: str,
    trials: Path | None,
    epochs: Path | None,
    rungs: Path | None,
    figures: Path | None,
    fidelity: bool,
) -> int:
    """Write the result of STUDY as a table, or draw it.

    Of a study that has run under several protocols it is the table of its fidelity; its results
    under one of them are STUDY@PROTOCOL.
    """
    from explorer import report
    from explorer import store as db
    from explorer.report.exporting import writer

    asked = (
        ("--trials", trials, report.load),
        ("--epochs", epochs, report.load_epochs),
        ("--rungs", rungs, report.load_rungs),
    )
    frames = [(option, path, load) for option, path, load in asked if path is not None]
    for option, path, _ in frames:
        writer(path, option)  # before anything is read
    database = db.connect(storage or db.default_url())
    for option, path, load in frames:
        report.export(load(study, database), path, option)
    if frames:
        return OK
    named = study in db.study_names(database)
    several = fidelity or bool(not named and report.members(study, database))
    if figures is not None:
        return _draw(study, database, figures, several=several)
    found: report.StudyReport | report.FidelityReport
    if several:
        found = _fidelity(study, database, form)
    else:
        found = report.summarise(study, database, test=test)
        found = report.arrange(found, arms=[*filter(None, (arms or "").split(","))], order=order)
    if form == "html" and isinstance(found, report.StudyReport):
        page = output or Path("reports") / f"{study}.html"
        report.write(report.html(study, database, found), page)
        click.echo(page)
    elif form == "parquet":
        _write_parquet(found, output)
    elif output is None:
        click.echo(report.render(found, form), nl=False)
    else:
        report.write(report.render(found, form), output)
    return OK


def _draw(study: str, database: "RDBStorage", directory: Path, *, several: bool) -> int:
    """Draw the figures of a study, and say where they are."""
    from explorer import report

    if several:
        found = report.fidelity(study, database)
        longest = report.gather(found.reference_study, database)
        drawn = report.draw_fidelity(found, longest, directory)
    else:
        drawn = report.draw(report.gather(study, database), directory)
    for path in drawn:
        click.echo(path)
    return OK


def _fidelity(study: str, database: "RDBStorage", form: str) -> "FidelityReport":
    from explorer import report

    if form == "html":
        remedy = "is the page of one study, STUDY or STUDY@PROTOCOL"
        raise InputError("--format", None, form, remedy)
    return report.fidelity(study, database)


def _write_parquet(found: "StudyReport | FidelityReport", output: Path | None) -> None:
    """Write the table of a study, with the columns of its csv."""
    from explorer import report

    if isinstance(found, report.FidelityReport):
        raise InputError("--format", None, "parquet", "there is none of the fidelity; write csv")
    if output is None or output.suffix != ".parquet":
        remedy = "is no text; name a file that ends in .parquet with --output"
        raise InputError("--format", None, "parquet", remedy)
    report.export(report.to_frame(found), output)
