"""Outlasting a database that is locked, restarting or cut off, for all that is asked of it.

A call is repeated as a whole, so it has to be one transaction that may run twice: a commit can get
through although its answer is lost. How each kind of write bears that is said where it is made.
"""

import functools
import logging
import random
import sqlite3
import time
from collections.abc import Callable, Container
from typing import ParamSpec, TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    NoResultFound,
    OperationalError,
    SQLAlchemyError,
)

from explorer.errors import OutageError, masked

PATIENCE_SECONDS = 120.0
"""A call that has not gone through for so long is given up."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0
_SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
# Class 40 is a transaction rolled back in favour of another; 55P03 a lock that was not to be had.
_SQLSTATES_BUSY = ("40", "55P03")
# Class 08 is a lost connection; then the server is stopping, has crashed, is starting, or was idle
# for too long, and has no connection left.
_SQLSTATES_AWAY = ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "53300")
_CROWDED = ("too many clients", "remaining connection slots", "too many connections")
# A disk that is full, or fails.
_SQLITE_NO_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_SQLSTATES_NO_DISK = ("53100", "58030")
_SQLITE_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SQLSTATES_DAMAGED = ("XX001", "XX002")
_DELETED = "the study, or a part of it, has been deleted from the database by another program"

_P = ParamSpec("_P")
_T = TypeVar("_T")

_log = logging.getLogger("explorer")
_jitter = random.Random()


def busy(error: BaseException) -> bool:
    """Say whether a statement had to stand back behind another one, and may be tried again."""
    cause = _database_error(error)
    return cause is not None and _names(cause, _SQLITE_BUSY, _SQLSTATES_BUSY)


def crowded(error: BaseException) -> bool:
    """Say whether a server could not be reached because it grants no connection more just now."""
    cause = _database_error(error)
    # Without an SQLSTATE: there was no connection yet that would have had one.
    return cause is not None and any(words in str(cause.orig) for words in _CROWDED)


def transient(error: BaseException) -> bool:
    """Say whether the same call may go through later: the database is busy, or away."""
    cause = _database_error(error)
    if cause is None:
        return False
    if busy(cause) or cause.connection_invalidated:
        return True
    if isinstance(cause.orig, sqlite3.Error):
        return False
    state = getattr(cause.orig, "sqlstate", None)
    if state is None:
        # No answer of the server's at all: it cannot be reached, or has hung up.
        return isinstance(cause, (OperationalError, InterfaceError))
    return str(state).startswith(_SQLSTATES_AWAY)


def patient(call: Callable[_P, _T]) -> Callable[_P, _T]:
    """Repeat a call of the database for as long as what it raises is :func:`transient`.

    The pauses grow from a twentieth of a second to five, each cut by up to a half at random, so
    that many who wait for one server do not come back all at once.

    Raises:
        OutageError: If it has not gone through within :data:`PATIENCE_SECONDS`, the database has no
            disk to write to or its file is damaged, which a person has to mend, or the study is
            gone.
    """

    @functools.wraps(call)
    def until_it_goes_through(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        began, pause = time.monotonic(), _SHORTEST_PAUSE
        while True:
            try:
                return call(*args, **kwargs)
            except (SQLAlchemyError, StorageInternalError) as error:
                waited, reason = time.monotonic() - began, reason_of(error)
                if _no_disk(error):
                    raise OutageError(f"the database cannot be written: {reason}") from error
                if isinstance(error, NoResultFound):
                    raise OutageError(_DELETED) from error
                if _is_damaged(error):
                    line = f"the database is damaged: {reason}; explorer storage check says more"
                    raise OutageError(line) from error
                if not transient(error):
                    raise
                if waited > PATIENCE_SECONDS:
                    line = f"the database has not answered for {waited:.0f} seconds: {reason}"
                    raise OutageError(line) from error
            except KeyError as error:  # Optuna's word for a study or trial that is not there
                raise OutageError(_DELETED) from error
            _log.warning("database: %s; trying again after %.1f seconds", reason, waited)
            time.sleep(_jitter.uniform(pause / 2, pause))
            pause = min(2 * pause, _LONGEST_PAUSE)

    return until_it_goes_through


def reason_of(error: BaseException) -> str:
    """Return what a database has to complain of in one line, without a password."""
    cause = _database_error(error)
    text = str(error if cause is None else cause.orig).strip()
    return masked(text.splitlines()[0]) if text else type(error).__name__


def _no_disk(error: BaseException) -> bool:
    cause = _database_error(error)
    return cause is not None and _names(cause, _SQLITE_NO_DISK, _SQLSTATES_NO_DISK)


def _is_damaged(error: BaseException) -> bool:
    cause = _database_error(error)
    return cause is not None and _names(cause, _SQLITE_DAMAGED, _SQLSTATES_DAMAGED)


def _names(error: DBAPIError, sqlite_codes: Container[int], sqlstates: tuple[str, ...]) -> bool:
    """Say whether a database has given one of these reasons."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return (code & 0xFF) in sqlite_codes  # the higher bits tell more
    return str(getattr(error.orig, "sqlstate", None)).startswith(sqlstates)


def _database_error(error: BaseException | None) -> DBAPIError | None:
    """Return the driver's error, also where Optuna has wrapped it."""
    if isinstance(error, StorageInternalError):
        error = error.__cause__
    return error if isinstance(error, DBAPIError) else None
