"""Studies from Python: run one, and load its results."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def run(
    study: str | Path,
    *,
    storage: str | None = None,
    protocol: str | None = None,
    settings: Sequence[str] = (),
    replicates: int | None = None,
    samples: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    address: str | None = None,
    quiet: bool = False,
) -> "pd.DataFrame":
    """Run a study, or what is left of it, and return its results as a tidy frame.

    The same as ``explorer run-study``: what is finished stays, and what was interrupted is run
    again with the same ranges and seed.

    Args:
        study: Its name, or its file.
        storage: Database URL; ``$EXPLORER_STORAGE``, or ``sqlite:///explorer.db``, where ``None``.
        protocol: Run under this protocol (name or file), as a study of its own.
        settings: Entries of the study or its protocol that differ in this run, as a study of its
            own: ``["pretrain.epochs=3"]``.
        replicates: Replicates per arm, in place of what the file says.
        samples: Arms that the sampler proposes, likewise.
        seed: Seed of the first replicate, likewise.
        workers: Replicates at a time; as many as there is room for where ``None``.
        address: A Ray cluster to join, ``HOST:PORT`` or ``auto``; a Ray on this machine where
            ``None``.
        quiet: Show nothing while it runs.

    Returns:
        One row per attempt at a replicate, as :func:`load` returns it.

    Raises:
        InputError: A file, a setting or the database is wrong, or the study in the database is
            another one; nothing has been run.
        KeyboardInterrupt: It was interrupted. The same call goes on.

    Example:
        .. code-block:: python

            frame = explorer.run("frequency_range", protocol="smoke")
    """
    from rich.console import Console

    from explorer import report, runner, store
    from explorer.study import load_study

    planned = load_study(
        str(study),
        protocol=protocol,
        settings=settings,
        replicates=replicates,
        samples=samples,
        seed=seed,
    )
    with store.connect(storage or store.default_url(), create=True) as database:
        view = nullcontext() if quiet else report.watching(database, planned.name, Console())
        with view:
            interrupted = runner.run_study(planned, database, workers=workers, address=address)
        if interrupted:
            raise KeyboardInterrupt
        return report.load(database, planned.name)


def load(study: str, *, storage: str | None = None) -> "pd.DataFrame":
    """Load a study from its database as a tidy frame, also while it runs.

    Args:
        study: Its name in the database.
        storage: Database URL; ``$EXPLORER_STORAGE``, or ``sqlite:///explorer.db``, where ``None``.

    Returns:
        One row per attempt at a replicate; see :func:`explorer.report.load` for the columns.

    Raises:
        InputError: There is no such database, or no such study in it.
    """
    from explorer import report, store

    with store.connect(storage or store.default_url()) as database:
        return report.load(database, study)
