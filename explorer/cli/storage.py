"""Commands on databases as a whole: copy studies, look whether one is sound."""

from functools import partial

import click

from explorer.cli.options import OK, SOMETHING_FAILED, default_url, progress
from explorer.errors import masked, visible


@click.group()
def storage() -> None:
    """Copy studies between databases, or check one."""


@storage.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option(
    "--study",
    "studies",
    metavar="STUDY",
    multiple=True,
    help="Copy this study alone; may be repeated.",
)
def copy(source: str, target: str, studies: tuple[str, ...]) -> int:
    """Copy the studies of the database FROM, and all that belongs to them, into TO.

    All of them or none: a copy that was interrupted is simply made again.
    """
    from explorer import store

    with (
        store.connect(source, source="FROM") as there,
        store.connect(target, create=True, source="TO") as here,
    ):
        copied = store.copy_studies(there, here, studies, progress=partial(progress, "copying"))
    for name in copied:
        click.echo(visible(name))
    click.echo(f"{len(copied)} studies copied into {masked(target)}")
    return OK


@storage.command()
@click.argument("url", default=default_url)
def check(url: str) -> int:
    """Say whether a database is sound; URL is by default the one that all commands use."""
    from explorer import store

    facts, problems = store.check(url)
    click.echo(masked(url))
    for line in (*facts, *(f"wrong: {problem}" for problem in problems)):
        click.echo(f"  {visible(line)}")
    click.echo(f"{len(problems)} things are wrong" if problems else "sound")
    return SOMETHING_FAILED if problems else OK
