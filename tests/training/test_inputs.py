import numpy as np
import pytest
import torch

from explorer.training import models
from explorer.training.inputs import Normalise
from explorer.training.sources import feed

CPU = torch.device("cpu")


def test_measured_statistics_are_exact_and_a_channel():
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (50, 3, 6, 7), dtype=np.uint8))
    images[:, 1] //= 4
    done = Normalise.measured([images], CPU)(images, 3)
    assert torch.allclose(done.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(done.std(dim=(0, 2, 3), correction=0), torch.ones(3), atol=1e-4)


def test_constant_images_become_zero():
    images = torch.full((4, 1, 5, 5), 7, dtype=torch.uint8)
    assert torch.equal(Normalise.measured([images], CPU)(images, 1), torch.zeros(4, 1, 5, 5))


def test_grey_is_repeated_for_a_colour_model():
    images = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8)
    done = Normalise.measured([images], CPU)(images, 3)
    assert done.shape == (1, 3, 8, 8)
    assert torch.equal(done[:, 0], done[:, 2])


def test_colour_becomes_luma_for_a_grey_model():
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    images[1] = 200
    done = Normalise.measured([images], CPU)(images, 1)
    assert done.shape == (2, 1, 4, 4)
    assert torch.allclose(done[1], torch.ones(4, 4))


@pytest.mark.parametrize(
    ("recipe", "low", "high"),
    [((0.5, 0.5), -1, 1), ((0.25, 1.0), -0.25, 0.75), ("each_set", -0.5, 2.0)],
)
def test_the_scale_is_that_of_the_model(tiny, recipe, low, high):
    """A set of four black images and one white one: mean 51 grey levels, deviation 102."""
    images = torch.zeros(5, 1, 4, 4, dtype=torch.uint8)
    images[4] = 255
    model = models.build(
        tiny.model_copy(update={"normalise": recipe}), classes=2, channels=1, seed=0
    )
    done = Normalise.of(model, feed(images.numpy(), CPU), CPU)(images, 1)
    assert torch.allclose(done.amin(), torch.tensor(float(low)), atol=1e-6)
    assert torch.allclose(done.amax(), torch.tensor(float(high)), atol=1e-6)
