"""Notes, artifacts and graphs as optuna-dashboard keeps them: system attributes of the study.

Its own functions write one attribute a transaction, and are for trials that have not ended; the
names of the attributes and how long texts are split are taken from it.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Attrs = Mapping[str, Any]


def note_of(attrs: Attrs, trial_id: int | None) -> str:
    """Return the note of a trial, or of the study where ``None``."""
    from optuna_dashboard import _note

    return str(_note.get_note_from_system_attrs(dict(attrs), trial_id)["body"])


def with_note(attrs: Attrs, trial_id: int | None, body: str) -> dict[str, Any]:
    """Return what is to be changed for a note to be this one."""
    from optuna_dashboard import _note

    version = _note.note_ver_key(trial_id)
    text = _note.split_body(body, trial_id)
    rest = _begin(attrs, _note.note_str_key_prefix(trial_id)) - set(text)
    return {**dict.fromkeys(rest), **text, version: int(attrs.get(version, 0)) + 1}


def without_note(attrs: Attrs, trial_id: int) -> dict[str, None]:
    """Return what is to be removed for a trial to have no note."""
    from optuna_dashboard import _note

    prefix = _note.note_str_key_prefix(trial_id)
    keys = _begin(attrs, prefix) | ({_note.note_ver_key(trial_id)} & set(attrs))
    return dict.fromkeys(keys)


def artifacts_of(attrs: Attrs, trial_id: int) -> dict[str, str]:
    """Return the artifacts of a trial that are noted with its study: file name -> artifact id."""
    found = (json.loads(attrs[key]) for key in _begin(attrs, _artifact_prefix(trial_id)))
    return {meta["filename"]: meta["artifact_id"] for meta in found if meta is not None}


def with_artifact(trial_id: int, artifact_id: str, filename: str) -> dict[str, str]:
    """Return what is to be changed for a trial to have a PNG as an artifact."""
    meta = {
        "artifact_id": artifact_id,
        "filename": filename,
        "mimetype": "image/png",
        "encoding": None,
    }
    return {_artifact_prefix(trial_id) + artifact_id: json.dumps(meta)}


def without_artifact(trial_id: int, artifact_id: str) -> dict[str, None]:
    """Return what is to be removed for a trial not to have an artifact."""
    return {_artifact_prefix(trial_id) + artifact_id: None}


def with_graphs(attrs: Attrs, graphs: Mapping[str, str], *, prefix: str) -> dict[str, Any]:
    """Return what is to be changed for a study to have these graphs, and no others of ours.

    Args:
        attrs: The attributes of the study.
        graphs: Plotly figures as JSON, by name.
        prefix: What the names of our graphs begin with.
    """
    from optuna_dashboard import _custom_plot_data as plots

    begin = plots.SYSTEM_ATTR_PLOT_DATA
    changes: dict[str, Any] = dict.fromkeys(_begin(attrs, begin + prefix))
    for name, text in graphs.items():
        changes |= plots.split_plot_data(text, f"{begin}{name}:")
    return {key: value for key, value in changes.items() if attrs.get(key) != value}


def dressed(attrs: Attrs) -> set[int]:
    """Return the ids of the trials that have a note or an artifact."""
    found = set()
    for key in attrs:
        parts = key.split(":")
        place = 2 if parts[:2] == ["dashboard", "artifacts"] else 1
        if parts[0] == "dashboard" and len(parts) > place and parts[place].isdecimal():
            found.add(int(parts[place]))
    return found


def _artifact_prefix(trial_id: int) -> str:
    from optuna_dashboard.artifact._backend import DASHBOARD_ARTIFACTS_ATTR_PREFIX

    return f"{DASHBOARD_ARTIFACTS_ATTR_PREFIX}{trial_id}:"


def _begin(attrs: Iterable[str], prefix: str) -> set[str]:
    return {key for key in attrs if key.startswith(prefix)}
