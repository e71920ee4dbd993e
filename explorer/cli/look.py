"""Commands that look at studies: in the terminal, and in the browser."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from explorer.cli.options import OK, console, storage_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from explorer import report


@click.command()
@click.argument("study", required=False)
@storage_option
@click.option("--watch", is_flag=True, help="Go on showing it until the study is finished.")
@click.option(
    "--interval",
    type=click.FloatRange(0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks of --watch.",
)
def status(study: str | None, storage: str | None, watch: bool, interval: float) -> int:
    """Say what is done, running and failed, and how long it will take."""
    from explorer import report
    from explorer import store as db

    database = db.connect(storage or db.default_url())
    names = db.study_names(database) if study is None else [study]
    watchers = [report.Watcher(name, database) for name in names]

    def read() -> "list[report.StudyStatus]":
        return [watcher.status() for watcher in watchers]

    def draw(found: "Sequence[report.StudyStatus]") -> "RenderableType":
        return report.overview_screen(found) if study is None else report.status_screen(found[0])

    if watch:
        report.follow(read, draw, console=console(), interval=interval)
    else:
        console().print(draw(read()))
    return OK


@click.command()
@click.argument("study", required=False)
@storage_option
@click.option(
    "--artifacts",
    metavar="PLACE",
    default=".explorer/artifacts",
    show_default=True,
    help="Where the pictures of trials are kept: a directory or s3://BUCKET/PREFIX.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="0.0.0.0 for all who reach this machine."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    metavar="N",
    help="Trials of a study that get notes, images and curves; with thousands it is slow to open.",
)
def dashboard(
    study: str | None, storage: str | None, artifacts: str, host: str, port: int, trials: int
) -> int:
    """Show the Optuna dashboard, on this machine only unless told otherwise.

    Its trials get notes, their images and their curves while it runs; with STUDY only those of that
    one.
    """
    from explorer import dashboard as room
    from explorer import store as db

    database = db.connect(storage or db.default_url())
    path = ""
    if study is not None:
        db.load_study(database, study)
        path = f"/dashboard/studies/{database.get_study_id_from_name(study)}"
    store = room.open_artifacts(artifacts)
    with room.serving(database, store, host=host, port=port, study=study, most=trials) as server:
        click.echo(f"http://{host}:{port}{path}  (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return OK
