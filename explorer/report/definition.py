"""What a study asks for, as its definition in the database says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage

from explorer import storage as db
from explorer.errors import InputError, nearest

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Definition:
    """The parts of a study's definition that a report needs.

    Attributes:
        name: Name of the study in the database.
        description: What the study asks, in words.
        protocol: Name of the protocol.
        task: Name of the downstream task, empty where the protocol does not say.
        baseline: The arm that the others are compared with.
        replicates: Seeds an arm.
        samples: Ranges that a sampler proposes, 0 without a sampler.
        arms: The named arms in the order of the study file, each with the ranges that it sets;
            ``None`` for the arm that is not pre-trained.
        defaults: The range of every parameter of the search space where an arm does not set it.
        varied: The parameters that differ between trials, in the order of the search space.
        version: The explorer that made the study.
    """

    name: str
    description: str = ""
    protocol: str = ""
    task: str = ""
    baseline: str | None = None
    replicates: int = 1
    samples: int = 0
    arms: Mapping[str, Mapping[str, Range] | None] = field(default_factory=dict)
    defaults: Mapping[str, Range] = field(default_factory=dict)
    varied: tuple[str, ...] = ()
    version: str = ""

    @property
    def planned(self) -> int:
        """The number of (arm, replicate) that the study asks for."""
        return (len(self.arms) + self.samples) * self.replicates


def definition(study: optuna.Study) -> Definition:
    """Read a study's definition.

    A study that explorer did not make has none; it gets an empty one.
    """
    said: Mapping[str, Any] = study.user_attrs.get("definition") or {}
    space = (said.get("search_space") or {}).get("parameters") or {}
    protocol = said.get("protocol") or {}
    sampler = said.get("sampler") or {}
    arms = {
        str(arm): None if ranges is None else {p: _range(r) for p, r in ranges.items()}
        for arm, ranges in (said.get("arms") or {}).items()
    }
    moved = dict.fromkeys(p for ranges in arms.values() for p in ranges or {})
    moved |= dict.fromkeys(said.get("vary") or ())
    return Definition(
        name=study.study_name,
        description=" ".join(str(said.get("description", "")).split()),
        protocol=str(protocol.get("name", "")),
        task=str((protocol.get("downstream") or {}).get("name", "")),
        baseline=said.get("baseline"),
        replicates=int(said.get("replicates", 1)),
        samples=int(sampler.get("samples", 0)),
        arms=arms,
        defaults={p: _range(b["default"]) for p, b in space.items() if "default" in b},
        varied=tuple(sorted(moved, key=list(space).index) if set(moved) <= set(space) else moved),
        version=str(study.user_attrs.get("explorer_version", "")),
    )


def find_study(study: optuna.Study | str, storage: BaseStorage | None) -> optuna.Study:
    """Return a study given as such, or by its name in a storage.

    Raises:
        InputError: If the storage has no study of this name; the nearest name is offered.
        TypeError: If a name comes without a storage.
    """
    if isinstance(study, optuna.Study):
        return study
    if storage is None:
        raise TypeError("a study given by its name needs the storage that holds it")
    if isinstance(storage, RDBStorage):
        return db.load_study(storage, study)
    names = optuna.get_all_study_names(storage)
    if study not in names:
        raise InputError("study", None, study, f"not in this storage; {nearest(study, names)}")
    return optuna.load_study(study_name=study, storage=storage)


def _range(pair: Any) -> Range:
    low, high = pair
    return float(low), float(high)
