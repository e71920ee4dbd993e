"""What several commands share: exit codes, options, the console and the progress bar."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from explorer.errors import InputError, nearest

if TYPE_CHECKING:
    from explorer.store import Database
    from explorer.study import Range

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

OK, SOMETHING_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130

storage_option = click.option(
    "--storage", metavar="URL", help="Database; default $EXPLORER_STORAGE or sqlite:///explorer.db."
)


def whole(name: str, low: int, high: int | None = None, text: str = "", **more: Any) -> Decorator:
    """Make an option that takes a whole number; bounds are inclusive."""
    return click.option(name, type=click.IntRange(low, high), help=text or None, **more)


def set_option(metavar: str, text: str) -> Decorator:
    """Make the option ``--set``."""
    more = f"{text}; may be repeated."
    return click.option("--set", "settings", metavar=metavar, multiple=True, help=more)


ranges_option = set_option(
    "KEY=LOW..HIGH", "Range of a parameter (frequency=0..20) or one value (orbits=1)"
)
json_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)


def console() -> Any:
    """Return a rich console on standard output."""
    from rich.console import Console

    return Console()


def echo_json(content: object) -> None:
    """Print plain data as JSON; what is no number there is null."""
    import json
    import math

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [plain(entry) for entry in value]
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value

    click.echo(json.dumps(plain(content), indent=2, ensure_ascii=False, default=str))


def existing(url: str) -> "Database | None":
    """Open a database that is there; ``None`` where the first study is still to make it."""
    from explorer import store

    try:
        return store.connect(url)
    except InputError as error:
        if "run-study makes it" in error.remedy:
            return None
        raise


def read_ranges(names: Sequence[str], settings: Sequence[str]) -> "list[dict[str, Range]]":
    """Read ranges as the command line says them: ``frequency=0..20``, or ``orbits=1`` for both.

    Args:
        names: Names of formulas; each takes the ranges that it has a parameter for.
        settings: One ``KEY=LOW..HIGH`` each.

    Returns:
        The ranges of every formula.

    Raises:
        InputError: If there is no such formula, one cannot draw from a range, or a key is a
            parameter of none.
    """
    from explorer.formulas import RangeError
    from explorer.study import find_formula

    families = [find_formula(name) for name in names]
    ranges: dict[str, Range] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        low, _, high = value.partition("..")
        try:
            ranges[key] = (float(low), float(high or low))
        except ValueError as error:
            raise InputError("--set", None, setting, "write KEY=LOW..HIGH or KEY=VALUE") from error
    keys = [{*(p.name for p in family.parameters), *family.groups} for family in families]
    for key in ranges:
        if not any(key in known for known in keys):
            hint = nearest(key, set().union(*keys))
            raise InputError("--set", key, None, f"no parameter of {', '.join(names)}; {hint}")
    shares = [{k: ends for k, ends in ranges.items() if k in known} for known in keys]
    for family, share in zip(families, shares, strict=True):
        try:
            family.resolve(share)
        except RangeError as error:
            key = f"{error.parameter} of {family.name}" if len(names) > 1 else error.parameter
            raise InputError("--set", key, share.get(error.parameter), error.remedy) from error
    return shares


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
