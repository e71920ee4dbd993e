"""All figures of a study: as files for print, and as plotly's for a page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.report.fidelity import FidelityReport
from explorer.report.figures import fidelity, style
from explorer.report.figures.kind import Kind
from explorer.report.figures.material import Material
from explorer.report.figures.registry import FIGURES
from explorer.report.figures.strip_drawing import below_paper
from explorer.report.figures.strips import Strip, strips
from explorer.report.files import replacing
from explorer.report.latex import escape, safe_label

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, slots=True)
class Interactive:
    """A figure for a page.

    Attributes:
        title: Its heading.
        caption: How it is read, and over what its intervals are, in sentences of plain text.
        strips: The images that belong below it, which ``below_page`` puts into it.
        figure: The figure, as wide as its container; its height in pixels is
            ``figure.layout.height``. For a dark page its template is exchanged for
            ``style.template(dark=True)``.
    """

    title: str
    caption: str
    strips: tuple[Strip, ...]
    figure: "go.Figure"


def draw(material: Material, directory: Path) -> list[Path]:
    """Draw every figure that a study has something to show for, each as PDF and PNG.

    Beside them is ``figures.tex``, which sets them with their captions in a paper.

    Args:
        material: What :func:`~explorer.report.figures.gather` returns.
        directory: Where the files go; it is made where it is missing.

    Returns:
        The files, each written whole or not at all. The same numbers give the same bytes.

    Raises:
        InputError: If the directory cannot be written to.
    """
    images = strips(material)
    written: list[Path] = []
    floats = []
    for name, kind, data in _prepared(material):
        written += _write(kind, data, images, directory / name)
        floats.append(_float(material.report.study, name, kind.caption(data)))
    return [*written, _write_floats(floats, directory)]


def draw_fidelity(report: FidelityReport, material: Material, directory: Path) -> list[Path]:
    """Draw what the protocols of a study are worth, as :func:`draw` does.

    Args:
        report: What :func:`~explorer.report.fidelity` returns.
        material: Of the study under the longest protocol, whose arms are shown.
        directory: Where the files go.

    Raises:
        InputError: If the directory cannot be written to.
    """
    written = _write(fidelity.KIND, report, strips(material), directory / "fidelity")
    floats = [_float(report.study, "fidelity", fidelity.KIND.caption(report))]
    return [*written, _write_floats(floats, directory)]


def _write(kind: Kind[Any], data: Any, images: Sequence[Strip], path: Path) -> list[Path]:
    """Draw a figure as PDF and PNG beside each other."""
    import matplotlib as mpl

    paths = [path.with_suffix(suffix) for suffix in (".pdf", ".png")]
    with mpl.rc_context(style.PAPER):
        drawn = kind.on_paper(data)
        below_paper(drawn, images)
        for one in paths:
            # No dates inside: the same numbers give the same file.
            metadata = {"CreationDate": None} if one.suffix == ".pdf" else None
            with replacing(one, "--figures") as temporary:
                drawn.savefig(temporary, format=one.suffix[1:], dpi=style.DPI, metadata=metadata)
    return paths


def _float(study: str, name: str, caption: str) -> str:
    """Return a figure as LaTeX, which is to find its file by name."""
    lines = (
        "\\begin{figure}",
        "  \\centering",
        f"  \\includegraphics[width=\\linewidth]{{{name}}}",
        f"  \\caption{{{escape(caption)}}}",
        f"  \\label{{fig:{safe_label(f'{study}-{name}')}}}",
        "\\end{figure}",
    )
    return "\n".join(lines) + "\n"


def _write_floats(floats: Sequence[str], directory: Path) -> Path:
    path = directory / "figures.tex"
    needed = "% \\usepackage{graphicx} \\graphicspath{{the folder of this file/}}\n"
    with replacing(path, "--figures") as temporary:
        temporary.write_text("\n".join([needed, *floats]), encoding="utf-8", newline="")
    return path


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
        found[name] = Interactive(kind.title, kind.caption(data), images, kind.on_page(data))
    return found


def _prepared(material: Material) -> Iterator[tuple[str, Kind[Any], Any]]:
    for name, kind in FIGURES.items():
        data = kind.prepare(material)
        if data is not None:
            yield name, kind, data
