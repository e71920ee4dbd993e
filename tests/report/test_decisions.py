"""Decision accuracy, and the protocols of a study judged by it."""

import csv
import io
import json

import numpy as np
import pytest

from explorer.errors import InputError
from explorer.report import fidelity, members, render
from explorer.report.decisions import clear_pairs, decision_accuracy
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
        "resources": {"cpus": 2},
    }
    arms = {"scratch": None, **ARMS}
    rows.make_study(database, name, entries, arms=arms, **{"protocol": protocol, **changes})


@pytest.fixture
def several(database):
    make(database, "f@laptop", 0.12, instances=256)
    make(database, "f@long", 0.001, instances=2560, seed=1)
    make(database, "f2@long", 0.001, instances=2560)
    return database


PAIRS = [("a", "b"), ("b", "c"), ("a", "c")]


def test_decision_accuracy_by_hand():
    reference = {"a": 3.0, "b": 2.0, "c": 1.0, "d": 1.0}
    right = decision_accuracy({"a": [6, 6], "b": [5, 5], "c": [4, 4]}, reference, PAIRS)
    assert (right.value, right.low, right.high, right.n) == (1, 1, 1, 3)
    assert decision_accuracy({"a": [1], "b": [2], "c": [3]}, reference, PAIRS).value == 0
    # b against c is a tie: half.
    tied = decision_accuracy({"a": [1], "b": [0], "c": [0]}, reference, PAIRS)
    assert (tied.value, tied.low) == (pytest.approx(5 / 6), None)
    # Pairs without a value, or equal in the reference, do not count.
    assert decision_accuracy({"a": [1], "b": [0]}, reference, PAIRS).n == 1
    assert decision_accuracy({"c": [1], "d": [0]}, reference, [("c", "d")]) is None


def test_the_interval_covers_what_more_replicates_show():
    random, covered = np.random.default_rng(0), 0
    reference = {"a": 1.0, "b": 0.0}
    for _ in range(200):
        samples = {arm: random.normal(mean, 0.5, 8) for arm, mean in reference.items()}
        estimate = decision_accuracy(samples, reference, [("a", "b")])
        assert estimate.low <= estimate.value <= estimate.high
        covered += estimate.high == 1
    assert covered >= 190


def test_clear_pairs_differ_significantly():
    samples = {"a": [0.80, 0.82, 0.84], "b": [0.71, 0.72, 0.73], "c": [0.70, 0.73, 0.72], "d": [1]}
    assert clear_pairs(samples) == [("a", "b"), ("a", "c")]


def test_every_rung_and_every_end_is_a_row(several):
    assert members("f", several) == ["f@laptop", "f@long"]
    report = fidelity(several, "f")
    assert (report.reference, report.missing) == ("long", 0)
    assert list(report.arms) == ["to_20", "to_40", "to_10", "to_5", "to_0"]
    kinds = [("probe", 4096), ("probe", 8192), ("accuracy", 8192)]
    assert [(row.protocol, row.measurement, row.images) for row in report.rows] == [
        (protocol, *kind) for protocol in ("laptop", "long") for kind in kinds
    ]
    assert [row.seconds for row in report.rows] == [32, 64, 120] * 2  # two cores
    assert {row.trials for row in report.rows} == {15}


def test_a_noisy_short_protocol_decides_worse_than_the_long_one(several):
    rows_ = {(r.protocol, r.measurement, r.images): r for r in fidelity(several, "f").rows}
    short, long = rows_["laptop", "accuracy", 8192], rows_["long", "accuracy", 8192]
    assert (short.clear.n, short.every.n) == (10, 10)
    assert 0.5 < short.clear.low < short.clear.value <= short.clear.high
    assert short.kendall == pytest.approx(2 * short.every.value - 1)  # tau-a and tau-b: no ties
    assert (long.clear, long.every, long.kendall) == (None, None, None)
    # All probes of these trials are equal: they decide as a coin does.
    blind = rows_["laptop", "probe", 4096]
    assert (blind.clear.value, blind.kendall) == (0.5, None)


def test_stopped_trials_count_at_the_rungs_that_they_reached(several):
    stopped = rows.row("to_0", 3, ranges=ARMS["to_0"], state="PRUNED", reason="median")
    rows.add_rows(several, "f@laptop", [stopped])
    trials = {(row.measurement, row.images): row.trials for row in fidelity(several, "f").rows[:3]}
    assert (trials["probe", 4096], trials["accuracy", 8192]) == (16, 15)


def test_formats(several):
    report = fidelity(several, "f")
    markdown = render(report, "markdown")
    assert "| laptop | fine-tuning | 8192 | 120 | 15 |" in markdown
    assert "| reference |" in markdown
    assert "Clear pairs (10 of 10)" in markdown
    assert "Order in the reference: to\\_20 90.0, to\\_40 80.0" in markdown
    assert r"\label{tab:f-fidelity}" in render(report, "latex")
    entries = [*csv.DictReader(io.StringIO(render(report, "csv")))]
    assert float(entries[2]["clear.low"]) == report.rows[2].clear.low
    assert entries[-1]["clear.value"] == ""
    assert json.loads(render(report, "json"))["rows"][0]["clear"]["value"] == 0.5


def test_an_unfinished_one_says_so(several):
    make(several, "f@other", 0.1, instances=10, replicates=4)
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
