"""The web server of the dashboard."""

from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.storages import RDBStorage, get_storage

from explorer.dashboard.choice import MOST
from explorer.dashboard.dresser import Dresser
from explorer.errors import InputError

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a connection: browsers open some that they send nothing over."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of requests."""


@contextmanager
def serving(
    storage: RDBStorage,
    store: "ArtifactStore",
    *,
    host: str,
    port: int,
    study: str | None = None,
    most: int = MOST,
) -> Iterator[WSGIServer]:
    """Listen for the dashboard of a database, and keep its studies dressed meanwhile.

    Args:
        storage: The database.
        store: Where the pictures of trials are.
        host: The address to listen on.
        port: The port to listen on.
        study: The one study to dress; all where ``None``.
        most: How many trials of a study are dressed.

    Yields:
        The server, which listens; ``serve_forever`` answers.

    Raises:
        InputError: If optuna-dashboard is not installed, or it cannot listen there.
    """
    try:
        import optuna_dashboard
    except ImportError as error:
        remedy = "needs optuna-dashboard: pip install 'fdsl-explorer[dashboard]'"
        raise InputError("dashboard", None, None, remedy) from error
    # Without Optuna's cache every look at a study would read all of its trials.
    cache = get_storage(storage)
    app: Any = optuna_dashboard.wsgi(cache, artifact_store=store)
    try:
        server = make_server(host, port, app, server_class=_Server, handler_class=_Quiet)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            "--port", None, f"{host}:{port}", f"cannot listen there: {reason}"
        ) from error
    with server, Dresser(storage, cache, store, only=study, most=most):
        yield server
