"""All figures of a study: as files for print, and as plotly's for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from explorer import store
from explorer.files import replacing
from explorer.report.analysis import correlations
from explorer.report.decisions import Judgement
from explorer.report.figures import arms, learning, paper, samplers
from explorer.report.figures.description import Figure, Strip
from explorer.report.figures.strips import strips
from explorer.report.frame import load, load_epochs, load_rungs
from explorer.report.summary import StudyReport, summarise
from explorer.report.tables import escape, safe_label

MOST_ARMS = 1000
"""Arms that a browser can draw; of more a part is shown, and it is said which."""

Drawing = Figure | samplers.OptunaFigure
"""What can be drawn for print and for a page."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the figures of a study are drawn from.

    Attributes:
        report: What the study has found.
        trials: A row per attempt.
        rungs: A row per rung.
        epochs: A row per epoch.
        definition: The definition of the study.
        study: The Optuna study, whose trials are arms.
    """

    report: StudyReport
    trials: pd.DataFrame
    rungs: pd.DataFrame
    epochs: pd.DataFrame
    definition: Mapping[str, Any]
    study: optuna.Study


def gather(database: store.Database, study: str | StudyReport) -> Material:
    """Read what the figures of a study are drawn from.

    Args:
        database: Where the study is.
        study: Its name, or what it has found.

    Raises:
        InputError: As :func:`explorer.report.summarise` does.
    """
    report = summarise(database, study) if isinstance(study, str) else study
    name = report.study
    return Material(
        report=report,
        trials=load(database, name),
        rungs=load_rungs(database, name),
        epochs=load_epochs(database, name),
        definition=store.definition(database, name),
        study=store.optuna_study(database, name),
    )


def drawings(material: Material, images: Sequence[Strip] = ()) -> list[Drawing]:
    """Return the figures that a study has something to show for: ours, then Optuna's.

    Args:
        material: What they are drawn from.
        images: Images of arms that stand below our figures in print.
    """
    report, note = _thinned(material.report)
    shown = {arm.name for arm in report.arms}
    return [
        *ours(material, images),
        *samplers.drawings(material.study, material.definition, shown, note),
    ]


def ours(material: Material, images: Sequence[Strip] = ()) -> list[Figure]:
    """Return our own figures, as :func:`drawings` does."""
    whole, (report, note) = material.report, _thinned(material.report)
    of_many = [
        arms.ranges(report),
        arms.variety(report, correlations(whole)),
        learning.learning(report, material.rungs, material.epochs),
    ]
    described = [arms.accuracy(whole)] if whole.ranked else []
    described += [replace(f, note=f"{f.note} {note}".strip()) for f in of_many if f]
    described += map(learning.decisions, whole.judgements)
    return [replace(figure, strips=tuple(images)) for figure in described]


def _thinned(report: StudyReport) -> tuple[StudyReport, str]:
    """Leave out sampled arms so that a browser can draw the others, and say so.

    All named arms stay, the best, the worst, and a seeded draw of the others.
    """
    if len(report.arms) <= MOST_ARMS:
        return report, ""
    kept = {arm.name for arm in (*report.ranked[:1], *report.ranked[-1:])}
    kept |= {arm.name for arm in report.arms if not arm.sampled}
    others = sorted({arm.name for arm in report.arms} - kept)
    room = max(0, MOST_ARMS - len(kept))
    kept |= set(np.random.default_rng(0).choice(others, room, replace=False).tolist())
    shown = tuple(arm for arm in report.arms if arm.name in kept)
    note = (
        f"Drawn are {len(shown)} of {len(report.arms)} arms: the named ones, the best, the worst "
        "and a random draw of the others."
    )
    return replace(report, arms=shown), note


def draw(
    database: store.Database, study: str | StudyReport | Sequence[Judgement], folder: Path
) -> list[Path]:
    """Draw every figure that a study has something to show for, each as PDF and PNG.

    Beside them is ``figures.tex``, which sets them with their captions in a paper.

    Args:
        database: Where the study is.
        study: Its name, or what it has found; or judgements alone, of which there is a figure each.
        folder: Where the files go; it is made where it is missing.

    Returns:
        The files, each written whole or not at all. The same numbers give the same bytes.

    Raises:
        InputError: As :func:`explorer.report.summarise` does, or if the folder cannot be written.
    """
    if not isinstance(study, str | StudyReport):
        name = study[0].study
        figures: Sequence[Drawing] = [*map(learning.decisions, study)]
    else:
        material = gather(database, study)
        name = material.report.study
        images = strips(material.report, material.trials, material.definition)
        figures = drawings(material, images)
    written = [path for figure in figures for path in _write(figure, folder)]
    tex = folder / "figures.tex"
    needed = "% \\usepackage{graphicx} \\graphicspath{{the folder of this file/}}\n"
    with replacing(tex, "--figures") as temporary:
        text = "\n".join([needed, *(_float(name, figure) for figure in figures)])
        temporary.write_text(text, encoding="utf-8", newline="")
    return [*written, tex]


def _write(figure: Drawing, folder: Path) -> list[Path]:
    import matplotlib as mpl

    paths = [folder / f"{figure.name}{suffix}" for suffix in (".pdf", ".png")]
    with mpl.rc_context():
        mpl.rcdefaults()  # settings of the user's own plotting have no say in ours
        mpl.rcParams.update(paper.STYLE)
        sheet = figure.on_paper()
        for path in paths:
            # No dates inside: the same numbers give the same file.
            metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
            with replacing(path, "--figures") as temporary:
                sheet.savefig(temporary, format=path.suffix[1:], dpi=paper.DPI, metadata=metadata)
    return paths


def _float(study: str, figure: Drawing) -> str:
    """Return a figure as LaTeX: its file by name, its caption, and its note below."""
    note = [f"  \\par\\smallskip{{\\footnotesize {escape(figure.note)}}}"] if figure.note else []
    lines = (
        "\\begin{figure}",
        "  \\centering",
        f"  \\includegraphics[width=\\linewidth]{{{figure.name}}}",
        f"  \\caption{{{escape(figure.caption)}}}",
        f"  \\label{{fig:{safe_label(f'{study}-{figure.name}')}}}",
        *note,
        "\\end{figure}",
    )
    return "\n".join(lines) + "\n"
