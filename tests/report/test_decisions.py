"""Decision accuracy, and the protocols of a study judged by it."""

import csv
import io
import json

import numpy as np
import pytest

from explorer.errors import InputError
from explorer.report import fidelity, members, published, render, summarise
from explorer.report.decisions import decision_accuracy
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
    clear = short.shares["clear"]
    assert (clear.n, short.shares["every"].n) == (10, 10)
    assert 0.5 < clear.low < clear.value <= clear.high
    assert long.shares == {}
    # All probes of these trials are equal: they decide as a coin does.
    assert rows_["laptop", "probe", 4096].shares["clear"].value == 0.5


def test_stopped_trials_count_at_the_rungs_that_they_reached(several):
    stopped = rows.row("to_0", 3, ranges=ARMS["to_0"], state="PRUNED", reason="median")
    rows.add_rows(several, "f@laptop", [stopped])
    trials = {(row.measurement, row.images): row.trials for row in fidelity(several, "f").rows[:3]}
    assert (trials["probe", 4096], trials["accuracy", 8192]) == (16, 15)


def test_formats(several):
    report = fidelity(several, "f")
    markdown = render([report], "markdown")
    assert "| laptop | fine-tuning | 8192 | 120 | 15 |" in markdown
    assert "| reference |" in markdown
    assert "Pairs: 10 clear, 10 every. Clear: significant there" in markdown
    assert "Order in the reference: to\\_20 90.0, to\\_40 80.0" in markdown
    assert r"\label{tab:f-decisions}" in render([report], "latex")
    entries = [*csv.DictReader(io.StringIO(render([report], "csv")))]
    assert float(entries[2]["shares.clear.low"]) == report.rows[2].shares["clear"].low
    assert entries[-1]["shares.clear.value"] == ""
    (content,) = json.loads(render([report], "json"))["judgements"]
    assert content["rows"][0]["shares"]["clear"]["value"] == 0.5


def test_an_unfinished_one_says_so(several):
    make(several, "f@other", 0.1, instances=10, replicates=4)
    assert "Preliminary: 6 planned trials are not complete." in render(
        [fidelity(several, "f")], "markdown"
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


PUBLISHED = {
    "source": "A paper, 2023",
    "tasks": {
        "C100": {
            "noise": 1.0,
            "accuracy": {"scratch": 57.7, "to_0": 74.9, "to_20": 84.9, "to_5": 83.0, "to_10": 84.0},
        },
        "C10": {"noise": 0.4, "accuracy": {"to_0": 95.0, "to_20": 97.6}},
    },
}


def test_a_study_is_judged_by_published_numbers(database):
    scores = {"scratch": (0.2, 0.3), "to_0": (0.6, 0.7), "to_20": (0.5, 0.6), "to_5": (0.4, 0.5),
              "to_10": (0.5, 0.6), "to_40": (0.9, 0.9)}  # fmt: skip
    entries = [
        rows.row(arm, r, value, ranges=ARMS.get(arm), companions={"ridge": ridge[arm] + r / 100})
        for ridge in [{arm: i / 10 for i, arm in enumerate(scores)}]
        for arm, values in scores.items()
        for r, value in enumerate(values)
    ]
    arms = {"scratch": None, **ARMS}
    rows.make_study(database, "p", entries, arms=arms, published=PUBLISHED, replicates=2)
    judgements = published(database, "p")
    assert [each.reference for each in judgements] == ["C100", "C10"]
    first = judgements[0]
    assert first.source == "A paper, 2023"
    assert next(iter(first.arms.items())) == ("to_20", pytest.approx(0.849))
    # Of ten pairs 84.9 - 84.0, 84.0 - 83.0 lie inside the noise; five are of 10 points and more.
    assert first.pairs == {"clear": 8, "strong": 5, "medium": 3, "weak": 2}
    by_score = {(row.measurement, row.images): row for row in first.rows}
    assert [*by_score] == [("probe", 4096), ("probe", 8192), ("accuracy", 8192), ("ridge", 8192)]
    ended = by_score["accuracy", 8192]
    # Wrong are to_0 against to_20, to_5 and to_10; to_20 and to_10 are equal.
    assert ended.shares["strong"].value == pytest.approx(4 / 5)
    assert ended.shares["medium"].value == pytest.approx(1 / 3)
    assert ended.shares["clear"].value == pytest.approx(5 / 8)
    assert ended.shares["weak"].value == pytest.approx(1.5 / 2)
    assert ended.shares["strong"].low <= 4 / 5 <= ended.shares["strong"].high
    assert (ended.trials, ended.seconds) == (10, 60.0)  # to_40 is not published
    # From scratch there is no rung.
    assert by_score["probe", 4096].shares["strong"].n == 1
    report = summarise(database, "p")
    assert report.judgements == judgements
    kept = json.loads(render(report, "json"))["judgements"][0]
    assert kept["rows"][2]["shares"]["strong"]["value"] == pytest.approx(4 / 5)
    assert "ordered as on C100 in A paper, 2023" in render(report, "markdown")
    rows.make_study(database, "q", entries, arms=arms)
    assert published(database, "q") == summarise(database, "q").judgements == ()


def test_a_pair_is_as_strong_as_the_paper_s_digits_say(database):
    # 84.9 - 74.9 is 10.000000000000014 or 9.99...: ten points, however it is stored.
    numbers = {"scratch": 74.9, "to_0": 84.9, "to_5": 64.9, "to_10": 73.9}
    tasks = {"C100": {"noise": 1.0, "accuracy": numbers}}
    entries = [rows.row("scratch", 0, 0.5)]
    parts = {"arms": {"scratch": None, **ARMS}, "published": {"source": "a", "tasks": tasks}}
    rows.make_study(database, "p", entries, **parts)
    (judgement,) = published(database, "p")
    assert judgement.pairs == {"clear": 5, "strong": 4, "medium": 1, "weak": 1}
