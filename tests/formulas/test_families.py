"""What holds for every image family."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer import formulas

GOLDEN = [
    (path.stem, case)
    for path in sorted((Path(__file__).parent / "golden").glob("*.json"))
    if path.stem != "official"
    for case in json.loads(path.read_text())
]

every = pytest.mark.parametrize("name", formulas.names())


def one(name, ranges=None, *, seed=0, category=0, instance=0, canvas=64) -> np.ndarray:
    instances = range(instance, instance + 1)
    formula = formulas.get(name)
    return formula.render(ranges, seed=seed, category=category, instances=instances, canvas=canvas)[
        0
    ]


@pytest.mark.parametrize(
    ("name", "case"), GOLDEN, ids=[f"{name}-{case['name']}" for name, case in GOLDEN]
)
def test_golden_pixels(name, case):
    image = one(
        name,
        {parameter: tuple(ends) for parameter, ends in case["ranges"].items()},
        seed=case["seed"],
        category=case["category"],
        instance=case["instance"],
        canvas=case["canvas"],
    )
    assert hashlib.sha256(image.tobytes()).hexdigest() == case["sha256"]


def test_every_family_has_golden_pixels():
    assert {name for name, _ in GOLDEN} == set(formulas.BUILT_IN)


@st.composite
def legal_ranges(draw, parameters):
    """Legal ranges, their corners often: both ends the least, the greatest, or anything."""
    ranges = {}
    for parameter in parameters:
        low, high = parameter.low, parameter.high
        number = st.integers(low, high) if parameter.kind is int else st.floats(low, high)
        ends = st.tuples(number, number)
        corners = st.sampled_from([(low, low), (high, high), (low, high), parameter.default])
        ranges[parameter.name] = tuple(sorted(draw(corners | ends)))
    return ranges


@every
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_legal_ranges_render(name, data):
    ranges = data.draw(legal_ranges(formulas.get(name).parameters))
    canvas = data.draw(st.sampled_from([16, 17, 1024]) | st.integers(16, 1024))
    seed = data.draw(st.integers(0, formulas.MAX_SEED))
    image = one(name, ranges, seed=seed, canvas=canvas)
    assert image.shape == (canvas, canvas)
    assert np.array_equal(image, one(name, ranges, seed=seed, canvas=canvas))


@every
def test_an_illegal_range_of_any_parameter_is_refused_before_anything_is_drawn(name):
    formula = formulas.get(name)
    out = np.full((1, 16, 16), 7, np.uint8)
    for parameter in formula.parameters:
        below, above = parameter.low - 1, parameter.high + 1
        for ends in ((below, parameter.high), (parameter.low, above)):
            with pytest.raises(formulas.RangeError, match=f"{parameter.name}: .*must be in"):
                formula.render(
                    {parameter.name: ends},
                    seed=0,
                    category=0,
                    instances=range(1),
                    canvas=16,
                    out=out,
                )
    assert (out == 7).all()


@every
def test_an_image_does_not_depend_on_how_it_is_asked_for(name):
    formula = formulas.get(name)
    together = formula.render(None, seed=3, category=5, instances=range(2, 7), canvas=48)
    backwards = formula.render(None, seed=3, category=5, instances=range(6, 1, -1), canvas=48)
    assert np.array_equal(together, backwards[::-1])
    one(name, seed=4, canvas=80)
    for number, image in zip(range(2, 7), together, strict=True):
        assert np.array_equal(image, one(name, seed=3, category=5, instance=number, canvas=48))


@every
def test_images_differ_in_seed_category_and_instance(name):
    some = {
        one(name, seed=seed, category=category, instance=instance, canvas=128).tobytes()
        for seed in (0, 1)
        for category in (0, 1)
        for instance in (0, 1)
    }
    assert len(some) == 8


@every
def test_out_is_drawn_on_wholly_and_returned(name):
    formula = formulas.get(name)
    out = np.full((2, 40, 40), 99, np.uint8)
    result = formula.render(None, seed=0, category=0, instances=range(2), canvas=40, out=out)
    assert result is out
    assert np.array_equal(out[1], one(name, instance=1, canvas=40))


@every
def test_a_category_depends_on_its_own_number_only(name):
    formula = formulas.get(name)
    rows = formula.categories(None, seed=4, categories=range(9))
    picked = formula.categories(None, seed=4, categories=[8, 2, 2])
    assert rows.shape == (9,)
    assert picked.tobytes() == rows[[8, 2, 2]].tobytes()
