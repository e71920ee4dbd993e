"""Commands on studies: run, look, report."""

import logging
from pathlib import Path

import click

from explorer.cli.options import INTERRUPTED, OK, SOMETHING_FAILED, console, storage_option
from explorer.errors import InputError


@click.command("run-study")
@click.argument("study")
@storage_option
@click.option("--protocol", metavar="NAME", help="Run under this protocol instead of its own.")
@click.option("--workers", type=click.IntRange(1), help="Trials at a time; default all that fit.")
@click.option("--address", help="Ray cluster to join; default a Ray of its own on this machine.")
@click.option("--fresh", is_flag=True, help="Archive the study of this name and start over.")
@click.option("--retry-failed", is_flag=True, help="Try again the trials that failed.")
def run_study(
    study: str,
    storage: str | None,
    protocol: str | None,
    workers: int | None,
    address: str | None,
    fresh: bool,
    retry_failed: bool,
) -> int:
    """Run STUDY, or what is left of it, and show the result.

    A study that was interrupted goes on where it stopped: finished trials stay, those in flight
    are run anew with the same ranges and seed.
    """
    from explorer import config, report, runner
    from explorer import storage as db
    from explorer.evaluate import check

    planned = config.load_study(study, protocol=protocol)
    asked = f"{planned.planned} trials under protocol {planned.protocol_name}"
    click.echo(f"Starting {planned.name}: {asked} ...")
    if address is None:
        try:
            check(planned.protocol)
        except ValueError as error:
            raise InputError("protocol", None, planned.protocol_name, str(error)) from error
    url = storage or db.default_url()
    database = db.connect(url, create=True)
    screen = console()
    if fresh and planned.name in db.study_names(database):
        if db.live_runs(database, planned.name):
            remedy = "is being run by another process; stop that first"
            raise InputError("--fresh", None, planned.name, remedy)
        earlier = db.load_study(database, planned.name)
        archived = db.archive_name(planned.name)
        trials = len(earlier.get_trials(deepcopy=False))
        screen.print(f"Archiving {planned.name} ({trials} trials) as {archived}.")
        db.rename(database, planned.name, archived)
    log = _log_to(Path(".explorer") / "logs" / f"{planned.name}.log")
    interrupted = runner.run_study(
        planned,
        database,
        listener=lambda queue, count: report.Live.resume(
            queue.optuna_study, workers=count, console=screen
        ),
        workers=workers,
        address=address,
        retry_failed=retry_failed,
    )
    state = report.status(planned.name, database).progress
    if state.complete:
        found = report.summarise(planned.name, database)
        screen.print(report.terminal(found, width=screen.width))
        page = Path("reports") / f"{planned.name}.md"
        report.write(report.render(found, "markdown"), page)
        screen.print(f"report    {page}", soft_wrap=True, highlight=False)
    screen.print(f"database  {db.masked(url)}", soft_wrap=True, highlight=False)
    screen.print(f"log       {log}", soft_wrap=True, highlight=False)
    if interrupted:
        left = state.total - state.done - state.failed
        click.echo(f"Interrupted with {left} trials to go; the same command goes on.", err=True)
        return INTERRUPTED
    if state.failed:
        click.echo(
            f"{state.failed} trials failed: explorer status {planned.name} says why; "
            "--retry-failed tries them again.",
            err=True,
        )
        return SOMETHING_FAILED
    return OK


@click.command()
@click.argument("study", required=False)
@storage_option
def status(study: str | None, storage: str | None) -> int:
    """Say what is done, running and failed, and how long it will take."""
    from explorer import report
    from explorer import storage as db

    database = db.connect(storage or db.default_url())
    if study is None:
        console().print(report.overview_screen(report.overview(database)))
    else:
        console().print(report.status_screen(report.status(study, database)))
    return OK


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
def report_(
    study: str, storage: str | None, form: str, output: Path | None, figures: Path | None
) -> int:
    """Write the result of STUDY as a table, or draw it."""
    from explorer import report
    from explorer import storage as db

    database = db.connect(storage or db.default_url())
    found = report.summarise(study, database)
    if figures is not None:
        for path in report.draw(found, figures):
            click.echo(path)
    elif output is None:
        click.echo(report.render(found, form), nl=False)
    else:
        report.write(report.render(found, form), output)
    return OK


@click.command()
@storage_option
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
def dashboard(storage: str | None, port: int) -> int:
    """Show the Optuna dashboard of a storage, on this machine only."""
    from explorer import storage as db

    database = db.connect(storage or db.default_url())
    try:
        import optuna_dashboard
    except ImportError as error:
        remedy = "needs optuna-dashboard: pip install 'fdsl-explorer[dashboard]'"
        raise InputError("dashboard", None, None, remedy) from error
    click.echo(f"http://127.0.0.1:{port}  (Ctrl-C ends it)")
    optuna_dashboard.run_server(database, host="127.0.0.1", port=port)
    return OK


def _log_to(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("explorer")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    return path
