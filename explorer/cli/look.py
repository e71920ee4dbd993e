"""Commands that look at studies: in the terminal, and in the browser."""

import click

from explorer.cli.options import OK, console, storage_option
from explorer.errors import InputError


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
@storage_option
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="0.0.0.0 for all who reach this machine."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
def dashboard(storage: str | None, host: str, port: int) -> int:
    """Show the Optuna dashboard of a storage, on this machine only unless told otherwise."""
    from explorer import storage as db

    database = db.connect(storage or db.default_url())
    try:
        import optuna_dashboard
    except ImportError as error:
        remedy = "needs optuna-dashboard: pip install 'fdsl-explorer[dashboard]'"
        raise InputError("dashboard", None, None, remedy) from error
    click.echo(f"http://{host}:{port}  (Ctrl-C ends it)")
    optuna_dashboard.run_server(database, host=host, port=port)
    return OK
