"""1p-frac: one fractal and its perturbations."""

import numpy as np
import pytest
from scipy import stats

from explorer import formulas

family = formulas.get("one_p_frac")


def rows(delta, count=40, *, seed=0, **ranges):
    given = {"delta": (delta, delta), **ranges}
    return family.categories(given, seed=seed, categories=range(count))


def test_a_seed_has_one_system_whatever_its_perturbations():
    origins = [rows(delta, seed=seed)["origin"] for seed in (0, 1) for delta in (0, 0.1)]
    for origin in origins:
        assert (origin == origin[0]).all()
    assert (origins[0][0] == origins[1][0]).all()
    assert (origins[0][0] != origins[2][0])[:2].all()


@pytest.mark.parametrize(("maps", "sigma"), [(2, 3.5), (2, 6), (3, 5), (2, 40)])
def test_singular_values_sum_up_to_sigma(maps, sigma):
    row = rows(0, 1, maps=(maps, maps), sigma=(sigma, sigma), filling=(0, 0))[0]
    values = np.linalg.svd(row["origin"][: row["maps"], :4].reshape(-1, 2, 2))[1]
    assert (values <= 1 + 1e-8).all()
    assert np.isclose((values @ [1, 2]).sum(), min(sigma, 3 * maps), atol=1e-7)


def test_without_perturbation_all_categories_are_one():
    still = rows(0)
    assert (still["system"] == still["origin"]).all()
    ranges = {"delta": (0, 0), "patch": (1, 1)}
    first, *others = (
        family.render(ranges, seed=0, category=c, instances=range(2), canvas=128) for c in range(4)
    )
    assert all((first == images).all() for images in others)


@pytest.mark.parametrize("delta", [0.001, 0.1, 1.0])
def test_perturbations_are_uniform_factors_of_every_number(delta):
    drawn = rows(delta, 300, filling=(0, 0))
    change = (drawn["system"][:, :2] / drawn["origin"][:, :2] - 1).reshape(-1) / delta
    assert np.abs(change).max() <= 1 + 1e-9
    assert stats.kstest(change, stats.uniform(-1, 2).cdf).pvalue > 1e-4


def test_the_farther_a_perturbation_the_less_alike_categories_are():
    alike = []
    for delta in (0.001, 0.05, 0.4):
        ranges = {"delta": (delta, delta), "patch": (1, 1)}
        images = [
            family.render(ranges, seed=0, category=c, instances=range(1), canvas=96)[0] > 0
            for c in range(8)
        ]
        pairs = [(a, b) for a in images for b in images if a is not b]
        alike.append(np.mean([(a & b).sum() / (a | b).sum() for a, b in pairs]))
    assert alike[0] > 0.8
    assert alike[0] > alike[1] + 0.2 > alike[2] + 0.3
