import pytest
from scipy import stats

from explorer.report.figures import accuracy, gather
from explorer.report.figures.interval import limits, mean, single
from tests.report.conftest import trial


def test_the_interval_is_students():
    values = [0.6, 0.7, 0.74]
    expected = stats.t.interval(0.95, 2, loc=0.68, scale=stats.sem(values))
    found = mean(values)
    assert (found.low, found.high) == pytest.approx(expected)
    assert (found.value, found.n) == (pytest.approx(0.68), 3)
    alone = mean([0.5])
    assert (alone.low, alone.high) == (0.5, 0.5)


def test_an_axis_of_accuracy_ends_at_0_and_100():
    wide = mean([40, 60])
    assert wide.low < 0
    assert limits([wide]) == (0, 100)
    assert limits([mean([50])], [48, 52]) == (pytest.approx(47.8), pytest.approx(52.2))


def test_arms_of_one_trial_are_said():
    assert single([2, 3]) == ""
    assert "Of 3 arms 1 had one trial" in single([1, 2, 3])
    assert "Every arm" in single([1, 1])


def test_every_arm_of_a_study_has_its_row(study):
    material = gather(study)
    data = accuracy.prepare(material)
    assert [row.arm for row in data.rows] == [arm.name for arm in material.report.arms]
    assert [row.role for row in data.rows] == ["baseline", "worst", "best", "other"]
    assert data.rows[2].values == pytest.approx([80, 82, 83])
    assert data.measured == "top-1 accuracy on digits [%]"
    drawn = accuracy.on_paper(data).axes[0]
    assert [text.get_text() for text in drawn.texts[::2]] == [row.arm for row in data.rows]
    ends = [list(line.get_xdata()) for line in drawn.lines if len(line.get_xdata()) == 2]
    assert [data.rows[2].mean.low, data.rows[2].mean.high] in ends
    page = accuracy.on_page(data)
    best = next(t for t in page.data if t.x == (data.rows[2].mean.value,))
    assert best.error_x.array[0] == pytest.approx(data.rows[2].mean.high - data.rows[2].mean.value)


def test_of_many_samples_the_best_and_the_worst_are_shown(rich):
    data = accuracy.prepare(rich)
    samples = [row.arm for row in data.rows if row.arm.startswith("sample")]
    ranked = [arm.name for arm in rich.report.arms if arm.sampled]
    assert samples == [*ranked[:10], ranked[-1]]
    assert data.hidden == 5
    assert "5 more are left out" in accuracy.caption(data)


def test_one_trial_an_arm_has_no_interval(make_study):
    trials = [trial("scratch", 0, 0.5), trial("high", 0, 0.7, frequency=(20, 60))]
    data = accuracy.prepare(gather(make_study(trials)))
    assert all(row.mean.low == row.mean.high for row in data.rows)
    assert "Every arm has had one trial" in accuracy.caption(data)
