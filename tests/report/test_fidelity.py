"""The fidelity of a study under several protocols, from studies built without running one."""

import csv
import io
import json

import numpy as np
import pytest

from explorer.errors import InputError
from explorer.report import fidelity, members, render
from tests.report import rows

ARMS = {f"to_{high}": {"frequency": [0, high]} for high in (0, 5, 10, 20, 40)}
TRUTH = dict(zip(ARMS, (0.5, 0.6, 0.7, 0.9, 0.8), strict=True))


def make(database, name, noise, *, instances, seed=0, **changes):
    random = np.random.default_rng(seed)
    entries = [rows.row("scratch", r, 0.1) for r in range(3)]
    for arm, ranges in ARMS.items():
        for r in range(3):
            score = TRUTH[arm] + noise * random.standard_normal()
            entries.append(rows.row(arm, r, score, ranges=ranges))
    protocol = {
        "name": name.partition("@")[2],
        "dataset": {"categories": 32, "instances": instances},
        "pretrain": {"epochs": 1},
        "downstream": {"name": "digits"},
    }
    arms = {"scratch": None, **ARMS}
    rows.make_study(database, name, entries, arms=arms, **{"protocol": protocol, **changes})


@pytest.fixture
def several(database):
    make(database, "f@laptop", 0.12, instances=256)
    make(database, "f@long", 0.0, instances=2560, seed=1)
    make(database, "f2@long", 0.0, instances=2560)
    return database


def test_members_of_a_study(several):
    assert members("f", several) == ["f@laptop", "f@long"]


def test_every_rung_and_every_end_is_a_row(several):
    found = fidelity(several, "f")
    assert (found.reference, found.reference_study, found.missing) == ("long", "f@long", 0)
    assert list(found.arms) == ["to_20", "to_40", "to_10", "to_5", "to_0"]
    kinds = [("probe", 4096), ("loss", 4096), ("probe", 8192), ("loss", 8192), ("accuracy", 8192)]
    assert [(row.protocol, row.measurement, row.images) for row in found.rows] == [
        (protocol, *kind) for protocol in ("laptop", "long") for kind in kinds
    ]
    assert [row.seconds for row in found.rows] == [16, 16, 32, 32, 60] * 2
    assert {(row.arms, row.trials) for row in found.rows} == {(5, 15)}


def test_a_noisy_short_protocol_orders_worse_than_the_long_one(several):
    found = {
        (row.protocol, row.measurement, row.images): row for row in fidelity(several, "f").rows
    }
    short, long = found["laptop", "accuracy", 8192], found["long", "accuracy", 8192]
    assert 0.2 <= short.kendall.observed < 1
    assert short.kendall.true.low < short.kendall.observed < short.kendall.true.high
    assert short.spearman.true.low < short.spearman.true.value <= short.spearman.true.high
    assert 0.3 < short.intraclass.value < 1
    assert 0 < short.loss < 0.1
    assert 0.2 < short.single < short.kendall.observed
    assert (long.kendall, long.intraclass.value, long.single, long.loss) == (None, 1, 1, 0)
    # All probes of these trials are equal: they order nothing and pick any arm.
    blind = found["laptop", "probe", 4096]
    assert np.isnan(blind.kendall.observed)
    assert (blind.intraclass, blind.kendall.true, blind.single) == (None, None, 0)
    assert blind.loss == pytest.approx(0.9 - np.mean(list(TRUTH.values())))


def test_stopped_trials_count_at_the_rungs_that_they_reached(several):
    stopped = rows.row("to_0", 3, ranges=ARMS["to_0"], state="PRUNED", reason="median")
    rows.add_rows(several, "f@laptop", [stopped])
    found = {(row.measurement, row.images): row for row in fidelity(several, "f").rows[:5]}
    assert found["probe", 4096].trials == 16
    assert found["accuracy", 8192].trials == 15


def test_formats(several):
    found = fidelity(several, "f")
    markdown = render(found, "markdown")
    assert "| laptop | fine-tuning | 8192 | 60 | 15 |" in markdown
    assert "| reference |" in markdown
    assert "Order in the reference: to\\_20 90.0, to\\_40 80.0" in markdown
    assert r"\label{tab:f-fidelity}" in render(found, "latex")
    entries = [*csv.DictReader(io.StringIO(render(found, "csv")))]
    assert float(entries[4]["kendall.observed"]) == found.rows[4].kendall.observed
    assert float(entries[4]["kendall.true.low"]) == found.rows[4].kendall.true.low
    assert entries[-1]["kendall.observed"] == ""
    assert json.loads(render(found, "json"))["rows"][0]["kendall"]["observed"] is None


def test_an_unfinished_one_says_so(several):
    make(several, "f@other", 0.1, instances=10, replicates=4)
    assert fidelity(several, "f").missing == 6
    assert "Preliminary: 6 planned trials are not complete." in render(
        fidelity(several, "f"), "markdown"
    )


def test_what_cannot_be_compared_is_refused(several):
    with pytest.raises(InputError, match="under two protocols"):
        fidelity(several, "f2")
    with pytest.raises(InputError, match="did you mean 'f'"):
        fidelity(several, "f3")
    two = {"scratch": None, "a": {}, "b": {}}
    for name in ("g@laptop", "g@long"):
        entries = [rows.row(arm, 0, 0.5, ranges=ranges) for arm, ranges in two.items()]
        protocol = {"name": name[2:], "downstream": {"name": "digits"}}
        rows.make_study(several, name, entries, arms=two, protocol=protocol)
    with pytest.raises(InputError, match="has only 2 arms under long"):
        fidelity(several, "g")
