"""Commands that look at studies: in the terminal, and in the browser."""

from contextlib import suppress

import click

from explorer.cli.options import OK, console, storage_option


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
def dashboard(study: str | None, storage: str | None, artifacts: str, host: str, port: int) -> int:
    """Show the Optuna dashboard, on this machine only unless told otherwise.

    Its trials get notes, their images and their curves while it runs; with STUDY only those of that
    one.
    """
    from explorer import dashboard as room
    from explorer import storage as db

    database = db.connect(storage or db.default_url())
    path = ""
    if study is not None:
        db.load_study(database, study)
        path = f"/dashboard/studies/{database.get_study_id_from_name(study)}"
    store = room.open_artifacts(artifacts)
    with room.serving(database, store, host=host, port=port, study=study) as server:
        click.echo(f"http://{host}:{port}{path}  (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return OK
