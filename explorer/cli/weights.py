"""Commands for what comes after a search: the weights of an arm, and its long run."""

from pathlib import Path
from typing import Any

import click

from explorer.cli.options import OK, storage_option, whole


@click.command()
@click.argument("study")
@click.argument("arm", required=False)
@click.option(
    "--output",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A folder to be made: weights, configuration and model card.",
)
@storage_option
def export(study: str, arm: str | None, output: Path, url: str) -> int:
    """Write the weights of ARM of STUDY (default the best) as timm loads them.

    timm.create_model("local-dir:DIR", pretrained=True) then gives the pre-trained network. The
    study was run with keep: best or keep: all, in this folder.
    """
    from explorer import store
    from explorer.report.weights import export_weights

    with store.connect(url) as database:
        click.echo(export_weights(database, study, arm, output))
    return OK


@click.command()
@click.argument("target", metavar="STUDY[:ARM]")
@click.option("--protocol", required=True, metavar="NAME", help="Of the long run: paper.")
@whole("--seed", 0, 2**31 - 1, "Seed of the run.", default=0, show_default=True)
@storage_option
@click.option("--address", metavar="HOST:PORT", help="Ray cluster to join, or auto.")
@click.pass_context
def pretrain(
    context: click.Context, target: str, protocol: str, seed: int, url: str, address: str | None
) -> int:
    """Pre-train ARM of STUDY (default the best) at length, and keep its weights.

    It is written as a study of one arm and one replicate, studies/STUDY-ARM-PROTOCOL.yaml, and
    run; stopped, the same command goes on.
    """
    from explorer import files, store
    from explorer.cli.study import run_study
    from explorer.report.weights import long_run

    study, _, arm = target.partition(":")
    with store.connect(url) as database:
        name, text = long_run(database, study, arm or None, protocol, seed)
    path = files.write(Path("studies") / f"{name}.yaml", text)
    click.echo(f"Writing {path}; explorer export {name} --output DIR gives its weights.")
    options: dict[str, Any] = {"study": str(path), "url": url, "address": address}
    return int(context.invoke(run_study, **options))
