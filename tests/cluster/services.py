"""The services of the Compose file as processes of this machine, and how to end them all."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

from tests.cluster import compose
from tests.processes import environment, free_port

SECRETS = {"POSTGRES_PASSWORD": "a-password", "RAY_AUTH_TOKEN": uuid4().hex * 2}
_BIN = str(Path(sys.executable).parent)


class Services:
    """Runs the services' own commands; other hosts become 127.0.0.1, and ports become free ones.

    Args:
        folder: For logs and secrets.
        database: URL of the database that stands in for the service ``postgres``.
    """

    def __init__(self, folder: Path, database: str) -> None:
        self._folder = folder
        environment = {**SECRETS, "WORKER_CPUS": "1", "STUDY": "mine"}
        self._said = compose.read("docker-compose.yml", environment)["services"]
        # Short: the paths of sockets have room for a hundred letters.
        self.temporary = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self._mark = f"EXPLORER_TEST_SERVICES={uuid4().hex}"
        (folder / "ray_token").write_text(SECRETS["RAY_AUTH_TOKEN"])
        self.ray, self.jobs, self.dashboard = (free_port() for _ in range(3))
        here = sa.make_url(database).set(drivername="postgresql")
        self.storage = here.render_as_string(hide_password=False)
        self._replaced = {
            "postgresql://explorer@postgres:5432/explorer": self.storage,
            "ray-head:": "127.0.0.1:",
            "6379": str(self.ray),
            "8265": str(self.jobs),
            "8080": str(self.dashboard),
            "0.0.0.0": "127.0.0.1",  # noqa: S104 - replaced
            "/run/secrets": str(folder),
        }

    def _here(self, text: str) -> str:
        for there, here in self._replaced.items():
            text = text.replace(there, here)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment of a service."""
        said = {key: self._here(value) for key, value in self._said[name]["environment"].items()}
        mark, _, value = self._mark.partition("=")
        path = f"{_BIN}:{os.environ['PATH']}"
        return {**environment(), **said, mark: value, "PATH": path, "RAY_USAGE_STATS_ENABLED": "0"}

    def command(self, name: str) -> list[str]:
        """Return the command line of a service; the image's own entry point is left out."""
        one = self._said[name]
        whole = [*one.get("entrypoint", ["entrypoint"]), *one["command"]]
        assert whole[0] == "entrypoint"
        return [self._here(part) for part in whole[1:]]

    def start(self, name: str, *more: str) -> int:
        """Start a service; Ray's nodes share this machine, so that more of their ports differ.

        Returns:
            The port of a node's agent, which has a container to itself in the Compose file.
        """
        command = [*self.command(name), *more]
        agent = free_port()
        if command[:2] == ["ray", "start"]:
            command += [
                # Of its own, as on a machine of its own: nodes delete each other's files otherwise.
                f"--temp-dir={tempfile.mkdtemp(dir=self.temporary)}",
                f"--dashboard-agent-listen-port={agent}",
                "--object-store-memory=100000000",
            ]
        if "--head" in command:
            command.append(f"--ray-client-server-port={free_port()}")
        with (self._folder / f"{name}-{uuid4().hex[:4]}.log").open("w") as log:
            subprocess.Popen(
                command,
                env=self.environment(name),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return agent

    def wait_until_healthy(self, name: str, agent: int = 0, seconds: float = 240) -> None:
        """Repeat the health check of a service until it succeeds."""
        kind, *check = (self._here(part) for part in self._said[name]["healthcheck"]["test"])
        assert (kind, check[0]) == ("CMD", "python")
        check = [sys.executable, *(part.replace(":52365", f":{agent}") for part in check[1:])]
        end = time.monotonic() + seconds
        while subprocess.run(
            check, check=False, env=self.environment(name), capture_output=True
        ).returncode:
            assert time.monotonic() < end, self.logs()
            time.sleep(1)

    def run(self, *command: str, folder: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command in the environment of the one-shot service, and expect its exit code."""
        ran = subprocess.run(
            command,
            check=False,
            env=self.environment("explorer"),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert ran.returncode == code, f"{ran.stdout}\n{ran.stderr}\n{self.logs()}"
        return ran

    def logs(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(log.read_text()[-2000:] for log in self._folder.glob("*.log"))

    def stop(self) -> None:
        """End every process that carries the mark, Ray's own and their children too."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + 5
            while pids := list(self._processes()):
                if how == signal.SIGKILL or time.monotonic() + 4.9 > end:
                    for pid in pids:
                        with suppress(ProcessLookupError):
                            os.kill(pid, how)
                if time.monotonic() > end:
                    break
                time.sleep(0.2)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _processes(self) -> Iterator[int]:
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                with suppress(OSError):
                    if self._mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                        yield int(process.name)


@contextmanager
def running(folder: Path, database: str) -> Iterator[Services]:
    """Start a head and two workers; all is ended afterwards, whatever has happened."""
    services = Services(folder, database)
    try:
        services.start("ray-head")
        services.start("dashboard")
        services.wait_until_healthy("ray-head")
        # One has a GPU that is none: Ray only counts.
        for more in (["--num-gpus=1"], []):
            services.wait_until_healthy("worker", services.start("worker", *more))
        services.wait_until_healthy("dashboard")
        yield services
    finally:
        services.stop()
