"""Our tables, beside Optuna's. They are public: reports read them with ``pandas.read_sql``.

A *replicate* is one run of an arm with one seed, an *attempt* one try at it. The table of
replicates is the queue of a study, its ledger and its tidy frame at once. All times are naive, and
in UTC.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

WAITING, RUNNING, COMPLETE, PRUNED, FAIL = "WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAIL"
"""The states of an attempt, by the names that Optuna has for them."""

OPEN = (WAITING, RUNNING)

ERROR, DIED, INTERRUPTED = "error", "worker died", "interrupted"
"""The kinds of failure: the evaluation raised, its worker died, its run ended."""

metadata = sa.MetaData()

_Name = sa.String(512)
_RunId = sa.String(32)


def _replicate() -> sa.Column[int]:
    owner = sa.ForeignKey("explorer_replicates.id", ondelete="CASCADE")
    return sa.Column("replicate_id", sa.Integer, owner, primary_key=True, autoincrement=False)


replicates = sa.Table(
    "explorer_replicates",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study", _Name, nullable=False),
    sa.Column("arm", _Name, nullable=False),
    sa.Column("replicate", sa.Integer, nullable=False, comment="from 0"),
    sa.Column("attempt", sa.Integer, nullable=False, comment="from 1"),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("formula", _Name, comment="NULL where no formula is drawn from"),
    sa.Column("ranges", sa.Text, comment="JSON; NULL: not pre-trained; {}: real images"),
    sa.Column("trial", sa.Integer, comment="number of the arm's Optuna trial, if it has one"),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("run", _RunId, comment="the run that took it"),
    sa.Column("result_key", sa.String(64), index=True),
    sa.Column("accuracy", sa.Double),
    sa.Column("scores", sa.Text, comment="JSON, see explorer.store.scoring"),
    sa.Column("reason", sa.Text, comment="why it is PRUNED or FAIL"),
    sa.Column("failure_kind", sa.String(16)),
    sa.Column("cached_from", sa.Text, comment="study/arm#replicate whose result this is"),
    sa.Column("seconds", sa.Double, comment="wall-clock time, in all"),
    sa.Column("host", sa.String(255)),
    sa.Column("device", sa.String(255)),
    sa.Column("started", sa.DateTime),
    sa.Column("ended", sa.DateTime),
    sa.UniqueConstraint("study", "arm", "replicate", "attempt"),
    sa.Index("ix_explorer_replicates_state", "study", "state", "id"),
    sqlite_autoincrement=True,
)

rungs = sa.Table(
    "explorer_rungs",
    metadata,
    _replicate(),
    sa.Column("images_seen", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("accuracy", sa.Double, comment="of the probe, in [0, 1]; NULL: no number"),
    sa.Column("loss", sa.Double),
    sa.Column("seconds", sa.Double, nullable=False, comment="since the replicate began"),
)

epochs = sa.Table(
    "explorer_epochs",
    metadata,
    _replicate(),
    sa.Column("phase", sa.String(64), primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("images_seen", sa.BigInteger, nullable=False),
    sa.Column("loss", sa.Double, nullable=False),
    sa.Column("accuracy", sa.Double),
    sa.Column("seconds", sa.Double, nullable=False),
)

runs = sa.Table(
    "explorer_runs",
    metadata,
    sa.Column("run_id", _RunId, primary_key=True),
    sa.Column("study", _Name, nullable=False, index=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("process", sa.String(255), nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("provenance", sa.Text, nullable=False),
    sa.Column("started", sa.DateTime, nullable=False),
    sa.Column("seen", sa.DateTime, nullable=False, comment="the last sign of life"),
    sa.Column("ended", sa.DateTime),
    sa.Column("study_file", sa.Text),
)

# A lock on a study has no arm ("").
locks = sa.Table(
    "explorer_locks",
    metadata,
    sa.Column("study", _Name, primary_key=True),
    sa.Column("arm", _Name, primary_key=True),
    sa.Column("run", _RunId, nullable=False),
)


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """Begin an INSERT that may say what happens ON CONFLICT."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table)


def insert_missing(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows; one whose key is there already is kept, so that this may be repeated."""
    if rows:
        connection.execute(insert(connection, table).on_conflict_do_nothing(), rows)
