"""Each measure against images whose answer is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explorer import measures
from explorer.measures import features, marks, similarity
from explorer.measures import spectrum as spectral
from explorer.measures.spread import spreads

random = np.random.default_rng


def blank(n: int = 4, side: int = 16, grey: int = 0) -> np.ndarray:
    return np.full((n, side, side), grey, dtype=np.uint8)


def noise(n: int = 64, side: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side)).astype(np.uint8)


def pictures(vectors: np.ndarray, side: int = 8) -> np.ndarray:
    """Return images whose pixels are the vectors, stretched over the grey levels."""
    low, high = vectors.min(), vectors.max()
    grey = (vectors - low) / (high - low) * 255
    return grey.round().astype(np.uint8).reshape(-1, side, side)


def labels(n: int, categories: int) -> np.ndarray:
    return np.arange(n, dtype=np.int64) % categories


def coloured_noise(exponent: float, n: int = 64, side: int = 64) -> np.ndarray:
    """Return noise whose power falls as frequency^exponent."""
    generator = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(generator.normal(size=(n, side, side))) * frequency ** (exponent / 2)
    field = np.fft.ifft2(spectrum).real
    field /= np.abs(field).max(axis=(1, 2), keepdims=True)
    return np.round(127.5 + 127 * field).astype(np.uint8)


@pytest.mark.parametrize("grey", [0, 99, 255])
def test_blank_images_have_no_variety(grey: int):
    found = measures.variety(blank(side=64, grey=grey), labels(4, 2))
    assert found.pop("compressed_bits") < 0.1
    assert found.pop("vendi_pixels") == pytest.approx(1)
    assert found.pop("vendi_features") == pytest.approx(1)
    assert set(found.values()) == {0}


def test_vendi_is_blind_to_brightness_and_contrast():
    image = noise(1, 32) // 4
    images = np.concatenate([image, image * 2, image + 50])
    assert similarity.vendi_pixels(images) == pytest.approx(1)


def test_vendi_of_two_equal_clusters_is_two_and_of_unequal_ones_less():
    images = np.concatenate([np.repeat(noise(1), 6, axis=0), blank(6, 64)])
    assert similarity.vendi_pixels(images) == pytest.approx(2)
    uneven = np.concatenate([images[:1], images[6:9]])
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert similarity.vendi_pixels(uneven) == pytest.approx(math.exp(entropy))


TWO = np.concatenate([blank(3), blank(3, grey=255)])


@pytest.mark.parametrize(
    ("images", "category", "expected"),
    [
        (TWO, np.repeat([0, 1], 3), (0, 0.5, 1)),  # the variance of two means 0 and 1 is 1/2
        (TWO[[0, 5, 0, 5]], np.repeat([0, 1], 2), (0.5, 0, 0)),
        (TWO, np.zeros(6, np.int64), (0.3, 0, 0)),
        (TWO, np.arange(6), (0, 0.3, 1)),
    ],
    ids=["clusters", "equal categories", "a single category", "single instances"],
)
def test_spread_of_black_and_white(images, category, expected):
    within, between, share = spreads(images, category)
    assert (within**2, between**2, share) == pytest.approx(expected)


def test_spread_matches_the_variances_that_it_was_drawn_with():
    generator = random(0)
    category = np.repeat(np.arange(300), 4)
    means = generator.normal(127, 30, (300, 1, 1))
    images = np.clip(generator.normal(means[category], 10, (1200, 8, 8)), 0, 255).round()
    found = spreads(images.astype(np.uint8), category)
    assert found.within == pytest.approx(10 / 255, rel=0.02)
    assert found.between == pytest.approx(30 / 255, rel=0.1)
    assert found.share == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("side", [63, 64])
def test_white_noise_has_slope_zero_and_full_entropy(side: int):
    spectrum = spectral.radial_spectrum(noise(256, side))
    assert spectrum.shape == (side // 2,)
    assert spectral.spectral_slope(spectrum) == pytest.approx(0, abs=0.03)
    assert spectral.spectral_entropy(spectrum) == pytest.approx(1, abs=0.002)


@pytest.mark.parametrize("exponent", [-1.0, -2.0])
def test_slope_is_the_exponent_of_coloured_noise(exponent: float):
    spectrum = spectral.radial_spectrum(coloured_noise(exponent))
    assert spectral.spectral_slope(spectrum) == pytest.approx(exponent, abs=0.1)


def test_grating_has_its_power_at_its_frequency():
    x = np.arange(64) / 64
    wave = 127.5 + 127 * np.sin(2 * np.pi * 10 * x)
    spectrum = spectral.radial_spectrum(np.tile(wave, (2, 64, 1)).round().astype(np.uint8))
    assert spectrum.argmax() + 1 == 10
    assert spectrum[8:11].sum() / spectrum.sum() > 0.98  # a Hann window spreads by one bin
    assert spectral.spectral_entropy(spectrum) < math.log(3) / math.log(32)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_straight_step_is_two_pixels_wide_and_has_one_direction(axis: int):
    images = blank(3, 32)
    half = np.arange(32) >= 16
    images[:] = 255 * (half[:, None] if axis == 1 else half[None, :])
    assert marks.edge_density(images) == pytest.approx(2 / 32)
    assert marks.orientation_entropy(images) == 0


def test_an_edge_begins_at_a_tenth_of_full_contrast():
    images = blank(1, 32)
    images[:, 16:] = 25
    assert marks.edge_density(images) == 0
    images[:, 16:] = 26
    assert marks.edge_density(images) == pytest.approx(2 / 32)


def test_a_disc_has_all_directions():
    y, x = np.mgrid[-127.5:128, -127.5:128]
    disc = (np.clip(80.5 - np.hypot(x, y), 0, 1) * 255).round().astype(np.uint8)[None]
    assert marks.orientation_entropy(disc) > 0.99
    # The edge is the circumference, about three pixels wide.
    assert marks.edge_density(disc) == pytest.approx(3 * 2 * math.pi * 80 / 256**2, rel=0.1)


def test_orientation_is_an_image_s_own_affair():
    """Stripes of either direction together are no richer than stripes."""
    images = blank(2, 32)
    images[0, 16:] = 255
    images[1, :, 16:] = 255
    assert marks.orientation_entropy(images) == 0
    crossed = blank(1, 64)
    crossed[:, :32] = 255
    crossed[:, :, :32] ^= 255
    expected = math.log(2) / math.log(marks.ORIENTATIONS)
    assert marks.orientation_entropy(crossed) == pytest.approx(expected, abs=0.03)


def test_grey_entropy_in_bits():
    assert marks.grey_entropy(blank()) == 0
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert marks.grey_entropy(every) == pytest.approx(8)
    half = blank()
    half[:, :8] = 255
    assert marks.grey_entropy(half) == pytest.approx(1)
    assert marks.grey_entropy(np.concatenate([half, blank()])) == pytest.approx(0.5)


@pytest.mark.parametrize("background", [0, 255])
def test_ink_is_what_is_not_background(background: int):
    images = blank(4, 16, background)
    assert marks.ink_coverage(images) == 0
    images[:, :4, :8] = 128
    assert marks.ink_coverage(images) == pytest.approx(1 / 8)


@pytest.mark.parametrize(
    ("category", "sample", "counts"),
    [
        (np.repeat(np.arange(10), 100), 50, [5] * 10),  # even over the categories
        (np.repeat(np.arange(1000), 5), 100, [2] * 50),  # pairs of some categories
        (np.arange(1000), 100, [1] * 100),  # one instance each: no pairs to be had
        (np.array([0] * 97 + [1, 2, 3]), 10, [7, 1, 1, 1]),  # where categories run out
        (np.zeros(7, np.int64), 512, [7]),  # a small dataset as a whole
    ],
)
def test_a_subsample_is_spread_over_the_categories(category, sample, counts):
    chosen = measures.subsample(category, seed=0, sample=sample)
    assert (np.diff(chosen) > 0).all()
    found = np.bincount(category[chosen])
    assert found[found > 0].tolist() == counts


def test_subsample_depends_on_the_seed_and_on_nothing_else():
    category = np.repeat(np.arange(10), 100)
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what is tested
    first = measures.subsample(category, seed=1, sample=50)
    np.testing.assert_array_equal(first, measures.subsample(category, seed=1, sample=50))
    assert (first != measures.subsample(category, seed=2, sample=50)).any()
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    with pytest.raises(ValueError, match="at least 2"):
        measures.subsample(category, seed=0, sample=1)


def test_measure_returns_every_measure_of_its_subsample():
    images, category = noise(60, 32), labels(60, 6)
    found = measures.variety(images, category, seed=3, sample=24)
    assert list(found) == list(measures.MEASURES)
    assert all(type(value) is float for value in found.values())
    chosen = measures.subsample(category, seed=3, sample=24)
    assert found["vendi_pixels"] == pytest.approx(similarity.vendi_pixels(images[chosen]))
    assert found["within_spread"] == spreads(images[chosen], category[chosen]).within
    assert found == measures.variety(images, category, seed=3, sample=24)


@settings(max_examples=40)
@given(
    images=st.integers(1, 6).flatmap(
        lambda n: arrays(np.uint8, (n, 9, 9), elements=st.sampled_from([0, 1, 127, 255]))
    ),
    categories=st.integers(1, 6),
)
def test_every_measure_is_finite_and_in_its_range(images: np.ndarray, categories: int):
    found = measures.variety(images, labels(len(images), categories), seed=0)
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
        measures.variety(images, category, seed=0)


def test_vendi_of_n_orthogonal_items_is_n_and_of_equal_ones_one():
    assert similarity.vendi(np.eye(7)) == pytest.approx(7)
    assert similarity.vendi(np.ones((7, 7))) == pytest.approx(1)
    assert similarity.vendi(np.kron(np.eye(3), np.ones((4, 4)))) == pytest.approx(3)


def test_features_of_reference_noise_are_at_unit_distance():
    images = np.concatenate([coloured_noise(power, 40, 32) for power in (0, -1, -2, -3)])
    found = features.features(images)
    distances = ((found[:, None] - found[None, :]) ** 2).sum(axis=-1)
    assert distances.mean() == pytest.approx(1, rel=0.1)


def test_features_are_blind_to_brightness_and_contrast_and_nearly_to_place():
    image = np.zeros((1, 32, 32), np.uint8)
    image[0, 8:12, 8:20] = 100
    there = features.features(image)
    assert features.features(2 * image + 20) == pytest.approx(there, abs=1e-5)
    moved = features.features(np.roll(image, (8, 4), axis=(1, 2)))
    turned = features.features(np.swapaxes(image, 1, 2))
    assert np.linalg.norm(moved - there) < 0.2 * np.linalg.norm(turned - there)


def test_vendi_of_features_counts_kinds_and_not_places():
    """Points in different places are orthogonal as pixels and the same thing as features."""
    points = np.zeros((64, 32, 32), np.uint8)
    for i, point in enumerate(points):
        point[6 + 2 * (i % 8), 6 + 2 * (i // 8)] = 255
    assert similarity.vendi_pixels(points) > 60
    assert similarity.vendi_features(points) < 1.2


@pytest.mark.parametrize("dimension", [2, 5, 8])
def test_intrinsic_dimension_of_a_flat_surface(dimension: int):
    basis = np.linalg.qr(random(2).standard_normal((1024, dimension)))[0]
    places = random(3).uniform(-1, 1, (600, dimension))
    images = pictures(places @ basis.T, side=32)
    assert similarity.intrinsic_dimension(images) == pytest.approx(dimension, rel=0.2)


def test_intrinsic_dimension_of_noise_is_high_and_copies_do_not_count():
    noise = random(4).integers(0, 256, (200, 32, 32)).astype(np.uint8)
    whole = similarity.intrinsic_dimension(noise)
    assert whole > 50
    assert similarity.intrinsic_dimension(np.concatenate([noise, noise])) == pytest.approx(whole)
    assert similarity.intrinsic_dimension(noise[:2]) == 0


def test_compressed_bits_of_blank_images_and_of_noise():
    assert marks.compressed_bits(np.zeros((3, 64, 64), np.uint8)) < 0.06
    noise = random(6).integers(0, 256, (3, 64, 64)).astype(np.uint8)
    assert 8 <= marks.compressed_bits(noise) < 8.1
    coin = (noise & 128).astype(np.uint8)
    assert 1 <= marks.compressed_bits(coin) < 1.5


def test_too_small_a_sample_is_said():
    images = random(7).integers(0, 256, (400, 16, 16)).astype(np.uint8)
    single = np.arange(400)
    values = measures.variety(images, single, seed=0, sample=100)
    said = " ".join(measures.remarks(images, single, values, sample=100))
    assert "Only 100 images" in said
    assert "near its ceiling" in said
    assert "No category has two instances" in said
    paired = np.repeat(np.arange(200), 2)
    few = np.tile(images[:10], (40, 1, 1))
    assert measures.remarks(few, paired, measures.variety(few, paired, seed=0)) == []
