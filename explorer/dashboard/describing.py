"""What the dashboard shows of an arm and of a study: notes, images and curves."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import optuna
from optuna.artifacts import upload_artifact

from explorer import store
from explorer.dashboard.artifacts import default_place, open_artifacts
from explorer.errors import InputError
from explorer.measures import MEASURES
from explorer.report import figures, numerals
from explorer.report.frame import Row, counted, load, load_epochs, load_rungs, records
from explorer.report.layout import arms_table
from explorer.report.statistics import spread
from explorer.report.summary import summarise
from explorer.report.tables import Column, Table, markdown
from explorer.store import Database

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST = 200
"""Arms of a study that get a note and curves, the first ones.

Both are attributes of the study, and whoever reads one attribute of a study reads them all.
"""

_CATEGORIES, _INSTANCES, _SIDE = 4, 6, 96
_TITLE = 36  # pixels


def describe(
    database: Database,
    study_name: str,
    arm: str,
    trial_number: int,
    *,
    artifacts: str | None = None,
) -> None:
    """Write what the dashboard shows of an arm: its images, its note and its curves.

    It is called while the arm's trial is unfinished, since Optuna takes no artifact for a finished
    one. Without optuna-dashboard it writes nothing.

    Args:
        database: Where the study is.
        study_name: Name of the study.
        arm: Name of the arm.
        trial_number: Number of the arm's Optuna trial.
        artifacts: Where the images go; default beside the database.

    Raises:
        InputError: If the study is not there, or its artifacts cannot be written.
    """
    try:
        from optuna_dashboard import save_note, save_plotly_graph_object
    except ImportError:
        return
    study = store.optuna_study(database, study_name)
    study_id = database.optuna.get_study_id_from_name(study_name)
    trial_id = database.optuna.get_trial_id_from_study_id_trial_number(study_id, trial_number)
    trial = optuna.trial.Trial(study, trial_id)
    attempts = load(database, study_name, arm)
    row = figures.first_row(attempts, arm)
    dataset = figures.dataset_of(store.definition(database, study_name), arm)
    _upload_images(trial, row, dataset, artifacts or default_place(database))
    if trial_number >= MOST:
        return
    save_note(trial, _arm_note(arm, records(counted(attempts)), row))
    latest = attempts.groupby("replicate")["attempt"].max().reset_index()
    curves = figures.learning_of(
        arm, *(rows(database, study_name, arm).merge(latest) for rows in (load_rungs, load_epochs))
    )
    if curves is not None:
        figure = _titled(curves.on_page(), f"{arm}: {curves.title}")
        save_plotly_graph_object(study, figure, graph_object_id=f"explorer-arm-{trial_number}")


def note(database: Database, study_name: str) -> None:
    """Write the main table of a study, with all its arms, as its note; and our figures of it.

    Without optuna-dashboard it writes nothing; nor for a study without a score.

    Raises:
        InputError: If the study is not there.
    """
    try:
        from optuna_dashboard import save_note, save_plotly_graph_object
    except ImportError:
        return
    study = store.optuna_study(database, study_name)
    try:
        report = summarise(database, study_name)
    except InputError:  # no score yet
        return
    save_note(
        study,
        f"## {_text(study_name)}\n\n{markdown(arms_table(report, samples=len(report.arms)))}",
    )
    for drawing in figures.ours(figures.gather(database, report)):
        figure = _titled(drawing.on_page(), drawing.title)
        save_plotly_graph_object(study, figure, graph_object_id=f"explorer-{drawing.name}")


def _titled(figure: "go.Figure", title: str) -> "go.Figure":
    """Put a title above a figure and its legend."""
    height, room = figure.layout.height + _TITLE, figure.layout.margin.t + _TITLE
    heading = {"text": escape(title), "yref": "container", "y": 1, "yanchor": "top"}
    figure.update_layout(height=height, margin_t=room, legend_y=1 - _TITLE / height)
    return figure.update_layout(title={**heading, "pad": {"t": 8}})


def _upload_images(
    trial: optuna.Trial, row: Mapping[str, Any] | None, dataset: Mapping[str, Any], place: str
) -> None:
    size = {"categories": _CATEGORIES, "instances": _INSTANCES, "side": _SIDE}
    pixels, _ = figures.images(row, dataset, **size)
    if not len(pixels):
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "images.png"
        figures.sheet(pixels).save(path)
        upload_artifact(
            artifact_store=open_artifacts(place), file_path=str(path), study_or_trial=trial
        )


def _arm_note(arm: str, rows: Sequence[Row], first: Mapping[str, Any] | None) -> str:
    """Write the note of an arm: its score, its replicates, its ranges and its variety."""
    scores = [row["accuracy"] for row in rows if "accuracy" in row]
    outcome = "No replicate has a score."
    if scores:
        accuracy = spread(scores)
        text = numerals.mean_std(accuracy.mean, accuracy.std)
        outcome = f"**{text} %** accuracy, n = {accuracy.n}."
    runs = [
        (
            str(row["replicate"]),
            str(row["seed"]),
            ": ".join(row[key] for key in ("state", "reason") if key in row),
            numerals.percent(row["accuracy"]) if "accuracy" in row else numerals.MISSING,
            numerals.duration(row["seconds.total"]) if "seconds.total" in row else numerals.MISSING,
            row.get("host", numerals.MISSING),
        )
        for row in rows
    ]
    ranges = (first and first["ranges"]) or {}
    spans = [(name, numerals.span(*ends)) for name, ends in ranges.items()]
    means = [
        (measure.title, numerals.significant(fmean(values)), measure.unit)
        for name, measure in MEASURES.items()
        if (values := [row[f"variety.{name}"] for row in rows if f"variety.{name}" in row])
    ]
    parts = (
        f"## {_text(arm)}\n\n{outcome}\n",
        _table("Replicate, Seed, State, Accuracy [%], Time, Host", runs),
        _table("Parameter, Range", spans),
        _table("Variety, Mean, Unit", means),
    )
    return "\n".join(filter(None, parts))


def _table(headings: str, rows: Sequence[Sequence[str]]) -> str:
    columns = [Column(heading, text=True) for heading in headings.split(", ")]
    return markdown(Table.of(columns, rows)) if rows else ""


def _text(text: str) -> str:
    return markdown(Table((), (), (" ".join(text.split()),))).strip()
