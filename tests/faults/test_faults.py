"""What a study survives: nothing is lost, nothing is done twice, and scores stay what they were.

The short form is part of every test run; ``make test-faults`` does it all, to studies of 24 trials.
"""

import errno
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import servers
from tests.faults.lab import EXPLORER, Lab, until, workers

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

OUTAGE_SECONDS = 20
LOCK_SECONDS = 10


@pytest.fixture
def times(whole) -> int:
    """How often harm is done to one study."""
    return 5 if whole else 1


@pytest.fixture
def whole_only(whole):
    """Of a test that would not earn its time in every run, beside tests/runner and end to end."""
    if not whole:
        pytest.skip("only by make test-faults")


def kinds(outcome) -> list[str]:
    """Return how the attempts have failed."""
    return [row["failure_kind"] for tried in outcome.attempts.values() for row in tried]


@pytest.mark.usefixtures("whole_only")
def test_workers_are_killed(make_lab, judge, times):
    lab = make_lab()
    driver, draw = lab.start(), random.Random("a worker")
    for _ in lab.moments(times, "worker"):
        until(lambda: workers(driver))
        os.kill(draw.choice(workers(driver)), signal.SIGKILL)
    lab.wait(driver)
    assert "worker died" in kinds(judge(f"kill -9 of a worker ({times}x)", lab))


@pytest.mark.usefixtures("whole_only")
def test_the_driver_is_killed(make_lab, judge, times):
    lab = make_lab()
    driver = lab.start()
    for _ in lab.moments(times, "driver"):
        driver.kill()
        driver.wait()
        driver = lab.start()
    lab.wait(driver)
    assert "interrupted" in kinds(judge(f"kill -9 of the driver, started again ({times}x)", lab))


@pytest.mark.cluster
def test_a_node_is_killed(make_lab, judge, times, tmp_path):
    nodes = servers.Nodes(tmp_path)
    try:
        nodes.start_head()
        nodes.start_second()
        lab = make_lab(options=("--workers", "2", "--address", nodes.address))
        driver = lab.start()
        for _ in lab.moments(times, "node"):
            # A worker that waits for its next trial has none to lose.
            until(lambda: nodes.second_has_a_trial() and lab.under_way() == 2)
            nodes.kill_second()
            nodes.start_second()
        lab.wait(driver)
    finally:
        nodes.stop()
    assert "worker died" in kinds(judge(f"kill -9 of a Ray node, another joins ({times}x)", lab))


@pytest.mark.postgres
def test_postgres_is_killed(make_lab, judge, times):
    with servers.postgres() as server:
        lab = make_lab(url=server.url)
        driver = lab.start()
        for _ in lab.moments(times, "postgres"):
            server.kill()
            time.sleep(OUTAGE_SECONDS)
            server.start()
        lab.wait(driver)
        judge(f"kill -9 of PostgreSQL, started again after {OUTAGE_SECONDS} s ({times}x)", lab)


def test_one_of_two_drivers_is_killed(make_lab, judge):
    lab = make_lab(options=("--workers", "1"))
    first, second = lab.start(), lab.start()
    for _ in lab.moments(1, "two"):
        until(lambda: len(lab.runs_at_work()) == 2)
        first.kill()
    lab.wait(second)
    judge("two drivers, kill -9 of one", lab)


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """Make a folder a file system of its own, of a size as ``mount`` is told it."""
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place]
    if os.getuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path) -> None:
    """Write until there is no room left."""
    with (place / "filler").open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as full:
            assert full.errno == errno.ENOSPC  # noqa: PT017 - the way out of the loop


@pytest.mark.usefixtures("whole_only")
def test_the_disk_for_half_done_trials_is_full(make_lab, judge, tmp_path):
    place = tmp_path / ".explorer" / "checkpoints"
    with small_disk(place, "200m"):
        lab = make_lab()
        driver = lab.start()
        for _ in lab.moments(1, "disk"):
            end = time.monotonic() + 600
            while driver.poll() is None and time.monotonic() < end:
                fill(place)  # again, as trials that end delete what they had saved
                time.sleep(0.2)
        lab.wait(driver)
        judge("disk full for half-done trials (tmpfs)", lab)


@pytest.mark.usefixtures("whole_only")
def test_the_disk_for_the_database_is_full(make_lab, judge, tmp_path):
    place = tmp_path / "small"
    with small_disk(place, "500k"):
        lab = make_lab(url=f"sqlite:///{place}/explorer.db")
        lab.wait(lab.start(), code=1)
        said = lab.said()
        assert "explorer: the database cannot be written: database or disk is full" in said
        assert "Traceback" not in said
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        lab.wait(lab.start())
        judge("disk full for SQLite (tmpfs), started again with room", lab)


# The wall clock of the driver's Python; a machine's own clock is not a test's to set.
CLOCK = f"""\
import datetime, pathlib, threading, time
import time_machine
clock = time_machine.travel(datetime.datetime.now(datetime.UTC)).start()
def step():
    while not pathlib.Path("step").exists():
        time.sleep(0.1)
    clock.shift(-3600)
    pathlib.Path("stepped").touch()
threading.Thread(target=step, daemon=True).start()
{EXPLORER}
"""


@pytest.mark.usefixtures("whole_only")
def test_the_clock_steps_back(make_lab, judge, tmp_path):
    lab = make_lab(program=CLOCK)
    driver = lab.start()
    for _ in lab.moments(1, "clock"):
        (tmp_path / "step").touch()
    lab.wait(driver)
    assert (tmp_path / "stepped").exists()
    judge("the driver's clock steps back by an hour", lab)


@pytest.mark.usefixtures("whole_only")
def test_sqlite_is_locked(make_lab, judge, tmp_path):
    lab = make_lab()
    driver = lab.start()
    for _ in lab.moments(1, "lock"):
        other = sqlite3.connect(tmp_path / "explorer.db", isolation_level=None, timeout=60)
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(LOCK_SECONDS)
        other.execute("ROLLBACK")
        other.close()
    lab.wait(driver)
    judge(f"SQLite locked by another process for {LOCK_SECONDS} s", lab)


SPACE = """\
description: Poison.
formula: {}
parameters:
  dose: {{low: [0, 9], high: [0, 9], default: [0, 9]}}
"""
POINTS = "[explorer.formulas]\nraises = poison:Raises\nkills = poison:Kills\n"


def test_arms_that_always_crash(make_lab, judge, tmp_path):
    """One raises and one kills its worker: they FAIL with a reason, and the others finish."""
    site = tmp_path / "site"
    (site / "poison-1.dist-info").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("poison.py"), site)
    (site / "poison-1.dist-info" / "METADATA").write_text("Name: poison\nVersion: 1\n")
    (site / "poison-1.dist-info" / "entry_points.txt").write_text(POINTS)
    (tmp_path / "search_spaces").mkdir()
    for name in ("raises", "kills"):
        (tmp_path / "search_spaces" / f"{name}.yaml").write_text(SPACE.format(name))
    more = "  raises: {search_space: raises}\n  kills: {search_space: kills}\n"
    lab: Lab = make_lab(more=more, path=site)
    lab.wait(lab.start(), code=1)
    poisoned = [slot for slot in lab.slots if slot[0] in {"raises", "kills"}]
    outcome = judge("arms that always crash", lab, failed=len(poisoned))
    for slot in poisoned:
        tried = outcome.attempts[slot]
        if slot[0] == "raises":
            assert [row["reason"] for row in tried] == ["ValueError: a dose of 9 is poison"]
            continue
        assert [row["attempt"] for row in tried] == [1, 2, 3]
        assert all("worker died" in row["reason"] for row in tried)
