"""All that the page of a study shows, before it is laid out."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from explorer import store
from explorer.report import numerals
from explorer.report.analysis import variety_table
from explorer.report.decisions import SEPARATOR, decisions_table
from explorer.report.figures import Drawing, drawings, gather
from explorer.report.layout import arms_table, front_table
from explorer.report.page import details
from explorer.report.page.grid import Grid, grid
from explorer.report.page.sheets import Sheet, sheets
from explorer.report.sentences import sentences
from explorer.report.summary import StudyReport
from explorer.report.tables import Column, Table

SHOWN_BEST, SHOWN_WORST = 40, 10
"""Sampled arms in the tables of a page, from above and from below."""


@dataclass(frozen=True, slots=True)
class Content:
    """The page of a study, part by part in the order of the page.

    Attributes:
        title: Name of the study.
        description: What it asks.
        finished: Whether it is finished.
        facts: What there is to know at a glance; its state comes first.
        summary: What it has found, in sentences.
        results: The main table, and what belongs to it.
        figures: Its figures.
        sheets: Images of the arms.
        sheets_note: What they show.
        analyses: Tables of what goes with accuracy.
        failures: Why replicates failed; ``None`` where none has.
        protocol: Its protocol and search space as tables.
        provenance: Its machines, versions and runs as tables.
        command: The command that ran it last; empty where the database has none.
        study_file: The text of its file then; empty as well.
        file_name: The name of that file without its ending.
        version: The explorer that wrote the page.
    """

    title: str
    description: str
    finished: bool
    facts: tuple[tuple[str, str], ...]
    summary: tuple[str, ...]
    results: tuple[Grid, ...]
    figures: tuple[Drawing, ...]
    sheets: tuple[Sheet, ...]
    sheets_note: str
    analyses: tuple[Grid, ...]
    failures: Grid | None
    protocol: tuple[Grid, ...]
    provenance: tuple[Grid, ...]
    command: str
    study_file: str
    file_name: str
    version: str


def content(database: store.Database, study: str | StudyReport) -> Content:
    """Gather what the page of a study shows.

    Args:
        database: Where the study is.
        study: Its name, or what it has found.

    Raises:
        InputError: As :func:`explorer.report.summarise` does.
    """
    from explorer import __version__

    material = gather(database, study)
    name = material.report.study
    report, trials, definition = material.report, material.trials, material.definition
    runs = store.load_runs(database, name)
    latest = runs[-1] if runs else {}
    pictures, note = sheets(report, trials, definition)
    protocol = definition.get("protocol") or {}
    return Content(
        title=name,
        description=str(definition.get("description") or "").strip(),
        finished=report.progress.finished,
        facts=_facts(report, trials, int(definition.get("replicates") or 1)),
        summary=sentences(report),
        results=_grids(
            ("arms", "Arms", arms_table(report, samples=SHOWN_BEST)),
            ("lowest", "The lowest sampled arms", _lowest(report)),
            ("front", "Pareto front", front_table(report)),
        ),
        figures=tuple(drawings(material)),
        sheets=tuple(pictures),
        sheets_note=note,
        analyses=_grids(
            ("variety", "Variety and accuracy", variety_table(report)),
            *(
                (f"decisions-{i}", f"Decision accuracy by {each.reference}", decisions_table(each))
                for i, each in enumerate(report.judgements)
            ),
        ),
        failures=grid("failed", "Failures", details.failures_table(trials)),
        protocol=_grids(
            ("entries", "Entries of the protocol", details.protocol_table(protocol)),
            ("space", "Search space", details.space_table(definition)),
        ),
        provenance=_grids(
            ("runs", "Runs", details.runs_table(runs)),
            ("machines", "Machines", details.machines_table(trials)),
            ("versions", "Versions", details.versions_table(runs)),
        ),
        command=latest.get("command", ""),
        study_file=latest.get("study_file") or "",
        file_name=name.partition(SEPARATOR)[0],
        version=__version__,
    )


def _grids(*tables: tuple[str, str, Table | None]) -> tuple[Grid, ...]:
    return tuple(filter(None, (grid(*parts) for parts in tables)))


def _facts(
    report: StudyReport, trials: pd.DataFrame, replicates: int
) -> tuple[tuple[str, str], ...]:
    state = report.progress
    sampled = sum(arm.sampled for arm in report.arms)
    named = len(report.arms) - sampled
    arms = (numerals.count(named, "named arm") if named else "", f"{sampled} sampled")
    seconds = float(trials["seconds.total"].sum()) if "seconds.total" in trials else 0.0
    facts = (
        ("State", "finished" if state.finished else "not finished"),
        ("Replicates", f"{state.done} of {state.total} done, {replicates} per arm"),
        ("Arms", _joined(arms if sampled else arms[:1])),
        ("Protocol", report.protocol),
        ("Downstream", _joined(report.tasks)),
        ("Baseline", report.baseline or ""),
        ("Time in all", numerals.duration(seconds) if seconds else ""),
    )
    return tuple((name, value) for name, value in facts if value)


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(filter(None, parts))


def _lowest(report: StudyReport) -> Table | None:
    """Return the lowest of the sampled arms that the main table leaves out."""
    left_out = [arm for arm in report.arms if arm.sampled][SHOWN_BEST:]
    if not left_out or report.shown:
        return None
    shown = left_out[-SHOWN_WORST:]
    rows = [
        (
            arm.name,
            numerals.ranges(arm.ranges),
            numerals.mean_std(arm.accuracy.mean, arm.accuracy.std) if arm.accuracy else "",
            str(len(arm.replicates)),
        )
        for arm in shown
    ]
    caption = f"The lowest {len(shown)} sampled arms."
    if between := len(left_out) - len(shown):
        caption += f" {between} between these and the table above are in csv and json only."
    texts = (Column("Arm", text=True), Column("Ranges", text=True))
    columns = (*texts, Column("Accuracy [%]"), Column("n"))
    return Table.of(columns, rows, caption=(caption,))
