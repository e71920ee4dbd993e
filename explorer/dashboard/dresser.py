"""Notes and pictures for the trials of studies, while they run and after."""

import io
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import optuna
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial

from explorer import store as db
from explorer.dashboard import attributes, notes, pictures
from explorer.dashboard.choice import MOST, choose
from explorer.dashboard.graphs import NAME, graphs
from explorer.report import Watcher

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore

REFRESH_SECONDS = 3.0
PICTURE_SECONDS = 3.0
"""How long one round draws pictures; notes are written in every round for all that lack them."""

GRAPH_SECONDS = 15.0
GRAPH_REST = 20
"""Graphs are drawn anew no sooner than after so many times the time that drawing them took."""

_log = logging.getLogger("explorer")


@dataclass(slots=True)
class _Look:
    """What is known of a study from the rounds before."""

    study: optuna.Study
    watcher: Watcher
    drawn: int = 0
    rests_until: float = 0.0


class Dresser:
    """Keeps the studies of a database dressed for the dashboard, in a thread of its own.

    The chosen trials of a study (:func:`~explorer.dashboard.choice.choose`) get a note and, as
    artifacts, a contact sheet and their curves; the others lose theirs; the study gets a note and
    our figures. What is there already is not made again, whoever has made it: a round may be cut
    off anywhere, and several dashboards may dress one study. A note that a person has changed, and
    an artifact that a person has removed, are left so.

    Args:
        storage: The database.
        cache: Optuna's cache around it, which the dashboard may share.
        store: Where the pictures are kept.
        only: Name of the one study to dress; all of explorer's where ``None``.
        most: How many trials of a study are dressed.
    """

    def __init__(
        self,
        storage: RDBStorage,
        cache: BaseStorage,
        store: "ArtifactStore",
        *,
        only: str | None = None,
        most: int = MOST,
    ) -> None:
        self._most = most
        self._storage, self._cache, self._store, self._only = storage, cache, store, only
        self._looks: dict[int, _Look] = {}
        self._finished: set[int] = set()
        self._stored: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="explorer-dresser", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        said = ""
        while not self._stop.is_set():
            try:
                self.dress()
                said = ""
            except Exception as error:  # noqa: BLE001 - the dashboard goes on without its pictures
                line = " ".join(f"{type(error).__name__}: {error}".split())
                if line != said:
                    _log.warning("notes and pictures are not up to date: %s", line)
                said = line
            self._stop.wait(REFRESH_SECONDS)

    def dress(self, *, seconds: float = PICTURE_SECONDS) -> None:
        """Dress every study once; no picture is begun after so many seconds."""
        names = [self._only] if self._only else db.study_names(self._storage)
        # Those that run first: what changes there is being looked at.
        names.sort(key=lambda name: not db.live_runs(self._storage, name))
        until = time.monotonic() + seconds
        for name in names:
            try:
                study_id = self._storage.get_study_id_from_name(name)
                self._dress(study_id, name, until)
            except KeyError:
                continue  # deleted or renamed meanwhile
            if self._stop.is_set():
                return

    def _dress(self, study_id: int, name: str, until: float) -> None:
        said = self._storage.get_study_user_attrs(study_id).get("definition")
        if said is None:
            return
        trials = self._cache.get_all_trials(study_id, deepcopy=False)
        attrs = self._storage.get_study_system_attrs(study_id)
        there = attributes.dressed(attrs)
        kept = set()
        for trial in choose(trials, said.get("baseline"), self._most):
            trial_id = self._cache.get_trial_id_from_study_id_trial_number(study_id, trial.number)
            kept.add(trial_id)
            if trial_id in there & self._finished or self._stop.is_set():
                continue
            changes, complete = self._trial(study_id, trial_id, trial, said, attrs, until)
            self._change(study_id, changes)
            if complete and trial.state.is_finished():
                self._finished.add(trial_id)
        for trial_id in there - kept:
            self._undress(study_id, trial_id, attrs)
        self._study(study_id, name, attrs)

    def _trial(
        self,
        study_id: int,
        trial_id: int,
        trial: FrozenTrial,
        said: Mapping[str, Any],
        attrs: Mapping[str, Any],
        until: float,
    ) -> tuple[dict[str, Any], bool]:
        """Return what is to be changed for a trial to be dressed, and whether it then is."""
        makers: dict[str, Callable[[], bytes | None]] = {
            pictures.SHEET: lambda: pictures.sheet(trial, said)
        }
        if trial.state.is_finished():  # until then there are no curves
            makers[pictures.CURVES] = lambda: pictures.curves(
                trial, db.load_epochs(self._storage, trial_id)
            )
        changes: dict[str, Any] = {}
        complete = True
        links: dict[str, str] = {}
        known = attributes.artifacts_of(attrs, trial_id)
        for filename, make in makers.items():
            artifact_id = known.get(filename) or _artifact_id(trial, filename)
            entry = attributes.with_artifact(trial_id, artifact_id, filename)
            removed = filename not in known and set(entry) <= set(attrs)
            if removed:
                continue
            if filename not in known or not self._is_stored(artifact_id):
                if time.monotonic() > until:
                    complete = False
                    continue
                picture = make()
                if picture is None:
                    continue
                # The file first: what is listed can be opened.
                self._store.write(artifact_id, io.BytesIO(picture))
                self._stored.add(artifact_id)
                changes |= entry
            links[filename] = f"/artifacts/{study_id}/{trial_id}/{artifact_id}"
        body = notes.trial_note(trial, links.get(pictures.SHEET))
        earlier = attributes.note_of(attrs, trial_id)
        if earlier != body and notes.is_ours(earlier):
            changes |= attributes.with_note(attrs, trial_id, body)
        return changes, complete

    def _undress(self, study_id: int, trial_id: int, attrs: Mapping[str, Any]) -> None:
        """Take from a trial what was made here; what a person has written or added stays."""
        changes: dict[str, Any] = {}
        if notes.is_ours(attributes.note_of(attrs, trial_id)):
            changes |= attributes.without_note(attrs, trial_id)
        gone = [
            artifact_id
            for filename, artifact_id in attributes.artifacts_of(attrs, trial_id).items()
            if filename in {pictures.SHEET, pictures.CURVES}
        ]
        for artifact_id in gone:
            changes |= attributes.without_artifact(trial_id, artifact_id)
        self._finished.discard(trial_id)
        self._change(study_id, changes)
        for artifact_id in gone:  # the list first: what is listed can be opened
            self._stored.discard(artifact_id)
            if self._is_stored(artifact_id):
                self._store.remove(artifact_id)
                self._stored.discard(artifact_id)

    def _study(self, study_id: int, name: str, attrs: Mapping[str, Any]) -> None:
        """Bring the note and the graphs of a study up to date."""
        if study_id not in self._looks:
            study = optuna.load_study(study_name=name, storage=self._cache)
            self._looks[study_id] = _Look(study, Watcher(study, self._storage))
        look = self._looks[study_id]
        found = look.watcher.status()
        body = notes.study_note(found)
        earlier = attributes.note_of(attrs, None)
        if earlier != body and notes.is_ours(earlier):
            self._change(study_id, attributes.with_note(attrs, None, body))
        if found.progress.done != look.drawn and time.monotonic() > look.rests_until:
            began = time.monotonic()
            self._change(study_id, attributes.with_graphs(attrs, graphs(look.study), prefix=NAME))
            look.drawn = found.progress.done
            ended = time.monotonic()
            look.rests_until = ended + max(GRAPH_SECONDS, GRAPH_REST * (ended - began))

    def _change(self, study_id: int, changes: Mapping[str, Any]) -> None:
        if changes:
            db.set_study_attrs(self._storage, study_id, changes)

    def _is_stored(self, artifact_id: str) -> bool:
        """Say whether a picture is in the store; another dashboard may have another one."""
        if artifact_id not in self._stored:
            try:
                self._store.open_reader(artifact_id).close()
            except ArtifactNotFound:
                return False
            self._stored.add(artifact_id)
        return True


def _artifact_id(trial: FrozenTrial, filename: str) -> str:
    """Return the id of a picture: the same for every dashboard, and that of no other trial.

    A picture that two trials shared would be gone for both with the first of their studies.
    """
    run = trial.user_attrs.get("run")
    return str(
        uuid.uuid5(uuid.NAMESPACE_OID, f"{run} {trial.number} {trial.datetime_start} {filename}")
    )
