"""On which addresses a program and all that it has started wait for connections."""

import socket
from contextlib import suppress
from pathlib import Path

from tests.processes import family


def addresses(pid: int) -> set[str]:
    """Return the addresses that a process and its descendants listen on."""
    sockets = {inode for one in family(pid) for inode in _sockets(one)}
    found = set()
    for table, kind in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            listens = fields[3] == "0A"
            if listens and fields[9] in sockets:
                words = fields[1].split(":")[0]
                # Words of four bytes, each in the order of this machine.
                raw = b"".join(
                    int(words[i : i + 8], 16).to_bytes(4, "little") for i in range(0, len(words), 8)
                )
                found.add(socket.inet_ntop(kind, raw).removeprefix("::ffff:"))
    return found


def _sockets(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(handle.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
