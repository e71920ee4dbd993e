"""A study on this machine cannot be reached from another one, whichever part of Ray listens."""

import os
import socket
import subprocess
import sys
import time

import pytest

from tests.processes import family
from tests.runner import listening

PROGRAM = """\
import time
from pathlib import Path
from explorer import runner, store, study
from explorer.scores import Scores

def evaluate(ranges, protocol, *, seed, formula):
    Path("running").touch()
    while not Path("looked").exists():
        time.sleep(0.05)
    yield from ()
    return Scores(0.5)

with store.connect("sqlite:///study.db", create=True) as database:
    runner.run_study(study.load_study("mine"), database, evaluate=evaluate, workers=1)
"""


@pytest.mark.usefixtures("study")
def test_a_study_listens_on_loopback_only(folder):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    # Another cluster is not joined by accident.
    env = {**kept, "RAY_ADDRESS": "127.0.0.1:1"}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=folder, env=env) as process:
        try:
            while not (folder / "running").exists():
                assert process.poll() is None
                time.sleep(0.2)
            assert len(family(process.pid)) > 3
            assert listening.addresses(process.pid) == {"127.0.0.1"}
            (folder / "looked").touch()
            assert process.wait(timeout=120) == 0
        finally:
            process.kill()


def test_what_listens_elsewhere_is_seen():
    with socket.create_server(("0.0.0.0", 0)), socket.create_server(("127.0.0.1", 0)):  # noqa: S104
        assert {"0.0.0.0", "127.0.0.1"} <= listening.addresses(os.getpid())  # noqa: S104
