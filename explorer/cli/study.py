"""Commands that run studies, here or on a cluster, and that check what they are made of."""

import dataclasses
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
    set_option,
    storage_option,
    whole,
)
from explorer.errors import InputError, OutageError

if TYPE_CHECKING:
    from explorer.store import Database
    from explorer.study import Study


def _running(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments that say what is run, and how."""
    for add in (
        click.option(
            "--artifacts", metavar="PLACE", help="Of the dashboard's images: a folder or s3://..."
        ),
        click.option("--recompute", is_flag=True, help="Compute also what another study has."),
        click.option("--retry-failed", is_flag=True, help="Try again the trials that failed."),
        click.option("--fresh", is_flag=True, help="Archive the study of this name; start over."),
        whole("--workers", 1, None, "Trials at a time; default all that fit."),
        whole("--seed", 0, 2**31 - 1, "Seed of the first replicate."),
        whole("--samples", 1, None, "Arms that the sampler proposes, in all."),
        whole("--replicates", 1, None, "Seeds per arm."),
        set_option("KEY=VALUE", "Change an entry of study or protocol (pretrain.epochs=3)"),
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
    study: str,
    storage: str | None,
    protocols: tuple[str, ...],
    settings: tuple[str, ...],
    address: str,
    **options: Any,
) -> int:
    """Hand STUDY to a Ray cluster and return at once; the driver then runs there.

    The study's files travel; images do not. The database must be a server that the head node of
    the cluster reaches.
    """
    from explorer import runner, store
    from explorer.study import load_studies

    changes = {name: options[name] for name in ("replicates", "samples", "seed")}
    studies = load_studies(study, protocols=protocols, settings=settings, **changes)
    url = storage or store.default_url()  # with a password in it, it is refused
    flags = [text for setting in settings for text in ("--set", setting)]
    for name, value in options.items():
        if value is not None and value is not False:
            flags += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    job = runner.submit(study, address=address, url=url, protocols=protocols, options=flags)
    click.echo(job.name)
    for what, command in (
        *(("status", f"explorer status {each.name} --storage {url}") for each in studies),
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
    if hours >= 1:
        return f"{hours:.1f} h"
    return f"{60 * hours:.0f} min" if hours >= 1 / 60 else f"{3600 * hours:.0f} s"


def _report_fidelity(studies: "list[Study]", database: "Database") -> None:
    """Write how well the shorter protocols order the arms, or say why that cannot be said."""
    from explorer import files, report

    name = studies[0].name.rpartition("@")[0]
    try:
        text = report.render(report.fidelity(database, name), "markdown")
    except InputError as error:
        click.echo(f"no fidelity to report: {error.remedy}", err=True)
    else:
        _write_page(f"{files.plain_name(name)}-fidelity", text, "fidelity")


def _write_page(name: str, text: str, what: str) -> None:
    """Write a page into reports/; where that cannot be, say so: the results are in the database."""
    from explorer import files

    path = Path("reports") / f"{name}.md"
    try:
        files.write(path, text)
    except (InputError, OutageError) as error:
        click.echo(f"explorer: {error}; explorer report --output writes it elsewhere", err=True)
    else:
        console().print(f"{what:<9} {path}", soft_wrap=True, highlight=False)


def _archive(planned: "Study", database: "Database") -> None:
    """Put a study of the same name out of the way, if there is one."""
    from explorer import store

    archived = store.archive(database, planned.name)
    if archived is not None:
        click.echo(f"Archiving {planned.name} as {archived}.")


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
    state = report.status(database, planned.name).progress
    if state.complete:
        summary = report.summarise(database, planned.name)
        for name, table in report.study_tables(summary).items():
            if name in {"arms", "front"}:  # the others are in the report
                screen.print(report.terminal(table, width=screen.width), "")
        screen.print(*report.sentences(summary), "", sep="\n", highlight=False)
        importances = report.importances(database, planned.name)
        text = report.render(summary, "markdown", importances)
        _write_page(files.plain_name(planned.name), text, "report")
    screen.print(f"log       {log}", soft_wrap=True, highlight=False)
    if interrupted:
        left = state.waiting + state.running
        click.echo(f"Interrupted with {left} trials to go; the same command goes on.", err=True)
        return INTERRUPTED
    if state.failed:
        click.echo(
            f"{state.failed} {'trial' if state.failed == 1 else 'trials'} failed: explorer status "
            f"{planned.name} says why; --retry-failed tries again.",
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
    caches = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111
    for folder in (Path(".explorer"), caches / "explorer", Path(tempfile.gettempdir())):
        path = folder / "logs" / f"{name}.log"
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return path, logging.FileHandler(path, encoding="utf-8")
    raise InputError(".explorer/logs", None, None, "cannot be written, nor can any other folder")
