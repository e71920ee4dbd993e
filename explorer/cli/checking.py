"""What can be known of a study before it is run: whether all is there, and how long it takes."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from explorer import files, formulas
from explorer.errors import InputError, Mistakes, refuse
from explorer.study import (
    Protocol,
    Study,
    load_protocol,
    load_search_space,
    load_studies,
    protocol_digest,
)

if TYPE_CHECKING:
    from explorer.store import Database


def check_protocols(studies: Sequence[Study]) -> None:
    """Try what the protocols of studies name: folders, models, tasks, GPUs; each of them once.

    Raises:
        InputError: What is not as it should be: all of it, a line each.
    """
    mistakes = Mistakes()
    tried: list[Protocol] = []
    for study in studies:
        changed = {f"arms.{a}.protocol": p for a, p in study.arm_protocols.items()}
        for key, protocol in {"protocol": study.protocol, **changed}.items():
            if protocol not in tried:
                tried.append(protocol)
                mistakes += _lacks(protocol, study.path, key, study.protocol_name)
    refuse(mistakes)


def _lacks(protocol: Protocol, path: Path, key: str, name: str) -> Iterator[InputError]:
    from explorer.trial import check

    lack = protocol.dataset.lack()
    if lack is not None:
        yield InputError(path, f"{key}.dataset.images", str(protocol.dataset.images), lack)
    try:
        check(protocol)
    except InputError as error:
        yield error
    except ValueError as error:
        yield InputError(path, key, name, str(error))


def check_files(names: Iterable[str]) -> list[Study]:
    """Read files of any kind, with all that they name, and try it.

    Args:
        names: Paths, or names of studies, protocols or search spaces, looked for in this order.

    Returns:
        The studies among them.

    Raises:
        InputError: What is wrong: all of it, a line each.
    """
    mistakes = Mistakes()
    studies: list[Study] = []
    for name in names:
        with mistakes:
            kind = _kind(name)
            if kind == "search_spaces":
                load_search_space(name, source="FILE")
            elif kind == "protocols":
                protocol = load_protocol(name, source="FILE")
                path = files.find(kind, name, source="FILE")
                mistakes += _lacks(protocol, path, "protocol", path.stem)
            else:
                studies += (named := load_studies(name))
                check_protocols(named)
    refuse(mistakes)
    return studies


def _kind(name: str) -> files.Kind:
    if files.is_path(name):
        content = files.read(files.find("studies", name, source="FILE"))
        if "dataset" in content or "finetune" in content:
            return "protocols"
        return "search_spaces" if "formula" in content else "studies"
    kinds: tuple[files.Kind, ...] = ("studies", "protocols", "search_spaces")
    # The name of a formula is a search space without a file.
    otherwise: files.Kind = "search_spaces" if name in formulas.names() else "studies"
    return next((kind for kind in kinds if name in dict(files.available(kind))), otherwise)


def estimate(
    study: Study, database: "Database | None", workers: int | None = None
) -> dict[str, Any]:
    """Say how many trials a study has and how long they will take on this machine.

    A trial takes what trials of the same protocol have taken in the database, on average, or else
    what the protocol says. One that is not pre-trained is taken for one that is, if nothing is
    known of it.

    Args:
        study: The study.
        database: Where earlier trials are, if there is any.
        workers: Trials at a time; ``None`` is as many as this machine holds.

    Returns:
        Names of study and protocol, numbers of trials, ``hours`` (NaN where nothing says how long
        a trial takes) and where they come from, and ``smallest_difference``, in points, that the
        replicates can show with a chance of 80 % (``None`` where the protocol states no scatter).
    """
    ended = [] if database is None else _ended(database)
    costs = {} if database is None else _costs(database, ended)
    done = Counter(row["arm"] for row in ended if row["study"] == study.name)
    samples = study.file.sampler.samples if study.file.sampler else 0
    arms = [*study.arms, *(f"sample-{n:04d}" for n in range(samples))]
    left, seconds, sources = 0, 0.0, set()
    for arm in arms:
        protocol, pretrained = study.protocol_of(arm), study.arms.get(arm, {}) is not None
        digest, count = protocol.digest(), max(0, study.file.replicates - done[arm])
        measured = costs.get((digest, pretrained)) or costs.get((digest, True))
        each = fmean(measured) if measured else protocol.expected_seconds
        left += count
        seconds += math.nan if each is None else count * each
        if each is None:
            sources.add(f"{study.protocol_name} says no seconds, and none has run")
        else:
            what = f"{len(measured)} trials have taken" if measured else "the protocol says"
            sources.add(f"{what} {each:.3g} s")
    workers = workers or _at_a_time(study.protocol)
    return {
        "study": study.name,
        "protocol": study.protocol_name,
        "trials": study.planned,
        "left": left,
        "hours": seconds / workers / 3600,
        "workers": workers,
        "source": "; ".join(sorted(sources)),
        "smallest_difference": _smallest_difference(study),
    }


def _smallest_difference(study: Study) -> float | None:
    from explorer.report import smallest_difference

    std, replicates = study.protocol.replicate_std, study.file.replicates
    if std is None or replicates < 2 or not study.file.trains:
        return None
    return smallest_difference(replicates, std)


def remark(study: Study) -> str:
    """Say that a sampler will have ended before it has begun to learn; empty where it will not."""
    from explorer.store import points, sampling

    sampler = study.file.sampler
    if sampler is None:
        return ""
    first = sampling.startup(sampler.name, len(points.distributions(study)))
    arms = sampler.samples + sum(points.is_point(study, arm) for arm in study.arms)
    if arms > first:
        return ""
    return (
        f"{study.name}: the sampler {sampler.name} learns from {first} arms and more, and there "
        f"are {arms}: its samples will be no better than random ones"
    )


def _at_a_time(protocol: Protocol) -> int:
    needed = protocol.resources
    fitting = len(os.sched_getaffinity(0)) / needed.cpus
    if needed.gpus:
        import torch

        fitting = min(fitting, torch.cuda.device_count() / needed.gpus)
    return max(1, int(fitting))


def _ended(database: "Database") -> Sequence[Mapping[Any, Any]]:
    """Return the replicates of all studies that have come to a result."""
    import sqlalchemy as sa

    from explorer.store.tables import COMPLETE, PRUNED, replicates

    c = replicates.c
    measured = sa.and_(c.state == COMPLETE, c.cached_from.is_(None)).label("measured")
    pretrained = c.ranges.is_not(None).label("pretrained")
    query = sa.select(c.study, c.arm, c.seconds, measured, pretrained)
    return database.read(query.where(c.state.in_((COMPLETE, PRUNED))))


def _costs(
    database: "Database", ended: Iterable[Mapping[Any, Any]]
) -> dict[tuple[str, bool], list[float]]:
    """Return (digest of a protocol, whether pre-trained) -> seconds that trials have taken."""
    from explorer import store

    digests: dict[str, dict[str | None, str]] = {}
    costs: dict[tuple[str, bool], list[float]] = defaultdict(list)
    for row in ended:
        if row["study"] not in digests:
            digests[row["study"]] = {None: ""}
            with suppress(InputError):  # a study of an older version, whose times say nothing
                definition = store.definition(database, row["study"])
                protocols = {None: definition["protocol"], **definition.get("arm_protocols", {})}
                digests[row["study"]] = {arm: protocol_digest(p) for arm, p in protocols.items()}
        if row["measured"] and row["seconds"] is not None:
            by_arm = digests[row["study"]]
            digest = by_arm.get(row["arm"], by_arm[None])
            costs[digest, bool(row["pretrained"])].append(row["seconds"])
    return costs
