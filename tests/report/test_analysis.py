"""Best ranges, importances and what goes with variety."""

# ruff: noqa: RUF001 - the tables have typographic dashes

import math
from dataclasses import replace

import numpy as np
import pytest

from explorer.report import best_ranges, correlations, importances, summarise
from explorer.report.analysis import best_table, importance_table, points, variety_table
from explorer.report.statistics import spread
from explorer.report.summary import Replicate
from tests.report import rows

BOTH = [{"accuracy": "maximize"}, {"variety.vendi_features": "minimize"}]


@pytest.fixture(scope="module")
def sampled(studies):
    return summarise(studies, "sampled")


def test_points_are_arms_of_the_search_space(sampled, studies):
    names = [arm.name for arm in points(sampled)]
    assert "scratch" not in names
    assert (names[0], len(names)) == ("best_practice", 22)
    assert points(summarise(studies, "ablation"))[0].name == "none"


def test_best_ranges_are_of_the_arms_that_may_be_the_best(sampled):
    found = best_ranges(sampled)
    assert found.arm.name == "sample-0006"
    assert found.among == ("sample-0006", "sample-0017", "best_practice")
    assert found.arms == 22
    assert (found.low["frequency"], found.high["frequency"]) == ((0, 48), (20, 63))
    table = best_table(sampled)
    assert [cell.text for cell in table.rows[0]] == [
        "frequency", "16–60", "0–48", "20–63", "0–200", "0–200"]  # fmt: skip


def test_the_best_is_kept_as_often_as_it_says(sampled):
    """Of arms that do not differ any one is kept in 95 of 100 studies at least."""
    random, kept = np.random.default_rng(0), []
    arms = [arm for arm in sampled.arms if arm.sampled][:5]
    for _ in range(300):
        drawn = random.normal(0.5, 0.1, (5, 3))
        equal = tuple(
            replace(
                arm,
                accuracy=spread([*map(float, scores)]),
                replicates=tuple(Replicate(r, r, float(s), {}) for r, s in enumerate(scores)),
            )
            for arm, scores in zip(arms, drawn, strict=True)
        )
        kept.append(arms[0].name in best_ranges(replace(sampled, arms=equal)).among)
    assert 0.93 <= np.mean(kept) < 1


@pytest.mark.parametrize(
    ("replicates", "scatter", "lack"),
    [(1, 0.01, "no arm has a second replicate"), (2, 0.0, "replicates do not scatter")],
)
def test_what_cannot_be_said_of_the_best(database, replicates, scatter, lack):
    rows.sampled(database, samples=4, replicates=replicates, scatter=scatter)
    report = summarise(database, "sampled")
    found = best_ranges(report)
    assert (found.among, found.lack) == ((), lack)
    assert best_table(report).caption[1].endswith(f"cannot be given: {lack}.")


def test_named_arms_alone_have_no_best_ranges(studies):
    report = summarise(studies, "ablation")
    assert best_ranges(report) is None
    assert best_table(report) is importance_table(report) is None


def test_importances_find_what_matters(sampled):
    found = importances(sampled)
    assert set(found.fanova) == {f"{p}.{end}" for p in rows.SPACE for end in ("low", "share")}
    assert next(iter(found.fanova)).startswith("frequency")
    for shares in (found.fanova, found.ped_anova):
        assert sum(shares.values()) == pytest.approx(1)
    vendi = importances(sampled, "variety.vendi_features")
    assert max(vendi.fanova, key=vendi.fanova.get) == "frequency.share"
    assert importances(sampled) == found  # seeded


def test_what_is_minimised_is_turned_round(database):
    rows.sampled(database, objectives=BOTH)
    low = importances(summarise(database, "sampled"), "variety.vendi_features")
    assert max(low.ped_anova, key=low.ped_anova.get).startswith("frequency")
    columns = [c.heading for c in importance_table(summarise(database, "sampled")).columns]
    assert columns[1:] == [
        *("Accuracy: fANOVA", "Accuracy: PED-ANOVA"),
        *("Vendi score: fANOVA", "Vendi score: PED-ANOVA"),
    ]


def test_few_arms_have_no_importance(database):
    rows.sampled(database, samples=4)
    report = summarise(database, "sampled")
    found = importances(report)
    assert found.lack == "5 arms with a score, at least 10 are needed"
    table = importance_table(report)
    assert (table.rows, table.notes[0]) == ((), f"Accuracy: {found.lack}.")


def test_variety_against_accuracy(database):
    entries = [
        rows.row(f"a{i}", r, 0.5 + i / 100, ranges={},
                 variety={"edge_density": float(i), "vendi_features": 3.0})
        for i in range(5) for r in range(2)
    ]  # fmt: skip
    arms = {"scratch": None, **{f"a{i}": {"frequency": [0, i]} for i in range(5)}}
    report = summarise(database, rows.make_study(database, "s", entries, arms=arms))
    found = correlations(report)
    assert (found["edge_density"].value, found["edge_density"].n) == (pytest.approx(1), 10)
    assert math.isnan(found["vendi_features"].value)
    table = variety_table(report)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["Edge density", "+1.00 [+1.00, +1.00]", "10"],
        ["Vendi score", "\N{EN DASH}", "10"],
    ]
    assert "of 5 arms" in table.caption[0]


def test_few_arms_have_no_interval(studies):
    table = variety_table(summarise(studies, "ablation"))
    assert table.caption[1] == "3 arms are too few for an interval."
    assert "[" not in table.rows[0][1].text
