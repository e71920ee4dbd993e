"""Fractals: iterated function systems of the plane and of space."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.ndimage import maximum_filter

from explorer import formulas
from explorer.formulas import fractal, iterated, streams
from tests.formulas import reference

free, contractive, solid = map(formulas.get, ("fractal", "fractal_contractive", "exfractal"))
all_three = pytest.mark.parametrize("formula", [free, contractive, solid], ids=lambda f: f.name)
flat = pytest.mark.parametrize("formula", [free, contractive], ids=lambda f: f.name)

KEY = streams.keys("test", 0, [0])
PLANE = [0, 1, 3, 4, 9, 10]


def some(formula, ranges=None, *, seed=0, category=0, count=1, canvas=64) -> np.ndarray:
    instances = range(count)
    return formula.render(ranges, seed=seed, category=category, instances=instances, canvas=canvas)


def systems(count: int, numbers: int = 12) -> list[np.ndarray]:
    return fractal.draw_numbers(streams.keys("test", 1, range(count)), 2, 7, numbers)


# --- against the plain definition -----------------------------------------------------------------


def test_orbits_are_those_of_plain_python():
    diverged = 0
    for system, key in zip(systems(60), streams.keys("test", 2, range(60)), strict=True):
        ours, plain = np.empty((2, 3, 2_000))
        count = iterated.walk(ours, 1.3 * system, key)
        assert count == reference.walk(plain, 1.3 * system, key)
        assert np.array_equal(ours[:, :count], plain[:, :count])
        diverged += count < 2_000
    assert 5 < diverged < 55


def test_systems_without_volume_choose_evenly():
    flat_system = systems(1)[0].copy()
    flat_system[:, 6:9] = 0
    ours, plain = np.empty((2, 3, 600))
    assert iterated.walk(ours, flat_system, KEY[0]) == 600
    reference.walk(plain, flat_system, KEY[0])
    assert np.array_equal(ours, plain)


@all_three
@settings(max_examples=15, deadline=None)
@given(
    maps=st.integers(2, 16),
    points=st.integers(1, 2_000),
    weight=st.integers(0, 30),
    canvas=st.integers(16, 200),
    seed=st.integers(0, 2**63 - 1),
)
def test_pixels_are_those_of_plain_python(formula, maps, points, weight, canvas, seed):
    ranges = {"maps": (maps, maps), "points": (points, points), "weight": (weight, weight)}
    for name in ("filling", "variance"):
        if name in [parameter.name for parameter in formula.parameters]:
            ranges[name] = (0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(iterated, "draw_flat", reference.draw_flat)
        patch.setattr(iterated, "draw_solid", reference.draw_solid)
        expected = some(formula, ranges, seed=seed, canvas=canvas, count=2)
    assert np.array_equal(some(formula, ranges, seed=seed, canvas=canvas, count=2), expected)


# --- categories -----------------------------------------------------------------------------------


def test_accepted_fractals_fill_enough_and_the_ones_before_do_not():
    space = np.empty((3, 100_000))
    for row, category in zip(
        free.categories(None, seed=0, categories=range(4)), range(4), strict=True
    ):
        accepted = row["system"][: row["maps"]]
        assert 2 <= row["maps"] <= 7
        assert not row["system"][row["maps"] :].any()
        keys = streams.absorb(
            fractal.search_key("fractal", 0, category), np.arange(512, dtype=np.uint64)
        )
        for candidate, key in zip(fractal.draw_numbers(keys, 2, 7, 6), keys, strict=True):
            system = np.zeros((len(candidate), 12))
            system[:, PLANE], system[:, 8] = candidate, 1
            rate = iterated.filling(space, system, key)
            if np.array_equal(candidate, accepted):
                break
            assert rate <= 0.2
        assert rate > 0.2
        # The rate by another way.
        x, y = (6 + ((axis - axis.min()) * (499 / np.ptp(axis))).astype(int) for axis in space[:2])
        assert len(np.unique(y * 512 + x)) / 512**2 == rate


def test_accepted_extended_fractals_are_spread_along_every_axis():
    space = np.empty((3, 10_000))
    for row in solid.categories(None, seed=0, categories=range(5)):
        system = row["system"][: row["maps"]]
        assert (np.abs(system) < 1).all()
        # Another orbit of the same system: its variance is nearly the same.
        assert iterated.variance(space, system, KEY[0]) > 0.035
        assert np.abs(space.mean(axis=1)).max() < 1e-9
        assert np.ptp(space, axis=1).max() <= 2
        assert iterated.variance(space, system, KEY[0]) == pytest.approx(
            space.var(axis=1).min(), rel=1e-9
        )


def test_a_search_without_success_ends_with_the_best():
    best = iterated.search(KEY, lambda _: systems(16), _first_number, 3, 2.0, attempts=32)
    assert best[0, 0] == max(system[0, 0] for system in systems(16))
    first = iterated.search(KEY, lambda _: systems(16), _first_number, 3, -0.5, attempts=32)
    assert first[0, 0] == next(s[0, 0] for s in systems(16) if s[0, 0] > -0.5)


def _first_number(_space, system, _key) -> float:
    return system[0, 0]


def test_free_numbers_and_their_count_are_uniform():
    drawn = systems(3_000, 6)
    assert stats.chisquare(np.bincount([len(system) for system in drawn])[2:]).pvalue > 1e-4
    numbers = np.concatenate([system.ravel() for system in drawn])
    assert stats.kstest(numbers[::7], stats.uniform(-1, 2).cdf).pvalue > 1e-4


def test_contractive_maps_have_the_singular_values_of_the_paper():
    ranges = {"maps": (2, 9), "contraction": (0, 8)}
    rows = contractive.categories(ranges, seed=0, categories=range(400))
    for row in rows:
        matrices = row["system"][: row["maps"], :4].reshape(-1, 2, 2)
        values = np.linalg.svd(matrices, compute_uv=False)
        assert values.max() <= 1 + 1e-6
        total = (values[:, 0] + 2 * values[:, 1]).sum()
        assert total == pytest.approx((row["maps"] + row["contraction"]) / 2, abs=1e-6)
    assert set(rows["maps"]) == set(range(2, 10))


def test_contractive_maps_turn_and_mirror_alike_often():
    rows = contractive.categories({"maps": (3, 3)}, seed=1, categories=range(1_500))
    a, b, c, d = rows["system"][:, 0, :4].T
    mirrored = int((a * d - b * c < 0).sum())
    assert stats.binomtest(mirrored, 1_500).pvalue > 1e-4
    assert stats.kstest(np.arctan2(c, a), stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-4
    shifts = rows["system"][:, 1, 4:].ravel()
    assert stats.kstest(shifts, stats.uniform(-1, 2).cdf).pvalue > 1e-4


# --- instances ------------------------------------------------------------------------------------


def test_instances_scale_at_most_one_number_of_all_maps():
    system = systems(1)[0]
    words = streams.words(KEY, range(4_000))[0]
    weighted = iterated.weigh(system, list(range(12)), words, 4, 16)
    factors = weighted / system
    assert np.allclose(factors, factors[:, :1])
    changed = ~np.isclose(factors[:, 0], 1)
    assert changed.sum(axis=1).max() == 1
    tenths = np.rint(factors[:, 0] * 10).astype(int)
    variants, counts = np.unique(tenths, axis=0, return_counts=True)
    assert len(variants) == 145
    assert set(np.unique(tenths)) == set(range(4, 17))
    assert stats.chisquare(counts).pvalue > 1e-4


def test_a_factor_of_one_leaves_the_system_alone():
    system = systems(1)[0]
    words = streams.words(KEY, range(50))[0]
    assert (iterated.weigh(system, PLANE, words, 10, 10) == system).all()


@flat
def test_a_patch_of_one_pixel_draws_no_more_pixels_than_points(formula):
    ranges = {"points": (50, 50), "patch": (1, 1)}
    single = some(formula, ranges, count=8, canvas=512) > 0
    assert (single.sum(axis=(1, 2)) <= 50).all()
    patched = some(formula, {**ranges, "patch": (9, 9)}, count=8, canvas=512) > 0
    # The middle of a patch is always set.
    assert (patched | ~single).all()
    assert patched.sum() > 8 * single.sum()


@flat
def test_instances_are_mirrored_along_either_axis(formula):
    """With no change of weight, four mirror images of nearly the same attractor."""
    ranges = {"weight": (10, 10), "patch": (1, 1)}
    images = some(formula, ranges, category=1, count=24, canvas=32).astype(float)
    kinds = set()
    for image in images:
        mirrors = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
        kinds.add(int(np.argmin([np.abs(images[0] - mirror).sum() for mirror in mirrors])))
    assert kinds == {0, 1, 2, 3}


@all_three
def test_grey_is_that_of_the_instance(formula):
    images = some(formula, {"grey": (90, 93)}, count=30)
    assert {tuple(np.unique(image)) for image in images} == {(0, g) for g in range(90, 94)}


@all_three
def test_one_point_is_drawn_in_the_picture(formula):
    ranges = {"points": (1, 1), "patch": (1, 1)}
    if formula is solid:
        del ranges["patch"]
    images = some(formula, ranges, count=5, canvas=16)
    assert ((images > 0).sum(axis=(1, 2)) == 1).all()


@pytest.mark.parametrize("quarters", range(4))
def test_the_camera_stands_at_distance_four_and_turns_about_the_vertical_axis(quarters):
    corners = np.array([(1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, 1, -1)])
    # Maps without volume are chosen alike often, and each leads to one point.
    jumps = np.zeros((4, 12))
    jumps[:, 9:] = corners
    image = np.empty((1, 512, 512), np.uint8)
    turn = quarters * np.pi / 2
    view = np.array([[np.cos(turn), np.sin(turn)]])
    space, grey = np.empty((3, 20_000)), np.array([200], np.uint8)
    iterated.draw_solid(image, KEY, jumps, jumps[None], space, view, grey)
    found = np.argwhere(image[0] == 200)
    # Turned so that the camera looks along -z: from 0°, 90°, 180°, 270° it sees these sides.
    x, y, z = corners.T
    right, near = [(x, z), (z, -x), (-x, -z), (-z, x)][quarters]
    half = (4 - near) * np.tan(np.radians(22.5))
    expected = np.stack([256 - 256 * y / half, 256 + 256 * right / half], axis=1)
    distance = np.abs(found[:, None] - expected[None]).max(axis=2)
    # The centroid of the points drawn is off the middle by about 1 in 100.
    assert distance.min(axis=0).max() < 6
    assert distance.min(axis=1).max() < 6


def test_a_whole_turn_shows_the_same():
    front = some(solid, {"view": (0, 0)}, count=3)
    assert np.array_equal(front, some(solid, {"view": (-360, -360)}, count=3))
    assert np.array_equal(front, some(solid, {"view": (360, 360)}, count=3))
    assert not np.array_equal(front, some(solid, {"view": (40, 40)}, count=3))


def test_rows_hold_the_system_that_render_draws():
    row = contractive.categories(None, seed=6, categories=[4])[0]
    six = row["system"][: row["maps"]]
    x, y = np.zeros(2)
    reached = []
    rng = np.random.default_rng(0)
    chance = np.abs(six[:, 0] * six[:, 3] - six[:, 1] * six[:, 2])
    for k in rng.choice(len(six), size=100_000, p=chance / chance.sum()):
        a, b, c, d, e, f = six[k]
        x, y = a * x + b * y + e, c * x + d * y + f
        reached.append((x, y))
    points = np.array(reached)
    x, y = ((points - points.min(axis=0)) / np.ptp(points, axis=0) * 31).astype(int).T
    ranges = {"weight": (10, 10), "patch": (1, 1)}
    image = some(contractive, ranges, seed=6, category=4, canvas=32)[0] > 0
    mirrors = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
    near = [maximum_filter(mirror, 3)[y, x].mean() for mirror in mirrors]
    assert max(near) > 0.97
    assert sorted(near)[2] < 0.9
