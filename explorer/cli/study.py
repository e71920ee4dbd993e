"""Commands that run studies: here, or on a cluster."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from explorer.cli.options import INTERRUPTED, OK, SOMETHING_FAILED, console, storage_option
from explorer.errors import InputError

if TYPE_CHECKING:
    from explorer.store import Database
    from explorer.study import Study


def _running(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments that say what is run, and how."""
    for add in (
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
def run_study(
    study: str, storage: str | None, protocols: tuple[str, ...], fresh: bool, **options: Any
) -> int:
    """Run STUDY, or what is left of it, and show the result.

    A study that was interrupted goes on where it stopped: finished trials stay, those in flight
    are run anew with the same ranges and seed. Under several protocols it is also reported how
    well the shorter ones order the arms as the longest does.
    """
    from explorer import store as db
    from explorer import study as config

    planned = config.load_studies(study, protocols=protocols)
    for one in planned:
        asked = f"{one.planned} trials under protocol {one.protocol_name}"
        click.echo(f"Starting {one.name}: {asked} ...")
        if options["address"] is None:
            _check(one)
    url = storage or db.default_url()
    database = db.connect(url, create=True)
    outcome = OK
    for one in planned:
        if fresh:
            _archive(one, database)
        found = _run(one, database, **{**options, "recompute": fresh or options["recompute"]})
        if found == INTERRUPTED:
            break
        outcome = max(outcome, found)
    if len(planned) > 1 and found != INTERRUPTED:
        _report_fidelity(planned[0].path.stem, database)
    console().print(f"database  {db.masked(url)}", soft_wrap=True, highlight=False)
    return INTERRUPTED if found == INTERRUPTED else outcome


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
    from explorer import runner
    from explorer import store as db

    url = storage or db.default_url()  # with a password in it, it is refused
    flags = [f"--{key.replace('_', '-')}" for key, value in options.items() if value is True]
    if options["workers"] is not None:
        flags += ["--workers", str(options["workers"])]
    job = runner.submit(study, address=address, url=url, protocols=protocols, options=flags)
    click.echo(job.name)
    for what, command in (
        *(("status", f"explorer status {name} --storage {url}") for name in job.studies),
        ("follow", f"ray job logs --follow --address {address} {job.name}"),
        ("stop", f"ray job stop --address {address} {job.name}"),
    ):
        click.echo(f"{what:<9} {command}", err=True)
    return OK


def _report_fidelity(name: str, database: "Database") -> None:
    """Write how well the shorter protocols order the arms, or say why that cannot be said."""
    from explorer import report

    page = Path("reports") / f"{name}-fidelity.md"
    try:
        text = report.render(report.fidelity(name, database), "markdown")
    except InputError as error:
        click.echo(f"no fidelity to report: {error.remedy}", err=True)
        return
    report.write(text, page)
    console().print(f"fidelity  {page}", soft_wrap=True, highlight=False)


def _check(planned: "Study") -> None:
    """Try what the protocols of a study name before anything is run, each of them once."""
    from explorer.trial import check

    changed = {f"arms.{arm}.protocol": one for arm, one in planned.arm_protocols.items()}
    for key, protocol in {"protocol": planned.protocol, **changed}.items():
        try:
            check(protocol)
        except ValueError as error:
            raise InputError(key, None, planned.protocol_name, str(error)) from error


def _archive(planned: "Study", database: "Database") -> None:
    """Put a study of the same name out of the way, if there is one."""
    from explorer import store as db

    if planned.name not in db.study_names(database):
        return
    if db.live_runs(database, planned.name):
        remedy = "is being run by another process; stop that first"
        raise InputError("--fresh", None, planned.name, remedy)
    archived = db.archive_name(planned.name)
    trials = len(db.load_study(database, planned.name).get_trials(deepcopy=False))
    click.echo(f"Archiving {planned.name} ({trials} trials) as {archived}.")
    db.rename(database, planned.name, archived)


def _run(planned: "Study", database: "Database", **options: Any) -> int:
    """Run what a study lacks and show its result; returns the exit code that is due."""
    from explorer import report, runner

    screen = console()
    log = Path(".explorer") / "logs" / f"{planned.name}.log"
    with _logged_to(log):
        interrupted = runner.run_study(
            planned,
            database,
            listener=lambda queue, count: report.Live.resume(
                queue.optuna_study, workers=count, console=screen
            ),
            **options,
        )
    state = report.status(planned.name, database).progress
    if state.complete:
        found = report.summarise(planned.name, database)
        screen.print(report.terminal(found, width=screen.width))
        page = Path("reports") / f"{planned.name}.md"
        report.write(report.render(found, "markdown"), page)
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
def _logged_to(path: Path) -> Iterator[None]:
    """Write what happens into a file as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("explorer")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
