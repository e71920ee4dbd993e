"""The Ray that a study runs on: one of our own on this machine, or a cluster to join."""

import logging
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

from explorer.errors import InputError, OutageError
from explorer.study import Protocol, Resources, Study

_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Where it is 0, Ray takes this machine to be 127.0.0.1, and all its servers bind to that."""
_MEBIBYTE = 2**20
_ANSWER_SECONDS = 300.0

_log = logging.getLogger("explorer")


@contextmanager
def connected(study: Study, address: str | None, workers: int | None) -> Iterator[int]:
    """Start or join Ray; yields the number of trials that run at a time.

    Args:
        study: What is to be run.
        address: ``HOST:PORT`` or ``auto``; a Ray of our own where ``None``, which nothing outside
            this machine can reach.
        workers: Trials at a time; as many as there is room for where ``None``.

    Raises:
        InputError: If the cluster cannot be joined, no node can hold a trial, or one that can has
            another explorer than this machine.
        OutageError: If Ray could not be started here, as on a machine that is overloaded.
    """
    try:
        if address is None:
            _start(study.protocol.resources, workers)
        else:
            _join(address)
        room = sum(_room(node, study.protocol.resources) for node in _nodes())
        if room < 1:
            raise _no_room(study)
        if address is not None:
            _check_nodes(study)
        yield min(workers or room, room)
    finally:
        import ray  # not before _start has had its say

        ray.shutdown()


def _start(resources: Resources, workers: int | None) -> None:
    os.environ[_LOOPBACK] = "0"  # read when Ray is imported
    import ray

    cpus = len(os.sched_getaffinity(0))
    try:
        ray.init(
            address="local",  # whatever RAY_ADDRESS says
            # As many trials as asked for, and at least one: cores are shared, not refused.
            num_cpus=max(cpus, ceil((workers or 1) * resources.cpus)),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
            # Results are small and travel inline; nothing of ours lives in the object store.
            object_store_memory=100 * _MEBIBYTE,
        )
    except Exception as error:  # Ray has no other word for a start that has taken too long
        reason = str(error).partition(". ")[0].strip()
        raise OutageError(f"Ray could not be started on this machine: {reason}") from error
    listens = ray.util.get_node_ip_address()
    if listens != "127.0.0.1":
        _log.warning("Ray listens on %s: it was imported before explorer told it not to", listens)


def _join(address: str) -> None:
    import ray

    if "://" in address:
        remedy = (
            "write HOST:PORT of the head node, or auto, on a machine of the cluster; from any "
            "other machine: explorer submit --address http://HOST:8265"
        )
        raise InputError("--address", None, address, remedy)
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:400]
        raise InputError("--address", None, address, f"no cluster: {reason}") from error


def _knock(address: str) -> None:
    """Raise ``OSError`` if nothing answers there; Ray itself would try for six minutes."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _nodes() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def _room(node: Mapping[str, Any], resources: Resources) -> int:
    """Return how many trials a node holds; no trial is spread over two nodes, or two halves."""
    have = node["Resources"]
    room = int(have.get("CPU", 0) / resources.cpus + 1e-9)
    if not resources.gpus:
        return room
    gpus = int(have.get("GPU", 0))
    if resources.gpus < 1:
        return min(room, gpus * int(1 / resources.gpus + 1e-9))
    return min(room, int(gpus / resources.gpus))


def _no_room(study: Study) -> InputError:
    resources = study.protocol.resources
    best = max((node["Resources"] for node in _nodes()), key=lambda have: have.get("CPU", 0))
    have = f"{best.get('CPU', 0):g} CPUs and {best.get('GPU', 0):g} GPUs"
    need = f"{resources.cpus:g} CPUs and {resources.gpus:g} GPUs a trial"
    remedy = f"needs {need}, the largest machine here has {have}; choose another with --protocol"
    return InputError("protocol", None, study.protocol_name, remedy)


def _check_nodes(study: Study) -> None:
    """Refuse a cluster on whose nodes a trial would not be what it is here."""
    from explorer.identity import code

    here, where = code(families(study)), str(Path.cwd())
    for host, there in on_every_node(study.protocol.resources, _look, families(study)):
        problem = there if isinstance(there, str) else difference(here, there)
        if problem:
            raise InputError("--address", f"node {host}", None, problem)
    protocols = [study.protocol, *study.arm_protocols.values()]
    for host, lack in on_every_node(study.protocol.resources, _try, protocols, where):
        if lack:
            raise InputError(study.path, "protocol", f"{study.protocol_name} on {host}", lack)


def families(study: Study) -> list[str]:
    """Return the formulas that the arms of a study draw from, sorted."""
    return sorted({study.space.formula, *(s.formula for s in study.arm_spaces.values())})


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    """Say in which code another machine differs from this one, or return ``None``.

    What follows a plus (``2.9.0+cpu``) says how a library was built, not which it is.
    """
    for name, mine in here.items():
        theirs = there.get(name, "none")
        if mine.partition("+")[0] != theirs.partition("+")[0]:
            what = f"has another {name} ({theirs[:12]}) than this machine ({mine[:12]})"
            return f"{what}; install the same there, or scores would not be comparable"
    return None


def _look(names: list[str]) -> dict[str, str]:
    from explorer.identity import code

    return code(names)


def _try(protocols: list[Protocol], directory: str) -> str | None:
    """Say what a node lacks for a trial; Ray shows no GPU to a task that holds none."""
    from explorer.trial import check

    if Path(directory).is_dir():
        os.chdir(directory)
    try:
        for protocol in protocols:
            check(protocol, gpus=False)
    except ValueError as error:
        return str(error)
    return None


def on_every_node(
    resources: Resources, function: Callable[..., Any], *arguments: Any
) -> list[tuple[str, Any]]:
    """Call a function of this package on every node that can hold a trial.

    Returns:
        The address of each node with what the function has returned there; where it could not be
        called, the reason as a string.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    called = []
    for node in _nodes():
        if _room(node, resources):
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            task = ray.remote(function).options(
                num_cpus=0, max_retries=0, scheduling_strategy=there
            )
            called.append((node["NodeManagerAddress"], task.remote(*arguments)))
    answers: list[tuple[str, Any]] = []
    for host, reference in called:
        try:
            answers.append((host, ray.get(reference, timeout=_ANSWER_SECONDS)))
        except ray.exceptions.RayError as error:
            # Ray puts what was raised there last, below its own story.
            reason = str(error).strip().splitlines()[-1][:200]
            answers.append((host, f"cannot run this explorer ({reason}); install it there"))
    return answers


def checkpoints(directory: str, study_name: str) -> Path | None:
    """Return the folder of half-done trials on the machine that asks, if it has any."""
    base = base_folder(directory)
    return base and base / ".explorer" / "checkpoints" / study_name


def base_folder(directory: str) -> Path | None:
    """Return where a trial may write on the machine that asks.

    It is the driver's working directory where that is here too (this machine, or a file
    system that all nodes share), else in the user's cache; ``None`` without either.

    Args:
        directory: The driver's working directory.
    """
    if os.access(directory, os.W_OK):
        return Path(directory)
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # there is no home
        return None
    return cache / "explorer"


def clean(study: Study, *, everywhere: bool) -> None:
    """Delete what the trials of a study have left half done, here or on all nodes."""
    where = (str(Path.cwd()), study.name)
    if everywhere:
        on_every_node(study.protocol.resources, _clean, *where)
    _clean(*where)


def _clean(directory: str, study_name: str) -> None:
    folder = checkpoints(directory, study_name)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
