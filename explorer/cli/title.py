"""Keeping the password of a ``--storage`` URL out of the list of processes, and so out of Ray."""

import ctypes
from pathlib import Path

from explorer.errors import masked


def hide_passwords() -> None:
    """Star out passwords in the arguments that other processes see of this one.

    Every user of a machine can read them, and Ray tells its cluster the driver's command line. They
    are overwritten where they lie, as the clients of MySQL do; where there is no ``/proc`` they
    stay. ``sys.argv`` is a copy and stays whole.
    """
    try:
        arguments = Path("/proc/self/cmdline").read_bytes().split(b"\0")[:-1]
        # Field 48 of the process's state is where its arguments begin in its memory.
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return
    place = int(fields[45])
    for argument in arguments:
        shown = masked(argument.decode(errors="surrogateescape")).encode(errors="surrogateescape")
        if place and shown != argument:
            # Never longer than it was; what is left over is blank.
            ctypes.memmove(place, shown[: len(argument)].ljust(len(argument)), len(argument))
        place += len(argument) + 1
