"""Commands that run studies, here or on a cluster, and that check what they are made of."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
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
    existing,
    json_option,
    print_json,
    print_tables,
    set_option,
    storage_option,
    whole,
)
from explorer.errors import InputError, OutageError, visible

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
    url: str,
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
    are run anew with the same ranges and seed. Under several protocols the report also says how
    well the shorter ones put the arms in the order of the longest.

    With --set, --seed or --protocol it is a study of its own, named by what differs
    (STUDY+pretrain.epochs=3, STUDY@gpu); --replicates and --samples add to the study.
    """
    from explorer import store
    from explorer.cli.checking import check_protocols, remark
    from explorer.study import load_studies

    studies = load_studies(study, **changes)
    if address is None:
        check_protocols(studies)
    for planned in studies:
        if text := remark(planned):
            click.echo(text, err=True)
    if estimate:
        _print_estimates(studies, url, workers)
        return OK
    code = OK
    with store.connect(url, create=True) as database:
        for planned in studies:
            if fresh and (archived := store.archive(database, planned.name)) is not None:
                click.echo(f"Archiving {planned.name} as {archived}.")
            store.open_study(database, planned)  # refuses another study of this name
            click.echo(
                f"Starting {planned.name}: {planned.planned} trials under protocol "
                f"{planned.protocol_name} ..."
            )
            ended = _run(
                planned,
                database,
                artifacts,
                workers=workers,
                address=address,
                retry_failed=retry_failed,
                recompute=fresh or recompute,
            )
            code = max(code, ended)
            if code == INTERRUPTED:
                break
        if len(studies) > 1 and code != INTERRUPTED:
            _report_fidelity(studies, database)
        _print_place("database", database.shown)
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
def submit(study: str, url: str, address: str, **options: Any) -> int:
    """Hand STUDY to a Ray cluster and return at once; the driver then runs there.

    The study's files travel; images do not. The database must be a server that the head node of
    the cluster reaches.
    """
    from explorer import runner

    names = ("protocols", "settings", "replicates", "samples", "seed")
    changes = {name: options.pop(name) for name in names}
    job = runner.submit(study, address=address, url=url, changes=changes, options=options)
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
def check(names: tuple[str, ...], url: str, form: str) -> int:
    """Check studies, protocols and search spaces: FILES or names.

    All that they name is looked up: other files, folders and how many images these have, models,
    tasks, the database. Of studies it is said how many trials they have and how long these take.
    """
    from explorer.cli.checking import check_files

    _print_estimates(check_files(names), url, form=form)
    if form == "text":
        click.echo(f"{', '.join(names)}: nothing is wrong")
    return OK


def _print_estimates(
    studies: "list[Study]", url: str, workers: int | None = None, *, form: str = "text"
) -> None:
    from explorer.cli.checking import estimate

    with existing(url) or nullcontext() as database:
        estimates = [estimate(study, database, workers) for study in studies]
    if form == "json":
        print_json(estimates)
    elif estimates:
        gaps = [row.pop("smallest_difference") for row in estimates]
        rows = [row | {"takes": _duration(row.pop("hours"))} for row in estimates]
        print_tables({"estimate": rows})
        for row, gap in zip(rows, gaps, strict=True):
            if gap is not None:
                click.echo(
                    f"{row['study']}: a difference of {gap:.1f} points between two arms is shown "
                    "with a chance of 80 %; smaller ones need more --replicates"
                )


def _duration(hours: float) -> str:
    for unit, size in (("h", 1), ("min", 60), ("s", 3600)):
        if hours * size >= 1:
            return f"{hours * size:.{1 if unit == 'h' else 0}f} {unit}"
    return "unknown" if hours != hours else "0 s"  # noqa: PLR0124  (NaN)


def _run(planned: "Study", database: "Database", artifacts: str | None, **options: Any) -> int:
    """Run what a study lacks and show its result; returns the exit code that is due."""
    from explorer import files, report, runner

    describe = None
    if find_spec("optuna_dashboard"):
        from explorer import dashboard

        describe = partial(dashboard.describe, artifacts=artifacts)
    screen, name = console(), files.plain_name(planned.name)
    with _logging(name) as log, report.watching(database, planned.name, screen):
        interrupted = runner.run_study(planned, database, describe=describe, **options)
    state = report.status(database, planned.name).progress
    if state.complete:
        result = report.summarise(database, planned.name)
        for key, table in report.study_tables(result).items():
            if key in {"arms", "front"}:  # the others are in the report
                screen.print(report.terminal(table, width=screen.width), "")
        click.echo(visible(" ".join(report.sentences(result))))
        _write_page(name, report.render(result, "markdown"), "report")
    _print_place("log", log)
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


def _report_fidelity(studies: "list[Study]", database: "Database") -> None:
    """Write how well the shorter protocols order the arms, or say why that cannot be said."""
    from explorer import files, report

    name = studies[0].name.rpartition("@")[0]
    try:
        text = report.render([report.fidelity(database, name)], "markdown")
    except InputError as error:
        click.echo(f"no fidelity to report: {error.remedy}", err=True)
    else:
        _write_page(f"{files.plain_name(name)}-fidelity", text, "fidelity")


def _write_page(name: str, text: str, what: str) -> None:
    """Write a page into reports/; where that cannot be, say so: the results are in the database."""
    from explorer import files

    try:
        _print_place(what, files.write(Path("reports") / f"{name}.md", text))
    except (InputError, OutageError) as error:
        click.echo(f"explorer: {error}; explorer report --output writes it elsewhere", err=True)


def _print_place(what: str, place: str | Path) -> None:
    console().print(f"{what:<9} {place}", soft_wrap=True, highlight=False, markup=False)


@contextmanager
def _logging(name: str) -> Iterator[Path]:
    """Write what happens into a file as well, here or where it may be; yields its path."""
    elsewhere = Path(tempfile.gettempdir()) / f"explorer-{os.getuid()}"
    for folder in (Path(".explorer/logs"), elsewhere):
        path = folder / f"{name}.log"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(path, encoding="utf-8")
            break
    else:
        raise InputError(
            ".explorer/logs", None, None, "cannot be written, nor can any other folder"
        )
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
