"""The Optuna study of a study file: made, or opened where it can be gone on with."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage

import explorer
from explorer import store as db
from explorer.errors import InputError
from explorer.study import ACCURACY, Study, protocol_digest


def open_study(storage: RDBStorage, study: Study) -> optuna.Study:
    """Create a study in the database, or open it where it can be gone on with.

    Arms, samples and replicates may be added to a study that is already there. What would make
    its trials incomparable may not be changed.

    Raises:
        InputError: If the study in the database has another protocol, search space, seed, sampler
            or objectives, or an arm of the same name with other ranges or another search space.
    """
    definition = study.definition()
    if study.name not in db.study_names(storage):
        opened = optuna.create_study(
            study_name=study.name,
            storage=storage,
            directions=[objective.direction for objective in study.file.objectives],
            load_if_exists=True,
        )
    else:
        opened = db.load_study(storage, study.name)
        earlier = opened.user_attrs.get("definition")
        if earlier is not None:
            _check_same(earlier, definition, study.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        opened.set_metric_names([objective.name for objective in study.file.objectives])
    opened.set_user_attr("definition", definition)
    opened.set_user_attr("explorer_version", explorer.__version__)
    return opened


def _check_same(earlier: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    fresh = "give the study another name, or start over with --fresh (nothing is deleted)"
    changed = {
        "protocol": protocol_digest(earlier["protocol"]) != now["protocol"]["digest"],
        "seed": earlier["seed"] != now["seed"],
        "search_space": _differ(earlier["search_space"], now["search_space"]),
        "vary": earlier["vary"] != now["vary"],
        "sampler": (earlier["sampler"] or {}).get("name") != (now["sampler"] or {}).get("name"),
        # A study of a version that knew one objective has that one.
        "objectives": earlier.get("objectives", [{ACCURACY: "maximize"}]) != now["objectives"],
    }
    for key, differs in changed.items():
        if differs:
            remedy = f"differs from the study of this name in the database; {fresh}"
            raise InputError(path, key, None, remedy)
    spaces = [said.get("arm_spaces", {}) for said in (earlier, now)]
    for arm, ranges in now["arms"].items():
        if arm not in earlier["arms"]:
            continue
        if _differ(*(space.get(arm) for space in spaces)):
            remedy = f"has another search space in the database; name it differently, or {fresh}"
            raise InputError(path, f"arms.{arm}.search_space", None, remedy)
        protocols = [said.get("arm_protocols", {}).get(arm) for said in (earlier, now)]
        if len({one and protocol_digest(one) for one in protocols}) > 1:
            remedy = f"has another protocol in the database; name it differently, or {fresh}"
            raise InputError(path, f"arms.{arm}.protocol", None, remedy)
        if earlier["arms"][arm] != ranges:
            remedy = f"has other ranges in the database; name it differently, or {fresh}"
            raise InputError(path, f"arms.{arm}", None, remedy)


def _differ(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Say whether two search spaces differ in what decides over a trial."""
    if one is None or other is None:
        return one is not other
    return any(one[key] != other[key] for key in ("formula", "parameters"))
