"""All that the page of a study says, before it is laid out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import optuna
import pandas as pd
from optuna.storages import BaseStorage, RDBStorage

from explorer import store as db
from explorer.errors import InputError
from explorer.report import numerals
from explorer.report.best_layout import lay_out_best
from explorer.report.definition import Definition
from explorer.report.fidelity import SEPARATOR, FidelityReport, fidelity, members
from explorer.report.fidelity_layout import lay_out_fidelity
from explorer.report.figures import Interactive, Material, gather, interactive
from explorer.report.importance_layout import lay_out_importance
from explorer.report.layout import Cell, Column, Layout, accuracy, lay_out, ranges
from explorer.report.page import words
from explorer.report.page.asked import lay_out_protocol, lay_out_space
from explorer.report.page.grid import Grid, grid
from explorer.report.page.provenance import (
    failures,
    lay_out_failures,
    lay_out_machines,
    lay_out_runs,
    lay_out_versions,
)
from explorer.report.page.sheets import Sheet, note, sheets
from explorer.report.page.thinning import thinned
from explorer.report.pareto_layout import lay_out_front
from explorer.report.summary import StudyReport
from explorer.report.variety import lay_out_variety

SHOWN_BEST, SHOWN_WORST = 40, 10
"""Sampled arms in the tables of a page, from above and from below."""

Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Content:
    """The page of a study, part by part in the order of the page.

    Attributes:
        title: Name of the study.
        description: What it asks.
        finished: Whether it is finished.
        facts: What there is to know at a glance; its state comes first.
        summary: What it has found, in paragraphs.
        results: The paper's table, and what belongs to it.
        figures: Figures by name.
        figures_note: Which arms they show; empty where they show all.
        sheets: Images of the arms.
        sheets_note: What they show.
        analyses: Tables of what goes with accuracy.
        failures: Why trials failed; ``None`` where none has.
        asked: Its protocol and search space as tables.
        provenance: Its machines, versions and runs as tables.
        command: The command that ran it last; empty where the database has none.
        study_file: The text of its file then; empty as well.
        file_name: The name of that file without its ending.
        version: The explorer that wrote the page.
    """

    title: str
    description: str
    finished: bool
    facts: tuple[Fact, ...]
    summary: tuple[str, ...]
    results: tuple[Grid, ...]
    figures: Mapping[str, Interactive]
    figures_note: str
    sheets: tuple[Sheet, ...]
    sheets_note: str
    analyses: tuple[Grid, ...]
    failures: Grid | None
    asked: tuple[Grid, ...]
    provenance: tuple[Grid, ...]
    command: str
    study_file: str
    file_name: str
    version: str


def content(
    study: optuna.Study | str,
    storage: BaseStorage | None = None,
    report: StudyReport | None = None,
) -> Content:
    """Gather what the page of a study says.

    Args:
        study: An Optuna study, or its name in ``storage``.
        storage: Where a study given by its name is.
        report: What it has found; default what :func:`explorer.report.summarise` says.

    Raises:
        InputError: As :func:`explorer.report.summarise` does.
    """
    from explorer import __version__

    material = gather(study, storage)
    if report is not None:
        material = replace(material, report=report)
    report, said, trials = material.report, material.said, material.trials
    raw: dict[str, Any] = material.study.user_attrs.get("definition") or {}
    protocol = raw.get("protocol") or {}
    database = db.database_of(material.study)
    runs = db.load_runs(database, said.name) if database else []
    against = _fidelity(report, database)
    drawn, drawn_note = thinned(material)
    order = lay_out_fidelity(against) if against else None
    latest = runs[-1] if runs else {}
    return Content(
        title=said.name,
        description=said.description,
        finished=report.progress.finished,
        facts=_facts(report, said, trials),
        summary=words.summary(report, material.correlations, against, failures(trials)),
        results=_grids(
            ("arms", "Arms", lay_out(report, samples=SHOWN_BEST)),
            ("lowest", "The lowest sampled arms", _lowest(report)),
            ("best", "Best ranges", lay_out_best(report)),
            ("front", "Pareto front", lay_out_front(report)),
        ),
        figures=interactive(drawn),
        figures_note=drawn_note,
        sheets=tuple(sheets(report, said, protocol.get("dataset") or {})),
        sheets_note=note(report),
        analyses=_grids(
            ("variety", "Variety and accuracy", lay_out_variety(report, material.correlations)),
            ("importance", "Importance of the ends of ranges", _importance(material)),
            ("fidelity", "Protocols against each other", order),
        ),
        failures=next(iter(_grids(("failed", "Failures", lay_out_failures(trials)))), None),
        asked=_grids(
            ("entries", "Entries of the protocol", lay_out_protocol(protocol)),
            ("space", "Search space", lay_out_space(raw)),
        ),
        provenance=_grids(
            ("runs", "Runs", lay_out_runs(runs)),
            ("machines", "Machines", lay_out_machines(trials)),
            ("versions", "Versions", lay_out_versions(runs)),
        ),
        command=latest.get("command", ""),
        study_file=latest.get("study_file") or "",
        file_name=said.name.partition(SEPARATOR)[0],
        version=__version__,
    )


def _fidelity(report: StudyReport, storage: RDBStorage | None) -> FidelityReport | None:
    """Compare the protocols that the study has run under; ``None`` where that cannot be done."""
    name = report.study.partition(SEPARATOR)[0]
    if storage is None or len(members(name, storage)) < 2:
        return None
    try:
        return fidelity(name, storage)
    except InputError:
        return None


def _importance(material: Material) -> Layout | None:
    """Arrange the importances; those for accuracy are the ones that a figure shows."""
    report = material.report
    if not any(arm.sampled for arm in report.arms):
        return None
    return lay_out_importance(report, {"accuracy": material.importances})


def _facts(report: StudyReport, said: Definition, trials: pd.DataFrame) -> tuple[Fact, ...]:
    state = report.progress
    done = "finished" if state.finished else "not finished"
    sampled = sum(arm.sampled for arm in report.arms)
    named = len(report.arms) - sampled
    arms = [numerals.count(named, "named arm")] if named else []
    arms += [f"{sampled} sampled"] if sampled else []
    facts = [
        ("State", done),
        ("Trials", f"{state.done} of {state.total} done"),
        ("Arms", ", ".join(arms)),
        ("Replicates", f"{said.replicates} an arm"),
        ("Protocol", report.protocol),
        ("Downstream", ", ".join(report.tasks)),
        ("Baseline", report.baseline or ""),
    ]
    seconds = trials["seconds.total"].sum() if "seconds.total" in trials else 0.0
    facts += [("Time of all trials", numerals.duration(float(seconds)))] if seconds else []
    return tuple((name, value) for name, value in facts if value)


def _lowest(report: StudyReport) -> Layout | None:
    """Arrange the lowest of the sampled arms that the paper's table leaves out."""
    left_out = [arm for arm in report.arms if arm.sampled][SHOWN_BEST:]
    if not left_out or report.shown:
        return None
    shown = left_out[-SHOWN_WORST:]
    columns = (
        Column("Arm", text=True),
        Column("Ranges", text=True),
        Column("Accuracy [%]"),
        Column("n"),
    )
    rows = tuple(
        (
            Cell(arm.name),
            Cell(ranges(arm, len(report.formulas) > 1)),
            Cell(accuracy(arm, None, words.places(report))),
            Cell(str(len(arm.replicates))),
        )
        for arm in shown
    )
    between = len(left_out) - len(shown)
    said = f"The lowest {len(shown)} sampled arms."
    more = f" {between} between these and the table above are in csv and json only."
    return Layout(columns, rows, len(rows), (said + (more if between else ""),))


def _grids(*tables: tuple[str, str, Layout | None]) -> tuple[Grid, ...]:
    return tuple(grid(name, title, layout) for name, title, layout in tables if layout)
