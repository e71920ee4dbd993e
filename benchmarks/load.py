"""How long it takes to look at a study of 10,000 finished replicates.

``python -m benchmarks.load``: two minutes, nearly all of which makes the study. In the same run the
three tables are read by ``pandas.read_sql`` alone. Expected: less than 5 s for ``load``.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from benchmarks import filled
from benchmarks.common import busy, table
from explorer import store
from explorer.report.frame import load, load_epochs, load_rungs
from explorer.report.status import status
from explorer.report.summary import summarise
from explorer.store import tables


def _plain(database: store.Database, _: str) -> None:
    with database.engine.connect() as connection:
        for rows in (tables.replicates, tables.rungs, tables.epochs):
            pd.read_sql(sa.select(rows), connection)


WAYS: dict[str, Callable[[store.Database, str], object]] = {
    "pandas.read_sql": _plain,
    "load": load,
    "load_rungs": load_rungs,
    "load_epochs": load_epochs,
    "summarise": summarise,
    "status": status,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--replicates", type=int, default=2, help="per arm")
    parser.add_argument("--storage", help="a PostgreSQL server; default a new SQLite file")
    options = parser.parse_args()
    note, arms = busy(), max(1, options.trials // options.replicates)
    spent: dict[str, tuple[float, float]] = {}
    with filled.database(options.storage) as url, tempfile.TemporaryDirectory() as folder:
        study = filled.plan(Path(folder), samples=arms, replicates=options.replicates)
        with store.connect(url, create=True) as database:
            count = filled.fill(database, study, samples=arms)
        for name, look in WAYS.items():
            with store.connect(url) as database:
                wall, cpu = time.perf_counter(), time.process_time()
                look(database, study.name)
                spent[name] = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{arms * options.replicates:,} replicates of {arms:,} arms in {count:,} rows of ours")
    plain = spent["pandas.read_sql"][0]
    rows = [[name, f"{w:.2f}", f"{c:.2f}", f"{w / plain:.2f}"] for name, (w, c) in spent.items()]
    print(table(["", "seconds", "of CPU", "x pandas"], rows))
    print(note, end="\n" if note else "")


if __name__ == "__main__":
    main()
