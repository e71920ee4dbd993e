"""Hand a study to a Ray cluster as a job: the driver then runs there."""

import logging
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from explorer import files, formulas
from explorer.errors import InputError, masked
from explorer.study import Protocol, Study, load_studies

_HERE = {"localhost", "127.0.0.1", "::1", "", None}


class Job(NamedTuple):
    """A job that has been handed in: its name, and those of its studies in the database."""

    name: str
    studies: tuple[str, ...]


def submit(
    name: str,
    *,
    address: str,
    url: str,
    changes: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Job:
    """Submit ``explorer run-study`` as a job, with the files that the study is made of.

    Args:
        name: A study's name or its file.
        address: The cluster's job server, ``http://HOST:8265``.
        url: The database, as the head node of the cluster reaches it.
        changes: What differs from the study's file: arguments of
            :func:`~explorer.study.load_studies`.
        options: The further options of ``run-study``, as ``{"retry_failed": True}``.

    Raises:
        InputError: If the study's files are wrong or cannot travel, the database is none that a
            cluster can share, there is no job server, or the study is already being run there.
    """
    changes = changes or {}
    protocols = changes.get("protocols", ())
    studies = load_studies(name, **changes)
    _check_address(address)
    _check_storage(url, address)
    for study in studies:
        for protocol in (study.protocol, *study.arm_protocols.values()):
            _check_paths(protocol, study)
    stems = "+".join(Path(protocol).stem for protocol in protocols)
    title = f"{studies[0].name.partition('@')[0]}@{stems}".rstrip("@")
    client = _client(address)
    with _staged(name, studies, protocols) as folder, _refusals(address):
        job = _free_name(f"explorer-{title}", client.list_jobs(), address)
        command = ["explorer", "run-study", name, "--address", "auto", "--storage", url]
        client.submit_job(
            entrypoint=shlex.join([*command, *_flags({**changes, **(options or {})})]),
            submission_id=job,
            runtime_env={"working_dir": str(folder)},
            metadata={"study": title},
        )
    return Job(job, tuple(study.name for study in studies))


def _flags(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield options as a command line has them; a tuple is one that is repeated."""
    for name, value in options.items():
        option = {"protocols": "--protocol", "settings": "--set"}.get(name, f"--{name}")
        for entry in value if isinstance(value, tuple | list) else [value]:
            if entry is not None and entry is not False:
                yield option.replace("_", "-")
                if entry is not True:
                    yield str(entry)


def _check_address(address: str) -> None:
    if not address.startswith(("http://", "https://")):
        remedy = "write http://HOST:8265, the job server of the cluster's head node"
        raise InputError("--address", None, address, remedy)


def _check_storage(url: str, address: str) -> None:
    """Refuse a database that the cluster cannot reach, and a password that it would show."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        remedy = "is no database URL; write postgresql://USER@HOST/DATABASE"
        raise InputError("--storage", None, url.rpartition("@")[2], remedy) from error
    shown = masked(url)
    if parsed.get_backend_name() == "sqlite":
        remedy = (
            "is a file of one machine; a job needs a database server: "
            "--storage postgresql://USER@HOST/DATABASE"
        )
        raise InputError("--storage", None, shown, remedy)
    if parsed.password or any("password" in key for key in parsed.query):
        remedy = (
            "Ray shows a job's command and environment to whoever may list jobs; leave the "
            "password out and let the head node know it (PGPASSWORD, or ~/.pgpass)"
        )
        shown = parsed.set(password=None, query={}).render_as_string()
        raise InputError("--storage", None, shown, remedy)
    if parsed.host in _HERE and sa.make_url(address).host not in _HERE:
        remedy = "names the machine that asks, which for the job is the cluster's head node"
        raise InputError("--storage", None, shown, remedy)


def _check_paths(protocol: Protocol, study: Study) -> None:
    """Refuse a folder of images that only a driver on this machine would find."""
    folders = [task.path for task in protocol.downstream if task.name == "imagefolder"]
    for path in (*folders, protocol.dataset.images):
        if path is not None and not path.expanduser().is_absolute():
            remedy = "images do not travel; write the absolute path at which every node has them"
            raise InputError(f"protocol {study.protocol_name}", "path", str(path), remedy)


def _client(address: str) -> Any:
    # The environment would win over what the command line says.
    for variable in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        os.environ.pop(variable, None)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import aiohttp  # noqa: F401  (the first of what Ray's job client lacks without it)
    except ImportError as error:
        remedy = "needs Ray's job client: pip install 'fdsl-explorer[cluster]'"
        raise InputError("submit", None, None, remedy) from error
    from ray.job_submission import JobSubmissionClient

    for talks in (
        "ray._private.runtime_env.packaging",
        "ray.dashboard.modules.dashboard_sdk",
        "ray.dashboard.modules.job.sdk",
    ):
        logging.getLogger(talks).setLevel(logging.ERROR)
    with _refusals(address):
        return JobSubmissionClient(address)


@contextmanager
def _refusals(address: str) -> Iterator[None]:
    """Turn what the job server or the way to it refuses into one line."""
    from ray.exceptions import RayError

    try:
        yield
    except (OSError, RuntimeError, RayError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError("--address", None, address, f"no job could be handed in: {reason}") from (
            error
        )


def _free_name(wanted: str, jobs: Sequence[Any], address: str) -> str:
    """Return a name that no job has had: ``explorer-mine``, then ``explorer-mine.2``.

    Raises:
        InputError: If a job of that name has not come to its end.
    """
    taken = {job.submission_id: job for job in jobs if job.submission_id}
    number, name = 1, wanted
    while name in taken:
        if not taken[name].status.is_terminal():
            remedy = (
                f"job {name} is at work on it (explorer status says how far it is); "
                f"ray job stop --address {address} {name} ends it"
            )
            raise InputError("submit", None, wanted.removeprefix("explorer-"), remedy)
        number += 1
        name = f"{wanted}.{number}"
    return name


@contextmanager
def _staged(name: str, studies: Sequence[Study], protocols: Sequence[str]) -> Iterator[Path]:
    """Make a folder of the files that a study is made of, where the job will look for them.

    A name stands for the same file there as here, also where that comes with the package: the
    package of the cluster may be another.
    """
    first = studies[0]
    spaces = {first.file.search_space, *(arm.search_space for arm in first.file.arms.values())}
    wanted: list[tuple[files.Kind, str, str | Path]] = [("studies", name, "study")]
    of_a_formula = set(formulas.names()) - set(dict(files.available("search_spaces")))
    wanted += [("search_spaces", n, first.path) for n in spaces - of_a_formula if n is not None]
    named_by: str | Path = "--protocol" if protocols else first.path
    wanted += [("protocols", protocol, named_by) for protocol in protocols or first.file.protocol]
    with tempfile.TemporaryDirectory(prefix="explorer-submit-") as folder:
        for kind, entry, source in wanted:
            path = files.find(kind, entry, source=source)
            target = Path(folder) / _place(kind, entry, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        yield Path(folder)


def _place(kind: files.Kind, name: str, path: Path) -> Path:
    """Return where a file stands below the job's working directory."""
    if not files.is_path(name):
        return Path(kind) / f"{name}.yaml"
    here = Path.cwd().resolve()
    if Path(name).is_absolute() or not path.resolve().is_relative_to(here):
        remedy = "only files below the working directory travel; go to a folder that holds them all"
        raise InputError("submit", None, str(path), remedy)
    return Path(os.path.normpath(path))
