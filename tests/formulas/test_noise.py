"""Perlin noise against values of the package ``noise`` 1.2.2 (pnoise1), compiled from source."""

import numpy as np
import pytest

from explorer.authors import kernels
from explorer.formulas import noise

# Pairs of a position and its noise.
RECORDED = [
    (0.0, 0.0),
    (0.875, -0.0042510987259447575),
    (100.3, 0.24652521312236786),
    (255.99, -0.031961824744939804),
    (256.25, 0.6861328482627869),
    (1023.9, -0.30178776383399963),
    (1024.1, 0.31410571932792664),
    (9999.999, 0.0003906250058207661),
]


def value(positions) -> np.ndarray:
    x = np.asarray(positions, np.float32)
    floor = np.floor(x)
    return noise.value(floor.astype(np.int64), x - floor)


@pytest.mark.parametrize(("position", "expected"), RECORDED)
def test_recorded_values(position, expected):
    assert value([position])[0] == np.float32(expected)
    assert kernels.pnoise1(position) == np.float32(expected)


def test_compiled_and_vectorised_noise_agree_to_the_last_bit():
    positions = np.random.default_rng(1).uniform(0, 10_000, 2_000)
    compiled = [kernels.pnoise1(position) for position in positions]
    assert np.array_equal(np.array(compiled, np.float32), value(positions))


def test_quantiles_are_those_of_the_noise_at_uniform_positions():
    table = noise.quantiles() * 2.0**-30
    drawn = value(np.random.default_rng(3).uniform(0, 10_000, 200_000))
    assert table.shape == (4096,)
    assert (np.diff(table) >= 0).all()
    assert abs(table.mean() - drawn.mean()) < 0.003
    assert abs(table.std() - drawn.std()) < 0.002
    for probability in (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
        assert abs(np.quantile(table, probability) - np.quantile(drawn, probability)) < 0.01
