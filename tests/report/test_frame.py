"""The tidy frames of a study, and what comes back of their files."""

import json
import time

import pandas as pd
import pytest

from explorer.errors import InputError
from explorer.report import frame as frames
from explorer.report import load, load_epochs, load_rungs
from explorer.report.frame import read_definition
from tests.report import rows


def test_columns_and_types(studies):
    frame = load(studies, "ablation")
    assert [*frame.columns] == [
        *("arm", "formula", "replicate", "attempt", "seed", "state", "rung", "probe"),
        *("accuracy", "accuracy.digits"),
        *("frequency.low", "frequency.high", "orbits.low", "orbits.high"),
        *("noise.low", "noise.high", "variety.vendi_features", "variety.edge_density"),
        *("seconds.pretrain", "seconds.finetune", "seconds.total", "finetune_std"),
        *("pretrain_loss", "reason", "cached_from", "remarks", "dataset", "host", "device"),
        *("trial", "started", "ended"),
    ]
    kinds = frame.dtypes.astype(str)
    assert kinds[["replicate", "seed", "state"]].tolist() == ["int64", "UInt64", "category"]
    assert kinds[["rung", "trial", "accuracy"]].tolist() == ["Int64", "Int64", "float64"]
    assert kinds[["started", "ended"]].tolist() == ["datetime64[us]"] * 2
    assert kinds[["arm", "formula", "reason"]].tolist() == ["string"] * 3


def test_a_row_has_what_its_attempt_has(studies):
    frame = load(studies, "ablation").set_index(["arm", "replicate", "attempt"])
    lost, done = frame.loc["none", 0, 1], frame.loc["none", 0, 2]
    assert (lost["state"], lost["reason"]) == ("FAIL", "worker died: SIGKILL")
    assert pd.isna(lost["accuracy"])
    assert (lost["seconds.total"], done["seconds.total"]) == (60, 60)
    assert (done["accuracy"], done["accuracy.digits"], done["rung"]) == (0.69, 0.69, 8192)
    assert (done["probe"], done["frequency.high"], done["orbits.high"]) == (0.4, 0, 200)
    scratch = frame.loc["scratch", 0, 1]
    assert pd.isna(scratch["frequency.low"])
    assert pd.isna(scratch["formula"])


def test_repeats_companions_and_remarks(database):
    scores = {
        "accuracies": {"pets": 0.5, "digits": 0.7},
        "repeats": {"pets": [0.4, 0.6], "digits": [0.7, 0.7]},
        "variety": {"own": 1.0, "edge_density": 0.2, "vendi_features": 3.0},
        "companions": {"linear": 0.3},
        "seconds": {"total": 9.0, "other": 1.0, "pretrain": 5.0},
        "remarks": ["Too few images.", "And grey."],
    }
    entry = rows.row("none", 0, 0.6, ranges={}, scores=json.dumps(scores))
    (row,) = load(database, rows.make_study(database, "s", [entry])).to_dict("records")
    assert row["finetune_std"] == pytest.approx(0.0707, abs=1e-4)  # of 0.55 and 0.65
    assert row["remarks"] == "Too few images. And grey."
    result = [c for c in row if c.startswith(("accuracy.", "variety.", "companions.", "seconds."))]
    assert result == [
        *("accuracy.pets", "accuracy.digits"),
        *("variety.vendi_features", "variety.edge_density", "variety.own"),
        *("companions.linear", "seconds.pretrain", "seconds.total", "seconds.other"),
    ]


def test_real_images_have_no_ranges(database):
    entry = {**rows.row("photos", 0, 0.6), "formula": None, "ranges": "{}"}
    frame = load(database, rows.make_study(database, "s", [entry]))
    assert not [column for column in frame if column.endswith(".low")]


def test_rungs_come_by_attempt(studies):
    rungs = load_rungs(studies, "ablation")
    assert [*rungs.columns] == [
        *("arm", "replicate", "attempt", "images_seen", "accuracy", "loss", "seconds")
    ]
    assert len(rungs) == 18
    assert rungs.iloc[0].to_list() == ["none", 0, 2, 4096, 0.3, 2.7, 16.0]


def test_epochs_come_in_the_order_of_a_trial(database):
    epochs = [
        {"phase": phase, "epoch": 1, "images_seen": 9, "loss": 1.0, "seconds": 1.0}
        for phase in ("finetune.10", "finetune", "finetune.2", "pretrain")
    ]
    entry = rows.row("none", 0, 0.6, ranges={}, epochs=epochs)
    frame = load_epochs(database, rows.make_study(database, "s", [entry]))
    assert frame["phase"].tolist() == ["pretrain", "finetune", "finetune.2", "finetune.10"]
    assert frame.dtypes.astype(str)[["epoch", "phase"]].tolist() == ["int64", "string"]
    assert frame["accuracy"].isna().all()


def test_a_study_without_rows_has_empty_frames(database):
    rows.make_study(database, "empty")
    assert len(load(database, "empty")) == 0
    assert len(load_rungs(database, "empty")) == len(load_epochs(database, "empty")) == 0


@pytest.mark.parametrize("load_", [load, load_rungs, load_epochs])
def test_an_unknown_study_is_refused(studies, load_):
    with pytest.raises(InputError, match="did you mean 'sampled'"):
        load_(studies, "sample")


def test_files_hold_the_same_numbers(studies, database, tmp_path):
    frame = load(studies, "ablation")
    for ending, reader in ((".csv", pd.read_csv), (".json", pd.read_json)):
        frames.export(frame, tmp_path / f"x{ending}")
        back = reader(tmp_path / f"x{ending}")
        assert [*back.columns] == [*frame.columns]
        assert back["accuracy"].tolist() == pytest.approx(frame["accuracy"].tolist(), nan_ok=True)
    frames.export(frame, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "x.parquet"), frame)
    reason = 'a "quoted", reason\nof two lines'
    entries = [
        rows.row("NA", 0, 0.1 + 0.2, ranges={}, seed=2**63 - 1, variety={"own": float("inf")}),
        rows.row("null", 0, state="FAIL", reason=reason, failure_kind="error"),
    ]
    frames.export(load(database, rows.make_study(database, "s", entries)), tmp_path / "y.json")
    first, second = json.loads((tmp_path / "y.json").read_text(encoding="utf-8"))
    assert (first["arm"], first["accuracy"], first["seed"]) == ("NA", 0.1 + 0.2, 2**63 - 1)
    assert (first["variety.own"], second["accuracy"], second["reason"]) == (None, None, reason)
    assert first["started"].startswith("2026-11-23T06:00:00")


def test_a_file_without_a_form_is_refused(studies, tmp_path):
    with pytest.raises(InputError, match=r"--output: .*end its name in \.csv, \.json or \.parquet"):
        frames.export(load(studies, "ablation"), tmp_path / "x.xls")
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        frames.export(load(studies, "ablation"), tmp_path / "taken.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.csv"]


def test_ten_thousand_rows_load_in_time(database):
    rows.sampled(database, "large", samples=4998)
    start = time.process_time()
    assert len(load(database, "large")) == 10_000
    assert time.process_time() - start < 5


def test_the_attempt_with_a_score_counts(database):
    entries = [
        rows.row("none", 0, 0.7, ranges={}, attempt=1),
        rows.row("none", 0, ranges={}, attempt=2, state="FAIL"),
        rows.row("none", 1, ranges={}, attempt=1, state="FAIL"),
        rows.row("none", 1, ranges={}, attempt=2, state="RUNNING"),
    ]
    result = frames.counted(load(database, rows.make_study(database, "s", entries)))
    assert result[["replicate", "attempt"]].to_numpy().tolist() == [[0, 1], [1, 2]]


def test_definition_of_several_formulas(database):
    perlin = {"name": "perlin", "formula": "perlin", "parameters": {
        "scale": {"low": [1, 8], "high": [1, 8], "default": [1, 2]}}}  # fmt: skip
    name = rows.make_study(
        database,
        "s",
        arms={"scratch": None, "waves": {"frequency": [0, 5]}, "noise": {"scale": [2, 3]}},
        arm_spaces={"noise": perlin},
        arm_changes={"photos": {"dataset": {"images": "my/photos"}}},
        protocol={"name": "p", "downstream": {"name": "imagefolder", "path": "data/pets"}},
    )
    result = read_definition(database, name)
    assert result.varied == ("frequency", "scale")
    assert (result.varied_of("waves"), result.varied_of("noise")) == (("frequency",), ("scale",))
    assert result.tasks == ("pets",)
    assert (result.formula_of("noise"), result.formula_of("photos")) == ("perlin", "photos")
