"""The tidy frame: its columns, their types, and what is in them."""

import optuna
import pandas as pd
import pytest
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.trial import TrialState

from explorer.errors import InputError
from explorer.report import load
from tests.report.conftest import failure, finished_trials, trial


def test_columns_and_types_of_a_finished_study(study):
    frame = load(study)
    assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
        "number": "int64",
        "arm": "string",
        "formula": "string",
        "replicate": "Int64",
        "seed": "UInt64",
        "state": "category",
        "attempt": "Int64",
        "continues": "Int64",
        "rung": "Int64",
        "probe": "float64",
        "accuracy": "float64",
        "accuracy.digits": "float64",
        "frequency.low": "float64",
        "frequency.high": "float64",
        "orbits.low": "float64",
        "orbits.high": "float64",
        "variety.vendi_features": "float64",
        "variety.edge_density": "float64",
        "seconds.pretrain": "float64",
        "seconds.total": "float64",
        "finetune_std": "float64",
        "pretrain_loss": "float64",
        "failure": "string",
        "stopped": "string",
        "cached_from": "string",
        "remarks": "string",
        "dataset": "string",
        "host": "string",
        "device": "string",
        "start": "datetime64[us]",
        "end": "datetime64[us]",
    }


def test_rows_are_the_trials(study):
    frame = load(study)
    assert frame["number"].tolist() == list(range(12))
    scratch, _, best, high = (frame.iloc[i] for i in range(4))
    assert scratch["arm"] == "scratch"
    assert pd.isna(scratch["frequency.low"])
    assert pd.isna(scratch["rung"])
    assert (best["frequency.low"], best["frequency.high"]) == (0, 20)
    assert (best["orbits.low"], best["orbits.high"]) == (1, 200)
    assert (high["rung"], high["probe"]) == (8192, 0.4)
    assert high["accuracy"] == high["accuracy.digits"] == 0.78
    assert high["variety.vendi_features"] == 160
    assert (high["end"] - high["start"]).total_seconds() == 60


def test_trials_in_every_state(make_study):
    frame = load(
        make_study(
            [
                failure("none", 0, "interrupted: its run died"),
                trial("none", 0, state=TrialState.RUNNING, attempt=2, continues=0),
                trial("high", 0, state=TrialState.PRUNED, frequency=(20, 60)),
                trial("high", 1, state=TrialState.WAITING, seed=2**63 + 5),
                trial("scratch", 0, 0.5),
            ]
        )
    )
    assert frame["state"].tolist() == ["FAIL", "RUNNING", "PRUNED", "WAITING", "COMPLETE"]
    assert list(frame["state"].cat.categories) == [
        "WAITING",
        "RUNNING",
        "COMPLETE",
        "PRUNED",
        "FAIL",
    ]
    assert frame["failure"].isna().tolist() == [False, True, True, True, True]
    assert frame["continues"][1] == 0
    assert frame["seed"][3] == 2**63 + 5
    assert frame["accuracy"].isna().tolist() == [True] * 4 + [False]
    assert frame["rung"][2] == 8192
    assert frame["end"].isna().tolist() == [False, True, False, True, False]


def test_a_study_without_trials_has_the_fixed_columns(make_study):
    frame = load(make_study([]))
    assert len(frame) == 0
    assert {"number", "arm", "accuracy", "start"} <= set(frame.columns)
    assert str(frame["start"].dtype) == "datetime64[us]"


def test_order_of_columns_is_that_of_search_space_measures_and_phases(make_study):
    attrs = {
        "seconds.total": 1.0,
        "seconds.zeal": 1.0,
        "seconds.render": 1.0,
        "variety.mine": 1.0,
        "variety.ink_coverage": 1.0,
        "accuracy.another": 0.5,
        "ranges": {"zeta": [1, 2], "orbits": [3, 4], "frequency": [5, 6]},
    }
    columns = list(load(make_study([trial("none", 0, 0.5, **attrs)])).columns)
    assert columns[10:-11] == [
        "accuracy",
        "accuracy.digits",
        "accuracy.another",
        "frequency.low",
        "frequency.high",
        "orbits.low",
        "orbits.high",
        "zeta.low",
        "zeta.high",
        "variety.ink_coverage",
        "variety.mine",
        "seconds.render",
        "seconds.total",
        "seconds.zeal",
    ]


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_study_by_name(make_study, tmp_path, kind):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    storage = InMemoryStorage() if kind == "memory" else RDBStorage(url)
    made = make_study(finished_trials()[:4], storage=storage)
    pd.testing.assert_frame_equal(load("frequency_range", storage), load(made))
    with pytest.raises(InputError, match="did you mean 'frequency_range'"):
        load("frequency_rang", storage)


def test_a_name_needs_a_storage():
    with pytest.raises(TypeError, match="storage"):
        load("frequency_range")


def test_a_study_that_explorer_did_not_make():
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=2)
    frame = load(study)
    assert frame["arm"].isna().all()
    assert frame["accuracy"].notna().all()


def test_the_scatter_of_fine_tunings_is_that_of_their_means_over_the_tasks(make_study):
    attrs = {"repeats.digits": [0.7, 0.8, 0.9], "repeats.photos": [0.5, 0.6, 0.4]}
    frame = load(make_study([*finished_trials(), trial("high", 9, 0.65, **attrs)]))
    assert frame["finetune_std"].iloc[-1] == pytest.approx(0.05)  # of 0.6, 0.7 and 0.65
    assert frame["finetune_std"].iloc[:-1].isna().all()


def test_a_pruned_trial_has_a_rung_and_a_reason_but_no_accuracy(make_study):
    attrs = {"stopped": "stopped at 8,192 images"}
    stopped = trial("none", 0, 0.4, state=TrialState.PRUNED, frequency=(0, 0), **attrs)
    del stopped.user_attrs["accuracy.digits"]
    row = load(make_study([stopped])).iloc[0]
    assert (row["state"], row["rung"], row["probe"]) == ("PRUNED", 8192, 0.4)
    assert row["stopped"] == "stopped at 8,192 images"
    assert pd.isna(row["accuracy"])
