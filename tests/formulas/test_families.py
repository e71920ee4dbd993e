"""What holds for every image family."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer import formulas
from explorer.formulas import streams
from tests.formulas import golden

GOLDEN = [(name, case) for name in formulas.BUILT_IN for case in golden.load(name)["cases"]]

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
    said = f"pixels of {name} have changed: raise its version, then python -m tests.formulas.golden"
    assert golden.draw(name, case) == case["sha256"], said


@pytest.mark.parametrize("name", formulas.BUILT_IN)
def test_golden_pixels_are_those_of_the_version(name):
    held, version = golden.load(name), str(formulas.get(name).version)
    assert version in held["versions"], f"version {version} of {name} has no golden pixels"
    assert held["versions"][version] == golden.digest(held["cases"])


def test_changed_pixels_are_recorded_under_a_new_version_only(tmp_path, monkeypatch):
    (tmp_path / "perlin.json").write_bytes((golden.FOLDER / "perlin.json").read_bytes())
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    monkeypatch.setattr(golden, "draw", lambda *_: "0" * 64)
    before = golden.load("perlin")
    assert "raise it" in golden.record("perlin")
    assert golden.load("perlin") == before
    monkeypatch.setattr(type(formulas.get("perlin")), "version", 2)
    assert golden.record("perlin") == "perlin: recorded as version 2"
    assert golden.load("perlin")["versions"].keys() == {"1", "2"}


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
@settings(max_examples=20)
@given(data=st.data())
def test_any_legal_ranges_render(name, data):
    ranges = data.draw(legal_ranges(formulas.get(name).parameters))
    canvas = data.draw(st.sampled_from([16, 17, 1024]) | st.integers(16, 1024))
    seed = data.draw(st.integers(0, formulas.MAX_SEED))
    image = one(name, ranges, seed=seed, canvas=canvas)
    assert image.shape == (canvas, canvas)
    assert np.array_equal(image, one(name, ranges, seed=seed, canvas=canvas))
    low, high = ranges.get("grey", (0, 255))
    first, last = ranges.get("ground", (0, 0))
    ground = (first <= image) & (image <= last)
    assert (ground | ((low <= image) & (image <= high))).all()


def illegal_ranges(formula):
    """Ranges that must be refused, and a part of what is to be said."""
    for parameter in formula.parameters:
        name, low, high = parameter.name, parameter.low, parameter.high
        yield {name: (low - 1, high)}, f"{name}: .*must be in"
        yield {name: (low, high + 1)}, f"{name}: .*must be in"
        yield {name: (float("nan"), high)}, f"{name}: .*must be in"
        yield {name: (high, low)}, f"{name}: .*low is above high"
        yield {name: (low,)}, f"{name}: .*two numbers"
        yield {name: (low, "much")}, f"{name}: .*give a number"
        yield {name + "s": (low, high)}, f"unknown parameter of {formula.name}; did you mean"
        if parameter.kind is int:
            yield {name: (low + 0.5, high)}, f"{name}: .*must be an integer"
    for group, members in formula.groups.items():
        ends = next(p.default for p in formula.parameters if p.name == members[0])
        yield {group: ends, members[0]: ends}, f"{members[0]}: is already set by its group"


@every
def test_illegal_ranges_are_refused_before_anything_is_drawn(name):
    formula = formulas.get(name)
    for ranges, message in illegal_ranges(formula):
        with pytest.raises(formulas.RangeError, match=message) as error:
            formula.render(ranges, seed=0, category=0, instances=range(1), canvas=16)
        assert "\n" not in str(error.value)
        with pytest.raises(formulas.RangeError, match=message):
            formula.categories(ranges, seed=0, categories=range(1))
    for refused, message in (
        ({"canvas": 4097}, "canvas: 4097"),
        ({"instance": -1}, "instances: -1"),
    ):
        with pytest.raises(formulas.RangeError, match=message):
            one(name, **refused)


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
def test_a_category_depends_on_its_own_number_only(name):
    formula = formulas.get(name)
    rows = formula.categories(None, seed=4, categories=range(9))
    picked = formula.categories(None, seed=4, categories=[8, 2, 2])
    assert rows.shape == (9,)
    assert picked.tobytes() == rows[[8, 2, 2]].tobytes()


def chunks(numbers: range, sizes: list[int]) -> list[range]:
    """Cut numbers into chunks of these sizes, over and over."""
    cut, first = [], 0
    while first < len(numbers):
        size = sizes[len(cut) % len(sizes)]
        cut.append(numbers[first : first + size])
        first += size
    return cut


@every
@settings(max_examples=8)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    workers=st.integers(1, 4),
    order=st.randoms(use_true_random=False),
)
def test_pixels_depend_on_neither_chunks_nor_order_nor_workers(name, sizes, workers, order):
    formula = formulas.get(name)
    together = [
        formula.render(None, seed=3, category=category, instances=range(2, 12), canvas=48)
        for category in (5, 1)
    ]
    jobs = [(c, chunk) for c in (0, 1) for chunk in chunks(range(2, 12), sizes)]
    jobs += [(c, chunk[::-1]) for c, chunk in jobs]
    order.shuffle(jobs)

    def draw(job: tuple[int, range]) -> np.ndarray:
        category, chunk = job
        return formula.render(None, seed=3, category=(5, 1)[category], instances=chunk, canvas=48)

    with ThreadPoolExecutor(workers) as pool:
        for (category, chunk), images in zip(jobs, pool.map(draw, jobs), strict=True):
            for number, image in zip(chunk, images, strict=True):
                assert np.array_equal(image, together[category][number - 2])


@every
def test_an_image_is_drawn_on_wholly(name):
    formula = formulas.get(name)
    full, key = formula.resolve(), streams.keys(name, 0, [0])
    images = np.full((2, 40, 40), 99, np.uint8)
    row, keys = formula.rows(full, 0, [0])[0], streams.instance_keys(key, range(2))
    formula.draw_into(images, full, row=row, keys=keys)
    assert np.array_equal(images[1], one(name, instance=1, canvas=40))
