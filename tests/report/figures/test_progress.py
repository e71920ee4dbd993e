import itertools

import numpy as np
import optuna
import pytest
from scipy import stats

from explorer.report import fidelity as report_fidelity
from explorer.report import pareto
from explorer.report.agreement import Agreement, Estimate
from explorer.report.fidelity import Fidelity, FidelityReport
from explorer.report.figures import (
    ablation,
    budgets,
    cost,
    draw_fidelity,
    fidelity,
    footprint,
    front,
    gather,
    history,
    hypervolume,
    parallel,
)
from tests.report.conftest import trial
from tests.report.rich import RUNGS, rich_study


def test_the_history_is_in_the_order_of_the_trials(rich):
    data = history.prepare(rich)
    assert [one.arm for one in data.points[:3]] == ["scratch", "best_practice", "sample-0000"]
    means = [one.mean.value for one in data.points]
    best = [one.mean.value for one in data.best]
    assert best == list(itertools.accumulate(means, max))
    assert len(data.replicates[0]) == 2
    heights = history.on_page(data).data[1].y
    assert list(heights) == [mean for mean in best for _ in range(2)]


def test_named_arms_alone_have_no_history(study):
    assert history.prepare(gather(study)) is None


def test_cost_adds_up_what_all_trials_took(rich):
    data = cost.prepare(rich)
    total = rich.trials["seconds.total"].sum() / 3600
    assert data.spent[-1] <= total
    assert list(data.spent) == sorted(data.spent)
    # The last trial of this study has a score: the last arm counts from the very end.
    assert data.spent[-1] == pytest.approx(total)
    arms = {arm.name: arm for arm in rich.report.arms}
    assert data.seconds == tuple(arms[one.arm].seconds for one in data.points)
    for i in data.front:
        assert not any(
            data.seconds[k] < data.seconds[i] and one.mean.value > data.points[i].mean.value
            for k, one in enumerate(data.points)
        )


def test_a_result_that_was_taken_over_has_cost_nothing(make_study):
    trials = [
        trial("scratch", 0, 0.5, **{"seconds.total": 600.0}),
        trial("none", 0, 0.6, frequency=(0, 0), cached_from="other#3"),
        trial("high", 0, 0.7, frequency=(20, 60)),
    ]
    assert cost.prepare(gather(make_study(trials))).spent == (
        pytest.approx(600 / 3600),
        pytest.approx(600 / 3600),
        pytest.approx(660 / 3600),
    )


def test_rungs_are_compared_with_the_final_score(rich):
    data = budgets.prepare(rich)
    probes = data.agreement["probe accuracy"]
    assert tuple(probes) == RUNGS
    means = rich.rungs.groupby(["arm", "images"])["probe"].mean().unstack()
    final = {arm.name: arm.accuracy.mean for arm in rich.report.arms if arm.accuracy}
    expected = stats.spearmanr(means[RUNGS[0]], [final[arm] for arm in means.index]).statistic
    assert probes[RUNGS[0]].low < expected < probes[RUNGS[0]].high
    assert probes[RUNGS[0]].low < probes[RUNGS[0]].value < probes[RUNGS[0]].high
    assert data.labels == ("2.05k", "4.1k", "8.19k", "16.4k", "final")
    assert data.matrix[0, -1] == pytest.approx(expected)
    assert np.allclose(data.matrix, data.matrix.T)
    # Low losses go with high accuracies here, which counts as agreement.
    assert all(one.value > 0 for one in data.agreement["pre-training loss"].values())


def test_shorter_protocols_are_compared_with_the_longest(make_study, tmp_path):
    storage = optuna.storages.InMemoryStorage()
    protocol = {"name": "long", "pretrain": {"epochs": 2}}
    protocol |= {"dataset": {"categories": 4, "instances": 4}}
    worth = {"none": (0.6, (0, 0)), "high": (0.7, (20, 60)), "best_practice": (0.8, (0, 20))}
    trials = [trial(arm, 0, value, frequency=ends) for arm, (value, ends) in worth.items()]
    short = make_study(trials, storage=storage)
    assert fidelity.prepare(gather(short)) is None
    long = make_study(trials, name="frequency_range@long", storage=storage, protocol=protocol)
    data = fidelity.prepare(gather(short))
    assert data == report_fidelity("frequency_range", storage)
    page = fidelity.on_page(data)
    shown = next(one for one in page.data if one.name == "laptop: fine-tuning")
    assert (shown.x, shown.y) == ((60.0,), (pytest.approx(1.0),))
    assert data.reference_study == "frequency_range@long"
    drawn = draw_fidelity(data, gather(long), tmp_path)
    assert [path.name for path in drawn] == ["fidelity.pdf", "fidelity.png", "figures.tex"]


def test_an_interval_that_begins_at_no_agreement_is_drawn_from_there():
    rows = tuple(
        Fidelity(
            "laptop", "probe", 10, at, 3, 6, None, None, Agreement(0, rho, 3), None, None, 0.02
        )
        for at, rho in ((8.0, Estimate(0.5, 0.0, 0.6, 3)), (90.0, Estimate(0.9, 0.8, 1, 3)))
    )
    data = FidelityReport("s", "laptop", "s", {}, rows, 0)
    left = fidelity.on_paper(data).axes[0]
    assert [list(line.get_ydata()) for line in left.lines[1:]] == [[0, 0.6], [0.8, 1]]
    page = fidelity.on_page(data)
    assert page.data[0].error_y.arrayminus == pytest.approx([0.5, 0.1])
    # The first power of ten below all seconds, up to the first above.
    assert page.layout.xaxis.tickvals == (1, 2, 5, 10, 20, 50, 100, 200, 500)


def test_two_arms_have_no_order_to_compare(make_study):
    trials = [trial("none", 0, 0.6, frequency=(0, 0)), trial("high", 0, 0.7, frequency=(20, 60))]
    assert budgets.prepare(gather(make_study(trials))) is None


def test_lines_go_through_the_ends_of_ranges_to_the_accuracy(rich):
    data = parallel.prepare(rich)
    assert data.axes[:2] == ("frequency.low", "frequency.high")
    assert (np.diff(data.values[:, -1]) >= 0).all()
    best = rich.report.ranked[0]
    assert data.points[-1].arm == best.name
    assert data.values[-1].tolist() == [
        *(end for ends in best.ranges.values() for end in ends),
        pytest.approx(100 * best.accuracy.mean),
    ]
    page = parallel.on_page(data)
    assert [one.label for one in page.data[0].dimensions] == list(data.axes)


def test_on_the_map_alike_ranges_are_near(rich):
    data = footprint.prepare(rich)
    model = rich.surrogate
    assert len(data.corners) == 27
    true = np.linalg.norm(model.at[:, None] - model.at[None], axis=-1)
    shown = np.linalg.norm(data.tried[:, None] - data.tried[None], axis=-1)
    upper = np.triu_indices(len(true), 1)
    assert stats.spearmanr(true[upper], shown[upper]).statistic > 0.6
    assert 0 < data.stress < 0.3
    assert data.density.max() == 1
    again = footprint.prepare(rich)
    assert np.array_equal(again.tried, data.tried)


def test_the_path_leads_from_the_baseline_to_the_best_arm(rich):
    data = ablation.prepare(rich)
    assert data.steps[0] == "best_practice"
    assert len(data.steps) == 4
    model = rich.surrogate
    names = [arm.name for arm in model.arms]
    best = model.at[names.index(rich.report.ranked[0].name)]
    assert data.expected[-1].value == pytest.approx(float(model.mean(best[None])[0]))
    assert [one.arm for one in data.ends] == ["best_practice", rich.report.ranked[0].name]
    gains = np.diff([one.value for one in data.expected])
    assert gains[0] > 0


def test_from_scratch_there_is_no_path(study):
    assert ablation.prepare(gather(study)) is None


def test_the_front_is_that_of_the_report(database):
    objectives = [{"accuracy": "maximize"}, {"variety.vendi_features": "maximize"}]
    two = gather(rich_study(database, name="two", samples=6, objectives=objectives))
    data = front.prepare(two)
    assert [data.points[i].arm for i in data.front] == [a.name for a in pareto.front(two.report)]
    by_name = {arm.name: arm for arm in two.report.arms}
    for one, value in zip(data.points, data.values, strict=True):
        assert value.value == pytest.approx(by_name[one.arm].variety["vendi_features"])
    x, y = data.steps
    assert (x[0], y[0]) == (data.values[data.front[0]].value, data.points[data.front[0]].mean.value)
    assert len(x) == len(y) == 2 * len(data.front) - 1
    front.on_paper(data)
    assert front.on_page(data).data
    # Rungs have no place in Optuna there, and are compared all the same.
    assert budgets.prepare(two).agreement["probe accuracy"]


def test_one_objective_has_no_front(rich):
    assert front.prepare(rich) is None
    assert hypervolume.prepare(rich) is None


def test_the_hypervolume_is_the_area_of_the_steps():
    points = [(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]
    assert hypervolume.dominated(points, (0, 0)) == 6
    assert hypervolume.dominated([*points, (1.5, 1.5), (2.0, 2.0)], (0, 0)) == 6
    assert hypervolume.dominated(points, (1, 1)) == 1
    assert hypervolume.dominated([], (0, 0)) == 0
    # Another way to the same: the share of points of a fine grid that one of them dominates.
    random = np.random.default_rng(0).uniform(size=(30, 2))
    grid = (np.stack(np.meshgrid(*[np.arange(400)] * 2), axis=-1) + 0.5) / 400
    covered = (grid[:, :, None] <= random).all(axis=-1).any(axis=-1).mean()
    assert hypervolume.dominated(random.tolist(), (0, 0)) == pytest.approx(covered, abs=0.005)


def test_the_hypervolume_grows_by_what_no_point_before_has_dominated():
    points = [(2.0, 2.0), (1.0, 1.0), (2.0, 2.0), (1.0, 3.0), (3.0, 3.0), (2.0, 3.0), (0.0, 4.0)]
    assert list(hypervolume.growth(points, (0, 0))) == [4, 4, 4, 5, 9, 9, 9]
    random = np.random.default_rng(1).uniform(size=(200, 2)).tolist()
    whole = [hypervolume.dominated(random[: i + 1], (0, 0)) for i in range(200)]
    assert list(hypervolume.growth(random, (0, 0))) == pytest.approx(whole)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_front_comes_nearer_arm_by_arm(database, direction):
    objectives = [{"accuracy": "maximize"}, {"variety.vendi_features": direction}]
    two = gather(rich_study(database, name=direction, samples=6, objectives=objectives))
    data = hypervolume.prepare(two)
    assert data.arms[0] == "best_practice"  # from scratch has no images
    assert list(data.shares) == sorted(data.shares)
    assert 0 < data.shares[-1] <= 100
    arms = [arm for arm in two.report.arms if arm.name in data.arms]
    measured = [arm.variety["vendi_features"] for arm in arms]
    assert data.corner[1] == (min if direction == "maximize" else max)(measured)
    hypervolume.on_paper(data)
    assert list(hypervolume.on_page(data).data[0].y) == list(data.shares)
