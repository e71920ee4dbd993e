"""The command that writes what a study has found."""

from pathlib import Path

import click

from explorer.cli.options import OK, storage_option
from explorer.errors import InputError


@click.command("report")
@click.argument("study")
@storage_option
@click.option(
    "--format",
    "form",
    default="markdown",
    show_default=True,
    metavar="FORMAT",
    help="markdown, csv, latex (booktabs) or json.",
)
@click.option("--output", type=click.Path(path_type=Path), help="File; default standard output.")
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
    figures: Path | None,
    fidelity: bool,
) -> int:
    """Write the result of STUDY as a table, or draw it.

    Of a study that has run under several protocols it is the table of its fidelity; its results
    under one of them are STUDY@PROTOCOL.
    """
    from explorer import report
    from explorer import storage as db

    database = db.connect(storage or db.default_url())
    several = study not in db.study_names(database) and report.members(study, database)
    if figures is not None:
        if fidelity or several:
            raise InputError("--figures", None, None, "there are none of the fidelity yet")
        for path in report.draw(report.gather(study, database), figures):
            click.echo(path)
        return OK
    found: report.StudyReport | report.FidelityReport
    if fidelity or several:
        found = report.fidelity(study, database)
    else:
        found = report.summarise(study, database)
    if output is None:
        click.echo(report.render(found, form), nl=False)
    else:
        report.write(report.render(found, form), output)
    return OK
