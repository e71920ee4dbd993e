"""The one view of studies in progress: ``status``, ``status --watch`` and a run show the same."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import rich.live
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table as Grid
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError

from explorer import store
from explorer.errors import InputError, visible
from explorer.report import numerals
from explorer.report.frame import Progress, Row
from explorer.report.numerals import MISSING, count
from explorer.report.statistics import Spread
from explorer.report.status import StudyStatus, look
from explorer.report.summary import objective_title
from explorer.report.tables import Column, Table, terminal
from explorer.store import Database
from explorer.study import ACCURACY

SHOWN_ARMS = 20
SHOWN_WORKERS = 16
INTERVAL = 1.0
"""Seconds between two looks at the database."""


def status_screen(status: StudyStatus, width: int) -> RenderableType:
    """Return how far a study is; what a narrow terminal has no room for is named."""
    head = Text(visible(status.study), style="bold", no_wrap=True, overflow="ellipsis")
    head.append(f" under protocol {status.protocol}" if status.protocol else "", style="")
    lines: list[RenderableType] = [head, _bar(status), _counts(status.progress, status.retried)]
    if not status.progress.finished:
        busy = f"{count(len(status.running), 'worker')} busy in {count(status.runs, 'run')}"
        lines.append(Text(busy if status.runs else "no run is at work on it", style="dim"))
    if status.best and status.best.accuracy:
        best = status.best.accuracy
        line = Text("best so far: ", no_wrap=True, overflow="ellipsis")
        line.append(visible(status.best.name), style="bold")
        lines.append(line.append(f"  {_percent(best)} %  (n = {best.n})"))
    if status.running:
        lines += [Text(), terminal(_running(status), width=width)]
    lines += [Text(), terminal(_arms(status), width=width)]
    if status.failures:
        lines += [Text(), Text("last failures", style="bold")]
    for failure in status.failures:
        name = f"{failure['arm']} #{failure['replicate']}"
        line = Text(visible(name), no_wrap=True, overflow="ellipsis")
        line.append(f" (attempt {failure['attempt']})" if failure["attempt"] > 1 else "")
        lines.append(line.append(f"  {visible(' '.join(failure['reason'].split()))}", style="red"))
    return Group(*lines)


def overview_screen(studies: Sequence[StudyStatus], width: int) -> RenderableType:
    """Return a table of all the studies in a database."""
    columns = [
        Column("study", text=True, priority=0),
        Column("protocol", text=True, priority=4),
        Column("done"),
        Column("failed", priority=3),
        Column("best arm", text=True, priority=2),
        Column("accuracy [%]", priority=2),
        Column("left", priority=1),
    ]
    rows = []
    for study in studies:
        state, best = study.progress, study.best
        left = numerals.duration(study.seconds_left) if study.seconds_left else MISSING
        rows.append(
            (
                study.study,
                study.protocol or MISSING,
                f"{state.done}/{state.total}",
                str(state.failed),
                best.name if best else MISSING,
                _percent(best.accuracy if best else None),
                "finished" if state.finished and state.total else left,
            )
        )
    return terminal(Table.of(columns, rows), width=width)


def _bar(status: StudyStatus) -> RenderableType:
    state, seconds = status.progress, status.seconds_left
    pace = f"{numerals.significant(status.rate, 2)} trials/h, " if status.rate else ""
    left = "time left unknown" if seconds is None else f"{numerals.duration(seconds)} left"
    table = Grid.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=max(1, state.total), completed=state.done)
    right = "finished" if state.finished else f"{pace}{left}"
    table.add_row(f"{state.done}/{state.total}", bar, Text(right))
    return table


def _counts(state: Progress, retried: int) -> Text:
    parts = {
        "complete": (state.complete, "green"),
        "stopped early": (state.pruned, ""),
        "running": (state.running, ""),
        "waiting": (state.waiting, ""),
        "failed": (state.failed, "red" if state.failed else ""),
        "retried": (retried, ""),
    }
    rare = {"stopped early", "retried"}
    shown = [
        (f"{n:,} {what}", style) for what, (n, style) in parts.items() if n or what not in rare
    ]
    line = Text(", ", no_wrap=True, overflow="ellipsis").join(Text(*part) for part in shown)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line


def _running(status: StudyStatus) -> Table:
    columns = [
        Column("arm", text=True, priority=0),
        Column("replicate", priority=1),
        Column("for", priority=1),
        Column("images seen", priority=2),
        Column("probe [%]", priority=2),
        Column("loss", priority=5),
        Column("ranges", text=True, priority=4),
        Column("host", text=True, priority=6),
    ]
    rows = [
        (
            row["arm"],
            str(row["replicate"]),
            numerals.duration(row["seconds"]),
            MISSING if row["rung"] is None else f"{row['rung']:,}",
            MISSING if row["probe"] is None else numerals.percent(row["probe"]),
            MISSING if row["loss"] is None else f"{row['loss']:.3g}",
            numerals.ranges(row["ranges"]) or MISSING,
            row["host"] or MISSING,
        )
        for row in status.running[:SHOWN_WORKERS]
    ]
    more = len(status.running) - SHOWN_WORKERS
    notes = (f"And {count(more, 'more worker')}.",) if more > 0 else ()
    return Table.of(columns, rows, notes=notes)


def _arms(status: StudyStatus) -> Table:
    further = [name for name in status.objectives if name != ACCURACY]
    trains = ACCURACY in status.objectives
    stopped = any(arm.pruned for arm in status.arms)
    sampled = any(arm.ranges for arm in status.arms)
    columns = [
        Column("arm", text=True, priority=0),
        Column("done", priority=1),
        *([Column("stopped", priority=3)] if stopped else []),
        Column("running", priority=3),
        Column("failed", priority=3),
        *([Column("accuracy [%]", priority=1)] if trains else []),
        *(Column(objective_title(name), priority=2) for name in further),
        *([Column("ranges", text=True, priority=4)] if sampled else []),
    ]
    ranked = status.ranked
    shown = ranked[:SHOWN_ARMS] if len(ranked) > SHOWN_ARMS else status.arms
    rows = []
    for arm in shown:
        values = [arm.objectives.get(name) for name in further]
        rows.append(
            (
                arm.name,
                f"{arm.complete}/{arm.planned}",
                *([str(arm.pruned)] if stopped else []),
                str(arm.running),
                str(arm.failed),
                *([_percent(arm.accuracy)] if trains else []),
                *(MISSING if value is None else numerals.significant(value) for value in values),
                *([numerals.ranges(arm.ranges) or MISSING] if sampled else []),
            )
        )
    cut = len(ranked) > SHOWN_ARMS
    notes = (f"The best {SHOWN_ARMS} of {count(len(ranked), 'arm')}.",) if cut else ()
    return Table.of(columns, rows, notes=notes)


def _scored(row: Mapping[str, Any]) -> str:
    """Write the score of a replicate; none where nothing is trained."""
    return f"{numerals.percent(row['accuracy'])} % in " if "accuracy" in row else "measured in "


def _percent(accuracy: Spread | None) -> str:
    return numerals.mean_std(accuracy.mean, accuracy.std) if accuracy else MISSING


class View:
    """What :func:`watching` shows, and until when."""

    def __init__(self, database: Database, name: str | None, console: Console) -> None:
        self._database, self._name, self._console = database, name, console
        self._studies: list[StudyStatus] = []
        self._ended: dict[str, set[int]] = {}
        self._trouble = ""
        self._stop = threading.Event()
        self._finished = threading.Event()

    def wait(self) -> None:
        """Wait until every study that is shown is finished; a missing one has not begun."""
        while not self._finished.wait(0.2):
            pass

    def look(self) -> None:
        """Look at the database once; on a pipe, print what has ended."""
        names = [self._name] if self._name else store.study_names(self._database)
        studies, self._trouble = [], ""
        for name in names:
            try:
                status, rows = look(self._database, name)
            except InputError as error:
                self._trouble = str(error)
                continue
            studies.append(status)
            if not self._console.is_interactive:
                self._print(status, rows)
        self._studies = studies
        if studies and all(study.progress.finished for study in studies):
            self._finished.set()

    def _print(self, status: StudyStatus, ended: Sequence[Row]) -> None:
        state, known = status.progress, self._ended.get(status.study)
        self._ended[status.study] = {row["id"] for row in ended}
        if known is None:
            self._say(f"{status.study}: {state.done} of {count(state.total, 'trial')} done")
            return
        news = [row for row in ended if row["id"] not in known]
        done = state.done - sum(row["state"] != "FAIL" for row in news)
        for row in news:
            done += row["state"] != "FAIL"
            seconds = (row["ended"] - row.get("started", row["ended"])).total_seconds()
            spent = numerals.duration(max(0.0, seconds))
            reason = " ".join(row.get("reason", "no reason given").split())
            result = {
                "COMPLETE": f"{_scored(row)}{spent}",
                "PRUNED": f"stopped after {spent}: {reason}",
                "FAIL": f"failed after {spent}: {reason}",
            }[row["state"]]
            head = f"[{done:>{len(str(state.total))}}/{state.total}]"
            left = status.seconds_left
            rest = f", {numerals.duration(left)} left" if left else ""
            several = f"{status.study}: " if self._name is None else ""
            self._say(f"{head} {several}{row['arm']} #{row['replicate']}: {result}{rest}")

    def _say(self, line: str) -> None:
        self._console.print(Text(visible(line)), soft_wrap=True, highlight=False)

    def render(self) -> RenderableType:
        """Return the view as it is now."""
        width = self._console.width
        if self._name is None:
            return overview_screen(self._studies, width)
        waits = Text(f"{self._name} has not begun.", style="dim")
        shown = status_screen(self._studies[0], width) if self._studies else waits
        return Group(shown, Text(self._trouble, style="dim")) if self._trouble else shown

    def follow(self, interval: float, draw: Callable[[], object]) -> None:
        """Look and draw again and again until it is stopped."""
        while True:
            ending, start = self._stop.is_set(), time.monotonic()
            try:
                self.look()
            except SQLAlchemyError as error:  # away for a while; a run waits for it as well
                self._trouble = f"the database does not answer: {type(error).__name__}"
            draw()
            if ending:
                return
            # A study of 10,000 trials takes half a second to look at.
            self._stop.wait(max(interval, 9 * (time.monotonic() - start)))

    def stop(self) -> None:
        """Ask :meth:`follow` to look a last time and return."""
        self._stop.set()


@contextmanager
def watching(
    database: Database,
    name: str | None,
    console: Console | None = None,
    *,
    interval: float = INTERVAL,
) -> Iterator[View]:
    """Show how far a study is, in a thread that looks at the database, while the block runs.

    On a terminal it is drawn in place. On any other stream a line is printed per replicate that
    ends. A study that has not begun is waited for.

    Args:
        database: Where the study is.
        name: Its name; ``None`` for all studies of the database.
        console: Where to; default standard output.
        interval: Seconds between two looks.

    Yields:
        The view, whose ``wait()`` returns when the study is finished.
    """
    console = console or Console()
    view = View(database, name, console)
    live = rich.live.Live(get_renderable=view.render, console=console, auto_refresh=False)
    thread = threading.Thread(
        target=view.follow,
        args=(interval, live.refresh if console.is_interactive else lambda: None),
        name="explorer-view",
        daemon=True,
    )
    if console.is_interactive:
        live.start()
    thread.start()
    try:
        yield view
    finally:
        view.stop()
        thread.join()
        live.stop()
