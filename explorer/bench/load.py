"""How long it takes to look at a large study: to load it, to summarise it, to say how far it is.

In the same run the study is read by Optuna's own storage, which ours does without.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from optuna.storages import RDBStorage
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from explorer import report
from explorer import store as db
from explorer.bench.filled import filled, plan


@dataclass(frozen=True)
class Figures:
    """What the bench has found.

    Attributes:
        database: ``sqlite`` or ``postgresql``.
        trials: Trials of the study.
        arms: Arms that they belong to.
        rows: Rows of the database that the trials are made of.
        wall: Wall time of each of :data:`WAYS` in seconds, over a connection of its own.
        cpu: The processor time of it, without that of a database server.
    """

    database: str
    trials: int
    arms: int
    rows: int
    wall: Mapping[str, float]
    cpu: Mapping[str, float]


def _by_optuna(storage: db.Database, name: str) -> None:
    study_id = storage.get_study_id_from_name(name)
    # Past our own way to read them.
    RDBStorage._get_trials(storage, study_id, None, set(), -1)  # noqa: SLF001


WAYS: Mapping[str, Callable[[db.Database, str], object]] = {
    "trials, by Optuna's own storage": _by_optuna,
    "load": lambda storage, name: report.load(name, storage),
    "load_epochs": lambda storage, name: report.load_epochs(name, storage),
    "summarise": lambda storage, name: report.summarise(name, storage),
    "status": lambda storage, name: report.status(name, storage),
}
"""What is measured: the plain way first, then ours."""

STEPS = 1 + len(WAYS)
"""How often :func:`measure` reports progress."""


def measure(
    trials: int,
    *,
    replicates: int = 2,
    url: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Figures:
    """Make a study, look at it in every way, and delete it.

    Args:
        trials: How many trials the study is to have.
        replicates: Trials an arm.
        url: The database to make it in; a SQLite file of its own where ``None``.
        progress: Called with 1 after every step.

    Raises:
        InputError: If the database cannot be opened.
    """
    arms = max(2, trials // replicates)
    wall: dict[str, float] = {}
    cpu: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = url or f"sqlite:///{folder}/study.db"
        planned = plan(Path(folder), samples=arms - 1, replicates=replicates)
        with (
            db.disposing(db.connect(place, create=url is None)) as storage,
            filled(storage, planned) as rows,
        ):
            progress(1)
            for way, look in WAYS.items():
                with db.disposing(db.connect(place)) as fresh:
                    began, spent = time.perf_counter(), time.process_time()
                    look(fresh, planned.name)
                    wall[way] = time.perf_counter() - began
                    cpu[way] = time.process_time() - spent
                progress(1)
    return Figures(sa.make_url(place).get_backend_name(), arms * replicates, arms, rows, wall, cpu)


def screen(found: Figures) -> RenderableType:
    """Return the figures as a table for the terminal."""
    plain, *_ = found.wall.values()
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("")
    for heading in ("seconds", "of processor", "share of Optuna's"):
        table.add_column(heading, justify="right")
    for way, seconds in found.wall.items():
        table.add_row(way, f"{seconds:.2f}", f"{found.cpu[way]:.2f}", f"{seconds / plain:.2f}")
    size = f"{found.trials:,} trials of {found.arms:,} arms in {found.rows:,} rows"
    return Group(Text(f"{size}, {found.database}"), table)
