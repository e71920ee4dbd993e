import pytest
from PIL import Image
from scipy import stats

from explorer.errors import InputError
from explorer.report import draw, summarise
from explorer.report.figures import _interval, accuracy
from explorer.report.statistics import spread


def test_every_figure_is_drawn_twice_and_always_alike(study, tmp_path):
    report = summarise(study)
    first = draw(report, tmp_path / "a" / "b")
    assert [path.name for path in first] == ["accuracy.pdf", "accuracy.png"]
    assert first[0].read_bytes().startswith(b"%PDF")
    assert Image.open(first[1]).width == 1100
    second = draw(report, tmp_path / "again")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert sorted(p.name for p in (tmp_path / "again").iterdir()) == [
        "accuracy.pdf",
        "accuracy.png",
    ]


def test_every_arm_with_a_score_has_its_row(study):
    report = summarise(study)
    axes = accuracy(report).axes[0]
    labels = [text.get_text().splitlines()[0] for text in axes.get_yticklabels()]
    assert labels == [arm.name for arm in report.arms if arm.accuracy]


def test_the_interval_is_students():
    values = [0.6, 0.7, 0.74]
    low, high, mean = _interval(spread(values))
    expected = stats.t.interval(0.95, 2, loc=0.68, scale=stats.sem(values))
    assert (low, high) == pytest.approx([100 * end for end in expected])
    assert mean == pytest.approx(68)
    assert _interval(spread([0.5])) == (50, 50, 50)


def test_a_place_that_cannot_be_written(study, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"--figures: .*file"):
        draw(summarise(study), tmp_path / "file")
