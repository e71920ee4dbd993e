"""The (arm, replicate) pairs of a study, each of which may have taken several attempts."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from explorer.report.definition import Definition


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a study is, in (arm, replicate) pairs; attempts at the same pair count once.

    Attributes:
        total: Pairs that the study asks for.
        complete: Pairs with a score.
        pruned: Pairs given up at a rung.
        failed: Pairs whose last attempt failed.
        running: Pairs in flight.
    """

    total: int
    complete: int
    pruned: int
    failed: int
    running: int

    @property
    def done(self) -> int:
        """Pairs that have come to a result."""
        return self.complete + self.pruned

    @property
    def waiting(self) -> int:
        """Pairs whose turn has not come, or that were interrupted and will be run anew."""
        return self.total - self.done - self.failed - self.running

    @property
    def finished(self) -> bool:
        """Whether nothing is left to run (failures stay failures until they are retried)."""
        return self.waiting == 0 and self.running == 0


def slots(
    frame: pd.DataFrame, *, lost: Iterable[int] = ()
) -> dict[tuple[str, int], dict[str, Any]]:
    """Reduce the trials of a frame to one a pair: the latest with a score, else the latest.

    Args:
        frame: What :func:`explorer.report.load` returns.
        lost: Numbers of RUNNING trials whose run has died; they count as WAITING.

    Returns:
        The row of that trial as a dictionary, by (arm, replicate), in the order in which the
        pairs first appear. Interrupted trials are WAITING: they are run anew.
    """
    return latest(records(frame), lost=lost)


def latest(
    rows: Iterable[dict[str, Any]], *, lost: Iterable[int] = ()
) -> dict[tuple[str, int], dict[str, Any]]:
    """Reduce rows of trials, in the order of their numbers, as :func:`slots` does a frame.

    What it looks at are ``arm``, ``replicate``, ``number``, ``state`` and ``failure``.
    """
    gone = set(lost)
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        if row["arm"] is None or row["replicate"] is None:
            continue
        interrupted = row["state"] == "FAIL" and (row["failure"] or "").startswith("interrupted")
        if interrupted or row["number"] in gone:
            row = {**row, "state": "WAITING"}  # noqa: PLW2901 - the caller's stays as it is
        pair = (row["arm"], row["replicate"])
        earlier = found.get(pair)
        if earlier is None or row["state"] == "COMPLETE" or earlier["state"] != "COMPLETE":
            found[pair] = row
    return found


def progress(pairs: dict[tuple[str, int], dict[str, Any]], said: Definition) -> Progress:
    """Count the pairs of a study by their state."""
    states = Counter(row["state"] for row in pairs.values())
    return Progress(
        total=max(said.planned, len(pairs)),
        complete=states["COMPLETE"],
        pruned=states["PRUNED"],
        failed=states["FAIL"],
        running=states["RUNNING"],
    )


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as dictionaries of plain values, missing ones as ``None``."""
    columns = {
        str(name): [None if missing else value for value, missing in zip(values, gone, strict=True)]
        for name in frame.columns
        for values, gone in [(frame[name].tolist(), frame[name].isna().tolist())]
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
