"""What several commands share: exit codes, options, the console and the progress bar."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from explorer.errors import InputError

OK, SOMETHING_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

storage_option = click.option(
    "--storage",
    metavar="URL",
    help="Database; default $EXPLORER_STORAGE or sqlite:///explorer.db.",
)
seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
set_option = click.option(
    "--set",
    "settings",
    metavar="KEY=LOW..HIGH",
    multiple=True,
    help="Range of a parameter (frequency=0..20) or one value (orbits=1); may be repeated.",
)


def console() -> Any:
    """Return a rich console on standard output."""
    from rich.console import Console

    return Console()


@contextmanager
def refusals(source: str | None = None) -> Iterator[None]:
    """Turn what the renderer refuses (a size above the canvas) into the option that said it.

    Args:
        source: The option by which parameters are set; without it each has an option of its own.
    """
    from explorer.formulas import RangeError

    try:
        yield
    except RangeError as error:
        if source is None or error.parameter in {"seed", "workers"}:
            option = f"--{error.parameter}"
            raise InputError(option, None, error.value, error.remedy) from error
        raise InputError(source, error.parameter, error.value, error.remedy) from error


@contextmanager
def progress(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar for as long as a block runs; yields what is called with the number done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (doing, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    screen = Console(stderr=True)
    hidden = not screen.is_terminal
    with Progress(*columns, console=screen, transient=True, disable=hidden) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda count: bar.advance(task, count)
