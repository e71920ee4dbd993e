"""What it costs to run trials beside the trials: orchestration, growing studies, many clients."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table

from explorer.bench import clients, growth, orchestration
from explorer.bench.clients import Rush
from explorer.bench.databases import database
from explorer.bench.growth import Cost
from explorer.bench.orchestration import Pace

_ASKED = 10  # trials behind every growth figure
_EACH = 5  # trials a client
_STOCK = 20


@dataclass(frozen=True)
class Figures:
    """What a bench found.

    Attributes:
        ours: Our driver, with evaluations that take no time.
        stock: Tune with ``OptunaSearch``, likewise.
        busy: Our driver, with evaluations of ``seconds``.
        seconds: What these take.
        growth: The cost of a trial behind others, by database, way and size.
        rush: Many clients on PostgreSQL; ``None`` where no server was named.
        load: Processes of others that ran before, in the mean of the last minute.
    """

    ours: Pace
    stock: Pace
    busy: Pace
    seconds: float
    growth: tuple[Cost, ...]
    rush: Rush | None
    load: float


def count(sizes: Sequence[int], server: str | None) -> int:
    """Return how often ``progress`` is called."""
    databases = 1 if server is None else 2
    return 3 + (databases * len(growth.WAYS) * len(sizes)) + (server is not None)


def measure(
    *,
    trials: int,
    seconds: float,
    sizes: Sequence[int],
    server: str | None,
    many: int,
    progress: Callable[[int], None],
) -> Figures:
    """Measure the cost of running trials.

    Args:
        trials: Trials without an evaluation that our driver runs.
        seconds: What the evaluation of other ones takes.
        sizes: Finished trials behind those that are asked for.
        server: A PostgreSQL server, as the URL of one of its databases; only SQLite if ``None``.
        many: Clients at once on that server.
        progress: Called after every step; see :func:`count`.

    Raises:
        InputError: If the server cannot be used.
    """
    load = os.getloadavg()[0]
    with database(server):
        pass  # whether it can be used is said before anything is measured
    costs = []
    for place in (None, server) if server else (None,):
        for way in growth.WAYS:
            for size in sizes:
                with database(place) as url, _folder() as folder:
                    costs.append(growth.measure(url, folder, way, size, trials=_ASKED))
                progress(1)
    rush = None
    if server:
        with database(server) as url, _folder() as folder:
            rush = clients.measure(url, folder, clients=many, trials=_EACH)
        progress(1)
    paces = []
    for driver, number, each in (
        (orchestration.ours, trials, 0.0),
        (orchestration.stock, _STOCK, 0.0),
        (orchestration.ours, 10, seconds),
    ):
        paces.append(driver(number, each))
        progress(1)
    ours, stock, busy = paces
    return Figures(ours, stock, busy, seconds, tuple(costs), rush, load)


def screen(found: Figures) -> RenderableType:
    """Return what was found as tables."""
    ratio = found.stock.each / found.ours.each
    lines = Table(box=None, pad_edge=False, show_header=False)
    lines.add_row(
        "a trial without evaluation",
        f"{found.ours.each:.3f} s here, {found.stock.each:.2f} s with Tune's OptunaSearch "
        f"({ratio:.0f} times as long); {orchestration.WORKERS} workers, warm",
    )
    lines.add_row(
        f"trials of {found.seconds:g} s",
        f"{100 * found.busy.worked:.1f} % of the workers' time is spent in evaluations",
    )
    if found.rush is not None:
        rush = found.rush
        lines.add_row(
            f"{rush.clients} clients on PostgreSQL",
            f"{rush.wanted} trials, {rush.lost} lost, {rush.doubled} doubled, "
            f"{rush.wanted / rush.seconds:.0f} trials/s",
        )
    if found.load > 0.5:
        lines.add_row("a busy machine", f"{found.load:.1f} processes of others ran before")
    table = Table(box=None, pad_edge=False, title="milliseconds of a driver's time, medians")
    for heading in ("database", "next by", "finished", "start", "first ask", "ask", "tell"):
        table.add_column(heading, justify="left" if heading in {"database", "next by"} else "right")
    for cost in found.growth:
        spent = (cost.start, cost.first, cost.ask, cost.tell)
        numbers = (f"{1000 * one:,.1f}" for one in spent)
        table.add_row(cost.database, cost.way, f"{cost.finished:,}", *numbers)
    return Group(lines, "", table)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="explorer-bench-") as folder:
        yield Path(folder)
