"""Programs that tests start beside themselves, and all that these start in turn."""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path


def environment() -> dict[str, str]:
    """Return the environment without what it says to Ray and to explorer."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "EXPLORER_"))}


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> set[int]:
    """Return a process, the members of its session, and the descendants of all of these.

    Those of its session may have outlived their parents.
    """
    parents, known = {}, {pid}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                # The second field may hold blanks and ends with ")".
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                parents[int(process.name)] = int(fields[1])
                if int(fields[3]) == pid:
                    known.add(int(process.name))
    while more := {child for child, parent in parents.items() if parent in known} - known:
        known |= more
    return known


def kill_family(pid: int) -> None:
    """Do to a process and all that it has started what a power cut does."""
    for one in [pid, *family(pid) - {pid}]:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
