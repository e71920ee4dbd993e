"""All figures of a study: as files for print, and as plotly's for a page."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import InputError
from explorer.report.figures import style
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.registry import FIGURES
from explorer.report.figures.strip_drawing import below_page, below_paper
from explorer.report.figures.strips import strips

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, slots=True)
class Interactive:
    """A figure for a page.

    Attributes:
        title: Its heading.
        caption: How it is read, and over what its intervals are, in sentences of plain text.
        figure: The figure, as wide as its container; its height in pixels is
            ``figure.layout.height``. For a dark page its template is exchanged for
            ``style.template(dark=True)``.
    """

    title: str
    caption: str
    figure: "go.Figure"


def draw(material: Material, directory: Path) -> list[Path]:
    """Draw every figure that a study has something to show for, each as PDF and PNG.

    Args:
        material: What :func:`~explorer.report.figures.gather` returns.
        directory: Where the files go; it is made where it is missing.

    Returns:
        The files, each written whole or not at all. The same numbers give the same bytes.

    Raises:
        InputError: If the directory cannot be written to.
    """
    import matplotlib as mpl

    written = []
    images = strips(material)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, kind, data in _prepared(material):
            with mpl.rc_context(style.PAPER):
                drawn = kind.on_paper(data)
                below_paper(drawn, images)
                for suffix in ("pdf", "png"):
                    path = directory / f"{name}.{suffix}"
                    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
                    # No dates inside: the same numbers give the same file.
                    metadata = {"CreationDate": None} if suffix == "pdf" else None
                    drawn.savefig(temporary, format=suffix, dpi=style.DPI, metadata=metadata)
                    temporary.replace(path)
                    written.append(path)
    except OSError as error:
        raise InputError("--figures", None, str(directory), str(error.strerror)) from error
    return written


def interactive(material: Material) -> dict[str, Interactive]:
    """Draw every figure that a study has something to show for with plotly.

    Args:
        material: What :func:`~explorer.report.figures.gather` returns.

    Returns:
        The figures by name, in the order of a report.
    """
    found = {}
    images = strips(material)
    for name, kind, data in _prepared(material):
        figure = kind.on_page(data)
        below_page(figure, images)
        found[name] = Interactive(kind.title, kind.caption(data), figure)
    return found


def _prepared(material: Material) -> Iterator[tuple[str, Kind[Any], Any]]:
    for name, kind in FIGURES.items():
        data = kind.prepare(material)
        if data is not None:
            yield name, kind, data
