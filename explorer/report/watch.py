"""A status that follows its studies to their end."""

import time
from collections.abc import Callable, Hashable, Sequence

import rich.live
from rich.console import Console, RenderableType

from explorer.report.standing import StudyStatus

Read = Callable[[], Sequence[StudyStatus]]
Draw = Callable[[Sequence[StudyStatus]], RenderableType]


def follow(
    read: Read,
    draw: Draw,
    *,
    console: Console,
    interval: float,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Show how far studies are until all are finished.

    On a terminal it is drawn in place. On any other stream it is printed once, and again whenever
    something has happened: a trial has begun, reached a rung or ended.

    Args:
        read: Says how far the studies are.
        draw: Makes of that what is shown.
        console: Where to.
        interval: Seconds between two looks.
        pause: Waits so many seconds.
    """
    if not console.is_interactive:
        seen: Hashable = None
        while True:
            found = read()
            if seen != (seen := _happened(found)):
                console.print(draw(found))
            if _finished(found):
                return
            pause(interval)
    found = read()
    with rich.live.Live(draw(found), console=console, auto_refresh=False) as view:
        while not _finished(found):
            pause(interval)
            found = read()
            view.update(draw(found), refresh=True)


def _finished(found: Sequence[StudyStatus]) -> bool:
    return all(one.progress.finished for one in found)


def _happened(found: Sequence[StudyStatus]) -> Hashable:
    """Return what is the same as long as nothing has happened but that time has passed."""
    return tuple(
        (one.study, one.progress, one.retried, tuple((t.number, t.rung) for t in one.running))
        for one in found
    )
