"""The best ranges of a sampled study, and what is not told from them."""

import csv
import io
import json

import numpy as np
import pytest
from scipy import stats

from explorer.report import arrange, best_ranges, render, summarise
from explorer.report.best import critical
from explorer.report.tables import _layouts
from tests.report.test_importance import sampled


@pytest.fixture(scope="module")
def report():
    return summarise(sampled(40))


def test_the_critical_value_is_dunnetts():
    assert critical(1, 10) == pytest.approx(stats.t.ppf(0.95, 10), abs=0.002)
    # Dunnett, JASA 1955, table 1a: one-sided, 95 %.
    for others, freedom, value in ((4, 10, 2.47), (9, 20, 2.60), (2, 5, 2.44), (5, 60, 2.29)):
        assert critical(others, freedom) == pytest.approx(value, abs=0.012)


def test_the_best_arm_is_kept_as_often_as_is_said():
    """In studies of ten arms of which one is the best by a little, three replicates each."""
    random = np.random.default_rng(3)
    truth = np.full(10, 0.5)
    truth[4] = 0.501
    allowed = critical(9, 20) * np.sqrt(2 / 3)
    kept = 0
    for _ in range(2000):
        values = truth[:, None] + 0.01 * random.normal(size=(10, 3))
        means, deviation = values.mean(axis=1), np.sqrt(values.var(axis=1, ddof=1).mean())
        kept += means[4] >= means.max() - allowed * deviation
    assert 0.95 <= kept / 2000 < 0.99


def test_what_is_clearly_worse_is_left_out(report):
    found = best_ranges(report)
    assert found.lack == ""
    assert found.arms == 40
    assert found.among[0] == found.arm.name == report.arms[1].name
    kept = {name: arm for arm in report.arms if (name := arm.name) in found.among}
    assert 2 <= len(kept) <= 10
    assert list(found.among) == [arm.name for arm in report.ranked][: len(kept)]
    # The high end of the frequencies decides: 98 gives half a point more than 97.
    assert found.high["frequency"][0] > 80
    lows = [arm.ranges["frequency"][0] for arm in kept.values()]
    assert found.low["frequency"] == (min(lows), max(lows))
    assert found.low["noise"] == (0, 0)
    assert set(found.low) == set(found.high) == {"frequency", "noise"}


def test_without_replicates_or_scatter_nothing_is_told_apart():
    found = best_ranges(summarise(sampled(12, replicates=1)))
    assert (found.among, found.lack) == ((), "no arm has a second replicate")
    found = best_ranges(summarise(sampled(12, scatter=0.0)))
    assert (found.among, found.lack) == ((), "replicates do not scatter")


def test_a_study_of_named_arms_has_no_such_tables(study):
    found = summarise(study)
    assert best_ranges(found) is None
    assert set(_layouts(found)) == {"", "-variety"}
    content = json.loads(render(found, "json"))
    assert "best" not in content
    assert "importances" not in content


def test_the_tables_of_a_sampled_study(report):
    found = best_ranges(report)
    blocks = render(report, "markdown").split("\n\n")
    best, caption, importance, said = blocks[2:6]
    assert best.splitlines()[0] == (
        "| Parameter | Best arm | Low end | High end | Bounds of low | Bounds of high |"
    )
    assert best.splitlines()[2].startswith("| frequency | 8–98 | 8–92 | 89–98 |")  # noqa: RUF001
    assert f"{len(found.among)} arms that the best is among with 95 % confidence" in caption
    assert importance.splitlines()[0] == "| End of range | fANOVA | PED-ANOVA |"
    assert importance.splitlines()[2].startswith("| frequency.high | 0.9")
    assert "over 40 arms" in said
    text = render(report, "latex")
    assert all(rf"\label{{tab:s{suffix}}}" in text for suffix in ("-best", "-importance"))
    rows = list(csv.DictReader(io.StringIO(render(report, "csv"))))
    assert [row["arm"] for row in rows if row["among_best"] == "1"] == list(found.among)
    content = json.loads(render(report, "json"))
    assert content["best"]["among"] == list(found.among)
    assert content["best"]["high"]["frequency"] == list(found.high["frequency"])
    assert content["importances"][0]["rows"][0]["end"] == "frequency.high"


def test_too_few_arms_are_said_in_a_line():
    few = summarise(sampled(6))
    for form in ("markdown", "latex"):
        assert "importance of every varied end of a range cannot be given" in render(few, form)
    lines = render(few, "markdown").splitlines()
    assert lines[-1].endswith("6 arms of the search space with a score, at least 10 are needed).")


def test_choosing_rows_leaves_the_other_tables_as_they_are(report):
    chosen = arrange(report, arms=["scratch"])
    assert _layouts(chosen)["-best"] == _layouts(report)["-best"]
