"""Tables for a terminal."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from explorer.errors import masked, visible


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table whose first column stands out; texts may come from anywhere."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for position, heading in enumerate(headings):
        # On a narrow terminal the name is the last thing that goes.
        grid.add_column(heading, header_style="dim", no_wrap=position == 0)
    for row in rows:
        texts = [Text(visible(masked(str(cell)))) for cell in row]
        texts[0].stylize("bold")
        grid.add_row(*texts)
    return grid
