"""All that the page of a study shows, before it is laid out."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from explorer import store
from explorer.report import numerals
from explorer.report.best_layout import lay_out_best
from explorer.report.fidelity import SEPARATOR
from explorer.report.fidelity_layout import lay_out_fidelity
from explorer.report.figures import Drawing, drawings, gather
from explorer.report.layout import Layout, lay_out
from explorer.report.page import details, words
from explorer.report.page.grid import Grid, grid, plain_grid
from explorer.report.page.sheets import Sheet, sheets
from explorer.report.pareto_layout import lay_out_front
from explorer.report.summary import StudyReport
from explorer.report.variety import correlations, lay_out_variety

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
        summary: What it has found, in paragraphs.
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
    known = correlations(report)
    pictures, note = sheets(report, trials, definition)
    protocol = definition.get("protocol") or {}
    fidelity = material.fidelity
    return Content(
        title=name,
        description=str(definition.get("description") or "").strip(),
        finished=report.progress.finished,
        facts=_facts(report, trials, int(definition.get("replicates") or 1)),
        summary=words.summary(report, known, fidelity, details.failures(trials)),
        results=_present(
            grid("arms", "Arms", lay_out(report, samples=SHOWN_BEST)),
            _lowest(report),
            _of("best", "Best ranges", lay_out_best(report)),
            _of("front", "Pareto front", lay_out_front(report)),
        ),
        figures=tuple(drawings(material)),
        sheets=tuple(pictures),
        sheets_note=note,
        analyses=_present(
            _of("variety", "Variety and accuracy", lay_out_variety(report, known)),
            _of("protocols", "Protocols against each other", lay_out_fidelity(fidelity))
            if fidelity
            else None,
        ),
        failures=details.failures_table(trials),
        protocol=_present(details.protocol_table(protocol), details.space_table(definition)),
        provenance=_present(
            details.runs_table(runs),
            details.machines_table(trials),
            details.versions_table(runs),
        ),
        command=latest.get("command", ""),
        study_file=latest.get("study_file") or "",
        file_name=name.partition(SEPARATOR)[0],
        version=__version__,
    )


def _present(*grids: Grid | None) -> tuple[Grid, ...]:
    return tuple(filter(None, grids))


def _of(name: str, title: str, layout: Layout | None) -> Grid | None:
    return grid(name, title, layout) if layout else None


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


def _lowest(report: StudyReport) -> Grid | None:
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
    headings = ("Arm", "Ranges", "Accuracy [%]", "n")
    title = "The lowest sampled arms"
    return plain_grid("lowest", title, headings, rows, caption, headings[2:])
