"""A study that is run without workers: what its replicates report is made up."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from explorer import store
from explorer.scores import Rung, Scores
from explorer.store import tables
from explorer.study import Study

RUNGS = (128, 256)
"""Of smoke: a half and the whole of 256 images."""

SAMPLED = """\
description: A sampled study for a test.
search_space: visual_atom
protocol: smoke
replicates: 2
sampler: {name: random, samples: 3}
vary: [frequency, noise]
arms:
  waves: {frequency: [0, 20]}
"""


def rows(database: store.Database, study: str = "mine", **where: Any) -> list[dict[str, Any]]:
    """Return the rows of a study's replicates, in their order."""
    c = tables.replicates.c
    mine = [c.study == study, *(c[name] == value for name, value in where.items())]
    with database.engine.connect() as connection:
        found = connection.execute(sa.select(tables.replicates).where(*mine).order_by(c.id))
        return [dict(row) for row in found.mappings()]


def arms(database: store.Database, study: str = "mine") -> list[Any]:
    """Return the Optuna trials of a study."""
    return store.optuna_study(database, study).get_trials()


def scores(accuracy: float = 0.5, **more: Any) -> Scores:
    """Return what a replicate reports at its end."""
    return Scores(accuracy, {"digits": accuracy}, seconds={"total": 1.5}, **more)


def run_all(
    database: store.Database,
    study: Study,
    *,
    probe: Callable[[store.Replicate], float] = lambda _: 0.25,
    score: Callable[[store.Replicate], float] = lambda _: 0.5,
    stop_after: int | None = None,
    release: bool = False,
) -> dict[tuple[str, int], int]:
    """Run what a study lacks, a replicate at a time.

    Args:
        database: The database.
        study: The study.
        probe: The accuracy of the probe at every rung.
        score: The accuracy at the end.
        stop_after: Stop with so many taken, the last of them in flight.
        release: Say so then, instead of dying.

    Returns:
        The arms and replicates that were stopped, and at which rung.
    """
    stopped, taken = {}, 0
    with store.Run(database, study.name) as run:
        queue = store.Queue(database, study, run.run_id)
        queue.recover()
        while (one := queue.take()) is not None:
            taken += 1
            if taken == stop_after:
                if release:
                    queue.release()
                return stopped
            for images in RUNGS if one.ranges is not None else ():
                if queue.report(one, Rung(images, probe(one), 2.0, 1.0)):
                    stopped[one.arm, one.replicate] = images
                    break
            else:
                assert queue.complete(one, scores(score(one))) is None
        assert queue.finished()
        queue.recover()
        assert queue.take() is None
    return stopped
