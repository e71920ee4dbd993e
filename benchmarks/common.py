"""What the benchmarks share: processors, a table, a busy machine."""

import contextlib
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence


def usable() -> list[int]:
    """Return the numbers of the processors that this process may use."""
    return sorted(os.sched_getaffinity(0))


@contextlib.contextmanager
def only(processors: Sequence[int]) -> Iterator[None]:
    """Keep this thread, and what it starts, on some processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for a terminal: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in (headings, *rows)
    )


def ratio(spent: Mapping[str, Sequence[float]], base: str, name: str) -> float:
    """Return the median over the rounds of how many times faster one way is than another."""
    return statistics.median(b / o for b, o in zip(spent[base], spent[name], strict=True))


def busy() -> str:
    """Say so where other programs run: ratios hold then, times on the clock do not."""
    load = os.getloadavg()[0]
    return (
        f"\n{load:.1f} other processes ran before; trust the ratios, not the times"
        if (load > 0.5)
        else ""
    )
