"""Commands that run studies, here or on a cluster, and that check what they are made of."""

import dataclasses
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from explorer.cli.options import (
    INTERRUPTED,
    OK,
    SOMETHING_FAILED,
    console,
    echo_json,
    existing,
    json_option,
    storage_option,
)
from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.store import Database
    from explorer.study import Study


def _running(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments that say what is run, and how."""
    for add in (
        click.option(
            "--artifacts",
            metavar="PLACE",
            help="Where the dashboard's images go: a folder or s3://BUCKET/PREFIX; default beside "
            "the database.",
        ),
        click.option(
            "--recompute",
            is_flag=True,
            help="Compute also what another study has computed in the same way (as --fresh does).",
        ),
        click.option("--retry-failed", is_flag=True, help="Try again the trials that failed."),
        click.option(
            "--fresh", is_flag=True, help="Archive the study of this name and start over."
        ),
        click.option(
            "--workers", type=click.IntRange(1), help="Trials at a time; default all that fit."
        ),
        click.option(
            "--seed", type=click.IntRange(0, 2**31 - 1), help="Seed of the first replicate."
        ),
        click.option(
            "--samples", type=click.IntRange(1), help="Arms that the sampler proposes, in all."
        ),
        click.option("--replicates", type=click.IntRange(1), help="Seeds per arm."),
        click.option(
            "--set",
            "settings",
            metavar="KEY=VALUE",
            multiple=True,
            help="Another entry of the study or its protocol for this run (pretrain.epochs=3), as "
            "a study of its own; may be repeated.",
        ),
        click.option(
            "--protocol",
            "protocols",
            metavar="NAME",
            multiple=True,
            help="Run under this protocol instead of its own; repeated, under one after the other.",
        ),
        storage_option,
        click.argument("study"),
    ):
        command = add(command)
    return command


@click.command("run-study")
@_running
@click.option(
    "--address",
    metavar="HOST:PORT",
    help="Ray cluster to join, or auto; default a Ray of its own on this machine.",
)
@click.option(
    "--estimate", is_flag=True, help="Check everything and say how long it takes; run nothing."
)
def run_study(
    study: str,
    storage: str | None,
    fresh: bool,
    artifacts: str | None,
    estimate: bool,
    workers: int | None,
    address: str | None,
    retry_failed: bool,
    recompute: bool,
    **changes: Any,
) -> int:
    """Run STUDY, or what is left of it, and show the result.

    A study that was interrupted goes on where it stopped: finished trials stay, those in flight
    are run anew with the same ranges and seed. Under several protocols it is also reported how
    well the shorter ones order the arms as the longest does.

    With --set, --seed or --protocol it is a study of its own, named by what differs
    (STUDY+pretrain.epochs=3, STUDY@gpu); --replicates and --samples add to the study.
    """
    from explorer import store
    from explorer.cli import checking
    from explorer.study import load_studies

    planned = load_studies(study, **changes)
    if address is None:
        checking.check_protocols(planned)
    url = storage or store.default_url()
    if estimate:
        _print_estimates(planned, url, workers)
        return OK
    with store.connect(url, create=True) as database:
        code = OK
        for each in planned:
            click.echo(
                f"Starting {each.name}: {each.planned} trials under protocol "
                f"{each.protocol_name} ..."
            )
            if fresh:
                _archive(each, database)
            code = max(
                code,
                _run(
                    each,
                    database,
                    artifacts=artifacts,
                    workers=workers,
                    address=address,
                    retry_failed=retry_failed,
                    recompute=fresh or recompute,
                ),
            )
            if code == INTERRUPTED:
                break
        if len(planned) > 1 and code != INTERRUPTED:
            _report_fidelity(planned, database)
        console().print(f"database  {database.shown}", soft_wrap=True, highlight=False)
    return code


@click.command()
@_running
@click.option(
    "--address",
    metavar="URL",
    required=True,
    envvar="RAY_API_SERVER_ADDRESS",
    help="Job server of the cluster, http://HOST:8265; default $RAY_API_SERVER_ADDRESS.",
)
def submit(
    study: str, storage: str | None, protocols: tuple[str, ...], address: str, **options: Any
) -> int:
    """Hand STUDY to a Ray cluster and return at once; the driver then runs there.

    The study's files travel; images do not. The database must be a server that the head node of
    the cluster reaches.
    """
    from explorer import runner, store

    url = storage or store.default_url()  # with a password in it, it is refused
    flags = []
    for name, value in options.items():
        option = "--set" if name == "settings" else f"--{name.replace('_', '-')}"
        if value is True:
            flags.append(option)
        elif isinstance(value, tuple):
            flags += [text for setting in value for text in (option, setting)]
        elif value is not None and value is not False:
            flags += [option, str(value)]
    job = runner.submit(study, address=address, url=url, protocols=protocols, options=flags)
    click.echo(job.name)
    for what, command in (
        *(("status", f"explorer status {name} --storage {url}") for name in job.studies),
        ("follow", f"ray job logs --follow --address {address} {job.name}"),
        ("stop", f"ray job stop --address {address} {job.name}"),
    ):
        click.echo(f"{what:<9} {command}", err=True)
    return OK


@click.command()
@click.argument("names", metavar="FILE...", nargs=-1, required=True)
@storage_option
@json_option
def check(names: tuple[str, ...], storage: str | None, form: str) -> int:
    """Check studies, protocols and search spaces: FILES or names.

    All that they name is looked up: other files, folders and how many images these have, models,
    tasks, the database. Of studies it is said how many trials they have and how long these take.
    """
    from explorer import store
    from explorer.cli import checking
    from explorer.study import Study

    content = checking.check_files(names)
    studies = [each for each in content if isinstance(each, Study)]
    _print_estimates(studies, storage or store.default_url(), form=form)
    if form == "text":
        click.echo(f"{', '.join(names)}: nothing is wrong")
    return OK


def _print_estimates(
    studies: "list[Study]", url: str, workers: int | None = None, *, form: str = "text"
) -> None:
    from explorer.cli.checking import estimate
    from explorer.cli.tables import table

    database = existing(url)
    try:
        estimates = [estimate(study, database, workers) for study in studies]
    finally:
        if database is not None:
            database.__exit__()
    if form == "json":
        echo_json([dataclasses.asdict(each) for each in estimates])
        return
    rows = [
        (
            each.study,
            each.protocol,
            each.trials,
            each.left,
            "unknown" if each.hours is None else _duration(each.hours),
            each.workers,
            each.source,
        )
        for each in estimates
    ]
    headings = ("study", "protocol", "trials", "left", "takes", "at a time", "because")
    if rows:
        console().print(table("Estimate", headings, rows))


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.0f} min"


def _report_fidelity(studies: "list[Study]", database: "Database") -> None:
    """Write how well the shorter protocols order the arms, or say why that cannot be said."""
    from explorer import files, report

    name = studies[0].name.rpartition("@")[0]
    page = Path("reports") / f"{files.plain_name(name)}-fidelity.md"
    try:
        text = report.render(report.fidelity(database, name), "markdown")
    except InputError as error:
        click.echo(f"no fidelity to report: {error.remedy}", err=True)
        return
    files.write(page, text)
    console().print(f"fidelity  {page}", soft_wrap=True, highlight=False)


def _archive(planned: "Study", database: "Database") -> None:
    """Put a study of the same name out of the way, if there is one."""
    from explorer import store

    if planned.name in store.study_names(database):
        archived, trials = store.archive(database, planned.name)
        click.echo(f"Archiving {planned.name} ({trials} trials) as {archived}.")


def _run(planned: "Study", database: "Database", *, artifacts: str | None, **options: Any) -> int:
    """Run what a study lacks and show its result; returns the exit code that is due."""
    from explorer import files, report, runner

    describe = None
    if find_spec("optuna_dashboard"):
        from explorer import dashboard

        describe = partial(dashboard.describe, artifacts=artifacts)
    screen = console()
    with (
        _logging(files.plain_name(planned.name)) as log,
        report.watching(database, planned.name, screen),
    ):
        interrupted = runner.run_study(planned, database, describe=describe, **options)
    state = report.status(database, planned.name)
    if state.complete:
        found = report.summarise(database, planned.name)
        screen.print(report.terminal(found, width=screen.width))
        page = Path("reports") / f"{files.plain_name(planned.name)}.md"
        files.write(page, report.render(found, "markdown"))
        screen.print(f"report    {page}", soft_wrap=True, highlight=False)
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


@contextmanager
def _logging(name: str) -> Iterator[Path]:
    """Write what happens into a file as well; yields its path."""
    path, handler = _log_file(name)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("explorer")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield path
    finally:
        log.removeHandler(handler)
        handler.close()


def _log_file(name: str) -> tuple[Path, logging.FileHandler]:
    """Open the log of a study: here, or where a program may write if it may not here."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    for folder in (Path(".explorer"), Path(caches) / "explorer", Path(tempfile.gettempdir())):
        path = folder / "logs" / f"{name}.log"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path, logging.FileHandler(path, encoding="utf-8")
        except OSError:
            continue
    raise InputError(".explorer/logs", None, None, "cannot be written, nor can any other folder")
