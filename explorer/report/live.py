"""What a running study shows: a live view on a terminal, one line a finished trial elsewhere."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from threading import Lock
from types import TracebackType
from typing import NamedTuple, Self

import optuna
import rich.live
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from explorer.report import numerals
from explorer.report.definition import definition
from explorer.report.estimate import RECENT, seconds_left
from explorer.report.frame import load
from explorer.report.screen import bar_line, best_line, counts_line, time_line
from explorer.report.slots import Progress, slots
from explorer.report.statistics import Spread, spread

REFRESH_HERTZ = 2.0
SHOWN_WORKERS = 16


class Ended(NamedTuple):
    """The last ended attempt at an (arm, replicate) pair.

    Attributes:
        arm: Its arm.
        replicate: Index of its replicate.
        state: ``COMPLETE``, ``PRUNED`` or ``FAIL``.
        accuracy: Its score, in [0, 1]; ``None`` unless complete.
        seconds: How long it took; ``None`` where that is not known.
    """

    arm: str
    replicate: int
    state: str
    accuracy: float | None
    seconds: float | None


@dataclass(slots=True)
class _Running:
    arm: str
    replicate: int
    began: float
    phase: str = ""
    images_seen: int | None = None
    probe: float | None = None


class Live:
    """Shows a study while it runs, told by its driver what happens.

    A context manager. On a terminal it draws, in place: how many trials are done, running and
    failed, the best arm so far, what each worker is doing, the rate and the time left. On any
    other stream it prints a line a finished trial. It reads nothing: what another driver does on
    the same study is not shown. Calls may come from any thread; a call about a trial that is not
    running is ignored, as news of a phase may arrive after the end.

    Args:
        study: Name of the study.
        total: (arm, replicate) pairs that the study asks for.
        workers: Trials at a time.
        ended: What has ended before.
        console: Where to; standard output where ``None``.
        clock: Seconds from any origin, for the elapsed times.

    Example:
        .. code-block:: python

            with Live("frequency_range", total=21, workers=2) as live:
                live.started(0, "scratch", 0)
                live.phase(0, "fine-tuning, epoch 3 of 20")
                live.finished(0, "COMPLETE", 0.83, 41.0, None)
    """

    def __init__(
        self,
        study: str,
        *,
        total: int,
        workers: int,
        ended: Iterable[Ended] = (),
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._study = study
        self._total = total
        self._workers = max(1, workers)
        self._console = console or Console()
        self._clock = clock
        self._lock = Lock()
        self._ended: dict[tuple[str, int], Ended] = {(e.arm, e.replicate): e for e in ended}
        self._durations = [
            e.seconds for e in self._ended.values() if e.state != "FAIL" and e.seconds is not None
        ]
        self._running: dict[int, _Running] = {}
        # A worker keeps its line: rows that jump cannot be read.
        self._lines: list[int | None] = [None] * self._workers
        self._view: rich.live.Live | None = None

    @classmethod
    def resume(cls, study: optuna.Study, *, workers: int, console: Console | None = None) -> Self:
        """Begin with what the database says of a study, and with how many trials it asks for."""
        said = definition(study)
        pairs = slots(load(study))
        ended = [
            Ended(arm, replicate, row["state"], row["accuracy"], _seconds(row))
            for (arm, replicate), row in pairs.items()
            if row["state"] in {"COMPLETE", "PRUNED", "FAIL"}
        ]
        total = max(said.planned, len(pairs))
        return cls(said.name, total=total, workers=workers, ended=ended, console=console)

    def __enter__(self) -> Self:
        if self._console.is_interactive:
            self._view = rich.live.Live(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=REFRESH_HERTZ,
            )
            self._view.start(refresh=True)
        else:
            state = self._progress()
            workers = numerals.count(self._workers, "worker")
            self._say(f"{self._study}: {state.done} of {state.total} trials done, {workers}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._view is not None:
            self._view.stop()
            self._view = None

    def started(self, number: int, arm: str, replicate: int) -> None:
        """A worker begins a trial."""
        with self._lock:
            # A failure that is tried again is none until that has failed too.
            earlier = self._ended.get((arm, replicate))
            if earlier is not None and earlier.state == "FAIL":
                del self._ended[arm, replicate]
            self._running[number] = _Running(arm, replicate, self._clock())
            if None in self._lines:
                self._lines[self._lines.index(None)] = number
            else:
                self._lines.append(number)

    def phase(self, number: int, text: str) -> None:
        """A trial has come to a phase, or further in it (``pre-training, loss 2.31``)."""
        with self._lock:
            if number in self._running:
                self._running[number].phase = text

    def rung(self, number: int, images_seen: int, accuracy: float) -> None:
        """A trial has reached a rung; ``accuracy`` is the probe's, in [0, 1]."""
        with self._lock:
            if number in self._running:
                self._running[number].images_seen = images_seen
                self._running[number].probe = accuracy

    def finished(
        self,
        number: int,
        state: str,
        accuracy: float | None,
        seconds: float,
        failure: str | None,
    ) -> None:
        """A trial has come to its end.

        Args:
            number: Number of the trial.
            state: ``COMPLETE``, ``PRUNED`` or ``FAIL``.
            accuracy: Its score, in [0, 1]; ``None`` unless it is complete.
            seconds: How long it took.
            failure: Why it failed; ``None`` unless it has. One that begins with ``interrupted``
                counts as not yet run.
        """
        with self._lock:
            trial = self._running.pop(number, None)
            if trial is None:
                return
            self._lines[self._lines.index(number)] = None
            del self._lines[max(self._workers, _last(self._lines) + 1) :]
            if not (failure or "").startswith("interrupted"):
                pair = (trial.arm, trial.replicate)
                self._ended[pair] = Ended(*pair, state, accuracy, seconds)
            # A result that was taken from another trial took no time, and says nothing of any.
            if state != "FAIL" and seconds > 0:
                self._durations.append(seconds)
            line = self._line(trial, state, accuracy, seconds, failure)
        if self._view is None:
            self._say(line)

    def _line(
        self,
        trial: _Running,
        state: str,
        accuracy: float | None,
        seconds: float,
        failure: str | None,
    ) -> str:
        counts = self._progress()
        took = numerals.duration(seconds)
        if state == "FAIL":
            said = f"failed after {took}: {' '.join((failure or 'no reason given').split())}"
        elif accuracy is None:
            said = f"pruned after {took}"
        else:
            said = f"{numerals.percent(accuracy)} % in {took}"
        width = len(str(counts.total))
        head = f"[{counts.done:>{width}}/{counts.total}] {trial.arm} #{trial.replicate}"
        left = self._seconds_left(counts)
        rest = f", {numerals.duration(left)} left" if left else ""
        return f"{head}: {said}{rest}"

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True, highlight=False)

    def _progress(self) -> Progress:
        states = Counter(ended.state for ended in self._ended.values())
        return Progress(
            total=self._total,
            complete=states["COMPLETE"],
            pruned=states["PRUNED"],
            failed=states["FAIL"],
            running=len(self._running),
        )

    def _seconds_left(self, counts: Progress) -> float | None:
        if counts.finished:
            return 0.0
        now = self._clock()
        return seconds_left(
            self._durations,
            elapsed=[now - trial.began for trial in self._running.values()],
            waiting=counts.waiting,
            workers=self._workers,
        )

    def _best(self) -> tuple[str, Spread] | None:
        scores: dict[str, list[float]] = {}
        for ended in self._ended.values():
            if ended.accuracy is not None:
                scores.setdefault(ended.arm, []).append(ended.accuracy)
        spreads = {arm: spread(values) for arm, values in scores.items()}
        best = max(spreads, key=lambda arm: spreads[arm].mean, default=None)
        return None if best is None else (best, spreads[best])

    def _render(self) -> RenderableType:
        with self._lock:
            counts = self._progress()
            recent = self._durations[-RECENT:]
            mean = fmean(recent) if recent else 0.0
            rate = 3600 * self._workers / mean if mean > 0 and not counts.finished else None
            lines: list[RenderableType] = [
                Text(self._study, style="bold", no_wrap=True, overflow="ellipsis"),
                bar_line(counts, time_line(self._seconds_left(counts), rate)),
                counts_line(counts),
            ]
            best = self._best()
            if best is not None:
                lines.append(best_line(*best))
            if self._running:
                lines.append(self._workers_table())
            return Group(*lines)

    def _workers_table(self) -> RenderableType:
        table = Table(
            box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", expand=True
        )
        table.add_column("trial", justify="right", no_wrap=True)
        table.add_column("arm", no_wrap=True, overflow="ellipsis", max_width=20)
        for heading in ("#", "for", "images", "probe"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
        now = self._clock()
        for number in self._lines[:SHOWN_WORKERS]:
            if number is None:
                table.add_row(numerals.MISSING, Text("idle", style="dim"))
                continue
            trial = self._running[number]
            table.add_row(
                str(number),
                Text(trial.arm),
                str(trial.replicate),
                numerals.duration(now - trial.began),
                numerals.MISSING if trial.images_seen is None else f"{trial.images_seen:,}",
                numerals.MISSING if trial.probe is None else f"{numerals.percent(trial.probe)} %",
                Text(trial.phase, style="dim"),
            )
        more = len(self._lines) - SHOWN_WORKERS
        if more <= 0:
            return table
        return Group(table, Text(f"and {numerals.count(more, 'more worker')}", style="dim"))


def _last(lines: list[int | None]) -> int:
    """Return the index of the last line that is taken, -1 without any."""
    return max((index for index, number in enumerate(lines) if number is not None), default=-1)


def _seconds(row: dict[str, object]) -> float | None:
    start, end = row["start"], row["end"]
    skipped = row["state"] == "PRUNED" and row["rung"] is None
    if start is None or end is None or row["cached_from"] is not None or skipped:
        return None
    return float((end - start).total_seconds())  # type: ignore[operator]
