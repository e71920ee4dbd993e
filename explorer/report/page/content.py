"""All that the page of a study shows, before it is laid out."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from explorer import store
from explorer.report import numerals
from explorer.report.analysis import variety_table
from explorer.report.decisions import SEPARATOR, decisions_table
from explorer.report.figures import drawings, gather
from explorer.report.layout import arms_table, front_table
from explorer.report.page import details
from explorer.report.page.sheets import sheets
from explorer.report.sentences import sentences
from explorer.report.summary import StudyReport
from explorer.report.tables import Table

SHOWN_SAMPLES = 40
"""Sampled arms in the table of a page, the best ones."""

Named = tuple[str, str, Table]
"""A table with what it is referred to by (letters, digits, hyphens) and its heading."""


def content(database: store.Database, study: str | StudyReport) -> dict[str, Any]:
    """Gather what the page of a study shows, part by part in the order of the page.

    Args:
        database: Where the study is.
        study: Its name, or what it has found.

    Returns:
        What ``page.html.j2`` sets: texts; ``facts`` to know at a glance, its state first; tables
        with their names and headings; figures; and the sheets of :func:`sheets`.

    Raises:
        InputError: As :func:`explorer.report.summarise` does.
    """
    from explorer import __version__

    material = gather(database, study)
    report, trials, definition = material.report, material.trials, material.definition
    name = report.study
    runs = store.load_runs(database, name)
    latest = runs[-1] if runs else {}
    pictures, note = sheets(report, trials, definition)
    decisions = [
        (f"decisions-{i}", f"Decision accuracy by {each.reference}", decisions_table(each))
        for i, each in enumerate(report.judgements)
    ]
    return {
        "title": name,
        "description": str(definition.get("description") or "").strip(),
        "finished": report.progress.finished,
        "facts": _facts(report, trials, int(definition.get("replicates") or 1)),
        "summary": sentences(report),
        "results": _named(
            ("arms", "Arms", arms_table(report, samples=SHOWN_SAMPLES)),
            ("front", "Pareto front", front_table(report)),
        ),
        "figures": tuple(drawings(material)),
        "sheets": tuple(pictures),
        "sheets_note": note,
        "analyses": _named(("variety", "Variety and accuracy", variety_table(report)), *decisions),
        "failures": _named(("failed", "Failures", details.failures_table(trials))),
        "protocol": _named(
            ("entries", "Entries of the protocol", details.protocol_table(definition)),
            ("space", "Search space", details.space_table(definition)),
        ),
        "provenance": _named(
            ("runs", "Runs", details.runs_table(runs)),
            ("machines", "Machines", details.machines_table(trials)),
            ("versions", "Versions", details.versions_table(runs)),
        ),
        "command": latest.get("command", ""),
        "study_file": latest.get("study_file") or "",
        "file_name": name.partition(SEPARATOR)[0],
        "version": __version__,
    }


def _named(*tables: tuple[str, str, Table | None]) -> tuple[Named, ...]:
    return tuple((name, title, table) for name, title, table in tables if table is not None)


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
        ("Downstream", _joined(report.tasks if report.trains else ())),
        (report.baseline_title.capitalize(), (report.trains and report.baseline) or ""),
        ("Time in all", numerals.duration(seconds) if seconds else ""),
    )
    return tuple((name, value) for name, value in facts if value)


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(filter(None, parts))
