"""Effective numbers, features and dimensions of images whose answer is known."""

import math

import numpy as np
import pytest

from explorer import variety
from explorer.variety import similarity

random = np.random.default_rng


def pictures(vectors: np.ndarray, side: int = 8) -> np.ndarray:
    """Return images whose pixels are the vectors, stretched over the grey levels."""
    low, high = vectors.min(), vectors.max()
    grey = (vectors - low) / (high - low) * 255
    return grey.round().astype(np.uint8).reshape(-1, side, side)


def test_vendi_of_n_orthogonal_items_is_n_and_of_equal_ones_one():
    assert variety.vendi(np.eye(7)) == pytest.approx(7)
    assert variety.vendi(np.ones((7, 7))) == pytest.approx(1)
    assert variety.vendi(np.kron(np.eye(3), np.ones((4, 4)))) == pytest.approx(3)


def test_features_of_reference_noise_are_at_unit_distance():
    frequency = np.hypot(np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32)[None, :])
    frequency[0, 0] = np.inf
    noise = random(5).standard_normal((4, 40, 32, 32))
    images = np.concatenate(
        [
            pictures(np.fft.ifft2(np.fft.fft2(part) * frequency ** (power / 2)).real, side=32)
            for part, power in zip(noise, (0, -1, -2, -3), strict=True)
        ]
    )
    found = variety.features(images)
    distances = ((found[:, None] - found[None, :]) ** 2).sum(axis=-1)
    assert distances.mean() == pytest.approx(1, rel=0.1)


def test_features_are_blind_to_brightness_and_contrast_and_nearly_to_place():
    image = np.zeros((1, 32, 32), np.uint8)
    image[0, 8:12, 8:20] = 100
    there = variety.features(image)
    assert variety.features(2 * image + 20) == pytest.approx(there, abs=1e-5)
    moved = variety.features(np.roll(image, (8, 4), axis=(1, 2)))
    turned = variety.features(np.swapaxes(image, 1, 2))
    assert np.linalg.norm(moved - there) < 0.2 * np.linalg.norm(turned - there)


def test_features_of_one_image_do_not_depend_on_the_others():
    images = random(0).integers(0, 256, (70, 16, 16)).astype(np.uint8)
    assert variety.features(images[3:4])[0] == pytest.approx(variety.features(images)[3], abs=1e-5)


def test_vendi_of_features_counts_kinds_and_not_places():
    """Points in different places are orthogonal as pixels and the same thing as features."""
    points = np.zeros((64, 32, 32), np.uint8)
    for i, point in enumerate(points):
        point[6 + 2 * (i % 8), 6 + 2 * (i // 8)] = 255
    assert variety.vendi_pixels(points) > 60
    assert variety.vendi_features(points) < 1.2


def test_vendi_of_features_of_identical_images_is_one_and_grows_with_kinds():
    noise = random(1).integers(0, 256, (1, 32, 32)).astype(np.uint8)
    assert variety.vendi_features(np.repeat(noise, 20, axis=0)) == pytest.approx(1, abs=1e-3)
    stripes = np.zeros((1, 32, 32), np.uint8)
    stripes[:, ::4] = 255
    both = np.repeat(np.concatenate([noise, stripes]), 10, axis=0)
    kernel = math.exp(-((np.diff(variety.features(both[[0, -1]]), axis=0) ** 2).sum()))
    shares = np.array([(1 + kernel) / 2, (1 - kernel) / 2])
    expected = math.exp(-(shares * np.log(shares)).sum())
    assert variety.vendi_features(both) == pytest.approx(expected, abs=1e-3)
    assert expected > 1.5


@pytest.mark.parametrize("dimension", [2, 5, 8])
def test_intrinsic_dimension_of_a_flat_surface(dimension: int):
    basis = np.linalg.qr(random(2).standard_normal((1024, dimension)))[0]
    places = random(3).uniform(-1, 1, (600, dimension))
    images = pictures(places @ basis.T, side=32)
    assert variety.intrinsic_dimension(images) == pytest.approx(dimension, rel=0.2)


def test_intrinsic_dimension_of_noise_is_high_and_copies_do_not_count():
    noise = random(4).integers(0, 256, (200, 32, 32)).astype(np.uint8)
    whole = variety.intrinsic_dimension(noise)
    assert whole > 50
    assert variety.intrinsic_dimension(np.concatenate([noise, noise])) == pytest.approx(whole)


def test_two_images_have_no_dimension():
    assert similarity.intrinsic_dimension(np.zeros((9, 8, 8), np.uint8)) == 0
    assert similarity.intrinsic_dimension(random(0).integers(0, 9, (2, 8, 8)).astype(np.uint8)) == 0


def test_compressed_bits_of_blank_images_and_of_noise():
    assert variety.compressed_bits(np.zeros((3, 64, 64), np.uint8)) < 0.06
    noise = random(6).integers(0, 256, (3, 64, 64)).astype(np.uint8)
    assert 8 <= variety.compressed_bits(noise) < 8.1
    coin = (noise & 128).astype(np.uint8)
    assert 1 <= variety.compressed_bits(coin) < 1.5


def test_too_small_a_sample_is_said():
    images = random(7).integers(0, 256, (400, 16, 16)).astype(np.uint8)
    single = np.arange(400)
    values = variety.measure(images, single, seed=0, sample=100)
    said = " ".join(variety.remarks(single, values, sample=100))
    assert "Only 100 images" in said
    assert "near its ceiling" in said
    assert "No category has two instances" in said


def test_nothing_is_said_of_a_sample_that_is_large_enough():
    images = np.repeat(random(8).integers(0, 256, (10, 16, 16)).astype(np.uint8), 40, axis=0)
    category = np.repeat(np.arange(10), 40)
    assert variety.remarks(category, variety.measure(images, category, seed=0)) == []
