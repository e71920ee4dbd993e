"""Learning curves, and decision accuracy against time."""

import pandas as pd
import pytest

from explorer.report.decisions import Judgement, Score
from explorer.report.figures import learning, paper, web
from explorer.report.statistics import Estimate


def curve(panel, arm):
    (series,) = [series for series in panel.series if series.label == arm]
    return series


def test_curves_are_means_over_replicates(ablation):
    rungs = ablation.rungs.copy()
    own = (rungs["arm"] == "high") & (rungs["images_seen"] == 8192)
    rungs.loc[own, "accuracy"] = [0.3, 0.4, 0.8]
    figure = learning.learning(ablation.report, rungs, ablation.epochs)
    assert [panel.y for panel in figure.panels] == [
        "pre-training loss [nats]",
        "probe accuracy [%]",
        "fine-tuning loss [nats]",
    ]
    high = curve(figure.panels[1], "high")
    assert high.x == (4096, 8192)
    assert high.y == pytest.approx((30, 50))
    assert high.y_ends[0] == (30, 30)
    low, top = high.y_ends[1]
    assert low < 0
    assert top > 100
    assert figure.panels[1].y_limits == (0, 100)
    assert {s.label for s in figure.panels[1].series} == {"none", "best_practice", "high"}
    drawn = paper.draw(figure).axes[1].lines
    assert any(list(line.get_ydata()) == pytest.approx([30, 50]) for line in drawn)
    (trace,) = [t for t in web.draw(figure).data if t.name == "high" and t.xaxis == "x2"]
    assert trace.y == pytest.approx((30, 50))


def test_the_latest_attempt_counts_and_repeats_are_no_replicates(ablation):
    lost = {"arm": "high", "replicate": 0, "attempt": 0, "images_seen": 4096, "accuracy": 0.99}
    rungs = pd.concat([ablation.rungs, pd.DataFrame([{**lost, "loss": 9.0}])])
    again = ablation.epochs[ablation.epochs["phase"] == "finetune"]
    again = again.assign(phase="finetune.2", loss=again["loss"] + 1)
    figure = learning.learning(ablation.report, rungs, pd.concat([ablation.epochs, again]))
    assert curve(figure.panels[1], "high").y[0] == pytest.approx(30)
    tuned = curve(figure.panels[2], "high")
    assert tuned.y == pytest.approx((3.5, 2))
    assert tuned.hover[0] == "high, n = 3"


def test_of_many_arms_the_marked_ones_are_in_colour(sampled):
    figure = learning.learning(sampled.report, sampled.rungs, sampled.epochs)
    labels = {series.label for series in figure.panels[1].series if series.strong}
    pretrained = [arm.name for arm in sampled.report.ranked if arm.formula]
    assert labels == {pretrained[0], pretrained[-1], "best_practice"}
    assert {s.color for s in figure.panels[1].series if not s.strong} == {"#BBBBBB"}
    assert "In colour: the best" in figure.caption


def test_a_study_without_two_measurements_has_no_curves(ablation):
    empty = ablation.rungs.head(0), ablation.epochs.head(0)
    assert learning.learning(ablation.report, *empty) is None


def test_one_arm_has_a_curve_per_replicate(ablation):
    own = [rows[rows["arm"] == "high"] for rows in (ablation.rungs, ablation.epochs)]
    figure = learning.learning_of("high", *own)
    labels = [series.label for series in figure.panels[1].series]
    assert labels == ["replicate 2", "replicate 1", "replicate 0"]  # the first one is on top
    assert figure.panels[1].series[0].y == pytest.approx((30, 40))


def test_decision_accuracy_by_what_it_takes():
    def score(protocol, measurement, seconds, share):
        clear = share and Estimate(share, share - 0.2, share + 0.1, 8)
        return Score(protocol, measurement, 4096, seconds, 24, {"clear": clear})

    rows = (
        score("laptop", "probe", 10.0, 0.4),
        score("laptop", "probe", 20.0, 0.6),
        score("laptop", "accuracy", 40.0, 0.8),
        score("paper", "accuracy", 900.0, None),
    )
    judgement = Judgement("study", "paper", "", {"a": 0.7, "b": 0.6}, {"clear": 1}, rows, 0)
    figure = learning.decisions(judgement)
    (panel,) = figure.panels
    assert [series.x for series in panel.series] == [(10, 20), (40,)]
    assert panel.series[0].y == pytest.approx((40, 60))
    assert panel.series[0].y_ends[1] == pytest.approx((40, 70))
    labels = [series.label for series in panel.series]
    assert labels == ["laptop: probe", "laptop: fine-tuning"]
    assert paper.draw(figure).axes[0].get_xscale() == "log"
    assert web.draw(figure).layout.xaxis.type == "log"
