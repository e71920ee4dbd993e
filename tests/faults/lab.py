"""A study that is run by the command line while it comes to harm, and what has become of it."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import sqlalchemy as sa

from explorer.store.tables import replicates
from tests.processes import environment, family, kill_family

STUDY = """\
description: A study that comes to harm.
search_space: visual_atom
protocol: smoke
replicates: {replicates}
sampler: {{name: random, samples: {samples}}}
vary: [frequency]
arms:
  waves: {{frequency: [0, 20]}}
{more}"""

EXPLORER = "from explorer.cli import main; main()"
_STUCK_SECONDS = 400
"""A study that gets no further for so long will not end at all."""

Slot = tuple[str, int]
"""An arm and a replicate."""


@dataclass(frozen=True)
class Outcome:
    """What has become of the replicates of a study.

    Attributes:
        wanted: Replicates that it asks for.
        finished: Those that have a score.
        failed: Those that have failed for good, with a reason.
        lost: All others.
        doubled: Replicates that have more than one score.
        scores: The score by arm and replicate.
        attempts: The attempts by arm and replicate, as rows.
    """

    wanted: int
    finished: int
    failed: int
    lost: int
    doubled: int
    scores: dict[Slot, float]
    attempts: dict[Slot, list[dict[str, Any]]]


class Lab:
    """A folder with one study, its database, and the drivers that are started in it.

    Args:
        folder: An empty folder.
        whole: 24 trials, or about 6.
        url: The database; a file in the folder where ``None``.
        more: Further arms.
        options: What else ``run-study`` is told.
        program: What a driver is in Python, with ``explorer``'s command line after it.
        path: Where drivers and workers find further packages.
    """

    def __init__(
        self,
        folder: Path,
        *,
        whole: bool,
        url: str | None = None,
        more: str = "",
        options: tuple[str, ...] = ("--workers", "2"),
        program: str = EXPLORER,
        path: Path | None = None,
    ) -> None:
        self.folder = folder
        self.url = url or f"sqlite:///{folder}/explorer.db"
        self.drivers: list[subprocess.Popen[bytes]] = []
        self.began = time.monotonic()
        self._command = [sys.executable, "-c", program, "run-study", "mine", *options]
        places = [str(place) for place in (path, os.environ.get("PYTHONPATH")) if place]
        self._environment = {
            **environment(),
            "COLUMNS": "120",
            "PYTHONPATH": os.pathsep.join(places),
        }
        replicates, samples = (4, 4 - more.count("\n")) if whole else (1 if more else 2, 1)
        self.arms = ["scratch", "waves", *(f"sample-{i:04d}" for i in range(samples))]
        self.arms += [line.split(":")[0].strip() for line in more.splitlines()]
        self.slots = [(arm, replicate) for arm in self.arms for replicate in range(replicates)]
        text = STUDY.format(replicates=replicates, samples=samples, more=more)
        (folder / "studies").mkdir(exist_ok=True)
        (folder / "studies" / "mine.yaml").write_text(text)
        # Not kept open: the server may be killed.
        self._engine = sa.create_engine(
            sa.make_url(self.url).set(drivername=_driver(self.url)), poolclass=sa.NullPool
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Start a driver, as a person does."""
        with (self.folder / f"driver-{len(self.drivers)}.txt").open("wb") as said:
            driver = subprocess.Popen(
                [*self._command, "--storage", self.url],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.drivers.append(driver)
        return driver

    def said(self) -> str:
        """Return what the last driver has written."""
        return (self.folder / f"driver-{len(self.drivers) - 1}.txt").read_text()

    def wait(self, driver: subprocess.Popen[bytes], code: int = 0) -> None:
        """Wait for the end of a driver, and expect its exit code."""
        with suppress(subprocess.TimeoutExpired):
            driver.wait(_STUCK_SECONDS)
        assert driver.poll() == code, f"{driver.poll()}: {self.said()[-4000:]}"

    def wait_for(self, finished: int) -> None:
        """Wait until so many trials have finished and at least one is being run."""
        end = time.monotonic() + _STUCK_SECONDS
        while True:
            states = self._states()
            if states["COMPLETE"] >= finished and states["RUNNING"]:
                return
            assert time.monotonic() < end, f"stuck at {states}: {self.said()[-4000:]}"
            assert self.drivers[-1].poll() is None, f"too late, {states}: {self.said()[-4000:]}"
            time.sleep(0.2)

    def moments(self, count: int, seed: str) -> Iterator[float]:
        """Wait for random moments while trials are run, and yield how late it is then, in seconds.

        A moment is up to three seconds, which is a trial, after a random number of trials.
        """
        draw = random.Random(seed)
        after = sorted(draw.sample(range(len(self.slots) - 4), count))
        for finished in after:
            self.wait_for(finished)
            time.sleep(draw.uniform(0, 3))
            yield time.monotonic() - self.began

    def outcome(self) -> Outcome:
        """Count what is in the database, and compare Optuna's trials with it."""
        attempts: dict[Slot, list[dict[str, Any]]] = {}
        for row in self._rows():
            attempts.setdefault((row["arm"], row["replicate"]), []).append(row)
        assert set(attempts) <= set(self.slots)
        complete = {
            slot: [row["accuracy"] for row in attempts.get(slot, ()) if row["state"] == "COMPLETE"]
            for slot in self.slots
        }
        done = {slot for slot, scores in complete.items() if scores}
        failed = {
            slot
            for slot in set(attempts) - done
            if all(row["state"] == "FAIL" and row["reason"] for row in attempts[slot])
            and attempts[slot][-1]["failure_kind"] != "interrupted"
        }
        self._compare_arms(attempts)
        return Outcome(
            wanted=len(self.slots),
            finished=len(done),
            failed=len(failed),
            lost=len(self.slots) - len(done) - len(failed),
            doubled=sum(len(scores) > 1 for scores in complete.values()),
            scores={slot: scores[0] for slot, scores in complete.items() if scores},
            attempts=attempts,
        )

    def _compare_arms(self, attempts: dict[Slot, list[dict[str, Any]]]) -> None:
        """Assert that every arm of the study's space is one Optuna trial, with its mean."""
        trials = optuna.load_study(study_name="mine", storage=self.url).get_trials()
        ended = {t.number: t for t in trials if t.state.name == "COMPLETE"}
        assert all(trial.state.is_finished() for trial in trials)
        for arm in self.arms[1:]:
            rows = [row for (name, _), tried in attempts.items() if name == arm for row in tried]
            scores = [row["accuracy"] for row in rows if row["state"] == "COMPLETE"]
            numbers = {row["trial"] for row in rows}
            if numbers != {None}:  # else it is of another formula
                (number,) = numbers
                assert ended.pop(number).value == fmean(scores)
        assert ended == {}

    def under_way(self) -> int:
        """Count the replicates that have been running for a second."""
        earlier = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=1)
        return sum(row["state"] == "RUNNING" and row["started"] < earlier for row in self._rows())

    def runs_at_work(self) -> set[str]:
        """Return the runs that have a replicate in flight."""
        return {row["run"] for row in self._rows() if row["state"] == "RUNNING"}

    def stop(self) -> None:
        """End all drivers and all that they have started."""
        for driver in self.drivers:
            kill_family(driver.pid)
            driver.wait()
        self._engine.dispose()

    def _rows(self) -> list[dict[str, Any]]:
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(replicates).order_by(replicates.c.id))
            return [dict(row) for row in rows.mappings()]

    def _states(self) -> Counter[str]:
        """Count the replicates by state; none where there is no database yet, or it is away."""
        try:
            return Counter(row["state"] for row in self._rows())
        except sa.exc.SQLAlchemyError:
            return Counter()


def workers(parent: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes that hold trials, or are ready to, below a driver or a node."""
    return [pid for pid in sorted(family(parent.pid)) if b"Trainable" in _command(pid)]


def until(condition: Callable[[], object], seconds: float = 300) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _driver(url: str) -> str:
    return "postgresql+psycopg" if url.startswith("postgresql") else "sqlite"
