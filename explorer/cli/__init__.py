"""The command line: words in, words out; every command calls one function of another room.

Heavy libraries are imported inside the commands, so that ``explorer --help`` answers at once.
"""

import errno
import io
import os
import sys

import click

from explorer import __version__
from explorer.cli import images, look, report, storage, study, weights
from explorer.cli.options import INTERRUPTED, SOMETHING_FAILED, WRONG_INPUT
from explorer.cli.title import hide_passwords
from explorer.errors import InputError, OutageError, masked, visible


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="explorer")
def cli() -> None:
    """Explore the design space of formula-driven supervised learning.

    Shell completion: eval "$(_EXPLORER_COMPLETE=bash_source explorer)", or zsh_source, fish_source.
    """


for command in (
    study.run_study,
    study.submit,
    study.check,
    weights.export,
    weights.pretrain,
    look.status,
    report.report_,
    look.dashboard,
    images.render,
    images.preview,
    images.variety,
    storage.storage,
    look.list_,
    look.doctor,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 2."""
    hide_passwords()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started the program
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what a terminal cannot show
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except (InputError, OutageError) as error:
        for line in visible(masked(str(error))).splitlines():
            click.echo(f"explorer: {line}", err=True)
        code = WRONG_INPUT if isinstance(error, InputError) else SOMETHING_FAILED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - what is not meant here is raised again
        code = _from_outside(error)
    sys.exit(code)


def _from_outside(error: Exception) -> int:
    """Say in one line what the file system or a database has refused; raise what is ours."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    from explorer.store.retry import reason_of

    if isinstance(error, SQLAlchemyError | StorageInternalError):
        click.echo(visible(f"explorer: the database cannot be used: {reason_of(error)}"), err=True)
        return SOMETHING_FAILED
    if not isinstance(error, OSError):
        raise error
    if not error.filename:
        return _cannot_print(error)
    line = f"explorer: {os.fsdecode(error.filename)}: cannot be used ({error.strerror})"
    click.echo(visible(masked(line)), err=True)
    return SOMETHING_FAILED if error.errno in {errno.ENOSPC, errno.EIO} else WRONG_INPUT


def _cannot_print(error: OSError) -> int:
    """Say that the device behind standard output is full; where its reader is gone, nothing."""
    if error.errno not in {errno.ENOSPC, errno.EIO, errno.EPIPE}:
        raise error
    if error.errno != errno.EPIPE:
        click.echo(f"explorer: the output cannot be written ({error.strerror})", err=True)
    # What is still held back would fail again when the program ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return SOMETHING_FAILED
