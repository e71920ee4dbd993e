"""Optuna's figures of a study whose trials are its arms."""

import copy

import numpy as np
import optuna
import pytest

from explorer.report.figures import samplers

OF_A_SEARCH = [
    "optimization_history",
    "edf",
    "param_importances",
    "slice",
    "parallel_coordinate",
    "contour",
    "rank",
]


@pytest.fixture(scope="module")
def drawn(sampled):
    return {d.name: d for d in drawings(sampled.study, sampled.definition)}


def drawings(study, definition):
    """Optuna's figures of all arms."""
    arms = {trial.user_attrs.get("arm", "") for trial in study.trials}
    return samplers.drawings(study, definition, arms, "")


def single(trials):
    """A study of one objective with the trials of another."""
    study = optuna.create_study(direction="maximize")
    for trial in trials:
        changed = copy.deepcopy(trial)
        changed.values = trial.values[:1]
        study.add_trial(changed)
    return study


def test_which_figures_mean_something(sampled, ablation, drawn):
    assert list(drawn) == [*OF_A_SEARCH, "pareto_front", "hypervolume_history", "timeline"]
    one = drawings(single(sampled.study.trials), sampled.definition)
    assert [drawing.name for drawing in one] == [*OF_A_SEARCH, "timeline"]
    # Named arms alone are no search; a pruner saw their rungs.
    named = drawings(ablation.study, ablation.definition)
    assert [drawing.name for drawing in named] == ["intermediate_values", "timeline"]
    assert drawings(optuna.create_study(), sampled.definition) == []


def test_accuracy_is_in_percent_and_high_is_good(sampled, drawn):
    history = drawn["optimization_history"].on_page()
    values = [100 * trial.values[0] for trial in sampled.study.trials]
    assert list(history.data[0].y) == pytest.approx(values)
    assert history.data[1].y[-1] == pytest.approx(max(values))
    assert history.layout.title.text is None
    front = drawn["pareto_front"].on_page()
    best = sorted(100 * trial.values[0] for trial in sampled.study.best_trials)
    assert best in [pytest.approx(sorted(trace.x)) for trace in front.data]
    assert front.layout.xaxis.title.text == "accuracy [%]"


def test_what_decides_is_found():
    study = optuna.create_study(direction="maximize")
    random = np.random.default_rng(0)
    unit = optuna.distributions.FloatDistribution(0, 1)
    for _ in range(40):
        params = {"a.low": random.random(), "a.share": random.random()}
        kinds = dict.fromkeys(params, unit)
        value = 1 - (params["a.share"] - 0.7) ** 2
        made = optuna.trial.create_trial(
            value=value, params=params, distributions=kinds, user_attrs={"arm": str(value)}
        )
        study.add_trial(made)
    definition = {"sampler": {"name": "tpe"}, "objectives": [{"accuracy": "maximize"}]}
    figures = {d.name: d for d in drawings(study, definition)}
    bars = figures["param_importances"].on_page().data[0]
    shares = dict(zip(bars.y, bars.x, strict=True))
    assert shares["a.share"] > 5 * shares["a.low"]


def test_print_shows_every_end_without_a_title(drawn):
    panels = drawn["slice"].on_paper().axes
    labels = {axes.get_xlabel() for axes in panels}
    assert {"frequency.low", "frequency.share", "noise.share"} <= labels
    assert {axes.get_title(loc="left") + axes.get_title() for axes in panels} == {""}
    from matplotlib import pyplot as plt

    assert plt.get_fignums() == []  # none is left open


def test_two_ends_have_one_contour(sampled):
    trials = [copy.deepcopy(trial) for trial in sampled.study.trials]
    for trial in trials:
        ends = ("frequency.low", "frequency.share")
        trial.params = {end: trial.params[end] for end in ends}
        trial.distributions = {end: trial.distributions[end] for end in ends}
    for drawing in drawings(single(trials), sampled.definition):
        drawing.on_paper().draw_without_rendering()
        assert drawing.on_page().data


def test_an_arm_is_drawn_once_and_of_many_arms_a_part(sampled):
    again = single(sampled.study.trials)
    later = copy.deepcopy(again.trials[3])
    later.values = [0.999]
    again.add_trial(later)
    history = drawings(again, sampled.definition)[0]
    assert len(history.on_page().data[0].y) == len(sampled.study.trials)
    assert max(history.on_page().data[0].y) == pytest.approx(99.9)
    assert history.note == "Numbers of trials count the arms that are drawn."
    few = {trial.user_attrs["arm"] for trial in again.trials[:3]}
    history = samplers.drawings(again, sampled.definition, few, "Drawn are 3.")[0]
    assert len(history.on_page().data[0].y) == 3
    assert history.note == "Drawn are 3. Numbers of trials count the arms that are drawn."
