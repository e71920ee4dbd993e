"""Accuracy of arms: one by one, against their ranges and against variety."""

import numpy as np
import pytest
from scipy import stats

from explorer.report.figures import arms, gather, paper, web
from explorer.report.figures.description import percent_limits
from explorer.report.statistics import Estimate, estimate
from tests.report.rows import make_study, row


def test_the_interval_is_students():
    values = [0.6, 0.7, 0.74]
    expected = stats.t.interval(0.95, 2, loc=0.68, scale=stats.sem(values))
    average = estimate(values)
    assert average.ends == pytest.approx(expected)
    assert (average.value, average.n) == (pytest.approx(0.68), 3)
    assert estimate([0.5]).ends == estimate([0.5, 0.5]).ends == (0.5, 0.5)


def test_an_axis_of_accuracy_ends_at_0_and_100():
    assert percent_limits([-20, 120]) == (0, 100)
    assert percent_limits([48, 52]) == pytest.approx((47.8, 52.2))
    assert percent_limits([50, 50]) == (49, 51)


def test_print_and_page_show_the_same_arms_and_numbers(ablation):
    figure = arms.accuracy(ablation.report)
    (panel,) = figure.panels
    assert [r.name for r in panel.rows] == ["scratch", "none", "best_practice", "high"]
    assert panel.x == "accuracy on digits [%]"
    replicates, best = panel.series[4:6]
    assert (best.marker, best.y) == ("diamond", (2,))
    assert replicates.x == pytest.approx((80, 82, 83))
    half = stats.sem([80, 82, 83]) * stats.t.ppf(0.975, 2)
    assert best.x_ends[0] == pytest.approx((245 / 3 - half, 245 / 3 + half))
    assert panel.reference[0] == pytest.approx(71)  # the baseline, from scratch

    axes = paper.draw(figure).axes[0]
    names = [text.get_text() for text in axes.texts]
    assert [name for name in names if name in {r.name for r in panel.rows}] == [
        r.name for r in panel.rows
    ]
    across = [path for c in axes.collections for path in c.get_segments()]
    assert any(np.allclose(segment[:, 0], best.x_ends[0]) for segment in across)
    page = web.draw(figure)
    (trace,) = [trace for trace in page.data if trace.x == best.x]
    assert trace.error_x.array[0] == pytest.approx(half)
    assert list(page.layout.yaxis.ticktext) == [r.name for r in panel.rows]
    assert len(page.layout.shapes) == 2  # band and line of the baseline


def test_of_many_sampled_arms_the_best_and_the_worst_have_a_row(sampled):
    figure = arms.accuracy(sampled.report)
    shown = [r.name for r in figure.panels[0].rows if r.name.startswith("sample")]
    ranked = [arm.name for arm in sampled.report.ranked if arm.sampled]
    assert shown == [*ranked[:10], ranked[-1]]
    assert f"{len(ranked) - 11} more are left out" in figure.note
    assert "1 of 13 arms" not in figure.note


def test_arms_of_one_replicate_have_no_interval(database):
    scored = [row("scratch", 0, 0.5), row("high", 0, 0.7, ranges={"frequency": [20, 60]})]
    report = gather(database, make_study(database, "single", scored)).report
    figure = arms.accuracy(report)
    assert [series.x_ends for series in figure.panels[0].series] == [(), ()]
    assert "Every arm has one replicate" in figure.note
    assert arms.ranges(report) is None  # nothing differs


def test_the_curve_is_the_mean_of_the_arms_whose_range_holds_a_value(sampled):
    figure = arms.ranges(sampled.report)
    assert [panel.x for panel in figure.panels] == ["frequency", "orbits", "noise"]
    assert len({panel.y_limits for panel in figure.panels}) == 1
    curve = figure.panels[0].series[-1]
    assert curve.band
    pretrained = [arm for arm in sampled.report.ranked if arm.formula]
    at = curve.x[20]
    inside = [
        100 * arm.accuracy.mean
        for arm in pretrained
        if arm.ranges["frequency"][0] <= at <= arm.ranges["frequency"][1]
    ]
    assert curve.y[20] == pytest.approx(np.mean(inside))
    half = stats.sem(inside) * stats.t.ppf(0.975, len(inside) - 1)
    assert np.diff(curve.y_ends[20])[0] == pytest.approx(2 * half)


def test_every_range_reaches_from_its_low_to_its_high_end(ablation):
    (panel,) = arms.ranges(ablation.report).panels
    drawn = {
        hover.partition("\n")[0]: ends
        for series in panel.series
        for hover, ends in zip(series.hover, series.x_ends, strict=True)
    }
    assert drawn == {"none": (0, 0), "best_practice": (0, 20), "high": (20, 60)}
    assert all(series.strong for series in panel.series)  # few arms: all with intervals


def test_variety_comes_by_the_strength_of_its_correlation(sampled):
    strong, weak = Estimate(-0.8, -0.9, -0.6, 40), Estimate(0.2, -0.1, 0.5, 40)
    known = {"edge_density": weak, "vendi_features": strong}
    first, second = arms.variety(sampled.report, known).panels
    assert first.title == "ρ = −0.80 [−0.90, −0.60]"  # noqa: RUF001
    points = {point for s in first.series for point in zip(s.x, s.y, s.hover, strict=True)}
    assert points == {
        (replicate.variety["vendi_features"], 100 * replicate.accuracy, arm.name)
        for arm in sampled.report.arms
        for replicate in arm.replicates
        if replicate.variety
    }
    assert second.x == "Edge density"
    assert arms.variety(sampled.report, {}) is None


def test_what_users_name_stays_text(database):
    name = "a<b>$x^2$ & c"
    scored = [row(name, r, 0.6 + r / 10, ranges={"frequency": [0, 5]}) for r in range(2)]
    made = make_study(database, "markup", scored, arms={name: {"frequency": [0, 5]}}, baseline=name)
    figure = arms.accuracy(gather(database, made).report)
    sheet = paper.draw(figure)
    sheet.draw_without_rendering()
    assert r"a<b>\$x^2\$ & c" in [text.get_text() for text in sheet.axes[0].texts]
    assert web.draw(figure).layout.yaxis.ticktext == ("a&lt;b&gt;$x^2$ &amp; c",)
