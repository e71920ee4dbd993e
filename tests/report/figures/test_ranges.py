import numpy as np
import pytest

from explorer.report.figures import (
    dependence,
    gather,
    importance,
    ranges,
    surface,
    surrogate,
    variety,
)
from explorer.report.variety import correlations


def test_each_varied_parameter_has_a_panel_with_every_arm(rich):
    data = ranges.prepare(rich)
    assert [panel.parameter for panel in data.panels] == ["frequency", "orbits", "noise"]
    panel = data.panels[0]
    arms = {arm.name: arm for arm in rich.report.arms if arm.ranges}
    assert {one.arm for one in panel.points} == set(arms)
    for one, ends in zip(panel.points, panel.ranges, strict=True):
        assert ends == arms[one.arm].ranges["frequency"]
        assert one.mean.value == pytest.approx(100 * arms[one.arm].accuracy.mean)


def test_the_curve_is_the_mean_of_the_arms_that_hold_a_value(rich):
    panel = ranges.prepare(rich).panels[0]
    value, found = panel.values[20], panel.means[20]
    held = [
        one.mean.value
        for one, (low, high) in zip(panel.points, panel.ranges, strict=True)
        if low <= value <= high
    ]
    assert len(held) >= 3
    assert (found.value, found.n) == (pytest.approx(np.mean(held)), len(held))


def test_of_a_few_arms_each_has_its_interval_and_there_is_no_curve(study):
    data = ranges.prepare(gather(study))
    (panel,) = data.panels
    assert panel.values == ()
    assert [one.arm for one in panel.points] == ["none", "best_practice", "high"]
    axes = ranges.on_paper(data).axes[0]
    upright = [
        line for line in axes.lines if len(line.get_xdata()) == 2 and np.ptp(line.get_xdata()) == 0
    ]
    assert [panel.points[2].mean.low, panel.points[2].mean.high] in [
        list(line.get_ydata()) for line in upright
    ]


def test_surfaces_are_of_both_ends_and_of_the_two_that_matter(rich):
    data = surface.prepare(rich)
    ends = [(panel.across, panel.upwards) for panel in data.panels]
    assert ends[:3] == [(f"{p}.low", f"{p}.high") for p in ("frequency", "orbits", "noise")]
    first, second = ends[3]
    assert first == "frequency.high"  # what the scores were made of
    assert not second.startswith("frequency")
    panel = data.panels[0]
    # A range's low end is never above its high end: nothing is drawn there.
    low, high = np.meshgrid(panel.across_grid, panel.upwards_grid)
    assert np.isnan(panel.surface[low > high]).all()
    assert np.isfinite(panel.surface[low < high - 1]).all()
    middle = panel.surface[np.abs(panel.upwards_grid - 40).argmin(), 2]
    assert middle > panel.surface[-1, -1] + 5


def test_few_arms_have_no_surface_but_their_points(study):
    (panel,) = surface.prepare(gather(study)).panels
    assert panel.surface.size == 0
    assert (panel.x, panel.y) == ((0, 0, 20), (0, 20, 60))


def test_partial_dependence_finds_what_the_scores_were_made_of(rich):
    data = dependence.prepare(rich)
    panels = {panel.end: panel for panel in data.panels}
    assert set(panels) == {
        f"{p}.{e}" for p in ("frequency", "orbits", "noise") for e in ("low", "high")
    }
    spans = {end: np.ptp([one.value for one in panel.means]) for end, panel in panels.items()}
    assert max(spans, key=spans.__getitem__) == "frequency.high"
    for panel in data.panels:
        assert all(one.low < one.value < one.high for one in panel.means)
        assert len(panel.seen) == data.arms == 17
    trace = dependence.on_page(data).data[2]
    assert list(trace.y) == [one.value for one in data.panels[0].means]


def test_the_model_is_sure_where_arms_are_and_unsure_elsewhere(rich):
    model = rich.surrogate
    assert rich.surrogate is model  # fitted once
    tried = model.mean(model.at)
    assert np.array_equal(surrogate.fit(rich.report).mean(model.at), tried)  # always the same
    scores = [100 * arm.accuracy.mean for arm in model.arms]
    assert np.corrcoef(tried, scores)[0, 1] > 0.9
    here, there = (model.average(at)[1] for at in (model.at[:1], np.full((1, 6), 3.0)))
    assert here < there


def test_few_arms_have_no_model(study):
    assert gather(study).surrogate is None
    assert dependence.prepare(gather(study)) is None
    assert importance.prepare(gather(study)) is None


def test_importance_is_that_of_the_report(rich):
    data = importance.prepare(rich)
    assert data is rich.importances
    assert data.arms == 17
    bars = importance.on_paper(data).axes[0].patches
    assert [bar.get_width() for bar in bars] == [row.fanova.value for row in data.rows]
    page = importance.on_page(data)
    assert list(page.data[1].x) == [row.ped_anova.value for row in data.rows]


def test_every_measure_has_its_rho_in_its_panel(rich):
    data = variety.prepare(rich)
    found = correlations(rich.report)
    assert len(data.panels) == len(found)
    strengths = [abs(panel.rho.value) for panel in data.panels]
    assert strengths == sorted(strengths, reverse=True)
    panel = data.panels[0]
    assert panel.said.startswith("\N{GREEK SMALL LETTER RHO} = ")
    assert "[" in panel.said
    assert len(panel.values) == panel.rho.n
    titles = [axes.get_title() for axes in variety.on_paper(data).axes[: len(data.panels)]]
    assert titles == [panel.said for panel in data.panels]
