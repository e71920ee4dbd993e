"""What several commands share: exit codes, options, the opening of databases, and printing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from explorer.errors import InputError, masked, visible

if TYPE_CHECKING:
    from explorer.store import Database

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

OK, SOMETHING_FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


def default_url() -> str:
    """Return the database that is used where none is named."""
    from explorer import store

    return store.default_url()


storage_option = click.option(
    "--storage",
    "url",
    metavar="URL",
    default=default_url,
    help="Database; default $EXPLORER_STORAGE or sqlite:///explorer.db.",
)
json_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)


def whole(name: str, low: int, high: int | None = None, text: str = "", **more: Any) -> Decorator:
    """Make an option that takes a whole number; bounds are inclusive."""
    return click.option(name, type=click.IntRange(low, high), help=text or None, **more)


def set_option(metavar: str, text: str) -> Decorator:
    """Make the option ``--set``."""
    more = f"{text}; may be repeated."
    return click.option("--set", "settings", metavar=metavar, multiple=True, help=more)


def existing(url: str) -> "Database | None":
    """Open a database that is there; ``None`` where the first study is still to make it."""
    from explorer import store

    try:
        return store.connect(url)
    except InputError as error:
        if "run-study makes it" in error.remedy:
            return None
        raise


def console() -> Any:
    """Return a rich console on standard output."""
    from rich.console import Console

    return Console()


def print_json(content: object) -> None:
    """Print plain data as JSON; what is no number there is null."""
    from pydantic_core import to_json

    click.echo(to_json(content, indent=2, inf_nan_mode="null", fallback=str))


def print_tables(
    tables: Mapping[str, Sequence[Mapping[str, object]]],
    form: str = "text",
    titles: Mapping[str, str] | None = None,
) -> None:
    """Print tables, one below the other, or as JSON.

    Args:
        tables: Key -> rows, all with the same columns; texts may come from anywhere.
        form: ``text`` or ``json``.
        titles: Key -> title, where that is more than the key in words.
    """
    if form == "json":
        print_json(tables)
        return
    from rich.table import Table
    from rich.text import Text

    screen = console()
    for key, rows in tables.items():
        title = (titles or {}).get(key, key.replace("_", " ").capitalize())
        style = {"title_justify": "left", "title_style": "bold", "box": None, "pad_edge": False}
        grid = Table(title=visible(title), **style)  # type: ignore[arg-type]
        for position, heading in enumerate(rows[0] if rows else ()):
            # On a narrow terminal the name is the last thing that goes.
            grid.add_column(heading, header_style="dim", no_wrap=position == 0)
        for row in rows:
            first, *others = (Text(visible(masked(str(cell)))) for cell in row.values())
            first.stylize("bold")
            grid.add_row(first, *others)
        screen.print(grid, *([""] if len(tables) > 1 else []))


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
