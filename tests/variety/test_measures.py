"""Each measure against images whose answer is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explorer import variety
from explorer.variety import contours, pixels


def blank(n: int = 4, side: int = 16, grey: int = 0) -> np.ndarray:
    return np.full((n, side, side), grey, dtype=np.uint8)


def noise(n: int = 64, side: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side)).astype(np.uint8)


def points(n: int, side: int = 32) -> np.ndarray:
    """Return images of one bright pixel each, all in different places."""
    images = blank(n, side)
    for i in range(n):
        images[i].flat[i] = 255
    return images


def labels(n: int, categories: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64) % categories


def coloured_noise(exponent: float, n: int = 64, side: int = 64) -> np.ndarray:
    """Return noise whose power falls as frequency^exponent."""
    random = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(random.normal(size=(n, side, side))) * frequency ** (exponent / 2)
    field = np.fft.ifft2(spectrum).real
    field /= np.abs(field).max(axis=(1, 2), keepdims=True)
    return np.round(127.5 + 127 * field).astype(np.uint8)


# -- Vendi score ---------------------------------------------------------------------------------


@pytest.mark.parametrize("grey", [0, 255])
def test_vendi_of_blank_images_is_one(grey: int):
    assert variety.vendi_pixels(blank(grey=grey)) == pytest.approx(1)


def test_vendi_of_identical_images_is_one():
    assert variety.vendi_pixels(np.repeat(noise(1), 20, axis=0)) == pytest.approx(1)


def test_vendi_is_blind_to_brightness_and_contrast():
    image = noise(1, 32) // 4
    assert variety.vendi_pixels(np.concatenate([image, image * 2, image + 50])) == pytest.approx(1)


def test_vendi_of_orthogonal_images_is_their_number():
    # Rows of a Hadamard matrix, less the constant one: orthogonal and of mean zero.
    hadamard = np.array([[1]])
    while len(hadamard) < 64:
        hadamard = np.block([[hadamard, hadamard], [hadamard, -hadamard]])
    images = ((hadamard[1:] + 1) * 100).reshape(63, 8, 8).astype(np.uint8)
    assert variety.vendi_pixels(images) == pytest.approx(63)


def test_vendi_of_two_equal_clusters_is_two_and_of_unequal_ones_less():
    images = np.concatenate([np.repeat(noise(1), 6, axis=0), blank(6, 64)])
    assert variety.vendi_pixels(images) == pytest.approx(2)
    uneven = np.concatenate([images[:1], images[6:9]])
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert variety.vendi_pixels(uneven) == pytest.approx(math.exp(entropy))


def test_vendi_does_not_depend_on_which_gram_matrix_is_taken():
    images = noise(100, 8)  # more images than the 65 features, then fewer
    whole = variety.vendi_pixels(images)
    assert variety.vendi_pixels(np.concatenate([images] * 2)) == pytest.approx(whole)
    assert 1 < variety.vendi_pixels(images[:30]) < 30


# -- spread --------------------------------------------------------------------------------------


def test_spread_of_two_clusters_is_all_between():
    images = np.concatenate([blank(5), blank(5, grey=255)])
    category = np.repeat([0, 1], 5)
    assert variety.within_spread(images, category) == 0
    # The variance of two means 0 and 1 is 1/2.
    assert variety.between_spread(images, category) == pytest.approx(math.sqrt(0.5))
    assert variety.between_share(images, category) == 1


def test_spread_of_equal_categories_is_all_within():
    images = np.concatenate([blank(1), blank(1, grey=255)] * 2)
    category = np.repeat([0, 1], 2)
    assert variety.within_spread(images, category) == pytest.approx(math.sqrt(0.5))
    assert variety.between_spread(images, category) == 0
    assert variety.between_share(images, category) == 0


def test_spread_matches_the_variances_that_it_was_drawn_with():
    random = np.random.default_rng(0)
    category = np.repeat(np.arange(300), 4)
    means = random.normal(127, 30, (300, 1, 1))
    images = np.clip(random.normal(means[category], 10, (1200, 8, 8)), 0, 255).round()
    images = images.astype(np.uint8)
    assert variety.within_spread(images, category) == pytest.approx(10 / 255, rel=0.02)
    assert variety.between_spread(images, category) == pytest.approx(30 / 255, rel=0.1)
    assert variety.between_share(images, category) == pytest.approx(0.9, abs=0.02)


def test_spread_estimates_do_not_depend_on_the_number_of_instances():
    random = np.random.default_rng(1)
    means = random.normal(127, 20, (400, 8, 8))
    draws = random.normal(means[:, None], 20, (400, 10, 8, 8)).clip(0, 255).astype(np.uint8)
    few = variety.between_share(draws[:, :2].reshape(-1, 8, 8), np.repeat(np.arange(400), 2))
    many = variety.between_share(draws.reshape(-1, 8, 8), np.repeat(np.arange(400), 10))
    assert few == pytest.approx(many, abs=0.02)


def test_spread_with_one_category_and_with_single_instances():
    images = np.concatenate([blank(3), blank(3, grey=255)])
    one = np.zeros(6, dtype=np.int64)
    assert variety.within_spread(images, one) == pytest.approx(math.sqrt(0.3))
    assert variety.between_spread(images, one) == variety.between_share(images, one) == 0
    single = np.arange(6)
    assert variety.within_spread(images, single) == 0
    assert variety.between_spread(images, single) == pytest.approx(math.sqrt(0.3))


def test_reduction_is_exact_area_averaging():
    images = noise(3, 64)
    expected = images.reshape(3, 32, 2, 32, 2).mean(axis=(2, 4)) / 255
    np.testing.assert_allclose(pixels.reduced(images), expected.reshape(3, -1))
    # 48 is no multiple of 32: every pixel still counts with its area.
    uneven = noise(2, 48)
    np.testing.assert_allclose(pixels.reduced(uneven).mean(axis=1), uneven.mean(axis=(1, 2)) / 255)


# -- spectrum ------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [63, 64])
def test_white_noise_has_slope_zero_and_full_entropy(side: int):
    spectrum = variety.radial_spectrum(noise(256, side))
    assert spectrum.shape == (side // 2,)
    assert variety.spectral_slope(spectrum) == pytest.approx(0, abs=0.03)
    assert variety.spectral_entropy(spectrum) == pytest.approx(1, abs=0.002)


@pytest.mark.parametrize("exponent", [-1.0, -2.0])
def test_slope_is_the_exponent_of_coloured_noise(exponent: float):
    spectrum = variety.radial_spectrum(coloured_noise(exponent))
    assert variety.spectral_slope(spectrum) == pytest.approx(exponent, abs=0.1)


def test_slope_of_a_power_law_is_exact():
    assert variety.spectral_slope(np.arange(1, 33) ** -1.7) == pytest.approx(-1.7)


def test_grating_has_its_power_at_its_frequency():
    x = np.arange(64) / 64
    wave = 127.5 + 127 * np.sin(2 * np.pi * 10 * x)
    spectrum = variety.radial_spectrum(np.tile(wave, (2, 64, 1)).round().astype(np.uint8))
    assert spectrum.argmax() + 1 == 10
    assert spectrum[8:11].sum() / spectrum.sum() > 0.98  # a Hann window spreads by one bin
    assert variety.spectral_entropy(spectrum) < math.log(3) / math.log(32)


def test_contrast_and_blank_images_do_not_change_the_spectrum():
    images = noise(8) // 2
    alone = variety.radial_spectrum(images)
    np.testing.assert_allclose(variety.radial_spectrum(images * 2), alone, rtol=1e-5)
    with_blank = np.concatenate([images, blank(3, 64)])
    np.testing.assert_allclose(variety.radial_spectrum(with_blank), alone, rtol=1e-5)


@pytest.mark.parametrize("grey", [0, 99, 255])
def test_blank_images_have_no_spectrum(grey: int):
    spectrum = variety.radial_spectrum(blank(side=64, grey=grey))
    assert not spectrum.any()
    assert variety.spectral_slope(spectrum) == variety.spectral_entropy(spectrum) == 0


# -- contours ------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [1, 2])
def test_a_straight_step_is_two_pixels_wide_and_has_one_direction(axis: int):
    images = blank(3, 32)
    half = np.arange(32) >= 16
    images[:] = 255 * (half[:, None] if axis == 1 else half[None, :])
    assert variety.edge_density(images) == pytest.approx(2 / 32)
    assert variety.orientation_entropy(images) == 0


def test_an_edge_begins_at_a_tenth_of_full_contrast():
    images = blank(1, 32)
    images[:, 16:] = 25
    assert variety.edge_density(images) == 0
    images[:, 16:] = 26
    assert variety.edge_density(images) == pytest.approx(2 / 32)


def test_a_disc_has_all_directions():
    y, x = np.mgrid[-127.5:128, -127.5:128]
    disc = (np.clip(80.5 - np.hypot(x, y), 0, 1) * 255).round().astype(np.uint8)[None]
    assert variety.orientation_entropy(disc) > 0.99
    # The edge is the circumference, about three pixels wide.
    assert variety.edge_density(disc) == pytest.approx(3 * 2 * math.pi * 80 / 256**2, rel=0.1)


def test_orientation_is_an_image_s_own_affair():
    """Stripes of either direction together are no richer than stripes."""
    images = blank(2, 32)
    images[0, 16:] = 255
    images[1, :, 16:] = 255
    assert variety.orientation_entropy(images) == 0
    crossed = blank(1, 64)
    crossed[:, :32] = 255
    crossed[:, :, :32] ^= 255
    expected = math.log(2) / math.log(contours.ORIENTATIONS)
    assert variety.orientation_entropy(crossed) == pytest.approx(expected, abs=0.03)


def test_blank_images_have_no_contour():
    assert variety.edge_density(blank(grey=255)) == 0
    assert variety.orientation_entropy(blank(grey=255)) == 0


# -- grey levels ---------------------------------------------------------------------------------


def test_grey_entropy_in_bits():
    assert variety.grey_entropy(blank()) == 0
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert variety.grey_entropy(every) == pytest.approx(8)
    half = blank()
    half[:, :8] = 255
    assert variety.grey_entropy(half) == pytest.approx(1)
    assert variety.grey_entropy(np.concatenate([half, blank()])) == pytest.approx(0.5)


@pytest.mark.parametrize("background", [0, 255])
def test_ink_is_what_is_not_background(background: int):
    images = blank(4, 16, background)
    assert variety.ink_coverage(images) == 0
    images[:, :4, :8] = 128
    assert variety.ink_coverage(images) == pytest.approx(1 / 8)


# -- the sample ----------------------------------------------------------------------------------


def test_subsample_is_even_over_categories():
    category = np.repeat(np.arange(10), 100)
    chosen = variety.subsample(category, seed=0, sample=50)
    assert len(np.unique(chosen)) == 50
    assert (np.diff(chosen) > 0).all()
    assert np.bincount(category[chosen]).tolist() == [5] * 10


def test_subsample_takes_pairs_where_there_are_many_categories():
    category = np.repeat(np.arange(1000), 5)
    chosen = variety.subsample(category, seed=0, sample=100)
    counts = np.bincount(category[chosen])
    assert sorted(counts[counts > 0]) == [2] * 50


def test_subsample_fills_up_where_categories_run_out():
    category = np.arange(1000)  # one instance each: no pairs to be had
    assert len(variety.subsample(category, seed=0, sample=100)) == 100
    uneven = np.array([0] * 97 + [1, 2, 3])
    chosen = variety.subsample(uneven, seed=0, sample=10)
    assert np.bincount(uneven[chosen]).tolist() == [7, 1, 1, 1]


def test_subsample_depends_on_the_seed_and_on_nothing_else():
    category = np.repeat(np.arange(10), 100)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what is tested
    first = variety.subsample(category, seed=1, sample=50)
    np.testing.assert_array_equal(first, variety.subsample(category, seed=1, sample=50))
    assert (first != variety.subsample(category, seed=2, sample=50)).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_a_small_dataset_is_measured_whole():
    assert variety.subsample(np.zeros(7, dtype=np.int64), seed=0, sample=512).tolist() == [
        *range(7)
    ]


def test_sample_must_hold_a_pair():
    with pytest.raises(ValueError, match="at least 2"):
        variety.subsample(np.zeros(7, dtype=np.int64), seed=0, sample=1)


# -- all of them ---------------------------------------------------------------------------------


def test_measure_returns_every_measure_of_its_subsample():
    images, category = noise(60, 32), labels(60, 6)
    found = variety.measure(images, category, seed=3, sample=24)
    assert list(found) == list(variety.MEASURES)
    assert all(type(value) is float for value in found.values())
    chosen = variety.subsample(category, seed=3, sample=24)
    assert found["vendi_pixels"] == pytest.approx(variety.vendi_pixels(images[chosen]))
    assert found["within_spread"] == pytest.approx(
        variety.within_spread(images[chosen], category[chosen])
    )
    assert found == variety.measure(images, category, seed=3, sample=24)


def test_measures_say_what_they_are():
    for name, measure in variety.MEASURES.items():
        assert measure.name == name
        assert measure.title
        assert measure.higher_means
        assert measure.source


@settings(max_examples=40)
@given(
    images=st.integers(1, 6).flatmap(
        lambda n: arrays(np.uint8, (n, 9, 9), elements=st.sampled_from([0, 1, 127, 255]))
    ),
    categories=st.integers(1, 6),
)
def test_every_measure_is_finite_and_in_its_range(images: np.ndarray, categories: int):
    found = variety.measure(images, labels(len(images), categories), seed=0)
    assert all(math.isfinite(value) for value in found.values())
    assert 1 <= found["vendi_pixels"] <= len(images) + 1e-9
    for name in ("within_spread", "between_spread"):
        assert 0 <= found[name] <= math.sqrt(0.5) + 1e-9
    shares = ("between_share", "spectral_entropy", "edge_density", "orientation_entropy")
    for name in (*shares, "ink_coverage"):
        assert 0 <= found[name] <= 1 + 1e-9
    assert 0 <= found["grey_entropy"] <= 8


@pytest.mark.parametrize(
    ("images", "category", "said"),
    [
        (blank().astype(np.float32), labels(4, 2), "uint8"),
        (blank()[0], labels(4, 2), "uint8"),
        (blank()[:, :8], labels(4, 2), "uint8"),
        (blank(0), labels(0, 2), "no image"),
        (blank(side=7), labels(4, 2), "at least 8"),
        (blank(), labels(3, 2), "labels"),
    ],
)
def test_what_cannot_be_measured_is_said(images: np.ndarray, category: np.ndarray, said: str):
    with pytest.raises(ValueError, match=said):
        variety.measure(images, category, seed=0)
