"""Commands on images: render, preview, measure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from explorer.cli.options import (
    INTERRUPTED,
    OK,
    SOMETHING_FAILED,
    json_option,
    print_json,
    print_tables,
    progress,
    set_option,
    whole,
)
from explorer.errors import InputError, nearest

_ranges_option = set_option(
    "KEY=LOW..HIGH", "Range of a parameter (frequency=0..20) or one value (orbits=1)"
)


@click.command()
@click.argument("formula", required=False)
@click.option("--output", type=click.Path(path_type=Path), help="New directory.")
@whole("--categories", 1)
@whole("--instances", 1, None, "Images per category.")
@whole("--canvas", 16, 4096, "Side that the formula draws on, in pixels; default 512.")
@whole("--size", 1, 4096, "Side of the images after area averaging; default the canvas.")
@whole("--seed", 0, None, "Default 0. Official stream: the number given to random.seed.")
@set_option("KEY=LOW..HIGH", "Range of a parameter, or in the official stream NAME=VALUE")
@click.option("--layout", metavar="NAME", help="imagefolder (default), webdataset or npz.")
@click.option("--part", metavar="I/N", help="Write part I of N; one per machine, at any time.")
@click.option("--stream", metavar="NAME", help="counter (default), or official: the authors'.")
@click.option("--preset", metavar="NAME", help="Official: visualatom-1k or visualatom-21k.")
@click.option("--verify", metavar="DIR", type=click.Path(path_type=Path), help="Only check DIR.")
@whole("--workers", 1, None, "Threads; default one per core.")
def render(formula: str | None, verify: Path | None, **options: Any) -> int:
    """Render a dataset of FORMULA.

    The counter stream draws --categories times --instances images from the ranges of --set, as
    PNG files with a folder per category, as webdataset's tar shards, or as one file of NumPy
    arrays. The official stream draws the authors' images: their arguments by name in --set, or a
    --preset; all numof_thread processes side by side, with seeds 1, 2, ..., or the one of --seed.

    Beside the images stand dataset.json, which says what they are, checksums.txt (sha256sum
    --check), and categories.csv with all that a category drew. What an interrupted command has
    left out is written by the same command.

    With --verify DIR nothing is written: every file of DIR that is missing, or has other bytes than
    were written, is named.
    """
    from explorer.study import find_formula

    given = {name: value for name, value in options.items() if value not in {None, ()}}
    if verify is not None:
        given = {**given, "formula": formula} if formula else given
        _refuse_options(given, dict.fromkeys(given, "does not go with --verify, which only reads"))
        return _verify(verify)
    stream = given.pop("stream", "official" if "preset" in given else "counter")
    if stream not in {"counter", "official"}:
        raise InputError("--stream", None, stream, "there is counter and official")
    others = _OF_COUNTER if stream == "official" else {"preset": "; leave --stream out"}
    belongs = f"belongs to the {'counter' if stream == 'official' else 'official'} stream"
    _refuse_options(given, {name: belongs + hint for name, hint in others.items()})
    preset = _preset(given.pop("preset", None), formula)
    formula = formula or preset[0]
    if not formula:
        raise InputError("FORMULA", None, None, "is missing; explorer list names the formulas")
    find_formula(formula)
    if "output" not in given:
        raise InputError("--output", None, None, "is missing; name a new directory")
    output = given.pop("output")
    prepare = _official if stream == "official" else _counter
    plan, write = prepare(formula, preset[1], **given)
    try:
        with progress("rendering", plan.total) as advance, _refusals():
            write(plan, output, progress=advance)
    except KeyboardInterrupt:
        click.echo("Interrupted; the same command goes on.", err=True)
        return INTERRUPTED
    part = f"part {options['part']} of " if options["part"] else ""
    click.echo(f"{part}{plan.total} image{'s' * (plan.total != 1)} in {output}")
    return OK


_OF_COUNTER = {
    "categories": "; write --set numof_classes=...",
    "instances": "; write --set numof_instances=...",
    "canvas": "; write --set image_size=...",
    "size": "; the authors' images are not reduced",
    "layout": "; the authors' images keep their names",
    "part": "; --seed N draws one of the authors' processes",
}
"""Options of the counter stream -> what to do instead in the official one."""


def _refuse_options(given: Mapping[str, Any], refused: Mapping[str, str]) -> None:
    for name in given:
        if name in refused:
            option = {"formula": "FORMULA", "settings": "--set"}.get(name, f"--{name}")
            raise InputError(option, None, None, refused[name])


def _preset(name: str | None, formula: str | None) -> tuple[str | None, Mapping[str, float]]:
    if name is None:
        return None, {}
    from explorer import images as dataset

    if name not in dataset.PRESETS:
        raise InputError("--preset", None, name, f"unknown; {nearest(name, dataset.PRESETS)}")
    family, arguments = dataset.PRESETS[name]
    if formula not in {None, family}:
        raise InputError("--preset", None, name, f"is a dataset of {family}, not of {formula}")
    return family, arguments


def _counter(
    formula: str,
    _: object,
    *,
    settings: tuple[str, ...] = (),
    layout: str = "imagefolder",
    canvas: int = 512,
    part: str = "1/1",
    **arguments: Any,
) -> tuple[Any, Callable[..., object]]:
    """Return what is to be drawn in the counter stream, and the function that writes it."""
    from explorer import images as dataset

    if layout not in dataset.LAYOUTS:
        raise InputError("--layout", None, layout, f"unknown; {nearest(layout, dataset.LAYOUTS)}")
    (ranges,) = read_ranges([formula], settings)
    for name in ("categories", "instances"):
        if name not in arguments:
            raise InputError(f"--{name}", None, None, "is missing; say how many")
    with _refusals():
        plan = dataset.Plan(
            formula, ranges, **{"size": canvas, "seed": 0, **arguments, "canvas": canvas}
        )
    number = re.fullmatch(r"(\d{1,9})/(\d{1,9})", part)
    if number is None:
        raise InputError("--part", None, part, "write I/N, as 2/8")
    return plan, partial(dataset.LAYOUTS[layout], part=tuple(map(int, number.groups())))


def _official(
    formula: str,
    preset: Mapping[str, float],
    *,
    settings: tuple[str, ...] = (),
    seed: int | None = None,
    workers: int | None = None,
) -> tuple[Any, Callable[..., object]]:
    """Return what is to be drawn in the official stream, and the function that writes it."""
    from explorer import images as dataset

    numbers = dict(preset)
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            numbers[name] = float(value)
            int(numbers[name])  # neither infinite nor no number
        except (ValueError, OverflowError) as error:
            remedy = "write NAME=VALUE in the official stream"
            raise InputError("--set", None, setting, remedy) from error
    with _refusals("--set"):
        return dataset.OfficialPlan(formula, numbers, seed, workers), dataset.export_official


def read_ranges(
    names: Sequence[str], settings: Sequence[str]
) -> list[dict[str, tuple[float, float]]]:
    """Read ranges as the command line says them: ``frequency=0..20``, or ``orbits=1`` for both.

    Returns:
        For each formula of ``names`` the ranges that it has a parameter for.

    Raises:
        InputError: If there is no such formula, one cannot draw from a range, or a key is a
            parameter of none.
    """
    from explorer.study import check_ranges, find_formula, parse_range

    families = [find_formula(name) for name in names]
    keys = [{*(p.name for p in family.parameters), *family.groups} for family in families]
    ranges: dict[str, tuple[float, float]] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        try:
            ranges[key] = parse_range(value)
        except ValueError as error:
            raise InputError("--set", None, setting, "write KEY=LOW..HIGH or KEY=VALUE") from error
        if not any(key in known for known in keys):
            hint = nearest(key, set().union(*keys))
            raise InputError("--set", key, None, f"no parameter of {', '.join(names)}; {hint}")
    shares = [{k: ends for k, ends in ranges.items() if k in known} for known in keys]
    for family, share in zip(families, shares, strict=True):
        place = "*" if len(names) == 1 else f"* of {family.name}"
        check_ranges(family, share, "--set", place)
    return shares


@contextmanager
def _refusals(source: str | None = None) -> Iterator[None]:
    """Turn what the renderer refuses into the option that said it; ``source`` sets parameters."""
    from explorer.formulas import RangeError

    try:
        yield
    except RangeError as error:
        if source is None or error.parameter in {"seed", "workers"}:
            option = f"--{error.parameter}"
            raise InputError(option, None, error.value, error.remedy) from error
        raise InputError(source, error.parameter, error.value, error.remedy) from error


def _verify(directory: Path) -> int:
    from explorer import images as dataset

    total = dataset.count_files(directory)
    with progress("comparing", total) as advance:
        wrong = dataset.verify(directory, advance)
    for line in wrong:
        click.echo(line)
    if wrong:
        return SOMETHING_FAILED
    click.echo(f"{total} files in {directory} are as they were written")
    return OK


@click.command()
@click.argument("formulas", metavar="FORMULA...", nargs=-1, required=True)
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("sheet.png"), show_default=True
)
@whole("--categories", 1, 100, "Default 6; 4 of several formulas.")
@whole("--instances", 1, 100, "Default 8; 4 of several formulas.")
@whole("--canvas", 16, 4096, "In pixels.", default=512, show_default=True)
@whole("--size", 16, 1024, "Side of an image on the sheet; default 128, or a smaller canvas.")
@whole("--seed", 0, default=0, show_default=True)
@_ranges_option
def preview(
    formulas: tuple[str, ...], output: Path, settings: tuple[str, ...], **options: Any
) -> int:
    """Draw one contact sheet: categories are rows, instances columns, every FORMULA a panel.

    With several formulas, a --set is for those that have that parameter.
    """
    from explorer import files
    from explorer import images as dataset

    files.ending(output, (".png",), "--output")
    ranges = read_ranges(formulas, settings)
    alone = len(formulas) == 1
    sizes = {
        "canvas": options["canvas"],
        "seed": options["seed"],
        "categories": options["categories"] or (6 if alone else 4),
        "instances": options["instances"] or (8 if alone else 4),
        "size": options["size"] or min(128, options["canvas"]),
    }
    with _refusals():
        plans = [dataset.Plan(*pair, **sizes) for pair in zip(formulas, ranges, strict=True)]
        sheet = dataset.contact_sheet(plans)
    dataset.write_png(sheet, output)
    click.echo(f"{output}")
    return OK


@click.command()
@click.argument("images", metavar="DIR|FORMULA")
@whole("--categories", 2, None, "Of a formula; default 32.")
@whole("--instances", 2, None, "Images per category; default 32.")
@whole("--canvas", 16, 4096, "Default 512.")
@whole("--seed", 0, None, "Default 0.")
@whole("--size", 8, 4096, "Images are reduced to it, in pixels.", default=64, show_default=True)
@whole("--sample", 2, None, "Images to measure, over all categories.", default=512)
@_ranges_option
@json_option
def variety(
    images: str, size: int, sample: int, settings: tuple[str, ...], form: str, **options: int | None
) -> int:
    """Measure how different the images of FORMULA are, or those in the folders of DIR."""
    from explorer import formulas
    from explorer import images as dataset
    from explorer import measures as room

    given = {name: value for name, value in options.items() if value is not None}
    seed = given.get("seed", 0)
    classes: tuple[str, ...] = ()
    if images in formulas.names():
        (ranges,) = read_ranges([images], settings)
        sizes: dict[str, Any] = {"categories": 32, "instances": 32, "canvas": 512, **given}
        with _refusals():
            plan = dataset.Plan(images, ranges, **{**sizes, "seed": seed}, size=size)
        pixels, labels = plan.dataset().images, plan.labels
    elif Path(images).is_dir():
        remedy = "has no effect: the images of a directory are there"
        extra = {**given, **({"set": settings} if settings else {})}
        _refuse_options(extra, dict.fromkeys(extra.keys() - {"seed"}, remedy))
        folder = dataset.Folder(Path(images))
        chosen = room.subsample(folder.labels, seed=seed, sample=sample)
        labels, pixels = folder.labels[chosen], folder.read(chosen, size=size)
        classes = folder.classes
    else:
        hint = "" if "/" in images else f", and no formula; {nearest(images, formulas.names())}"
        raise InputError("DIR|FORMULA", None, images, f"there is no such folder{hint}")
    values = room.variety(pixels, labels, seed=seed, sample=sample)
    remarks = room.remarks(pixels, labels, values, sample=sample, classes=classes)
    if form == "json":
        print_json({"measures": values, "remarks": remarks})
        return OK
    rows = [
        {
            "measure": name,
            "value": f"{value:.4g}",
            "unit": room.MEASURES[name].unit,
            "a higher value means": room.MEASURES[name].higher_means,
        }
        for name, value in values.items()
    ]
    print_tables({"variety": rows})
    for remark in remarks:
        click.echo(remark)
    return OK
