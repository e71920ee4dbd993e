"""Optuna's storage, made to outlast a restart of the server and a lock that others hold."""

import json
import threading
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import sqlalchemy as sa
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState

from explorer.store.retry import patient
from explorer.store.trials import read_trials

_LOCK_SECONDS = 10
"""How long SQLite itself waits for another one's lock before the call is repeated."""

_REPEATABLE = (
    "create_new_study",
    "set_study_user_attr",
    "set_study_system_attr",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_all_studies",
    "set_trial_user_attr",
    "set_trial_system_attr",
    "set_trial_intermediate_value",
    "_set_trial_param",
    "get_trial_id_from_study_id_trial_number",
    "get_trial",
    "_get_best_trial_id",
)
"""What of Optuna's may simply be called again."""


class Database(RDBStorage):
    """A database of studies whose every call is repeated while the database is away.

    Optuna's ``Study`` puts a cache of its own around this and calls what is public here and what
    begins with one underscore. Reading may be repeated as it is; so may setting an attribute, a
    parameter or an intermediate value, which Optuna makes an upsert or drops where it is there
    already. Two calls need care, because the first attempt may have been committed although its
    answer was lost: finishing a trial must not fail as "already finished", creating one must not
    create two. Both hold a row lock, so that a second attempt sees how the first one ended.

    Args:
        url: The database, with its password.
    """

    def __init__(self, url: sa.URL) -> None:
        self._creation = threading.local()
        plain = url.render_as_string(hide_password=False)
        # Optuna takes the URL for a template of str.format.
        template = plain.replace("{", "{{").replace("}", "}}")
        super().__init__(template, engine_kwargs=_engine_options(url))
        if self.engine.dialect.name == "sqlite":
            sa.event.listen(self.engine, "connect", _enforce_foreign_keys)
            self.engine.dispose()  # the connection that made the tables has not heard of it

    def __getstate__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("a database stays in its process: its URL may hold a password")

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Finish a trial; one that a lost attempt of this call has finished is as it should be.

        To take a waiting trial is not repeated safely here: that is what ``take_waiting`` is for.
        """
        attempts = 0

        @patient
        def finish() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                return bool(RDBStorage.set_trial_state_values(self, trial_id, state, values))
            except UpdateFinishedTrialError:
                found = self.get_trial(trial_id)
                same_values = values is None or found.values == list(values)
                if attempts > 1 and found.state == state and same_values:
                    return True
                raise

        return finish()

    @patient
    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        """Read trials without Optuna's mapper, which takes several times as long."""
        with self.engine.connect() as connection:
            return read_trials(
                connection,
                study_id,
                states,
                among=included_trial_ids,
                above=trial_id_greater_than,
            )

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        self._creation.trial_id = None
        return patient(RDBStorage._create_new_trial)(self, study_id, template_trial)  # noqa: SLF001

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Any
    ) -> Any:
        """Make a trial's rows inside the transaction of ``_create_new_trial``.

        Optuna repeats that by itself as well. The number that an earlier attempt was given says
        whether it was committed: it belongs to this very trial, or to nothing, or to another trial
        with other attributes where the database has given it out again.
        """
        earlier = self._creation.trial_id
        if earlier is not None:
            there = session.get(models.TrialModel, earlier)
            if there is not None and there.study_id == study_id:
                attrs = {a.key: json.loads(a.value_json) for a in there.user_attributes}
                if template_trial is not None and attrs == _as_stored(template_trial.user_attrs):
                    return there
        trial = super()._get_prepared_new_trial(study_id, template_trial, session)
        self._creation.trial_id = trial.trial_id
        return trial


for _name in _REPEATABLE:
    setattr(Database, _name, patient(getattr(RDBStorage, _name)))


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a transaction that may write from its first statement on, DDL included.

    SQLite would else begin with a reader's view, and write each CREATE TABLE by itself.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


def _engine_options(url: sa.URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _LOCK_SECONDS}}
    # A server that is gone without a word must be noticed: in half a minute, not in two hours.
    watchful = {
        "connect_timeout": 10,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    asked = {name: value for name, value in watchful.items() if name not in url.query}
    # One connection is kept, and another made for the moment that two threads need one: a server
    # grants a hundred as it is installed, and many drivers share them.
    return {"pool_pre_ping": True, "pool_size": 1, "max_overflow": 8, "connect_args": asked}


def _enforce_foreign_keys(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")


def _as_stored(attrs: dict[str, Any]) -> Any:
    return json.loads(json.dumps(attrs))
