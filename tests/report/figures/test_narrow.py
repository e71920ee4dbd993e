import itertools

import pytest

from explorer.report.figures import FIGURES, stacked, style


def _panels(titles, columns):
    figure = style.page_panels(titles, columns, 200)
    for i in range(len(titles)):
        where = {"row": i // columns + 1, "col": i % columns + 1}
        figure.add_scatter(x=[0, 1], y=[i, i + 1], name="one" if i == 0 else None, **where)
    return figure


def test_panels_stand_one_below_the_other_in_their_order_under_their_titles():
    titles = ["first", "second", "third", "fourth"]
    figure = _panels(titles, 3)
    changes = stacked(figure)
    axes = ["", "2", "3", "4"]  # the two panels that are left empty have no place
    assert {key for key in changes if key.startswith("yaxis")} == {f"yaxis{i}" for i in axes}
    assert all(changes[f"xaxis{i}"]["domain"] == [0, 1] for i in axes)
    domains = [changes[f"yaxis{i}"]["domain"] for i in axes]
    assert domains[0][1] == 1
    assert domains[-1][0] == pytest.approx(0)
    assert all(upper[0] > lower[1] for upper, lower in itertools.pairwise(domains))
    headed = [(one["text"], one["y"]) for one in changes["annotations"]]
    assert headed == [
        (title, pytest.approx(domain[1])) for title, domain in zip(titles, domains, strict=True)
    ]
    margin = figure.layout.margin
    inside = changes["height"] - changes["margin"]["t"] - margin.b
    pixels = [(high - low) * inside for low, high in domains]
    assert pixels == pytest.approx([200] * 4, abs=1)


def test_what_has_no_panels_side_by_side_stays(rich):
    assert stacked(_panels(["one", "other"], 1)) is None
    for name in ("history", "parallel", "footprint"):
        assert stacked(FIGURES[name].on_page(FIGURES[name].prepare(rich))) is None


def test_the_labels_of_a_shared_axis_come_back(rich):
    kind = FIGURES["importance"]
    figure = kind.on_page(kind.prepare(rich))
    assert figure.layout.yaxis2.showticklabels is False
    assert stacked(figure)["yaxis2"]["showticklabels"] is True
