"""Commands on what there is: the files and formulas, and the machine."""

import click

from explorer.cli.options import OK, SOMETHING_FAILED, console, storage_option


@click.command("list")
@click.argument("formula", required=False)
def list_(formula: str | None) -> int:
    """List the studies, search spaces, protocols and formulas, or the parameters of a FORMULA."""
    from explorer import catalogue
    from explorer import study as config

    if formula is None:
        console().print(catalogue.screen())
    else:
        config.parse_ranges(formula, ())
        console().print(catalogue.formula_screen(formula))
    return OK


@click.command()
@storage_option
def doctor(storage: str | None) -> int:
    """Say what this machine has, and what is wrong with it."""
    from explorer import doctor as room

    findings = room.examine(storage)
    console().print(room.screen(findings))
    return SOMETHING_FAILED if any(f.problem for f in findings) else OK
