"""Fractals: iterated function systems of the plane and of space."""

import numpy as np
import pytest
from scipy import stats
from scipy.ndimage import maximum_filter
from scipy.spatial.transform import Rotation

from explorer import formulas
from explorer.formulas import fractal, iterated, streams

free, contractive, solid = map(formulas.get, ("fractal", "fractal_contractive", "exfractal"))
flat = pytest.mark.parametrize("formula", [free, contractive], ids=lambda f: f.name)

KEY = streams.keys("test", 0, [0])
PLANE = [0, 1, 3, 4, 9, 10]


def some(formula, ranges=None, *, seed=0, category=0, count=1, canvas=64) -> np.ndarray:
    instances = range(count)
    return formula.render(ranges, seed=seed, category=category, instances=instances, canvas=canvas)


def systems(count: int, numbers: int = 12) -> list[np.ndarray]:
    return fractal.draw_numbers(streams.keys("test", 1, range(count)), 2, 7, numbers)


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
            assert rate < 0.2
        assert rate >= 0.2
        # The rate by another way.
        x, y = (((a - a.min()) / np.ptp(a) * 500 + 6).astype(np.uint16) for a in space[:2])
        assert not space[:, 0].any()  # the origin is one of the points
        assert len(np.unique(y * 512.0 + x)) / 512**2 == rate


def test_accepted_extended_fractals_are_spread_along_every_axis():
    space = np.empty((3, 10_001))
    after = space[:, 1:]  # the origin is not one of the points
    for row in solid.categories(None, seed=0, categories=range(5)):
        system = row["system"][: row["maps"]]
        assert (np.abs(system) < 1).all()
        # Another orbit of the same system: its variance is nearly the same.
        assert iterated.variance(space, system, KEY[0]) > 0.035
        assert np.abs(after.mean(axis=1)).max() < 1e-9
        assert np.ptp(after, axis=1).max() <= 2
        assert iterated.variance(space, system, KEY[0]) == pytest.approx(
            after.var(axis=1).min(), rel=1e-9
        )


def test_a_search_without_success_ends_with_the_best():
    best = iterated.search(KEY, lambda _: systems(16), _first_number, 3, 2.0, attempts=32)
    assert best[0, 0] == max(system[0, 0] for system in systems(16))
    # The first that measures enough, were it just enough, and no later one that measures more.
    numbers = [(1, 3, 2, 5, *range(12)), (99,) * 16]
    for least, expected in ((3, 3), (4, 5), (11, 11), (12, 99)):
        batches = iter([[np.full((2, 12), number) for number in batch] for batch in numbers])
        first = iterated.search(
            KEY, lambda _, batches=batches: next(batches), _first_number, 3, least, attempts=32
        )
        assert first[0, 0] == expected


def _first_number(_space, system, _key) -> float:
    return system[0, 0]


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


TENTHS = [tenths / 10 for tenths in range(4, 17) if tenths != 10]


def test_instances_scale_at_most_one_number_of_all_maps():
    system = systems(1)[0]
    words = streams.words(KEY, range(4_000))[0]
    factors = iterated.weigh(system, list(range(12)), words, TENTHS) / system
    assert np.allclose(factors, factors[:, :1])
    changed = ~np.isclose(factors[:, 0], 1)
    assert changed.sum(axis=1).max() == 1
    tenths = np.rint(factors[:, 0] * 10).astype(int)
    variants, counts = np.unique(tenths, axis=0, return_counts=True)
    assert len(variants) == 145
    assert set(np.unique(tenths)) == set(range(4, 17))
    assert stats.chisquare(counts).pvalue > 1e-4


def captured(monkeypatch, name, formula, ranges=None, **given) -> tuple:
    """Return what a family hands to its kernel."""
    arguments = []
    kernel = getattr(iterated, name)
    monkeypatch.setattr(iterated, name, lambda *a: (arguments.append(a), kernel(*a)))
    some(formula, ranges, **given)
    return arguments[0]


@pytest.mark.parametrize(
    ("formula", "ranges", "factors"),
    [
        (free, {}, {0.2, 0.6, 1.0, 1.4, 1.8}),
        (free, {"weight": (0.1, 0.1)}, {0.8, 0.9, 1.0, 1.1, 1.2}),
        (solid, {}, {1.0, *TENTHS}),
        (solid, {"weight": (9, 11)}, {0.9, 1.0, 1.1}),
        (solid, {"weight": (10, 10)}, {1.0}),
    ],
)
def test_weights_are_those_of_the_authors(monkeypatch, formula, ranges, factors):
    name, system, weighted = ("draw_free", 3, 4) if formula is free else ("draw_solid", 2, 3)
    given = captured(monkeypatch, name, formula, {**ranges, "points": (9, 9)}, count=900)
    used = given[system] != 0
    ratios = (given[weighted] / np.where(used, given[system], 1))[:, used]
    ratios[np.isclose(ratios, 0)] = 1  # the map's own zeros
    assert {round(ratio, 9) for ratio in np.unique(ratios)} == factors


def test_a_patch_is_any_choice_of_pixels_but_none():
    words = streams.words(KEY, range(51_100))[0]
    bits = np.array([int(iterated.patch_bits(word, 9)) for word in words])
    counts = np.bincount(bits, minlength=512)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 1e-4
    assert {int(iterated.patch_bits(word, 1)) for word in words[:50]} == {1}
    assert max(int(iterated.patch_bits(word, 64)) for word in words[:50]) >= 2**63
    assert iterated.patch_bits(np.uint64(0), 9) > 0


@flat
def test_instances_are_mirrored_along_either_axis(formula):
    """With no change of weight or window, mirror images of nearly the same attractor."""
    still = {"weight": (0, 0)} if formula is free else {"weight": (1, 1), "shift": (0, 0)}
    still |= {} if formula is free else {"scale": (1, 1)}
    ranges = {**still, "patch": (1, 1)}
    images = some(formula, ranges, category=1, count=60, canvas=32).astype(float)
    kinds = []
    for image in images:
        mirrors = [image, image[:, ::-1], image[::-1], image[::-1, ::-1]]
        mirrors += [] if formula is free else [mirror.T for mirror in mirrors]
        kinds.append(int(np.argmin([np.abs(images[0] - mirror).sum() for mirror in mirrors])))
    assert set(kinds) == set(range(4 if formula is free else 8))
    assert stats.chisquare(np.bincount(kinds)).pvalue > 1e-4


def test_contractive_instances_scale_one_map_which_still_contracts(monkeypatch):
    given = captured(
        monkeypatch, "draw_contractive", contractive, {"maps": (4, 4), "points": (9, 9)}, count=800
    )
    own = contractive.categories({"maps": (4, 4)}, seed=0, categories=[0])[0]["system"][:4]
    ratios = given[3][:, :, PLANE] / own
    assert np.allclose(ratios, ratios[:, :, :1])
    changed = ~np.isclose(ratios[:, :, 0], 1)
    assert changed.sum(axis=1).max() == 1
    assert (given[3][:, :, 8] == 1).all()
    greatest = np.linalg.svd(own[:, :4].reshape(-1, 2, 2), compute_uv=False)[:, 0]
    for k in range(4):
        factors = ratios[changed[:, k], k, 0]
        top = min(1.1, 1 / greatest[k])
        assert stats.kstest(factors, stats.uniform(0.8, top - 0.8).cdf).pvalue > 1e-4


def test_contractive_orbits_start_at_the_fixed_point_of_the_first_map(monkeypatch):
    given = captured(monkeypatch, "draw_contractive", contractive, {"points": (9, 9)}, count=30)
    for system, start in zip(given[3], given[4], strict=True):
        a, b, c, d, e, f = system[0, PLANE]
        x, y = start
        assert (a * x + b * y + e, c * x + d * y + f) == pytest.approx((x, y), abs=1e-9)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, 33])
def test_the_camera_is_that_of_the_authors(degrees):
    """At distance 4, looking at the origin, turned about the y axis from looking along x."""
    corners = np.array([(1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, 1, -1)])
    # Maps without volume are chosen alike often, and each leads to one point.
    jumps = np.zeros((4, 12))
    jumps[:, 9:] = corners
    image = np.empty((1, 512, 512), np.uint8)
    turn = np.radians(degrees)
    view = np.array([[np.cos(turn), np.sin(turn)]])
    space, grey = np.empty((3, 20_000)), np.array([200], np.uint8)
    iterated.draw_solid(image, KEY, jumps, jumps[None], space, view, grey)
    found = np.argwhere(image[0] == 200)
    rotation = Rotation.from_euler("y", degrees, degrees=True)
    ahead, up = rotation.apply([(1, 0, 0), (0, 1, 0)])
    from_camera = corners + 4 * ahead
    half = from_camera @ ahead * np.tan(np.radians(22.5))
    right = from_camera @ np.cross(ahead, up)
    expected = 256 + 256 * np.stack([from_camera @ up / half, right / half], axis=1)
    distance = np.abs(found[:, None] - expected[None]).max(axis=2)
    # The centroid of the points drawn is off the middle by about 1 in 100.
    assert distance.min(axis=0).max() < 6
    assert distance.min(axis=1).max() < 6


# --- as other papers use them ---------------------------------------------------------------------


def test_few_points_are_as_many_pixels():
    for points in (500, 10_000):
        ranges = {"points": (points, points), "patch": (1, 1)}
        covered = (some(free, ranges, count=4, canvas=362) > 0).sum(axis=(1, 2))
        assert (covered <= points).all()
        assert (covered > 0.4 * points).all()


def test_one_instance_a_category_differs_in_its_patches_only():
    ranges = {"weight": (0, 0), "mirror": (0, 0), "points": (100_000, 100_000)}
    images = some(free, ranges, count=6, canvas=256) > 0
    covered = maximum_filter(images, (0, 5, 5))
    apart = np.mean(covered != covered[0], axis=(1, 2))
    assert apart.max() < 0.05
    assert np.mean(images[1:] != images[0], axis=(1, 2)).min() > 0.05
    ranges["mirror"] = (1, 1)
    mirrored = maximum_filter(some(free, ranges, count=6, canvas=256) > 0, (0, 5, 5))
    assert np.mean(mirrored != covered, axis=(1, 2)).max() > 2 * apart.max()
