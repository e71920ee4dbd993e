"""Figures of a study for print: vector PDF and PNG, colour-blind safe, fonts embedded."""

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy import stats

from explorer.errors import InputError
from explorer.report import numerals
from explorer.report.statistics import LEVEL, Spread
from explorer.report.summary import Arm, StudyReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with every kind of colour vision.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#555555"
_STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "pdf.fonttype": 42,  # TrueType: text in a PDF stays text, as publishers ask
    "svg.fonttype": "none",
}
_WIDTH = 5.5  # inches: the text width of a one-column paper
_ROW = 0.3


def draw(report: StudyReport, directory: Path) -> list[Path]:
    """Draw every figure of a study into a directory, each as PDF and PNG.

    Returns:
        The files, each written whole or not at all.

    Raises:
        InputError: If the directory cannot be written to.
    """
    import matplotlib as mpl

    written = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context(_STYLE):
            for name, figure in FIGURES.items():
                drawn = figure(report)
                for suffix in ("pdf", "png"):
                    path = directory / f"{name}.{suffix}"
                    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
                    # No dates inside: the same numbers give the same file.
                    metadata = {"CreationDate": None} if suffix == "pdf" else None
                    drawn.savefig(temporary, format=suffix, dpi=200, metadata=metadata)
                    temporary.replace(path)
                    written.append(path)
    except OSError as error:
        raise InputError("--figures", None, str(directory), str(error.strerror)) from error
    return written


def accuracy(report: StudyReport) -> "Figure":
    """Draw the accuracy of every arm: its replicates, their mean and its 95 % interval.

    The interval is Student's, of each arm for itself; the band is that of the baseline. Whether
    two arms differ is for the test in the table to say, not for overlapping intervals.
    """
    from matplotlib.figure import Figure

    arms = [arm for arm in report.arms if arm.accuracy]
    figure = Figure(figsize=(_WIDTH, 0.9 + _ROW * len(arms)), layout="constrained")
    axes = figure.add_subplot()
    for row, arm in enumerate(arms):
        color = _GREY if arm.name == report.baseline else _BLUE
        values = [100 * replicate.accuracy for replicate in arm.replicates]
        axes.plot(values, [row + 0.18] * len(values), "o", ms=3, mew=0.6, mfc="none", color=color)
        low, high, mean = _interval(arm.accuracy)
        if arm.name == report.baseline:
            axes.axvspan(low, high, color=_GREY, alpha=0.12, lw=0)
            axes.axvline(mean, color=_GREY, lw=0.6, ls=(0, (4, 3)))
        best = arm is report.ranked[0]
        axes.plot([low, high], [row, row], color=_ORANGE if best else color, lw=1.4)
        axes.plot([mean], [row], "D" if best else "s", ms=4.5, color=_ORANGE if best else color)
    axes.set_yticks(range(len(arms)), [_label(arm) for arm in arms])
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlabel(f"top-1 accuracy on {', '.join(report.tasks)} [%]")
    axes.set_title(
        f"{report.study}, protocol {report.protocol}: replicates (circles), mean and its "
        f"{1 - LEVEL:.0%} interval;\ndashed: {report.baseline}; diamond: best mean",
        fontsize=7,
        loc="left",
    )
    axes.grid(axis="x", lw=0.3, alpha=0.5)
    return figure


FIGURES: Mapping[str, Callable[[StudyReport], "Figure"]] = {"accuracy": accuracy}
"""Every figure by the name of its file."""


def _interval(found: Spread | None) -> tuple[float, float, float]:
    """Return low end, high end and mean in percent; without spread the ends are the mean."""
    if found is None:
        return math.nan, math.nan, math.nan
    mean = 100 * found.mean
    if not found.std:
        return mean, mean, mean
    quantile = float(stats.t.ppf(1 - LEVEL / 2, found.n - 1))
    half = 100 * found.std / math.sqrt(found.n) * quantile
    return mean - half, mean + half, mean


def _label(arm: Arm) -> str:
    return f"{arm.name}\n{numerals.ranges(arm.ranges)}" if arm.ranges else arm.name
