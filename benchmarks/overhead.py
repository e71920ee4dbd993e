"""What a replicate costs beside its evaluation, and how that grows with the arms of a study.

    python benchmarks/overhead.py [ARMS] [SAMPLER] [URL]

fills a study with ARMS finished arms of one replicate each, then takes and ends ten more, and says
the medians of what each step took, in milliseconds of wall-clock time and of processor time.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median

import sqlalchemy as sa
from optuna.trial import create_trial

from explorer import store
from explorer.scores import Rung, Scores
from explorer.store import points, tables
from explorer.study import Study, load_study

STUDY = """\
description: Nothing but overhead.
search_space: visual_atom
protocol: smoke
replicates: 1
sampler: {{name: {sampler}, samples: {samples}}}
vary: [frequency, orbits]
"""
MORE = 10
VARIETY = {f"measure_{i}": 0.5 for i in range(13)}


def main(count: int, sampler: str, url: str | None) -> None:
    """Fill a study, run ten more replicates and print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "overhead.yaml"
        path.write_text(STUDY.format(sampler=sampler, samples=count + MORE))
        study = load_study(str(path))
        spent: dict[str, list[tuple[float, float]]] = {}

        @contextmanager
        def timed(step: str) -> Iterator[None]:
            began = time.perf_counter(), time.process_time()
            yield
            wall, processor = time.perf_counter() - began[0], time.process_time() - began[1]
            spent.setdefault(step, []).append((1000 * wall, 1000 * processor))

        url = url or f"sqlite:///{folder}/overhead.db"
        with store.connect(url, create=True) as database, store.Run(database, study.name) as run:
            fill(database, study, count)
            with timed("start"):
                queue = store.Queue(database, study, run.run_id)
                queue.recover()
            queue.take()  # from scratch
            for number in range(MORE):
                with timed("take" if number else "first take"):
                    replicate = queue.take()
                assert replicate is not None  # noqa: S101 - there are as many
                with timed("two rungs"):
                    for images in (128, 256):
                        queue.report(replicate, Rung(images, 0.5, 1.0, 1.0))
                with timed("end"):
                    queue.complete(replicate, scores())
    for step, milliseconds in spent.items():
        wall, processor = map(median, zip(*milliseconds, strict=True))
        print(f"{step:>10} {wall:9.1f} {processor:9.1f}")


def scores() -> Scores:
    """Return what a replicate reports."""
    epochs = [
        {"phase": p, "epoch": 1, "images_seen": 9, "loss": 1.0, "accuracy": 0.5, "seconds": 1.0}
        for p in ("pretrain", "finetune", "finetune.2", "finetune.3", "finetune.4")
    ]
    return Scores(0.5, {"digits": 0.5}, variety=VARIETY, seconds={"total": 1.0}, epochs=epochs)


def fill(database: store.Database, study: Study, count: int) -> None:
    """Put finished arms into a study, as a queue would leave them."""
    opened, draw = store.open_study(database, study), Random(0)
    space = points.distributions(study)
    trials, rows = [], []
    for number in range(count):
        params = {
            n: draw.randint(d.low, d.high) if n.endswith(".low") else draw.random()
            for n, d in space.items()
        }
        arm, ranges = f"sample-{number:04d}", points.to_ranges(study, params)
        accuracy = draw.random()
        attrs = points.attributes(study, arm, ranges) | {"n": 1, "seconds": 1.0}
        attrs |= {f"variety.{name}": value for name, value in VARIETY.items()}
        trials.append(
            create_trial(
                value=accuracy,
                params=params,
                distributions=space,
                user_attrs=attrs,
                intermediate_values={128: 0.5, 256: 0.5},
            )
        )
        rows.append(
            {
                "study": study.name,
                "arm": arm,
                "replicate": 0,
                "attempt": 1,
                "seed": 0,
                "formula": study.space.formula,
                "ranges": json.dumps(ranges),
                "trial": number,
                "state": tables.COMPLETE,
                "accuracy": accuracy,
                "scores": json.dumps({"variety": VARIETY}),
            }
        )
    opened.add_trials(trials)
    with database.writing() as connection:
        for first in range(0, count, 1000):
            connection.execute(sa.insert(tables.replicates), rows[first : first + 1000])


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv))
    main(int(arguments.get(1, "10000")), arguments.get(2, "tpe"), arguments.get(3))
