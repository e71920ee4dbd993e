"""What goes with variety."""

import math

import pytest
from scipy import stats

from explorer.report import correlations, summarise
from explorer.report.analysis import front, variety_table
from tests.report import rows


def variety_study(database, values):
    entries = [
        rows.row(f"a{i}", r, accuracy, ranges={},
                 variety={"edge_density": value, "vendi_features": 3.0})
        for i, (value, accuracy) in enumerate(values) for r in range(2)
    ]  # fmt: skip
    arms = {"scratch": None, **{f"a{i}": {"frequency": [0, i]} for i in range(len(values))}}
    return summarise(database, rows.make_study(database, "s", entries, arms=arms))


def test_variety_against_accuracy(database):
    x, y = (1.0, 2.0, 2.0, 4.0, 5.0, 6.0), (0.5, 0.52, 0.6, 0.55, 0.7, 0.65)
    report = variety_study(database, [*zip(x, y, strict=True)])
    rhos = correlations(report)
    rho = rhos["edge_density"]
    assert (rho.value, rho.n) == (pytest.approx(stats.spearmanr(x, y).statistic), 6)
    assert -1 <= rho.low < rho.value < rho.high <= 1
    assert math.isnan(rhos["vendi_features"].value)
    table = variety_table(report)
    assert [row[0].text for row in table.rows] == ["Edge density", "Vendi score"]
    assert table.rows[0][1].text.startswith(f"+{rho.value:.2f} [")
    assert [cell.text for cell in table.rows[1][1:]] == ["\N{EN DASH}", "6"]


def test_few_arms_have_no_interval(studies):
    table = variety_table(summarise(studies, "ablation"))
    assert table.notes == ("3 arms are too few for an interval.",)
    assert "[" not in table.rows[0][1].text


@pytest.mark.parametrize(("way", "expected"), [("maximize", "abc"), ("minimize", "ad")])
def test_the_front_is_what_none_dominates(database, way, expected):
    values = {"a": (0.9, 1.0), "b": (0.8, 2.0), "c": (0.7, 3.0), "d": (0.6, 0.5), "e": (0.65, 2.5)}
    entries = [
        rows.row(arm, 0, accuracy, ranges={}, variety={"edge_density": value})
        for arm, (accuracy, value) in values.items()
    ]
    objectives = [{"accuracy": "maximize"}, {"variety.edge_density": way}]
    entries.append(rows.row("scratch", 0, 0.95))
    report = summarise(database, rows.make_study(database, "s", entries, objectives=objectives))
    assert "".join(arm.name for arm in front(report)) == expected


def test_equal_arms_are_on_the_front_together(database):
    entries = [rows.row(a, 0, 0.5, ranges={}, variety={"edge_density": 1.0}) for a in "ab"]
    objectives = [{"accuracy": "maximize"}, {"variety.edge_density": "maximize"}]
    report = summarise(database, rows.make_study(database, "s", entries, objectives=objectives))
    assert len(front(report)) == 2
