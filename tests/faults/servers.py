"""A PostgreSQL server and a Ray cluster of a test's own, which it may kill."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from tests.faults.lab import until, workers
from tests.processes import environment, free_port, kill_family

_RAY = str(Path(sys.executable).parent / "ray")


class Postgres:
    """A server with a folder of its own; it refuses to run as root, and is then run as postgres.

    Args:
        folder: Where its data is; the user that it runs as owns it.
        programs: Where ``initdb`` and ``postgres`` are.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder, self._programs = folder, programs
        self._as = {"user": "postgres", "group": "postgres", "extra_groups": []}
        if os.getuid() != 0:
            self._as = {}
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        command = ["initdb", "--pgdata=data", "--username=postgres", "--auth=trust", "--no-sync"]
        self._run(*command).wait()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = self._run(
            "postgres",
            "-D",
            "data",
            *("-c", f"port={self.port}"),
            *("-c", "listen_addresses=127.0.0.1"),
            *("-c", f"unix_socket_directories={self._folder}"),
        )
        until(self._answers)

    def kill(self) -> None:
        """Kill the postmaster alone; its children see that it is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _run(self, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self._programs / program, *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._as,
            )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert self.process.poll() is None, (self._folder / "log").read_text()
            return False
        return True


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Make and start a server; its data is deleted afterwards."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("there is no initdb here")
    folder = Path(tempfile.mkdtemp(prefix="explorer-faults-", dir="/tmp"))
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
    server = Postgres(folder, programs)
    try:
        server.start()
        yield server
    finally:
        with suppress(AttributeError):
            server.process.send_signal(signal.SIGQUIT)
            server.process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_programs() -> Path | None:
    """Return the folder of the server's programs, which Debian keeps out of the path."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "postgres").exists()), None)


class Nodes:
    """A Ray head with one processor, and a second node with another, each with its own files.

    Args:
        folder: For the nodes' logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Short: the paths of sockets have room for a hundred letters.
        self._temporary = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start_head(self) -> None:
        """Start the head node, on which the driver is."""
        ports = f"--port={self._port}", f"--ray-client-server-port={free_port()}"
        self._start("--head", "--include-dashboard=false", *ports)

    def start_second(self) -> None:
        """Start the node that is going to be killed."""
        # An address of its own: a driver would else take it for the node that it is on.
        self._start(f"--address={self.address}", "--node-ip-address=127.0.0.2")

    def second_has_a_trial(self) -> bool:
        """Say whether a trial's process is on the second node."""
        return bool(workers(self._processes[-1]))

    def kill_second(self) -> None:
        """Kill all processes of the second node at once."""
        kill_family(self._processes[-1].pid)
        self._processes[-1].wait()

    def stop(self) -> None:
        """Kill all nodes."""
        for process in self._processes:
            kill_family(process.pid)
            process.wait()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _start(self, *more: str) -> None:
        """Start a node, and wait until it belongs to the cluster."""
        log = self._folder / f"node-{len(self._processes)}.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                [
                    *(_RAY, "start", "--block", "--num-cpus=1"),
                    f"--temp-dir={tempfile.mkdtemp(dir=self._temporary)}",
                    "--object-store-memory=100000000",
                    f"--dashboard-agent-listen-port={free_port()}",
                    *more,
                ],
                env={**environment(), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)

        def joined() -> bool:
            assert process.poll() is None, log.read_text()
            return "Ray runtime started" in log.read_text()

        until(joined)
