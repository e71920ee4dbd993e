import numpy as np
import pytest

from explorer.training.recipe import Model


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    """All of training is tested on one thread."""


@pytest.fixture(scope="session")
def tiny():
    """The smallest vision transformer of timm (width 64, depth 6), with four tokens."""
    return Model(name="test_vit", image_size=8, patch_size=4, pooling="average")


@pytest.fixture(scope="session")
def halves():
    """Images that are bright on one of four sides, under noise: separable, but not trivially."""
    rng = np.random.default_rng(0)
    labels = np.arange(128, dtype=np.int64) % 4
    images = rng.integers(0, 120, (128, 8, 8))
    sides = [np.s_[:4], np.s_[4:], np.s_[:, :4], np.s_[:, 4:]]
    for image, label in zip(images, labels, strict=True):
        image[sides[label]] += 120
    return images.astype(np.uint8), labels
