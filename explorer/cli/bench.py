"""Commands that measure how fast explorer is on this machine."""

from pathlib import Path
from typing import Any

import click

from explorer.cli.options import OK, console, progress


@click.group()
def bench() -> None:
    """Measure how fast explorer is on this machine."""


@bench.command("render")
@click.argument("formula", default="visual_atom")
@click.option(
    "--official-script",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The authors' renderer, or for fractals their ifs_function, to be measured beside ours.",
)
@click.option(
    "--images",
    type=click.IntRange(10),
    help="Images that each of the slow ways draws; default some ten seconds of them.",
)
def bench_render(formula: str, official_script: Path | None, images: int | None) -> int:
    """Measure how fast FORMULA (visual_atom) is drawn, against plain Python in the same run."""
    from explorer.bench import render as room

    with progress("measuring", room.STEPS) as advance:
        found = room.measure(formula, images=images, script=official_script, progress=advance)
    console().print(room.screen(found))
    return OK


@bench.command("train")
@click.option("--protocol", metavar="NAME", default="laptop", show_default=True)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    help="Default what the protocol asks for.",
)
@click.option(
    "--cores",
    type=click.IntRange(1),
    help="Processors that every way to train gets; default one, with a GPU all.",
)
@click.option("--rounds", type=click.IntRange(1, 1000), default=5, show_default=True)
@click.option(
    "--steps",
    type=click.IntRange(1, 100_000),
    default=8,
    show_default=True,
    help="Steps a round, at least.",
)
def bench_train(protocol: str, rounds: int, **options: Any) -> int:
    """Measure how fast a protocol pre-trains, against plain timm in the same run."""
    from explorer.bench import train as room

    with progress("measuring", room.count(rounds)) as advance:
        found = room.measure(protocol, rounds=rounds, **options, progress=advance)
    console().print(room.screen(found))
    return OK


@bench.command("load")
@click.option("--trials", type=click.IntRange(10, 1_000_000), default=10_000, show_default=True)
@click.option(
    "--replicates",
    type=click.IntRange(1, 1000),
    default=2,
    show_default=True,
    help="Trials an arm; with one an arm there are the most arms to compare.",
)
@click.option(
    "--storage",
    "url",
    metavar="URL",
    help="Database that the study is made in for the while; default a new SQLite file.",
)
def bench_load(trials: int, **options: Any) -> int:
    """Measure how long it takes to look at a study of many trials, against Optuna's own storage."""
    from explorer.bench import load as room

    with progress("measuring", room.STEPS) as advance:
        found = room.measure(trials, **options, progress=advance)
    console().print(room.screen(found))
    return OK


@bench.command("overhead")
@click.option(
    "--storage",
    "server",
    metavar="URL",
    help="A database on a PostgreSQL server to be measured as well, beside which others are made.",
)
@click.option(
    "--finished",
    "sizes",
    type=click.IntRange(1),
    multiple=True,
    default=(100, 1_000, 10_000),
    show_default=True,
    help="Trials that a study has behind it; repeated for several sizes.",
)
@click.option("--clients", "many", type=click.IntRange(1), default=64, show_default=True)
@click.option(
    "--trials",
    type=click.IntRange(10),
    default=200,
    show_default=True,
    help="Trials without evaluation.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="How long the evaluation of others takes.",
)
def bench_overhead(server: str | None, sizes: tuple[int, ...], **options: Any) -> int:
    """Measure what trials cost beside their evaluation, against Tune's OptunaSearch."""
    from explorer.bench import overhead as room

    with progress("measuring", room.count(sizes, server)) as advance:
        found = room.measure(sizes=sizes, server=server, **options, progress=advance)
    console().print(room.screen(found))
    return OK
