"""What can be known of a study before it is run: whether all is there, and how long it takes."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer import files
from explorer.errors import InputError, refuse
from explorer.study import (
    Protocol,
    SearchSpace,
    Study,
    load_protocol,
    load_search_space,
    load_studies,
    protocol_digest,
)

if TYPE_CHECKING:
    from explorer.store import Database

Costs = Mapping[tuple[str, bool], tuple[float, int]]
"""(Digest of a protocol, whether pre-trained) -> seconds per trial and number of trials."""


def check_protocols(studies: Sequence[Study]) -> None:
    """Try what the protocols of studies name: folders, models, tasks, GPUs; each of them once.

    Raises:
        InputError: What is not as it should be: all of it, a line each.
    """
    mistakes: list[InputError] = []
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


def check_files(names: Iterable[str]) -> list[Study | Protocol | SearchSpace]:
    """Read files of any kind, with all that they name, and try it.

    Args:
        names: Paths, or names of studies, protocols or search spaces, looked for in this order.

    Raises:
        InputError: What is wrong: all of it, a line each.
    """
    mistakes: list[InputError] = []
    content: list[Study | Protocol | SearchSpace] = []
    for name in names:
        try:
            kind = _kind(name)
            if kind == "search_spaces":
                content.append(load_search_space(name, source="FILE"))
            elif kind == "protocols":
                protocol = load_protocol(name, source="FILE")
                content.append(protocol)
                path = files.find("protocols", name, source="FILE")
                mistakes += _lacks(protocol, path, "protocol", path.stem)
            else:
                studies = load_studies(name)
                content += studies
                check_protocols(studies)
        except InputError as error:
            mistakes.append(error)
    refuse(mistakes)
    return content


def _kind(name: str) -> files.Kind:
    if files.is_path(name):
        content = files.read(files.find("studies", name, source="FILE"))
        if "dataset" in content or "finetune" in content:
            return "protocols"
        return "search_spaces" if "formula" in content else "studies"
    kinds: tuple[files.Kind, ...] = ("studies", "protocols", "search_spaces")
    return next((kind for kind in kinds if name in dict(files.available(kind))), "studies")


@dataclass(frozen=True)
class Estimate:
    """What a study asks for; ``hours`` is ``None`` where nothing says how long a trial takes."""

    study: str
    protocol: str
    trials: int
    left: int
    hours: float | None
    workers: int
    source: str


def estimate(study: Study, database: "Database | None", workers: int | None = None) -> Estimate:
    """Say how many trials a study has and how long they will take on this machine.

    A trial takes what trials of the same protocol have taken in the database, on average, or else
    what the protocol says. One that is not pre-trained is taken for one that is, if nothing is
    known of it.

    Args:
        study: The study.
        database: Where earlier trials are, if there is any.
        workers: Trials at a time; ``None`` is as many as this machine holds.
    """
    rows = [] if database is None else _grouped(database)
    costs = {} if database is None else _costs(database, rows)
    done = {row.arm: row.done for row in rows if row.study == study.name}
    wanted = dict.fromkeys(study.arms, study.file.replicates)
    samples = study.file.sampler.samples if study.file.sampler else 0
    wanted |= {f"sample-{n:04d}": study.file.replicates for n in range(samples)}
    left = {arm: max(0, n - done.get(arm, 0)) for arm, n in wanted.items()}
    seconds, sources, unknown = 0.0, set(), False
    for arm, count in left.items():
        protocol = study.protocol_of(arm)
        pretrained = arm not in study.arms or study.arms[arm] is not None
        measured = costs.get((protocol.digest(), pretrained)) or costs.get(
            (protocol.digest(), True)
        )
        each = measured[0] if measured else protocol.expected_seconds
        if each is None:
            unknown = True
            sources.add(f"{study.protocol_name} says no seconds, and none has run")
        else:
            what = f"{measured[1]} trials have taken" if measured else "the protocol says"
            sources.add(f"{what} {each:.3g} s")
            seconds += count * each
    workers = workers or _at_a_time(study.protocol)
    return Estimate(
        study=study.name,
        protocol=study.protocol_name,
        trials=sum(wanted.values()),
        left=sum(left.values()),
        hours=None if unknown else seconds / workers / 3600,
        workers=workers,
        source="; ".join(sorted(sources)),
    )


def _at_a_time(protocol: Protocol) -> int:
    needed = protocol.resources
    fitting = len(os.sched_getaffinity(0)) / needed.cpus
    if needed.gpus:
        import torch

        fitting = min(fitting, torch.cuda.device_count() / needed.gpus)
    return max(1, int(fitting))


def _grouped(database: "Database") -> list[Any]:
    """Count the replicates of every arm that have come to a result, and sum what they took."""
    import sqlalchemy as sa

    from explorer.store.tables import COMPLETE, PRUNED, replicates

    columns = replicates.c
    whole = sa.and_(columns.cached_from.is_(None), columns.state == COMPLETE)
    computed = sa.case((whole, columns.seconds))
    query = (
        sa.select(
            columns.study,
            columns.arm,
            sa.func.count().label("done"),
            sa.func.count(computed).label("computed"),
            sa.func.sum(computed).label("seconds"),
            sa.func.max(sa.case((columns.ranges.is_(None), 0), else_=1)).label("pretrained"),
        )
        .where(columns.state.in_((COMPLETE, PRUNED)))
        .group_by(columns.study, columns.arm)
    )
    with database.engine.connect() as connection:
        return list(connection.execute(query))


def _costs(database: "Database", rows: Iterable[Any]) -> Costs:
    """Return what trials have taken, by protocol, in all studies of a database."""
    from explorer import store

    digests: dict[str, dict[str | None, str]] = {}
    sums: dict[tuple[str, bool], tuple[float, int]] = {}
    for row in rows:
        if row.study not in digests:
            try:
                definition = store.definition(database, row.study)
            except InputError:
                definition = {"protocol": {}}
            protocols = {None: definition["protocol"], **definition.get("arm_protocols", {})}
            digests[row.study] = {arm: protocol_digest(p) for arm, p in protocols.items()}
        known = digests[row.study]
        key = known.get(row.arm, known[None]), bool(row.pretrained)
        before, count = sums.get(key, (0.0, 0))
        sums[key] = before + (row.seconds or 0.0), count + row.computed
    return {key: (total / count, count) for key, (total, count) in sums.items() if count}
