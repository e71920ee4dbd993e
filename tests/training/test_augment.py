import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.training.augment import _share, augment, erase, mix, warp
from explorer.training.recipe import Augmentation


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(count=32, channels=1, side=12):
    images = torch.randn(count, channels, side, side, generator=rng(9))
    return images, torch.nn.functional.one_hot(torch.arange(count) % 4, 4).float()


def test_nothing_is_on_by_default():
    images, targets = batch()
    same, same_targets = augment(images, targets, Augmentation(), 0)
    assert torch.equal(images, same)
    assert torch.equal(targets, same_targets)


@settings(max_examples=40)
@given(
    low=st.floats(0.05, 1),
    shift=st.floats(0, 1),
    flip=st.booleans(),
    chance=st.floats(0, 1),
    mixup=st.sampled_from([0.0, 0.2, 1.0]),
    cutmix=st.sampled_from([0.0, 1.0]),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 2**31),
)
def test_keeps_shape_and_mass_and_follows_the_seed(
    low, shift, flip, chance, mixup, cutmix, channels, seed
):
    recipe = Augmentation(
        crop=(low, 1), shift=shift, flip=flip, erase=chance, mixup=mixup, cutmix=cutmix
    )
    images, targets = batch(8, channels)
    before = torch.get_rng_state()
    done, mixed = augment(images, targets, recipe, seed)
    again, mixed_again = augment(images, targets, recipe, seed)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(done, again)
    assert torch.equal(mixed, mixed_again)
    assert done.shape == images.shape
    assert torch.allclose(mixed.sum(dim=1), torch.ones(8))
    assert (mixed >= 0).all()


def test_whole_crop_is_the_image():
    images, _ = batch()
    # Of area one and any aspect, only the square fits; the other side is cut.
    done = warp(torch.ones_like(images), Augmentation(crop=(0.1, 1)), rng())
    assert torch.allclose(done, torch.ones_like(images), atol=1e-5)
    assert torch.allclose(warp(images, Augmentation(crop=None), rng()), images, atol=1e-5)


def test_flip_mirrors_about_half():
    images, _ = batch(200)
    done = warp(images, Augmentation(flip=True), rng())
    same = torch.isclose(done, images, atol=1e-4).all(dim=(1, 2, 3))
    mirrored = torch.isclose(done, images.flip(3), atol=1e-4).all(dim=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 60 < int(same.sum()) < 140


def test_shift_moves_zeros_in_and_stays_in_range():
    images = torch.ones(200, 1, 10, 10)
    done = warp(images, Augmentation(shift=0.2), rng())
    kept = done.mean(dim=(1, 2, 3))
    assert float(kept.min()) < 0.75
    # At most two of ten columns and rows can leave.
    assert float(kept.min()) > 0.8**2 - 1e-4


def test_erase_blanks_a_rectangle_in_the_chosen_share():
    images = torch.ones(400, 3, 16, 16)
    done = erase(images, 0.25, rng())
    blank = (done == 0).any(dim=(1, 2, 3))
    assert 50 < int(blank.sum()) < 140
    assert ((done == 0) | (done == 1)).all()
    assert (done[:, 0] == done[:, 2]).all()
    assert float((done == 0).float().mean(dim=(1, 2, 3)).max()) < 0.5


@pytest.mark.parametrize("blend", [True, False])
def test_targets_say_what_is_in_the_image(blend):
    # Constant images of value k: the mean of a mixed image is the expectation of its targets.
    labels = torch.arange(4).repeat(4)
    images = labels.float().view(-1, 1, 1, 1).expand(-1, 1, 12, 12).clone()
    targets = torch.nn.functional.one_hot(labels, 4).float()
    changed = False
    for seed in range(5):
        done, mixed = mix(images, targets, 0.2 * seed, rng(seed), blend=blend)
        expected = mixed @ torch.arange(4.0)
        assert torch.allclose(done.mean(dim=(1, 2, 3)), expected, atol=1e-4)
        changed |= not torch.equal(done, images)
    assert changed


def test_one_share_a_batch_by_mixup_or_by_cutmix():
    drawn = [_share(0.2, 1.0, np.random.default_rng(seed)) for seed in range(400)]
    blended = [kept for kept, blend in drawn if blend]
    pasted = [kept for kept, blend in drawn if not blend]
    assert 150 < len(blended) < 250
    # Beta(0.2, 0.2) is nearly a coin, Beta(1, 1) is flat.
    assert np.mean([0.1 < kept < 0.9 for kept in blended]) < 0.45
    assert np.mean([0.1 < kept < 0.9 for kept in pasted]) > 0.7
    assert all(_share(1.0, 0.0, np.random.default_rng(seed))[1] for seed in range(9))
    assert not any(_share(0.0, 1.0, np.random.default_rng(seed))[1] for seed in range(9))
