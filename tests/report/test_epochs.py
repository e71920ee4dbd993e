"""The frame of epoch curves."""

import optuna
import pandas as pd
import pytest
import sqlalchemy as sa

from explorer import store as db
from explorer.errors import InputError
from explorer.report import load_epochs
from tests.report.conftest import finished_trials, trial
from tests.store import put

KINDS = {
    "number": "int64",
    "arm": "string",
    "replicate": "Int64",
    "phase": "string",
    "epoch": "int64",
    "images_seen": "int64",
    "loss": "float64",
    "accuracy": "float64",
    "seconds": "float64",
}


def curve(phase: str, *losses: float) -> list[dict[str, object]]:
    return [
        {
            "phase": phase,
            "epoch": epoch,
            "images_seen": 64 * epoch,
            "loss": loss,
            "accuracy": None if phase == "pretrain" else 1 - loss,
            "seconds": 0.5,
        }
        for epoch, loss in enumerate(losses, start=1)
    ]


@pytest.fixture
def storage(database_url):
    with db.disposing(db.connect(database_url, create=True)) as storage:
        yield storage


def test_a_row_an_epoch_in_the_order_of_a_trial(make_study, storage):
    other = make_study([trial("other", 0, 0.5)], name="other", storage=storage)
    put.add_epochs(storage, other.trials[0]._trial_id, curve("pretrain", 9.0))
    study = make_study(finished_trials()[:2], storage=storage)
    first, second = (one._trial_id for one in study.trials)
    for phase in ("finetune.10", "finetune.2", "finetune"):
        put.add_epochs(storage, first, curve(phase, 0.25))
    put.add_epochs(storage, second, [*curve("finetune", 0.5), *curve("pretrain", 3.0, 2.0)])
    frame = load_epochs("frequency_range", storage)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == KINDS
    assert list(zip(frame["number"], frame["phase"], frame["loss"], strict=True)) == [
        (0, "finetune", 0.25),
        (0, "finetune.2", 0.25),
        (0, "finetune.10", 0.25),
        (1, "pretrain", 3.0),
        (1, "pretrain", 2.0),
        (1, "finetune", 0.5),
    ]
    last = frame.iloc[4]
    assert (last["arm"], last["replicate"], last["epoch"]) == ("none", 0, 2)
    assert (last["images_seen"], last["seconds"]) == (128, 0.5)
    assert pd.isna(last["accuracy"])
    assert frame["accuracy"].iloc[-1] == 0.5
    pd.testing.assert_frame_equal(load_epochs(study), frame)


def test_one_query_for_the_whole_study(make_study, storage):
    study = make_study(finished_trials(), storage=storage)
    for one in study.trials:
        put.add_epochs(storage, one._trial_id, curve("pretrain", 1.0))
    asked = []
    sa.event.listen(storage.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    assert len(load_epochs(study)) == 12
    assert len(asked) == 1


def test_a_trial_that_says_nothing_of_itself(storage):
    study = optuna.create_study(study_name="mine", storage=storage)
    put.add_epochs(storage, study.ask()._trial_id, curve("pretrain", 1.0))
    assert load_epochs(study)[["arm", "replicate"]].isna().all(axis=None)


def test_without_epochs_or_a_database_there_are_only_the_columns(study, make_study, storage):
    for made in (study, make_study([], storage=storage)):
        frame = load_epochs(made)
        assert len(frame) == 0
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == KINDS


def test_no_such_study(make_study, storage):
    make_study([], storage=storage)
    with pytest.raises(InputError, match="did you mean 'frequency_range'"):
        load_epochs("frequency_rang", storage)
