"""The dashboard of a study that is being run, in a browser."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from explorer import search
from explorer import store as db
from explorer import study as config
from explorer.scores import Rung
from tests.processes import environment, free_port
from tests.runner.listening import addresses

STUDY = """\
description: Is it shown while it runs?
search_space: visual_atom
protocol: smoke
replicates: 1
arms:
  waves: {frequency: [0, 20], orbits: [1, 50]}
  circles: {frequency: [0, 0]}
"""


@pytest.fixture
def queue(write_study, sqlite_url):
    """The queue of a study whose trials this test plays the workers of."""
    write_study(STUDY)
    with (
        db.disposing(db.connect(sqlite_url, create=True)) as storage,
        db.Run(storage, "mine") as run,
    ):
        queue = search.Queue(storage, config.load_study("mine"), run.run_id)
        queue.recover()
        yield queue


@pytest.fixture
def address(queue, folder, sqlite_url):  # noqa: ARG001 - the database has to be there
    """Where ``explorer dashboard mine`` says that it is."""
    pytest.importorskip("optuna_dashboard")
    command = [sys.executable, "-c", "from explorer.cli import main; main()", "dashboard", "mine"]
    command += ["--storage", sqlite_url, "--port", str(free_port())]
    running = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(Path(config.__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = running.stdout.readline()
        found = re.match(
            r"(http://127\.0\.0\.1:\d+/dashboard/studies/\d+)  \(Ctrl-C ends it\)", said
        )
        assert found, said
        assert addresses(running.pid) == {"127.0.0.1"}
        yield found[1]
    finally:
        running.terminate()
        running.wait(timeout=20)


def _attrs(queue: search.Queue) -> dict:
    study = queue.optuna_study
    return study._storage.get_study_system_attrs(study._study_id)


def test_a_study_that_runs_is_shown_and_followed(queue, address, page):
    proposal = queue.take()
    while proposal.arm != "waves":
        queue.complete(proposal.number, 0.25)
        proposal = queue.take()
    page.set_default_timeout(60_000)
    page.goto(address.partition("/dashboard")[0])
    page.get_by_text(re.compile(r"\bmine\b")).first.wait_for()

    # The trial that runs: its note, and its images, which were drawn for it.
    page.goto(f"{address}/trials?numbers={proposal.number}")
    page.get_by_role("heading", name="waves, replicate 0").wait_for()
    page.get_by_text("Running.", exact=True).wait_for()
    sheet = page.get_by_role("img", name="The first images of the first categories")
    sheet.wait_for()
    assert sheet.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300

    # It goes on, and so does the page.
    queue.report(proposal.number, Rung(128, 0.375, 2.0, 1.0))
    page.get_by_role("cell", name="37.5").wait_for()
    queue.complete(proposal.number, 0.625, {"accuracy.digits": 0.625})
    page.get_by_text("0.625", exact=True).first.wait_for()

    # optuna-dashboard does not ask again for a trial that has ended: its last note is there at the
    # next load of the page.
    until = time.monotonic() + 60
    while "62.5 %" not in str(_attrs(queue)) and time.monotonic() < until:
        time.sleep(0.2)
    page.reload()
    page.get_by_text("62.5 %", exact=True).wait_for()
