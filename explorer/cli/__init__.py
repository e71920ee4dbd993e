"""The command line: words in, words out; every command calls one function of another room.

Heavy libraries are imported inside the commands, so that ``explorer --help`` answers at once.
"""

import sys

import click

from explorer import __version__
from explorer.cli import bench, catalogue, images, look, report, storage, study
from explorer.cli.options import INTERRUPTED, SOMETHING_FAILED, WRONG_INPUT
from explorer.cli.title import hide_passwords
from explorer.errors import InputError, OutageError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="explorer")
def cli() -> None:
    """Explore the design space of formula-driven supervised learning."""


for command in (
    study.run_study,
    study.submit,
    look.status,
    report.report_,
    look.dashboard,
    images.render,
    images.preview,
    images.variety,
    bench.bench,
    storage.storage,
    catalogue.list_,
    catalogue.doctor,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 2."""
    hide_passwords()
    try:
        code = cli.main(standalone_mode=False)
    except InputError as error:
        click.echo(f"explorer: {error}", err=True)
        code = WRONG_INPUT
    except OutageError as error:
        click.echo(f"explorer: {error}", err=True)
        code = SOMETHING_FAILED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    sys.exit(code)
