import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.training.augment import _share, augment, erase, mix, photometric, warp
from explorer.training.recipe import Augmentation, Photometric


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


def test_noise_is_erased_with_where_it_is_asked_for():
    images = torch.ones(400, 3, 16, 16)
    blank, noisy = erase(images, 0.25, rng()), erase(images, 0.25, rng(), noise=True)
    inside = blank == 0
    assert torch.equal(noisy[~inside], blank[~inside])
    assert float(noisy[inside].mean()) == pytest.approx(0, abs=0.05)
    assert float(noisy[inside].std()) == pytest.approx(1, abs=0.05)


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


def levels(count=200, channels=1):
    shape = (count, channels, 6, 6)
    return torch.randint(40, 200, shape, generator=rng(9)).to(torch.uint8)


def test_grey_levels_are_left_alone_by_default():
    images = levels()
    assert photometric(images, Photometric(), 0) is images


@settings(max_examples=30)
@given(
    shares=st.fixed_dictionaries(
        {name: st.sampled_from([0.0, 0.3, 1.0]) for name in Photometric.model_fields}
    ),
    channels=st.sampled_from([1, 3]),
    seed=st.integers(0, 2**31),
)
def test_photometric_keeps_the_range_and_follows_the_seed(shares, channels, seed):
    images, recipe = levels(8, channels), Photometric(**shares)
    before = torch.get_rng_state()
    done = photometric(images, recipe, seed).float()
    assert torch.equal(done, photometric(images, recipe, seed).float())
    assert torch.equal(before, torch.get_rng_state())
    assert done.shape == images.shape
    assert 0 <= float(done.min()) <= float(done.max()) <= 255


def test_the_share_of_images_that_is_changed():
    images = levels()
    done = photometric(images, Photometric(invert=0.3), 0)
    inverted = (done == 255 - images.float()).all(dim=(1, 2, 3))
    assert ((done == images.float()).all(dim=(1, 2, 3)) ^ inverted).all()
    assert 35 < int(inverted.sum()) < 85


def test_stretched_images_have_full_contrast_and_constant_ones_stay():
    images = levels(20, 3)
    images[0] = 7
    done = photometric(images, Photometric(stretch=1), 0)
    assert (done[0] == 7).all()
    assert torch.allclose(done[1:].amin(dim=(1, 2, 3)), torch.zeros(19), atol=1e-3)
    assert torch.allclose(done[1:].amax(dim=(1, 2, 3)), torch.full((19,), 255.0), atol=1e-3)
    # The order of the levels is kept.
    assert ((done[1].flatten().diff() > 0) == (images[1].flatten().int().diff() > 0)).all()


def test_solarised_images_are_inverted_above_a_threshold_of_their_own():
    images = levels()
    done = photometric(images, Photometric(solarise=1), 0)
    kept = done == images.float()
    assert (kept | (done == 255 - images.float())).all()
    darkest_changed = torch.where(kept, 999, images.float()).amin(dim=(1, 2, 3))
    assert (torch.where(kept, images.float(), 0).amax(dim=(1, 2, 3)) <= darkest_changed).all()
    assert darkest_changed.unique().numel() > 50


def test_posterised_images_have_few_levels():
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(100, 1, 16, 16)
    counts = {len(image.unique()) for image in photometric(ramp, Photometric(posterise=1), 0)}
    assert counts == {2, 4, 8, 16}


@pytest.mark.parametrize(("name", "anchor"), [("contrast", "mean"), ("brightness", "black")])
def test_contrast_and_brightness_scale_about_their_anchor(name, anchor):
    images = 100 + levels().float() / 10  # 104..120: no factor up to 1.9 leaves the range
    done = photometric(images, Photometric(**{name: 1.0}), 0)
    mean = images.mean(dim=(1, 2, 3))
    if anchor == "mean":
        assert torch.allclose(done.mean(dim=(1, 2, 3)), mean, atol=1e-3)
        factor = done.std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))
    else:
        factor = done.mean(dim=(1, 2, 3)) / mean
        assert torch.allclose(done, images * factor[:, None, None, None], rtol=1e-3)
    assert 0.1 <= float(factor.min()) < 0.3
    assert 1.7 < float(factor.max()) <= 1.9 + 1e-3
