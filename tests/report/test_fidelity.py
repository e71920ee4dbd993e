"""The fidelity of a study under several protocols, from studies built without running one."""

import csv
import io
import json

import numpy as np
import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from explorer import store as db
from explorer.cli import cli
from explorer.errors import InputError
from explorer.report import fidelity, members, render
from explorer.report.figures import drawing
from tests.report.conftest import Study, trial

ARMS = {f"to_{high}": {"frequency": [0, high]} for high in (0, 5, 10, 20, 40)}
TRUTH = dict(zip(ARMS, (0.5, 0.6, 0.7, 0.9, 0.8), strict=True))


def protocol(name: str, instances: int) -> dict[str, object]:
    sizes = {"categories": 32, "instances": instances}
    return {
        "name": name,
        "dataset": sizes,
        "pretrain": {"epochs": 1},
        "downstream": {"name": "digits"},
    }


def trials(noise: float, seed: int = 0, **attrs: object) -> list[FrozenTrial]:
    random = np.random.default_rng(seed)
    found = [trial("scratch", replicate, 0.1) for replicate in range(3)]
    for arm, ranges in ARMS.items():
        for replicate in range(3):
            score = TRUTH[arm] + noise * random.standard_normal()
            low, high = ranges["frequency"]
            found.append(trial(arm, replicate, score, frequency=(low, high), **attrs))
    return found


@pytest.fixture
def storage(make_study: Study) -> optuna.storages.BaseStorage:
    store = optuna.storages.InMemoryStorage()
    arms = {"scratch": None, **ARMS}
    short = trials(
        0.12, rungs={"4096": {"loss": 3.0, "seconds": 20.0}, "8192": {"loss": 2.0, "seconds": 40.0}}
    )
    make_study(short, name="f@laptop", storage=store, arms=arms, protocol=protocol("laptop", 256))
    long = trials(0.0, seed=1, **{"seconds.total": 600.0})
    make_study(long, name="f@long", storage=store, arms=arms, protocol=protocol("long", 2560))
    make_study(long, name="f2@long", storage=store, arms=arms, protocol=protocol("long", 2560))
    return store


def test_members_of_a_study(storage: optuna.storages.BaseStorage):
    assert members("f", storage) == ["f@laptop", "f@long"]


def test_every_rung_and_every_end_is_a_row(storage: optuna.storages.BaseStorage):
    found = fidelity("f", storage)
    assert found.reference == "long"
    assert list(found.arms) == ["to_20", "to_40", "to_10", "to_5", "to_0"]
    rows = [(row.protocol, row.measurement, row.images) for row in found.rows]
    assert rows == [
        ("laptop", "probe", 4096),
        ("laptop", "loss", 4096),
        ("laptop", "probe", 8192),
        ("laptop", "loss", 8192),
        ("laptop", "accuracy", 8192),
        ("long", "probe", 4096),
        ("long", "probe", 8192),
        ("long", "accuracy", 8192),
    ]
    assert [row.seconds for row in found.rows] == [20, 20, 40, 40, 60, None, None, 600]
    assert {(row.arms, row.trials) for row in found.rows} == {(5, 15)}
    assert found.missing == 0


def test_a_noisy_short_protocol_orders_worse_than_the_long_one(
    storage: optuna.storages.BaseStorage,
):
    rows = {(row.protocol, row.measurement, row.images): row for row in fidelity("f", storage).rows}
    short, long = rows["laptop", "accuracy", 8192], rows["long", "accuracy", 8192]
    assert 0.2 <= short.kendall.observed < 1
    assert short.kendall.true.low < short.kendall.observed < short.kendall.true.high
    assert short.spearman.true.low < short.spearman.true.value <= short.spearman.true.high
    assert 0.3 < short.intraclass.value < 1
    assert 0.2 < short.best < 1
    assert 0 < short.loss < 0.1
    assert (long.kendall, long.spearman) == (None, None)
    assert (long.intraclass.value, long.single, long.best, long.loss) == (1, 1, 1, 0)
    assert 0.2 < short.single < short.kendall.observed
    # All probes of these trials are equal: they order nothing and pick any arm.
    blind = rows["laptop", "probe", 4096]
    assert (blind.intraclass, blind.kendall.observed, blind.single) == (None, 0, 0)
    assert blind.kendall.true is None
    assert blind.best == pytest.approx(0.2)
    assert blind.loss == pytest.approx(0.9 - np.mean(list(TRUTH.values())))


def test_pruned_trials_count_at_the_rungs_that_they_reached(make_study: Study):
    store = optuna.storages.InMemoryStorage()
    arms = {"scratch": None, **ARMS}
    pruned = trial("to_0", 3, state=TrialState.PRUNED, frequency=(0, 0))
    make_study(
        [*trials(0.05), pruned], name="f", storage=store, arms=arms, protocol=protocol("a", 1)
    )
    make_study(trials(0.0), name="f@b", storage=store, arms=arms, protocol=protocol("b", 2))
    by_measurement = {(row.protocol, row.measurement): row for row in fidelity("f", store).rows}
    assert by_measurement["a", "probe"].trials == 16
    assert by_measurement["a", "accuracy"].trials == 15


def test_formats(storage: optuna.storages.BaseStorage):
    found = fidelity("f", storage)
    markdown = render(found, "markdown")
    assert "| laptop | fine-tuning | 8192 | 60 | 15 |" in markdown
    assert "reference" in markdown
    assert "Order in the reference: to\\_20 90.0, to\\_40 80.0" in markdown
    assert "Preliminary" not in markdown
    rows = list(csv.DictReader(io.StringIO(render(found, "csv"))))
    assert float(rows[4]["kendall.true.low"]) < float(rows[4]["kendall.true"])
    assert float(rows[4]["kendall"]) == found.rows[4].kendall.observed
    assert float(rows[4]["intraclass.low"]) < float(rows[4]["intraclass"])
    assert rows[-1]["kendall"] == ""
    assert [row["single"] == "" for row in rows] == [False] * len(rows)
    assert json.loads(render(found, "json"))["rows"][4]["seconds"] == 60
    assert r"\toprule" in render(found, "latex")


def test_what_is_missing_is_said(make_study: Study):
    store = optuna.storages.InMemoryStorage()
    arms = {"scratch": None, **ARMS}
    make_study(trials(0.05), name="f@a", storage=store, arms=arms, protocol=protocol("a", 1))
    with pytest.raises(InputError, match="under two protocols"):
        fidelity("f", store)
    make_study(trials(0.0)[:-2], name="f@b", storage=store, arms=arms, protocol=protocol("b", 2))
    assert fidelity("f", store).missing == 2
    assert "Preliminary: 2 trials of those planned are" in render(fidelity("f", store), "markdown")
    with pytest.raises(InputError, match="did you mean 'f'"):
        fidelity("ff", store)


def test_rungs_of_a_study_that_seeks_two_things(make_study: Study):
    """Optuna has no place for them there; they are in an attribute."""

    def noted(trials: list[FrozenTrial]) -> list[FrozenTrial]:
        for one in trials:
            one.user_attrs["rungs"] = {
                str(step): {"accuracy": value, "loss": 2.0, "seconds": 20.0}
                for step, value in one.intermediate_values.items()
            }
            one.intermediate_values = {}
        return trials

    store = optuna.storages.InMemoryStorage()
    for name, sizes, noise in (("f@laptop", 256, 0.05), ("f@long", 2560, 0.0)):
        arms = {"scratch": None, **ARMS}
        said = {"arms": arms, "protocol": protocol(name[2:], sizes)}
        make_study(noted(trials(noise)), name=name, storage=store, **said)
    rows = [(row.protocol, row.measurement, row.images) for row in fidelity("f", store).rows]
    assert ("laptop", "probe", 4096) in rows
    assert ("long", "probe", 8192) in rows


def test_the_command_draws_it_with_images_of_the_longest_protocol(
    make_study: Study, tmp_path, sqlite_url, monkeypatch, capsys
):
    strips = []
    monkeypatch.setattr(
        drawing, "strips", lambda material: strips.append(material.report.study) or ()
    )
    arms = {"scratch": None, **ARMS}
    with db.disposing(db.connect(sqlite_url, create=True)) as store:
        for name, instances, noise in (("f@laptop", 256, 0.05), ("f@long", 2560, 0.0)):
            said = {"arms": arms, "protocol": protocol(name[2:], instances)}
            make_study(trials(noise), name=name, storage=store, **said)
    asked = ["report", "f", "--storage", sqlite_url, "--figures", str(tmp_path / "drawn")]
    assert cli.main(asked, standalone_mode=False) == 0
    drawn = [tmp_path / "drawn" / name for name in ("fidelity.pdf", "fidelity.png", "figures.tex")]
    assert capsys.readouterr().out.split() == [str(path) for path in drawn]
    assert all(path.stat().st_size > 100 for path in drawn)
    assert strips == ["f@long"]
