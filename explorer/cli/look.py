"""Commands that look at studies, at what there is to make one of, and at the machine."""

import dataclasses
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from explorer.cli.options import (
    OK,
    SOMETHING_FAILED,
    console,
    echo_json,
    existing,
    json_option,
    storage_option,
    whole,
)
from explorer.errors import InputError, nearest, written

if TYPE_CHECKING:
    from explorer.files import Kind
    from explorer.store import Database


@click.command()
@click.argument("study", required=False)
@storage_option
@click.option("--watch", is_flag=True, help="Go on showing it until the study is finished.")
@click.option(
    "--interval",
    type=click.FloatRange(0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks of --watch.",
)
@json_option
def status(study: str | None, storage: str | None, watch: bool, interval: float, form: str) -> int:
    """Say what is done, running and failed, and how long it will take; of STUDY or of all.

    With --watch it also waits for a study that has not begun.
    """
    from explorer import report, store

    url, screen = storage or store.default_url(), console()
    if watch:
        with _awaited(url, interval) as database:
            if study is not None and study not in store.study_names(database):
                click.echo(f"Waiting for {study} to begin ...", err=True)
            with report.watching(database, study, screen, interval=interval) as view:
                view.wait()
        return OK
    with store.connect(url) as database:
        if study is None:
            states = report.overview(database)
            shown = report.overview_screen(states, screen.width)
        else:
            states = [report.status(database, study)]
            shown = report.status_screen(states[0], screen.width)
    if form == "json":
        content = [state.to_dict() for state in states]
        echo_json(content if study is None else content[0])
    else:
        screen.print(shown)
    return OK


def _awaited(url: str, interval: float) -> "Database":
    """Return a database as soon as a study has made it."""
    from explorer import store

    database = existing(url)
    if database is None:
        click.echo(f"Waiting for {store.masked(url)} to be made ...", err=True)
    while database is None:
        time.sleep(interval)
        database = existing(url)
    return database


@click.command()
@click.argument("study", required=False)
@storage_option
@click.option(
    "--artifacts",
    metavar="PLACE",
    help="Where the images of arms are: a folder or s3://BUCKET/PREFIX; default beside the "
    "database.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="0.0.0.0 for all who reach this machine."
)
@whole("--port", 1, 65535, default=8080, show_default=True)
def dashboard(
    study: str | None, storage: str | None, artifacts: str | None, host: str, port: int
) -> int:
    """Show the Optuna dashboard, on this machine only unless told otherwise; at STUDY, if named."""
    from explorer import dashboard as room
    from explorer import store

    with store.connect(storage or store.default_url()) as database:
        path = ""
        if study is not None:
            store.definition(database, study)
            room.note(database, study)
            path = f"/dashboard/studies/{database.optuna.get_study_id_from_name(study)}"
        with room.serve(database, host=host, port=port, artifacts=artifacts) as server:
            click.echo(f"http://{host}:{port}{path}  (Ctrl-C ends it)")
            with suppress(KeyboardInterrupt):
                server.serve_forever()
    return OK


_TITLES: "Mapping[Kind, str]" = {
    "studies": "Studies",
    "search_spaces": "Search spaces",
    "protocols": "Protocols",
}


@click.command("list")
@click.argument("name", metavar="[STUDY|FORMULA]", required=False)
@json_option
def list_(name: str | None, form: str) -> int:
    """List what there is; of a STUDY its arms, of a FORMULA its parameters."""
    from explorer import files, formulas
    from explorer.cli.tables import table

    if name is None:
        parts = _all()
    elif name in formulas.names():
        parts = _formula(name)
    elif files.is_path(name) or name in dict(files.available("studies")):
        parts = _study(name)
    else:
        known = [*formulas.names(), *dict(files.available("studies"))]
        raise InputError("list", None, name, f"no study and no formula; {nearest(name, known)}")
    if form == "json":
        echo_json({key: _named(headings, rows) for key, _, headings, rows in parts})
        return OK
    screen = console()
    for _, title, headings, rows in parts:
        screen.print(table(title, headings, rows))
        if name is None:
            screen.print()
    return OK


_Part = tuple[str, str, tuple[str, ...], list[tuple[Any, ...]]]
"""A table: its key in JSON, title, headings, rows."""


def _named(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(headings, row, strict=True)) for row in rows]


def _all() -> list[_Part]:
    """Return all files and formulas; with one that is wrong, what is wrong with it."""
    from explorer import files, formulas

    parts: list[_Part] = []
    for kind, title in _TITLES.items():
        rows = [
            # A file of the working directory is a path, one of the package is not.
            (n, _description(kind, p), "(comes with explorer)" if p.is_absolute() else str(p))
            for n, p in files.available(kind)
        ]
        parts.append((kind, title, ("name", "what it is", "file"), rows))
    found: list[tuple[Any, ...]] = []
    for name in formulas.names():
        try:
            formula = formulas.get(name)
        except formulas.BrokenFormula as error:
            found.append((name, f"broken: {error.remedy}", ""))
            continue
        origin = formulas.origin(name)
        source = f"{formula.source} (from {origin})" if origin else formula.source
        found.append((name, formula.title, source))
    found += [(e.name, f"broken: {e.remedy}", "") for e in formulas.collisions()]
    return [*parts, ("formulas", "Formulas", ("name", "what it is", "source"), found)]


def _description(kind: "Kind", path: Path) -> str:
    from explorer.study import load_protocol, load_search_space, load_studies

    try:
        if kind == "studies":
            text = load_studies(str(path))[0].file.description
        else:
            load = load_protocol if kind == "protocols" else load_search_space
            text = load(str(path)).description
    except InputError as error:
        return f"wrong: {str(error).splitlines()[0]}"
    return " ".join(text.split())


def _formula(name: str) -> list[_Part]:
    """Return the parameters of a formula with their limits and default ranges, and its groups."""
    from explorer.study import find_formula

    formula = find_formula(name)
    rows: list[tuple[Any, ...]] = [
        (
            p.name,
            _range(p.default),
            _range((p.low, p.high)),
            p.unit,
            f"{p.description} ({p.symbol})",
        )
        for p in formula.parameters
    ]
    rows += [(g, "", "", "", f"sets {' and '.join(m)}") for g, m in formula.groups.items()]
    headings = ("name", "default", "limits", "unit", "what it is")
    return [("parameters", f"{formula.title}: parameters", headings, rows)]


def _study(name: str) -> list[_Part]:
    """Return the arms of a study, and what its sampler varies."""
    from explorer.study import load_studies

    study = load_studies(name)[0]
    rows: list[tuple[Any, ...]] = []
    for arm, ranges in study.arms.items():
        said = study.file.arms.get(arm)
        images = study.protocol_of(arm).dataset.images
        source = study.space_of(arm).formula if images is None else f"images of {images}"
        ends = ", ".join(f"{p} {_range(r)}" for p, r in (ranges or {}).items())
        changes = written(said.protocol)[1:-1] if said and said.protocol else ""
        what = "no pre-training" if ranges is None else ends or "defaults"
        rows.append((arm, "" if ranges is None else source, what, changes))
    parts: list[_Part] = [
        ("arms", f"{study.path.stem}: arms", ("name", "formula", "ranges", "protocol"), rows)
    ]
    sampler = study.file.sampler
    if sampler is not None:
        bounds = [
            (p, _range(study.space.parameters[p].low), _range(study.space.parameters[p].high))
            for p in study.file.vary
        ]
        title = f"{sampler.samples} arms of the sampler {sampler.name}"
        parts.append(("varied", title, ("parameter", "low end", "high end"), bounds))
    return parts


def _range(ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"


@click.command()
@storage_option
@json_option
def doctor(storage: str | None, form: str) -> int:
    """Say what this machine has, and what is wrong with it."""
    from explorer import doctor as room

    findings = room.examine(storage)
    if form == "json":
        echo_json([dataclasses.asdict(finding) for finding in findings])
    else:
        console().print(room.screen(findings))
    return SOMETHING_FAILED if any(f.problem for f in findings) else OK
