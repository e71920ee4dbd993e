"""What a study asks for, as its definition in the database says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage

from explorer import store as db
from explorer.errors import InputError, nearest

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Space:
    """The parts of a search space that a report needs.

    Attributes:
        formula: The image family.
        defaults: The range of every parameter where an arm does not set it.
        bounds: How far the low and the high end of each parameter may move.
    """

    formula: str | None = None
    defaults: Mapping[str, Range] = field(default_factory=dict)
    bounds: Mapping[str, tuple[Range, Range]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Definition:
    """The parts of a study's definition that a report needs.

    Attributes:
        name: Name of the study in the database.
        description: What the study asks, in words.
        protocol: Name of the protocol.
        tasks: Names of the downstream tasks, empty where the protocol does not say.
        baseline: The arm that the others are compared with.
        replicates: Seeds an arm.
        sampler: What proposes ranges; empty where nothing does.
        samples: How many it proposes, 0 without a sampler.
        arms: The named arms in the order of the study file, each with the ranges that it sets;
            ``None`` for the arm that is not pre-trained.
        space: The search space of the study.
        arm_spaces: The search spaces of the arms that have one of their own.
        arm_changes: What arms change of the protocol: ``dataset.categories`` -> its value.
        vary: The parameters that a sampler moves.
        objectives: What is sought, ``maximize`` or ``minimize`` by name; accuracy is the first.
        pruner: What stops trials early; ``none`` where nothing does.
        varied: The parameters that differ between trials, in the order of the search spaces.
        version: The explorer that made the study.
    """

    name: str
    description: str = ""
    protocol: str = ""
    tasks: tuple[str, ...] = ()
    baseline: str | None = None
    replicates: int = 1
    sampler: str = ""
    samples: int = 0
    arms: Mapping[str, Mapping[str, Range] | None] = field(default_factory=dict)
    space: Space = Space()
    arm_spaces: Mapping[str, Space] = field(default_factory=dict)
    arm_changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    vary: tuple[str, ...] = ()
    objectives: Mapping[str, str] = field(default_factory=lambda: {"accuracy": "maximize"})
    pruner: str = "none"
    varied: tuple[str, ...] = ()
    version: str = ""

    @property
    def planned(self) -> int:
        """The number of (arm, replicate) that the study asks for."""
        return (len(self.arms) + self.samples) * self.replicates

    def space_of(self, arm: str) -> Space:
        """Return the search space of an arm."""
        return self.arm_spaces.get(arm, self.space)

    def formula_of(self, arm: str) -> str | None:
        """Return the formula of an arm, or the folder whose images stand in for one.

        ``None`` for an arm that is not pre-trained.
        """
        if self.arms.get(arm, {}) is None:
            return None
        images = self.arm_changes.get(arm, {}).get("dataset.images")
        return Path(images).name if images else self.space_of(arm).formula

    def varied_of(self, arm: str) -> tuple[str, ...]:
        """Return the parameters that differ between the trials of an arm's formula."""
        formula = self.space_of(arm).formula
        moved = set(self.vary) if formula == self.space.formula else set()
        for other, ranges in self.arms.items():
            if self.space_of(other).formula == formula:
                moved |= set(ranges or ())
        return tuple(p for p in self.varied if p in moved)


def definition(study: optuna.Study) -> Definition:
    """Read a study's definition.

    A study that explorer did not make has none; it gets an empty one.
    """
    said: Mapping[str, Any] = study.user_attrs.get("definition") or {}
    space = _space(said.get("search_space") or {})
    arm_spaces = {arm: _space(other) for arm, other in (said.get("arm_spaces") or {}).items()}
    protocol = said.get("protocol") or {}
    sampler = said.get("sampler") or {}
    arms = {
        str(arm): None if ranges is None else {p: _range(r) for p, r in ranges.items()}
        for arm, ranges in (said.get("arms") or {}).items()
    }
    moved = dict.fromkeys(p for ranges in arms.values() for p in ranges or {})
    moved |= dict.fromkeys(said.get("vary") or ())
    known = list(dict.fromkeys(p for s in (space, *arm_spaces.values()) for p in s.defaults))
    return Definition(
        name=study.study_name,
        description=" ".join(str(said.get("description", "")).split()),
        protocol=str(protocol.get("name", "")),
        tasks=_tasks(protocol.get("downstream") or {}),
        baseline=said.get("baseline"),
        replicates=int(said.get("replicates", 1)),
        sampler=str(sampler.get("name", "")),
        samples=int(sampler.get("samples", 0)),
        arms=arms,
        space=space,
        arm_spaces=arm_spaces,
        arm_changes={
            arm: {f"{part}.{key}": v for part, kept in parts.items() for key, v in kept.items()}
            for arm, parts in (said.get("arm_changes") or {}).items()
        },
        vary=tuple(said.get("vary") or ()),
        objectives={
            name: direction
            for one in said.get("objectives") or [{"accuracy": "maximize"}]
            for name, direction in one.items()
        },
        pruner=(said.get("pruner") or {}).get("name", "none"),
        varied=tuple(sorted(moved, key=known.index) if set(moved) <= set(known) else moved),
        version=str(study.user_attrs.get("explorer_version", "")),
    )


def protocol_of(said: Mapping[str, Any], arm: str | None) -> Mapping[str, Any]:
    """Return the protocol of an arm, from the definition of a study as the database has it."""
    return (said.get("arm_protocols") or {}).get(arm) or said.get("protocol") or {}


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


def _space(said: Mapping[str, Any]) -> Space:
    parameters = (said.get("parameters") or {}).items()
    defaults = {p: _range(bounds["default"]) for p, bounds in parameters if "default" in bounds}
    bounds = {
        p: (_range(b["low"]), _range(b["high"])) for p, b in parameters if {"low", "high"} <= {*b}
    }
    return Space(said.get("formula"), defaults, bounds)


def _tasks(said: Any) -> tuple[str, ...]:
    tasks = [said] if isinstance(said, Mapping) else said
    titles = [
        Path(t["path"]).name if t.get("name") == "imagefolder" else t.get("name") for t in tasks
    ]
    return tuple(str(title) for title in titles if title)


def _range(pair: Any) -> Range:
    low, high = pair
    return float(low), float(high)
