"""Where a study's numbers come from: failures, machines, versions and runs, as tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from explorer.report import numerals
from explorer.report.layout import Cell, Column, Layout
from explorer.report.slots import records, slots

MOST_REASONS = 20
MOST_RUNS = 10
_LONG = 300  # characters of a reason


def failures(trials: pd.DataFrame) -> Counter[str]:
    """Count why trials failed, attempts at the same (arm, replicate) once.

    Args:
        trials: What :func:`explorer.report.load` returns.
    """
    failed = (row for row in slots(trials).values() if row["state"] == "FAIL")
    return Counter(row["failure"] or "no reason recorded" for row in failed)


def lay_out_failures(trials: pd.DataFrame) -> Layout | None:
    """Arrange the failures by their reason, the most frequent first; ``None`` without any."""
    reasons = failures(trials)
    if not reasons:
        return None
    arms: dict[str, list[str]] = {}
    for row in slots(trials).values():
        if row["state"] == "FAIL":
            arms.setdefault(row["failure"] or "no reason recorded", []).append(row["arm"])
    rows = tuple(
        (
            Cell(reason if len(reason) <= _LONG else f"{reason[:_LONG]} ..."),
            Cell(str(number)),
            Cell(_names(list(dict.fromkeys(arms[reason])))),
        )
        for reason, number in reasons.most_common(MOST_REASONS)
    )
    columns = (Column("Reason", text=True), Column("Trials"), Column("Arms", text=True))
    caption = "Trials that failed, counted by the last line of what went wrong."
    more = len(reasons) - MOST_REASONS
    hidden = (f"{numerals.count(more, 'further reason')} not shown.",) if more > 0 else ()
    return Layout(columns, rows, len(rows), (caption, *hidden))


def lay_out_machines(trials: pd.DataFrame) -> Layout | None:
    """Arrange the hosts and devices that trials ran on; ``None`` where no trial says."""
    number: Counter[tuple[str, str]] = Counter()
    seconds: dict[tuple[str, str], float] = {}
    for row in records(trials):
        if row["host"] is not None and row["cached_from"] is None:
            where = (row["host"], row["device"] or numerals.MISSING)
            number[where] += 1
            seconds[where] = seconds.get(where, 0.0) + (row.get("seconds.total") or 0.0)
    if not number:
        return None
    rows = tuple(
        (Cell(host), Cell(device), Cell(str(count)), Cell(f"{seconds[host, device] / 3600:.2f}"))
        for (host, device), count in number.most_common(MOST_RUNS)
    )
    columns = (
        Column("Host", text=True),
        Column("Device", text=True),
        Column("Trials"),
        Column("Hours"),
    )
    taken = int(trials["cached_from"].notna().sum())
    said = ["Where trials ran, and the hours that they took in sum."]
    if taken:
        said.append(f"{numerals.count(taken, 'further trial')} took a result that was known.")
    if len(number) > MOST_RUNS:
        said.append(f"{len(number) - MOST_RUNS} further machines are not shown.")
    return Layout(columns, rows, len(rows), tuple(said))


def lay_out_versions(runs: Sequence[Mapping[str, Any]]) -> Layout | None:
    """Arrange the versions that a study ran with, a column where all its runs had the same."""
    found: dict[str, list[str]] = {}
    for run in runs:
        for name, value in run["provenance"].items():
            values = found.setdefault(name, [])
            if value is not None and str(value) not in values:
                values.append(str(value))
    rows = tuple(
        (Cell(name), Cell(", then ".join(values))) for name, values in found.items() if values
    )
    if not rows:
        return None
    columns = (Column("What", text=True), Column("Version", text=True))
    return Layout(columns, rows, len(rows), ("What the driver ran with.",))


def lay_out_runs(runs: Sequence[Mapping[str, Any]]) -> Layout | None:
    """Arrange the runs of a study, the latest last; ``None`` where none is recorded."""
    if not runs:
        return None
    rows = tuple(
        (
            Cell(moment(run["started_at"])),
            Cell(moment(run["ended_at"])),
            Cell(run["host"]),
            Cell(run["command"]),
        )
        for run in runs[-MOST_RUNS:]
    )
    headings = ("Begun (UTC)", "Ended (UTC)", "Host", "Command")
    columns = tuple(Column(heading, text=True) for heading in headings)
    more = len(runs) - MOST_RUNS
    said = "Runs of the study; one without an end is at work, or was killed."
    note = (f"The first {more} are not shown.",) if more > 0 else ()
    return Layout(columns, rows, len(rows), (said, *note))


def moment(when: datetime | None) -> str:
    """Write a moment to the minute: ``2026-11-23 06:00``."""
    return numerals.MISSING if when is None else f"{when:%Y-%m-%d %H:%M}"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"
