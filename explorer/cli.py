"""The command line: words in, words out; every command calls one function of another room.

Heavy libraries are imported inside the commands, so that ``explorer --help`` answers at once.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from explorer import __version__
from explorer.errors import InputError

OK, SOMETHING_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

storage_option = click.option(
    "--storage",
    metavar="URL",
    help="Database; default $EXPLORER_STORAGE or sqlite:///explorer.db.",
)
seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
set_option = click.option(
    "--set",
    "settings",
    metavar="KEY=LOW..HIGH",
    multiple=True,
    help="Range of a parameter (frequency=0..20) or one value (orbits=1); may be repeated.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="explorer")
def cli() -> None:
    """Explore the design space of formula-driven supervised learning."""


@cli.command("run-study")
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
    console = _console()
    if fresh and planned.name in db.study_names(database):
        if db.live_runs(database, planned.name):
            remedy = "is being run by another process; stop that first"
            raise InputError("--fresh", None, planned.name, remedy)
        earlier = db.load_study(database, planned.name)
        archived = db.archive_name(planned.name)
        trials = len(earlier.get_trials(deepcopy=False))
        console.print(f"Archiving {planned.name} ({trials} trials) as {archived}.")
        db.rename(database, planned.name, archived)
    log = _log_to(Path(".explorer") / "logs" / f"{planned.name}.log")
    outcome = runner.run_study(
        planned,
        database,
        listener=lambda queue, count: report.Live.resume(
            queue.optuna_study, workers=count, console=console
        ),
        workers=workers,
        address=address,
        retry_failed=retry_failed,
    )
    state = report.status(planned.name, database).progress
    if state.complete:
        found = report.summarise(planned.name, database)
        console.print(report.terminal(found, width=console.width))
        page = Path("reports") / f"{planned.name}.md"
        report.write(report.render(found, "markdown"), page)
        console.print(f"report    {page}", soft_wrap=True, highlight=False)
    console.print(f"database  {db.masked(url)}", soft_wrap=True, highlight=False)
    console.print(f"log       {log}", soft_wrap=True, highlight=False)
    if outcome.interrupted:
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


@cli.command()
@click.argument("study", required=False)
@storage_option
def status(study: str | None, storage: str | None) -> int:
    """Say what is done, running and failed, and how long it will take."""
    from explorer import report
    from explorer import storage as db

    database = db.connect(storage or db.default_url())
    if study is None:
        _console().print(report.overview_screen(report.overview(database)))
    else:
        _console().print(report.status_screen(report.status(study, database)))
    return OK


@cli.command("report")
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


@cli.command("list")
@click.argument("formula", required=False)
def list_(formula: str | None) -> int:
    """List the studies, search spaces, protocols and formulas, or the parameters of a FORMULA."""
    from explorer import catalogue, config

    if formula is None:
        _console().print(catalogue.screen())
    else:
        config.parse_ranges(formula, ())
        _console().print(catalogue.formula_screen(formula))
    return OK


@cli.command()
@click.argument("formula")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="New directory.")
@click.option("--categories", type=click.IntRange(1), required=True)
@click.option("--instances", type=click.IntRange(1), required=True, help="Images a category.")
@click.option(
    "--canvas",
    type=click.IntRange(16, 4096),
    default=512,
    show_default=True,
    help="Side that the formula draws on, in pixels.",
)
@click.option(
    "--size",
    type=click.IntRange(1, 4096),
    help="Side of the images after area averaging; default the canvas.",
)
@seed_option
@set_option
@click.option("--workers", type=click.IntRange(1), help="Threads; default one a core.")
def render(
    formula: str,
    output: Path,
    settings: tuple[str, ...],
    **arguments: Any,
) -> int:
    """Render a dataset of FORMULA: PNG images, a folder a category."""
    from explorer import config, dataset

    ranges = config.parse_ranges(formula, settings)
    arguments["size"] = arguments["size"] or arguments["canvas"]
    total = arguments["categories"] * arguments["instances"]
    with _refusals(), _progress("rendering", total) as advance:
        dataset.export_imagefolder(formula, ranges, output, **arguments, progress=advance)
    click.echo(f"{total} images in {output}")
    return OK


@cli.command()
@click.argument("formula")
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("sheet.png"), show_default=True
)
@click.option("--categories", type=click.IntRange(1, 100), default=6, show_default=True)
@click.option("--instances", type=click.IntRange(1, 100), default=8, show_default=True)
@click.option(
    "--canvas",
    type=click.IntRange(16, 4096),
    default=512,
    show_default=True,
    help="Side that the formula draws on, in pixels.",
)
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    help="Side of an image on the sheet; default 128, or the canvas where that is smaller.",
)
@seed_option
@set_option
def preview(formula: str, output: Path, settings: tuple[str, ...], **arguments: Any) -> int:
    """Draw one contact sheet of FORMULA: categories are rows, instances columns."""
    from explorer import config, dataset

    ranges = config.parse_ranges(formula, settings)
    arguments["size"] = arguments["size"] or min(128, arguments["canvas"])
    with _refusals():
        sheet = dataset.contact_sheet(formula, ranges, **arguments)
    dataset.write_png(sheet, output)
    click.echo(f"{output}")
    return OK


@cli.command()
@click.argument("formula")
@click.option("--categories", type=click.IntRange(2), default=32, show_default=True)
@click.option("--instances", type=click.IntRange(2), default=32, show_default=True)
@click.option("--canvas", type=click.IntRange(16, 4096), default=512, show_default=True)
@click.option("--size", type=click.IntRange(8, 4096), default=64, show_default=True)
@seed_option
@set_option
def variety(formula: str, settings: tuple[str, ...], seed: int, **arguments: Any) -> int:
    """Measure how different the images of FORMULA are."""
    from explorer import catalogue, config, dataset
    from explorer import variety as room

    ranges = config.parse_ranges(formula, settings)
    with _refusals():
        proxy = dataset.render_dataset(formula, ranges, **arguments, seed=seed)
    values = room.measure(proxy.images, proxy.labels, seed=seed)
    _console().print(catalogue.variety_screen(values))
    return OK


@cli.command()
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


@cli.command()
@storage_option
def doctor(storage: str | None) -> int:
    """Say what this machine has, and what is wrong with it."""
    from explorer import doctor as room

    findings = room.examine(storage)
    _console().print(room.screen(findings))
    return SOMETHING_FAILED if any(f.problem for f in findings) else OK


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 2."""
    try:
        code = cli.main(standalone_mode=False)
    except InputError as error:
        click.echo(f"explorer: {error}", err=True)
        code = WRONG_INPUT
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    sys.exit(code)


def _console() -> Any:
    from rich.console import Console

    return Console()


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the renderer refuses (a size above the canvas) into the option that said it."""
    from explorer.formulas import RangeError

    try:
        yield
    except RangeError as error:
        option = f"--{error.parameter}"
        raise InputError(option, None, error.value, error.remedy) from error


@contextmanager
def _progress(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar for as long as a block runs; yields what is called with the number done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (doing, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda count: bar.advance(task, count)


def _log_to(path: Path) -> Path:
    import logging

    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("explorer")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    return path
