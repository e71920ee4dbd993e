import numpy as np
import pytest

from explorer.report.figures import gather, learning
from tests.report.conftest import trial
from tests.report.rich import RUNGS


def test_curves_are_means_over_replicates(rich):
    data = learning.prepare(rich)
    loss, probe, tuned = data.panels
    assert (loss.x, loss.y) == ("pre-training images", "pre-training loss [nats]")
    assert {curve.arm for curve in tuned.curves} >= {"scratch", "best_practice"}
    curve = next(c for c in probe.curves if c.arm == "best_practice")
    assert (curve.images, curve.role) == (RUNGS, "baseline")
    own = rich.rungs[rich.rungs["arm"] == "best_practice"]
    expected = own.groupby("images")["probe"].mean() * 100
    assert [one.value for one in curve.means] == pytest.approx(expected.to_list())
    assert {one.n for one in curve.means} == {2}
    # Marked arms lie above the others.
    assert [c.role == "other" for c in probe.curves] == sorted(
        (c.role == "other" for c in probe.curves), reverse=True
    )


def test_a_stopped_trial_counts_as_far_as_it_came(rich):
    stopped = rich.trials[rich.trials["state"] == "PRUNED"]
    assert len(stopped) > 0
    arm = stopped.iloc[0]["arm"]
    curve = next(c for c in learning.prepare(rich).panels[1].curves if c.arm == arm)
    assert [one.n for one in curve.means] == [2, 2, 1, 1]


def test_both_drawings_show_the_same_numbers(rich):
    data = learning.prepare(rich)
    curve = data.panels[1].curves[-1]
    expected = [one.value for one in curve.means]
    lines = learning.on_paper(data).axes[1].lines
    assert any(np.array_equal(line.get_ydata(), expected) for line in lines)
    assert any(list(trace.y) == expected for trace in learning.on_page(data).data)


def test_a_study_without_rungs_has_none(make_study):
    assert learning.prepare(gather(make_study([trial("scratch", 0, 0.5)]))) is None


def test_without_a_database_rungs_are_what_there_is(study):
    (panel,) = learning.prepare(gather(study)).panels
    assert panel.y == "probe accuracy [%]"
    assert panel.curves[0].images == (4096, 8192)
