"""What ``explorer status`` shows, on a terminal of any width and as plain text."""

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from explorer.report import numerals
from explorer.report.numerals import MISSING
from explorer.report.slots import Progress
from explorer.report.standing import ArmStatus, StudyStatus
from explorer.report.statistics import Spread

SHOWN_ARMS = 20
_BLOCKS = "▁▂▃▄▅▆▇█"


def status_screen(status: StudyStatus) -> RenderableType:
    """Return how far a study is as a rich renderable; lines are cut, never wrapped."""
    head = Text(status.study, style="bold")
    if status.protocol:
        head.append(f" under protocol {status.protocol}", style="")
    lines: list[RenderableType] = [
        head,
        bar_line(status.progress, time_line(status.seconds_left, status.rate)),
        counts_line(status.progress, retried=status.retried),
    ]
    if status.runs is not None and not status.progress.finished:
        lines.append(_workers_line(status))
    if status.best and status.best.accuracy:
        lines.append(best_line(status.best.name, status.best.accuracy))
    if status.running:
        lines += [Text(), _running(status)]
    lines += [Text(), _arms(_shown(status.arms))]
    if len(status.arms) > SHOWN_ARMS:
        lines.append(Text(f"(the best {SHOWN_ARMS} of {len(status.arms)} arms)", style="dim"))
    if status.failures:
        lines += [Text(), Text("last failures", style="bold"), _failures(status)]
    return Group(*lines)


def overview_screen(studies: Sequence[StudyStatus]) -> RenderableType:
    """Return a table of all the studies in a storage."""
    table = _table("study", "protocol", "done>", "failed>", "best arm", "accuracy>", "left>")
    for study in studies:
        best = study.best
        table.add_row(
            Text(study.study, style="bold"),
            Text(study.protocol or MISSING),
            f"{study.progress.done}/{study.progress.total}",
            str(study.progress.failed),
            Text(best.name if best else MISSING),
            _percent(best.accuracy if best else None),
            _left(study),
        )
    return table


def bar_line(state: Progress, right: str) -> RenderableType:
    """Return one line of progress: done of total, a bar, and how long it will take."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=max(1, state.total), completed=state.done)
    table.add_row(f"{state.done}/{state.total}", bar, Text(right))
    return table


def time_line(seconds: float | None, rate: float | None) -> str:
    """Say how fast a study goes and how long it will take, as far as is known."""
    pace = f"{numerals.significant(rate, 2)} trials/h, " if rate else ""
    if seconds is None:
        return f"{pace}time left unknown"
    return f"{pace}{numerals.duration(seconds)} left" if seconds > 0 else "finished"


def counts_line(state: Progress, *, retried: int = 0) -> Text:
    """Return the counts by state, failures in red."""
    parts = [
        (f"{state.complete} complete", "green"),
        (f"{state.pruned} pruned", ""),
        (f"{state.running} running", ""),
        (f"{state.waiting} waiting", ""),
        (f"{state.failed} failed", "red" if state.failed else ""),
        (f"{retried} retried", ""),
    ]
    optional = {"pruned": state.pruned, "retried": retried}
    shown = [(said, style) for said, style in parts if optional.get(said.split()[1], 1)]
    line = Text(no_wrap=True, overflow="ellipsis")
    for index, (said, style) in enumerate(shown):
        line.append(", " if index else "").append(said, style=style)
    return line


def best_line(arm: str, accuracy: Spread) -> Text:
    """Return the best arm so far with its mean and spread."""
    line = Text("best so far: ", no_wrap=True, overflow="ellipsis")
    line.append(arm, style="bold").append(f"  {_percent(accuracy)} %  (n = {accuracy.n})")
    return line


def _shown(arms: Sequence[ArmStatus]) -> Sequence[ArmStatus]:
    if len(arms) <= SHOWN_ARMS:
        return arms
    ranked = sorted(arms, key=lambda arm: -arm.accuracy.mean if arm.accuracy else 0.0)
    return ranked[:SHOWN_ARMS]


def _workers_line(status: StudyStatus) -> Text:
    if not status.runs:
        return Text("no run is at work on it", style="dim", no_wrap=True, overflow="ellipsis")
    busy = numerals.count(len(status.running), "worker")
    return Text(f"{busy} busy in {numerals.count(status.runs, 'run')}", no_wrap=True)


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """Draw numbers as a line of blocks, a character each, from the lowest to the highest of eight.

    Args:
        values: What is drawn; a number that is not finite is a blank.
        low: What the lowest block stands for, and all below it.
        high: What the highest block stands for; where it is not above ``low``, all are the lowest.
    """
    span = high - low
    return "".join(
        _BLOCKS[min(7, max(0, int(8 * (value - low) / span))) if span > 0 else 0]
        if math.isfinite(value)
        else " "
        for value in values
    )


def _arms(arms: Sequence[ArmStatus]) -> Table:
    stopped = any(arm.pruned for arm in arms)
    drawn = any(len(arm.curve) > 1 for arm in arms)
    known = [value for arm in arms for value in arm.curve if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    headings = ["arm", "done>", *(["stopped>"] if stopped else []), "running>", "failed>"]
    table = _table(*headings, "accuracy [%]>", *(["course"] if drawn else []))
    for arm in arms:
        table.add_row(
            Text(arm.name),
            f"{arm.complete}/{arm.planned}",
            *([str(arm.pruned)] if stopped else []),
            str(arm.running),
            Text(str(arm.failed), style="red" if arm.failed else ""),
            _percent(arm.accuracy),
            *([sparkline(arm.curve, low, high)] if drawn else []),
        )
    return table


def _running(status: StudyStatus) -> Table:
    lossy = any(trial.loss is not None for trial in status.running)
    more = ["loss>"] if lossy else []
    table = _table("trial>", "arm", "replicate>", "for>", "images seen>", "probe [%]>", *more)
    for trial in status.running:
        table.add_row(
            str(trial.number),
            Text(trial.arm),
            str(trial.replicate),
            numerals.duration(trial.seconds),
            MISSING if trial.rung is None else f"{trial.rung:,}",
            MISSING if trial.probe is None else numerals.percent(trial.probe),
            *([MISSING if trial.loss is None else f"{trial.loss:.3g}"] if lossy else []),
        )
    return table


def _failures(status: StudyStatus) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(no_wrap=True, overflow="ellipsis")
    for failure in status.failures:
        where = f"{failure.number} {failure.arm} #{failure.replicate}"
        where += f" (attempt {failure.attempt})" if failure.attempt > 1 else ""
        table.add_row(Text(where), Text(failure.reason, style="red"))
    return table


def _table(*headings: str) -> Table:
    """Return an empty table; a heading that ends in ``>`` is that of numbers."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in headings:
        number = heading.endswith(">")
        table.add_column(
            Text(heading.rstrip(">")),
            justify="right" if number else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _percent(accuracy: Spread | None) -> str:
    return numerals.mean_std(accuracy.mean, accuracy.std) if accuracy else MISSING


def _left(study: StudyStatus) -> str:
    if study.progress.finished and study.progress.total:
        return "finished"
    return MISSING if not study.seconds_left else numerals.duration(study.seconds_left)
