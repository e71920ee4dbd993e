"""A figure before it is drawn: panels, series and labels, the same for print and for a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from matplotlib.figure import Figure as Sheet

Role = Literal["best", "worst", "baseline", "other"]
Marker = Literal["", "circle", "ring", "square", "diamond", "triangle"]
Dash = Literal["", "solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]
Interval = tuple[float, float]

# The palette of Okabe and Ito (2008), which works with every kind of colour vision.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
DIM, GREY, PALE = "#555555", "#777777", "#BBBBBB"

CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY)
DASHES: tuple[Dash, ...] = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")
"""Colours and dashes of a few curves side by side."""

COLORS: dict[Role, str] = {"best": VERMILION, "worst": PURPLE, "baseline": GREY, "other": BLUE}
MARKERS: dict[Role, Marker] = {
    "best": "diamond",
    "worst": "triangle",
    "baseline": "square",
    "other": "circle",
}
"""How an arm is marked, in all figures alike."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points, or a line through them.

    Attributes:
        x: Places across.
        y: Places upwards, as many.
        color: ``#rrggbb``.
        marker: The mark of each point; empty for none.
        dash: The line through the points; empty for none.
        x_ends: Low and high end per point of a bar across; empty for none.
        y_ends: The same upwards.
        band: Whether ``y_ends`` are drawn as one band instead of bars.
        label: Its entry in the legend; empty for none.
        hover: What a page shows when a point is pointed at, a text per point.
        strong: Whether it is one of those to look at: drawn larger, and above the others.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    color: str
    marker: Marker = ""
    dash: Dash = ""
    x_ends: tuple[Interval, ...] = ()
    y_ends: tuple[Interval, ...] = ()
    band: bool = False
    label: str = ""
    hover: tuple[str, ...] = ()
    strong: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a panel that has names in place of numbers upwards: a name, and what it means."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes:
        x: Title of the axis across.
        y: Title of the axis upwards.
        series: What is drawn, from below to above.
        title: Heading; may be empty.
        rows: Names at the heights 0, 1, ... from above to below, in place of numbers.
        x_limits: The ends of the axis across; ``None`` where they follow from the data.
        y_limits: The same upwards.
        reference: Value, low and high end of a band over the whole height.
        log: Whether the axis across is logarithmic.
    """

    x: str
    y: str
    series: tuple[Series, ...]
    title: str = ""
    rows: tuple[Row, ...] = ()
    x_limits: Interval | None = None
    y_limits: Interval | None = None
    reference: tuple[float, float, float] | None = None
    log: bool = False


@dataclass(frozen=True, slots=True)
class Strip:
    """The first images of an arm.

    Attributes:
        arm: Its name.
        role: What the arm is marked as.
        title: What it is, in words: ``best``, ``worst and baseline``.
        images: uint8 [n, side, side]; empty where there is nothing to show.
        lack: Why there are no images, else empty.
    """

    arm: str
    role: Role
    title: str
    images: npt.NDArray[np.uint8]
    lack: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of ours, which two libraries draw.

    Attributes:
        name: Name of its files.
        title: Its heading on a page.
        caption: How it is read, in at most two sentences.
        note: What else there is to know, in sentences; may be empty.
        panels: Its panels, row by row.
        columns: How many panels stand side by side.
        height: Height of a row of panels in inches; panels with named rows have their own.
        same_y: Whether all panels have the same axis upwards.
        strips: Images that stand below it in print.
    """

    name: str
    title: str
    caption: str
    note: str
    panels: tuple[Panel, ...]
    columns: int = 1
    height: float = 2.0
    same_y: bool = False
    strips: tuple[Strip, ...] = ()

    @property
    def scrolled(self) -> int:
        """Panels side by side that need room on any page: none, since they can be stacked."""
        return 0

    def on_paper(self) -> "Sheet":
        """Draw it with matplotlib."""
        from explorer.report.figures import paper

        return paper.draw(self)

    def on_page(self) -> "go.Figure":
        """Draw it with plotly, as wide as its container."""
        from explorer.report.figures import web

        return web.draw(self)

    def narrow(self) -> "go.Figure | None":
        """Draw it with plotly, its panels one below the other; ``None`` where it has one column."""
        from explorer.report.figures import web

        return web.draw(self, columns=1) if self.columns > 1 else None


def percent_limits(values: Sequence[float]) -> Interval:
    """Return the ends of an axis of percent: a twentieth of room, never beyond 0 and 100."""
    low, high = min(values), max(values)
    room = (high - low) / 20 or 1.0
    return max(low - room, 0.0), min(high + room, 100.0)
