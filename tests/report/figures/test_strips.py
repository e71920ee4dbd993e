import numpy as np
import pytest

from explorer.images import render_dataset
from explorer.report.figures import FIGURES, accuracy, draw, drawing, gather, interactive, strips
from explorer.report.figures.strip_drawing import below_page, below_paper
from tests.report.conftest import trial


@pytest.fixture(scope="module")
def drawn(rich):
    return strips.strips(rich)


def test_the_images_are_those_of_the_trial(rich, drawn):
    ranked = [arm.name for arm in rich.report.ranked if arm.formula]
    assert [(one.said, one.arm) for one in drawn] == [
        ("best", ranked[0]),
        ("worst", ranked[-1]),
        ("baseline", "best_practice"),
    ]
    attrs = next(t.user_attrs for t in rich.study.trials if t.user_attrs["arm"] == drawn[0].arm)
    expected = render_dataset(
        "visual_atom", attrs["ranges"], categories=6, instances=1, canvas=128, size=64, seed=0
    )
    assert np.array_equal(drawn[0].images, expected.images)
    assert not np.array_equal(drawn[0].images, drawn[1].images)


def test_from_scratch_there_are_no_images_and_that_is_said(study):
    best, worst, baseline = strips.strips(gather(study))
    assert (best.said, worst.said, baseline.said) == ("best", "worst", "baseline")
    assert len(best.images) == len(worst.images) == strips.TILES
    assert (len(baseline.images), baseline.lack) == (0, "from scratch: no images")


def test_an_arm_that_is_two_things_is_shown_once(make_study):
    trials = [trial("best_practice", 0, 0.8, frequency=(0, 20)), trial("scratch", 0, 0.5)]
    (only,) = strips.strips(gather(make_study(trials, baseline="best_practice")))
    assert (only.said, only.role) == ("best and baseline", "best")


def test_real_images_and_unknown_formulas_are_said(make_study):
    photos = trial("photos", 0, 0.9, ranges={}, formula="visual_atom")
    lost = trial("high", 0, 0.7, frequency=(20, 60), formula="of_another_package")
    drawn = trial("best_practice", 0, 0.8, frequency=(0, 20))
    arms = {"photos": {}, "high": {"frequency": [20, 60]}, "best_practice": {}}
    changes = {"photos": {"dataset": {"images": "photos"}}}
    made = make_study(
        [photos, lost, drawn], arms=arms, arm_changes=changes, baseline="best_practice"
    )
    found = strips.strips(gather(made))
    lacks = ["real images", "of_another_package cannot be drawn here", ""]
    assert [one.lack for one in found] == lacks


def test_a_study_without_images_has_no_strips(make_study):
    assert strips.strips(gather(make_study([trial("scratch", 0, 0.5)]))) == ()


def test_a_mosaic_has_every_image_in_its_place():
    images = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    made = strips.mosaic(images, 3)
    assert made.shape == (2 * 6 + 4, 3 * 6 + 2 * 4)
    assert (made[11:15, 21:25] == 5).all()
    assert (made[0, :6] == 176).all()
    assert (made[6:10] == 255).all()


def test_strips_lie_below_the_figure(rich, drawn):
    data = accuracy.prepare(rich)
    figure = accuracy.on_paper(data)
    _, before = figure.get_size_inches()
    below_paper(figure, drawn)
    _, after = figure.get_size_inches()
    assert after > before
    figure.draw_without_rendering()
    first, *shown = figure.axes
    assert len(shown) == len(drawn)
    tops = [axes.get_position().y1 for axes in shown]
    label = first.xaxis.get_tightbbox().transformed(figure.transFigure.inverted())
    assert max(tops) < label.y0

    page = accuracy.on_page(data)
    before = (page.layout.height - page.layout.margin.t - page.layout.margin.b, page.layout.height)
    below_page(page, drawn)
    after = (page.layout.height - page.layout.margin.t - page.layout.margin.b, page.layout.height)
    assert after[0] == before[0]
    assert after[1] > before[1]
    assert len(page.layout.images) == len(drawn)
    inside = after[0]
    heading = page.layout.annotations[-1].y - page.layout.images[-1].y
    assert heading * inside == pytest.approx(32)
    assert all(one.source.startswith("data:image/png;base64,") for one in page.layout.images)


def test_images_are_drawn_once_a_call(make_study, monkeypatch, tmp_path):
    scored = {"best_practice": (0.8, (0, 20)), "high": (0.7, (20, 60)), "none": (0.6, (0, 0))}
    trials = [trial(arm, 0, value, frequency=ends) for arm, (value, ends) in scored.items()]
    material = gather(make_study(trials, baseline="high"))
    few = {name: FIGURES[name] for name in ("accuracy", "ranges")}
    monkeypatch.setattr(drawing, "FIGURES", few)
    calls = []
    monkeypatch.setattr(
        strips, "render_dataset", lambda *a, **k: calls.append(a) or render_dataset(*a, **k)
    )
    assert len(draw(material, tmp_path)) == 5  # each as PDF and PNG, and figures.tex
    assert len(calls) == 3
    found = interactive(material)
    assert (len(calls), len(found)) == (6, 2)
    assert all(
        [strip.said for strip in one.strips] == ["best", "worst", "baseline"]
        for one in found.values()
    )
