import numpy as np
import pytest
from scipy import stats

from explorer.formulas import streams


def test_mix_is_the_finaliser_of_splitmix64():
    # The published sequence of SplitMix64 from the seed 1234567.
    count = np.arange(1, 6, dtype=np.uint64) * np.uint64(streams.GOLDEN)
    assert streams.mix(np.uint64(1234567) + count).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_keys_differ_in_formula_seed_and_category():
    seen = np.concatenate(
        [
            streams.keys(formula, seed, range(500))
            for formula in ("a", "b", "a name longer than eight letters")
            for seed in (0, 1, streams.MAX_SEED)
        ]
    )
    assert len(np.unique(seen)) == 9 * 500


def test_integers_are_uniform_and_reach_both_ends():
    drawn = streams.integers(streams.words(streams.keys("a", 1, range(21_000)), [0])[:, 0], -3, 3)
    counts = np.bincount(drawn + 3, minlength=7)
    assert len(counts) == 7
    assert stats.chisquare(counts).pvalue > 0.001


def test_extreme_words_stay_inside():
    ends = np.array([0, 2**64 - 1], np.uint64)
    assert streams.integers(ends, 5, 9).tolist() == [5, 9]
    low, high = streams.floats(ends, 0.1, 0.3)
    assert low == 0.1
    assert 0.2999 < high <= 0.3
    assert streams.floats(ends, 0.7, 0.7).tolist() == [0.7, 0.7]


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_bounds_is_refused(seed):
    with pytest.raises(ValueError, match=rf"seed: {seed}: must be in 0\.\."):
        streams.keys("a", seed, range(1))


def test_a_negative_category_is_refused():
    with pytest.raises(ValueError, match="category: -4: must not be negative"):
        streams.keys("a", 0, [1, -4])
