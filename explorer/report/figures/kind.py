"""What a figure is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from explorer.report.figures.material import Material

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Kind(Generic[D]):
    """A figure that any study may have: the same numbers for print and for a page.

    Attributes:
        title: Its heading.
        prepare: Returns what is drawn; ``None`` where a study has nothing to show for it.
        caption: Says in a sentence or two how it is read, and over what its intervals are.
        on_paper: Draws it with matplotlib.
        on_page: Draws it with plotly.
    """

    title: str
    prepare: Callable[[Material], D | None]
    caption: Callable[[D], str]
    on_paper: "Callable[[D], Figure]"
    on_page: "Callable[[D], go.Figure]"
