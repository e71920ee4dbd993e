"""Studies as a whole: which there are, what they ask for, and opening one to go on with it."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.exceptions import ExperimentalWarning

import explorer
from explorer.errors import InputError, nearest
from explorer.store.connection import Database
from explorer.store.retry import patient
from explorer.store.tables import replicates
from explorer.study import Study, protocol_digest

SAMPLE_PREFIX = "sample-"
"""What the names of sampled arms begin with, and no others."""

DEFINITION = "definition"
"""User attribute of the Optuna study: what it asks for. It is set last when a study is made."""

COPYING = "copying"
"""User attribute of a study that is a copy: whether it still is being made."""

ARCHIVE = "archived_as"
"""User attribute of a study that is being archived: the name that it gets."""

_FRESH = "give the study another name, or start over with --fresh (nothing is deleted)"


@patient
def study_names(database: Database) -> list[str]:
    """Return the names of all studies in a database, sorted; also of those that are not ours."""
    return sorted(optuna.get_all_study_names(database.optuna))


def optuna_study(database: Database, name: str) -> optuna.Study:
    """Return the Optuna study of a name; its trials are the arms.

    Raises:
        InputError: If there is none of this name; the nearest name is offered.
    """
    names = study_names(database)
    if name not in names:
        raise InputError("study", None, name, f"not in this database; {nearest(name, names)}")
    return patient(optuna.load_study)(study_name=name, storage=database.optuna)


def definition(database: Database, name: str) -> dict[str, Any]:
    """Return what a study asks for: :meth:`explorer.study.Study.definition`.

    Raises:
        InputError: If there is none of this name (the nearest is offered), or explorer has not made
            it.
    """
    attrs = patient(lambda: optuna_study(database, name).user_attrs)()
    if DEFINITION not in attrs:
        cut = "is a copy that was cut short; make it again"
        remedy = cut if attrs.get(COPYING) else "was not made by explorer: it has no definition"
        raise InputError("study", None, name, remedy)
    content: dict[str, Any] = attrs[DEFINITION]
    return content


def is_whole(database: Database, name: str) -> bool:
    """Say whether a study is no copy, or one that was not cut short."""
    return not patient(lambda: optuna_study(database, name).user_attrs)().get(COPYING)


def open_study(database: Database, study: Study) -> optuna.Study:
    """Create a study in the database, or open it where it can be gone on with.

    Arms, samples and replicates may be added to a study that is already there. What would make
    its scores incomparable may not be changed.

    Raises:
        InputError: If the study in the database has another protocol, search space, seed, sampler
            or objectives, or an arm of the same name with other ranges or another search space; if
            explorer has not made it; or if an arm has the name of a sample.
    """
    _check_names(study)
    now = study.definition()
    opened = _create(database, study)
    attrs = opened.user_attrs
    earlier = attrs.get(DEFINITION)
    if attrs.get(ARCHIVE) and not _any_replicates(database, study.name):
        remedy = "was being archived when that was cut short; --fresh completes it"
        raise InputError(study.path, None, study.name, remedy)
    if attrs.get(ARCHIVE):  # it goes on instead
        patient(opened.set_user_attr)(ARCHIVE, "")
    wanted = [objective.direction for objective in study.file.objectives]
    directions = [direction.name.lower() for direction in opened.directions]
    if earlier is not None:
        _check_same(earlier, now, study.path)
    elif directions != wanted or opened.get_trials(deepcopy=False):
        remedy = f"another tool than explorer has made the study of this name; {_FRESH}"
        raise InputError(study.path, None, study.name, remedy)
    elif _any_replicates(database, study.name):
        remedy = "its Optuna study was deleted, its replicates were not; start over with --fresh"
        raise InputError(study.path, None, study.name, remedy)
    if earlier != now:
        _define(opened, study, now)
    return opened


@patient
def _create(database: Database, study: Study) -> optuna.Study:
    return optuna.create_study(
        study_name=study.name,
        storage=database.optuna,
        directions=[objective.direction for objective in study.file.objectives],
        load_if_exists=True,
    )


@patient
def _define(opened: optuna.Study, study: Study, content: Mapping[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        opened.set_metric_names([objective.name for objective in study.file.objectives])
    opened.set_user_attr("explorer_version", explorer.__version__)
    opened.set_user_attr(DEFINITION, content)


def _any_replicates(database: Database, name: str) -> bool:
    return bool(
        database.read(sa.select(replicates.c.id).where(replicates.c.study == name).limit(1))
    )


def sample_name(index: int) -> str:
    """Return the name of the arm of a sample."""
    return f"{SAMPLE_PREFIX}{index:04d}"


def _check_names(study: Study) -> None:
    for arm in study.arms:
        if arm.startswith(SAMPLE_PREFIX):
            remedy = f"{SAMPLE_PREFIX}... is what samples are named; choose another"
            raise InputError(study.path, f"arms.{arm}", None, remedy)


def _check_same(earlier: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    changed = {
        "protocol": protocol_digest(earlier["protocol"]) != now["protocol"]["digest"],
        "seed": earlier["seed"] != now["seed"],
        "search_space": _differ(
            earlier["search_space"], now["search_space"], sampled=now["sampler"] is not None
        ),
        "vary": earlier["vary"] != now["vary"],
        "sampler": (earlier["sampler"] or {}).get("name") != (now["sampler"] or {}).get("name"),
        "objectives": earlier["objectives"] != now["objectives"],
    }
    for key, differs in changed.items():
        if differs:
            remedy = f"differs from the study of this name in the database; {_FRESH}"
            raise InputError(path, key, None, remedy)
    both = (earlier, now)
    for arm in now["arms"].keys() & earlier["arms"].keys():
        protocols = [content["arm_protocols"].get(arm) for content in both]
        differences = {
            ".search_space": (_differ(*(c["arm_spaces"].get(arm) for c in both)), "search space"),
            ".protocol": (len({p and protocol_digest(p) for p in protocols}) > 1, "protocol"),
            "": (earlier["arms"][arm] != now["arms"][arm], "ranges"),
        }
        for key, (differs, what) in differences.items():
            if differs:
                others = "other ranges" if what == "ranges" else f"another {what}"
                remedy = f"has {others} in the database; name it differently, or {_FRESH}"
                raise InputError(path, f"arms.{arm}{key}", None, remedy)


def _differ(
    this: Mapping[str, Any] | None, other: Mapping[str, Any] | None, *, sampled: bool = False
) -> bool:
    """Say whether two search spaces differ in what decides over a score, or over a sample."""
    if this is None or other is None:
        return this is not other
    keys = ("low", "high", "default", *(["log_from"] if sampled else []))
    first, second = (
        {p: [ends.get(key) for key in keys] for p, ends in space["parameters"].items()}
        for space in (this, other)
    )
    return this["formula"] != other["formula"] or first != second
