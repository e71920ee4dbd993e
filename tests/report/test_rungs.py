"""The frame of rungs."""

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from explorer.errors import InputError
from explorer.report import gather, load_rungs
from explorer.report.rungs import DTYPES
from tests.report.conftest import finished_trials, trial


def test_a_row_a_rung_in_the_order_of_a_trial(make_study):
    known = {"8192": {"loss": 2.0, "seconds": 40.0}}
    study = make_study(
        [
            trial("scratch", 0, 0.5),
            trial("none", 0, 0.6, frequency=(0, 0), rungs=known),
            trial("none", 1, state=TrialState.PRUNED, frequency=(0, 0)),
        ]
    )
    frame = load_rungs(study)
    assert dict(frame.dtypes.astype(str)) == dict(DTYPES)
    expected = [
        (one.number, one.user_attrs["arm"], one.user_attrs["replicate"], images, probe)
        for one in study.trials
        for images, probe in sorted(one.intermediate_values.items())
    ]
    columns = ["number", "arm", "replicate", "images", "probe"]
    assert list(frame[columns].itertuples(index=False, name=None)) == expected
    assert {1, 2} <= set(frame["number"])
    said = frame.dropna()
    assert list(said[["number", "images", "loss", "seconds"]].iloc[0]) == [1, 8192, 2.0, 40.0]
    assert len(said) == 1
    pd.testing.assert_frame_equal(load_rungs(study.study_name, study._storage), frame)


def test_without_rungs_the_columns_are_there(make_study):
    frame = load_rungs(make_study([]))
    assert dict(frame.dtypes.astype(str)) == dict(DTYPES)
    assert frame.empty


def test_figures_are_drawn_from_those_of_the_trials_that_count(make_study):
    again = trial("none", 0, 0.7, frequency=(0, 0))
    study = make_study([*finished_trials(), again])
    material = gather(study)
    assert set(material.rungs["number"]) <= material.counted
    assert len(material.rungs) < len(load_rungs(study))


def test_no_such_study():
    with pytest.raises(InputError):
        load_rungs("none", optuna.storages.InMemoryStorage())
