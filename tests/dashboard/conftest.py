"""A study in a database as explorer leaves it, whose trials can be drawn."""

from pathlib import Path

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import get_storage
from optuna.trial import TrialState

from explorer import store as db
from explorer.dashboard import Dresser, attributes, open_artifacts
from explorer.dashboard.choice import MOST
from tests.report import conftest as report
from tests.report.conftest import definition, failure, trial
from tests.store.put import add_epochs

make_study = report.make_study

PROTOCOL = {
    "name": "smoke",
    "downstream": {"name": "digits"},
    "dataset": {"categories": 2, "instances": 2, "canvas": 32, "images": None},
    "model": {"image_size": 16},
}


class Shown:
    """A dressed study, as the dashboard would read it."""

    def __init__(self, storage: db.Database, name: str, place: Path) -> None:
        self.storage, self.name, self.place = storage, name, place
        self.study_id = storage.get_study_id_from_name(name)
        self.study = optuna.load_study(study_name=name, storage=storage)

    def dresser(self, store: FileSystemArtifactStore | None = None, most: int = MOST) -> Dresser:
        made = store or open_artifacts(str(self.place))
        return Dresser(self.storage, get_storage(self.storage), made, only=self.name, most=most)

    def dress(self) -> None:
        self.dresser().dress(seconds=60)

    def attrs(self) -> dict:
        return self.storage.get_study_system_attrs(self.study_id)

    def trial_id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number)

    def note(self, number: int | None = None) -> str:
        trial_id = None if number is None else self.trial_id(number)
        return attributes.note_of(self.attrs(), trial_id)

    def artifacts(self, number: int) -> dict[str, str]:
        return attributes.artifacts_of(self.attrs(), self.trial_id(number))

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.place.iterdir())}


def epochs(phase: str) -> list[dict]:
    shared = {"loss": 2.0, "accuracy": 0.5, "seconds": 1.0}
    return [{"phase": phase, "epoch": n, "images_seen": 64 * n, **shared} for n in (1, 2)]


@pytest.fixture
def shown(tmp_path) -> Shown:
    """From scratch, pre-trained, failed, stopped early and running; one trial each."""
    storage = db.connect(f"sqlite:///{tmp_path}/study.db", create=True)
    study = optuna.create_study(study_name="mine", direction="maximize", storage=storage)
    study.set_user_attr("definition", definition(name="mine", protocol=PROTOCOL))
    ranges = {"frequency": (0, 20), "formula": "visual_atom"}
    study.add_trials(
        [
            trial("scratch", 0, 0.7),
            trial("best_practice", 0, 0.8, **ranges),
            failure("high", 0, "ValueError: bad | `worse`", **ranges),
            trial("none", 0, 0.3, state=TrialState.PRUNED, stopped="stopped at 128", **ranges),
            trial("high", 1, state=TrialState.RUNNING, attempt=2, continues=2, **ranges),
        ]
    )
    found = Shown(storage, "mine", tmp_path / "artifacts")
    for number in (0, 1):
        add_epochs(storage, found.trial_id(number), epochs("finetune"))
    return found
