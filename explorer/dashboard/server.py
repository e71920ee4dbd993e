"""The web server of the dashboard."""

from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.storages import get_storage

from explorer.dashboard.artifacts import default_place, open_artifacts
from explorer.errors import InputError
from explorer.store import Database


class _Server(ThreadingMixIn, WSGIServer):
    """A thread per connection: browsers open some that they send nothing over."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write no line per request."""


@contextmanager
def serve(
    database: Database,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    artifacts: str | None = None,
) -> Iterator[WSGIServer]:
    """Listen for the dashboard of a database.

    Args:
        database: The database.
        host: The address to listen on.
        port: The port to listen on.
        artifacts: Where the images of arms are; default beside the database.

    Yields:
        The server, which listens; ``serve_forever`` answers.

    Raises:
        InputError: If optuna-dashboard is not installed, the artifacts cannot be opened, or it
            cannot listen there.
    """
    try:
        import optuna_dashboard
    except ImportError as error:
        remedy = "needs optuna-dashboard: pip install 'fdsl-explorer[dashboard]'"
        raise InputError("dashboard", None, None, remedy) from error
    files = open_artifacts(artifacts or default_place(database))
    # Without Optuna's cache every look at a study would read all of its trials.
    app: Any = optuna_dashboard.wsgi(get_storage(database.optuna), artifact_store=files)
    try:
        server = make_server(host, port, app, server_class=_Server, handler_class=_Quiet)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        remedy = f"cannot listen there: {reason}"
        raise InputError("--port", None, f"{host}:{port}", remedy) from error
    with server:
        yield server
