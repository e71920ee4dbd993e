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
from datetime import datetime, timedelta
from pathlib import Path

import optuna
import sqlalchemy as sa
from optuna.trial import FrozenTrial, TrialState

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


@dataclass(frozen=True)
class Outcome:
    """What has become of the slots of a study.

    Attributes:
        wanted: Slots that it asks for.
        finished: Those that have a score.
        failed: Those that have failed for good, with a reason.
        lost: All others.
        doubled: Slots that have more than one score.
        scores: The score by slot.
        attempts: The trials of a slot, by slot.
    """

    wanted: int
    finished: int
    failed: int
    lost: int
    doubled: int
    scores: dict[Slot, float]
    attempts: dict[Slot, list[FrozenTrial]]


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
        """Count what is in the database."""
        study = optuna.load_study(study_name="mine", storage=self.url)
        attempts: dict[Slot, list[FrozenTrial]] = {}
        for trial in study.get_trials():
            # One that died before it had its arm is an attempt at nothing.
            slot = (trial.user_attrs.get("arm", ""), trial.user_attrs.get("replicate", 0))
            attempts.setdefault(slot, []).append(trial)
        assert set(attempts) - {("", 0)} <= set(self.slots)
        complete = {
            slot: [trial.value for trial in attempts.get(slot, ()) if _is(trial, "COMPLETE")]
            for slot in self.slots
        }
        done = {slot for slot, values in complete.items() if values}
        failed = {
            slot
            for slot in set(self.slots) & set(attempts) - done
            if all(_is(t, "FAIL") and t.user_attrs["failure"] for t in attempts[slot])
            and attempts[slot][-1].user_attrs["failure_kind"] != "interrupted"
        }
        return Outcome(
            wanted=len(self.slots),
            finished=len(done),
            failed=len(failed),
            lost=len(self.slots) - len(done) - len(failed),
            doubled=sum(len(values) > 1 for values in complete.values()),
            scores={slot: values[0] for slot, values in complete.items() if values},
            attempts=attempts,
        )

    def under_way(self) -> int:
        """Count the trials that have been running for a second."""
        study = optuna.load_study(study_name="mine", storage=self.url)
        earlier = datetime.now() - timedelta(seconds=1)  # noqa: DTZ005 - as Optuna's times are
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return sum(one.datetime_start < earlier for one in running)

    def runs_at_work(self) -> set[str]:
        """Return the runs that have a trial in flight."""
        study = optuna.load_study(study_name="mine", storage=self.url)
        return {t.user_attrs.get("run", "") for t in study.get_trials(states=(TrialState.RUNNING,))}

    def stop(self) -> None:
        """End all drivers and all that they have started."""
        for driver in self.drivers:
            kill_family(driver.pid)
            driver.wait()
        self._engine.dispose()

    def _states(self) -> Counter[str]:
        """Count the trials by state; none where there is no database yet, or it is away."""
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(sa.text("SELECT CAST(state AS VARCHAR) FROM trials"))
                return Counter(rows.scalars())
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


def _is(trial: FrozenTrial, state: str) -> bool:
    return bool(trial.state == TrialState[state])
