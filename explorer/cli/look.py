"""Commands that look at studies, at what there is to make one of, and at the machine."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import click

from explorer.cli.options import (
    OK,
    SOMETHING_FAILED,
    console,
    existing,
    json_option,
    print_json,
    print_tables,
    storage_option,
    whole,
)
from explorer.errors import InputError, nearest, written


@click.command()
@click.argument("study", required=False)
@storage_option
@click.option("--watch", is_flag=True, help="Go on showing it until the study is finished.")
@json_option
def status(study: str | None, url: str, watch: bool, form: str) -> int:
    """Say what is done, running and failed, and how long it will take; of STUDY or of all.

    With --watch it also waits for a study that has not begun.
    """
    from explorer import report, store

    screen = console()
    there = existing(url) if watch else store.connect(url)
    if there is None:
        click.echo(f"Waiting for {store.masked(url)} to be made ...", err=True)
    while there is None:
        time.sleep(2)
        there = existing(url)
    with there as database:
        if watch:
            if study is not None and study not in store.study_names(database):
                click.echo(f"Waiting for {study} to begin ...", err=True)
            with report.watching(database, study, screen) as view:
                view.wait()
        elif study is None:
            states = report.overview(database)
            if form == "json":
                print_json([state.to_dict() for state in states])
            else:
                screen.print(report.overview_screen(states, screen.width))
        else:
            state = report.status(database, study)
            if form == "json":
                print_json(state.to_dict())
            else:
                screen.print(report.status_screen(state, screen.width))
    return OK


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
def dashboard(study: str | None, url: str, artifacts: str | None, host: str, port: int) -> int:
    """Show the Optuna dashboard, on this machine only unless told otherwise; at STUDY, if named."""
    from explorer import dashboard as room
    from explorer import store

    with store.connect(url) as database:
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


@click.command("list")
@click.argument("name", metavar="[STUDY|FORMULA]", required=False)
@json_option
def list_(name: str | None, form: str) -> int:
    """List what there is; of a STUDY its arms, of a FORMULA its parameters."""
    from explorer import files, formulas

    titles: dict[str, str] = {}
    if name is None:
        tables = {kind: _files(kind) for kind in ("studies", "search_spaces", "protocols")}
        tables["formulas"] = _formulas()
    elif name in formulas.names():
        tables = {"parameters": _parameters(name)}
    elif files.is_path(name) or name in dict(files.available("studies")):
        from explorer.study import load_studies

        study = load_studies(name)[0]
        tables = {"arms": [_arm(study, arm) for arm in study.arms]}
        if study.file.sampler is not None:
            tables["varied"] = [_varied(p, study.bounds(p)) for p in study.file.vary]
            sampler = study.file.sampler
            titles["varied"] = f"{sampler.samples} arms of the sampler {sampler.name}"
    else:
        known = [*formulas.names(), *dict(files.available("studies"))]
        raise InputError("list", None, name, f"no study and no formula; {nearest(name, known)}")
    print_tables(tables, form, titles)
    return OK


_Rows = Sequence[Mapping[str, object]]


def _files(kind: Any) -> _Rows:
    """Return the files of a kind; of one that is wrong, what is wrong with it."""
    from explorer import files
    from explorer.study import load_protocol, load_search_space, load_studies

    load: Any = {
        "studies": lambda path: load_studies(path)[0].file,
        "search_spaces": load_search_space,
        "protocols": load_protocol,
    }[kind]
    rows = []
    for name, path in files.available(kind):
        try:
            text = " ".join(load(str(path)).description.split())
        except InputError as error:
            text = f"wrong: {str(error).splitlines()[0]}"
        # A file of the working directory is a path, one of the package is not.
        place = "(comes with explorer)" if path.is_absolute() else str(path)
        rows.append({"name": name, "description": text, "file": place})
    return rows


def _formulas() -> _Rows:
    """Return all formulas; of one that another package has broken, why."""
    from explorer import formulas

    rows = []
    for name in formulas.names():
        try:
            formula = formulas.get(name)
        except formulas.BrokenFormula as error:
            rows.append({"name": name, "description": f"broken: {error.remedy}", "source": ""})
            continue
        origin = formulas.origin(name)
        source = f"{formula.source} (from {origin})" if origin else formula.source
        rows.append({"name": name, "description": formula.title, "source": source})
    return rows + [
        {"name": error.name, "description": f"broken: {error.remedy}", "source": ""}
        for error in formulas.collisions()
    ]


def _parameters(name: str) -> _Rows:
    """Return the parameters of a formula with their limits and default ranges, and its groups."""
    from explorer.study import find_formula

    formula = find_formula(name)
    rows = [
        {
            "name": p.name,
            "default": _range(p.default),
            "limits": _range((p.low, p.high)),
            "unit": p.unit,
            "description": f"{p.description} ({p.symbol})",
        }
        for p in formula.parameters
    ]
    return rows + [
        {
            **dict.fromkeys(rows[0], ""),
            "name": group,
            "description": f"sets {' and '.join(members)}",
        }
        for group, members in formula.groups.items()
    ]


def _arm(study: Any, arm: str) -> Mapping[str, object]:
    """Return what sets an arm apart."""
    ranges, changes = study.arms[arm], study.file.named[arm].protocol
    images = study.protocol_of(arm).dataset.images
    source = study.space_of(arm).formula if images is None else f"images of {images}"
    text = "no pre-training"
    if ranges is not None:
        text = ", ".join(f"{p} {_range(r)}" for p, r in ranges.items()) or "defaults"
    return {
        "name": arm,
        "formula": "" if ranges is None else source,
        "ranges": text,
        "protocol": written(changes)[1:-1],
    }


def _varied(parameter: str, bounds: Any) -> Mapping[str, object]:
    """Return how far a sampler moves the ends of a parameter's range."""
    even = bounds.shift is None
    scale = "even" if even else f"logarithmic from {max(bounds.log_from, bounds.low[0]):g}"
    ends = {"low end": _range(bounds.low), "high end": _range(bounds.high)}
    return {"parameter": parameter, **ends, "scale": scale}


def _range(ends: tuple[float, float]) -> str:
    low, high = ends
    return f"{low:g}" if low == high else f"{low:g}..{high:g}"


@click.command()
@storage_option
@json_option
def doctor(url: str, form: str) -> int:
    """Say what this machine has, and what is wrong with it."""
    from explorer.doctor import examine

    findings = examine(url)
    if form == "json":
        print_json(findings)
    else:
        print_tables({"machine": [{**f, "problem": f["problem"] or "none"} for f in findings]})
    return SOMETHING_FAILED if any(finding["problem"] for finding in findings) else OK
