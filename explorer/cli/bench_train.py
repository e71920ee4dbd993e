"""The command that measures how fast explorer trains."""

from typing import Any

import click

from explorer.cli.options import OK, console, progress


@click.command("train")
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
