from argparse import Namespace

import numpy as np
import pytest
import timm
import torch

from explorer.training import models
from explorer.training.inputs import Normalise
from explorer.training.models import ModelError, build, features
from explorer.training.recipe import Model
from explorer.training.sources import feed

CPU = torch.device("cpu")


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_is_vit_tiny():
    model = models.build(Model(image_size=32, patch_size=8), classes=10, channels=3, seed=0)
    assert len(model.blocks) == 12
    assert model.embed_dim == 192
    assert model.blocks[0].attn.num_heads == 3
    assert model.pos_embed.shape == (1, 17, 192)
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert models.channels_of(model) == 3
    assert len(models.block_matrices(model)) == 48


def test_average_pooling_has_no_class_token(tiny):
    model = models.build(tiny, classes=5, channels=1, seed=0)
    assert model.cls_token is None
    assert model.pos_embed.shape == (1, 4, 64)
    assert models.features(model, torch.zeros(2, 1, 8, 8)).shape == (2, 64)


def test_weights_follow_from_the_seed_alone(tiny):
    torch.manual_seed(1)
    first = weights(models.build(tiny, classes=5, channels=1, seed=3))
    torch.manual_seed(2)
    assert torch.equal(first, weights(models.build(tiny, classes=5, channels=1, seed=3)))
    assert not torch.equal(first, weights(models.build(tiny, classes=5, channels=1, seed=4)))


def test_weights_below_the_head_do_not_depend_on_the_classes(tiny):
    first = models.build(tiny, classes=5, channels=1, seed=3).blocks
    second = models.build(tiny, classes=80, channels=1, seed=3).blocks
    assert torch.equal(weights(first), weights(second))


def test_the_initialisation_may_follow_the_inputs(tiny):
    def spread(recipe):
        block = models.build(recipe, classes=5, channels=1, seed=0).blocks[0]
        layers = (block.attn.qkv, block.attn.proj, block.mlp.fc1, block.mlp.fc2)
        return [float(layer.weight.detach().std()) * layer.in_features**0.5 for layer in layers]

    # 0.02 at 64 inputs, and at the 192 of the last layer
    assert spread(tiny) == pytest.approx([0.16, 0.16, 0.16, 0.28], rel=0.1)
    assert spread(tiny.model_copy(update={"initialisation": "fan_in"})) == pytest.approx(
        [1, 1, 1, 1], rel=0.1
    )


def test_global_random_state_is_left_alone(tiny):
    before = torch.get_rng_state()
    model = models.build(tiny, classes=5, channels=1, seed=0)
    models.replace_head(model, classes=3, seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_new_head_keeps_what_is_below(tiny):
    model = models.build(tiny, classes=5, channels=1, seed=0)
    blocks, old = weights(model.blocks), model.head
    models.replace_head(model, classes=3, seed=0)
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert torch.equal(blocks, weights(model.blocks))
    assert model.head is not old
    assert 0.01 < float(model.head.weight.detach().std()) < 0.03


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_tiny_patch16_24", "did you mean 'vit_tiny_patch16_224'"),
        ("zzz", "no model named 'zzz'"),
        ("resnet18", "'resnet18' is no plain vision transformer"),
    ],
)
def test_refuses_what_it_cannot_build(name, message):
    with pytest.raises(models.ModelError, match=message):
        models.build(Model(name=name, image_size=8, patch_size=4), classes=2, channels=1, seed=0)


def test_attention_is_two_products_on_a_processor(tiny):
    model = models.build(tiny, classes=5, channels=1, seed=0).eval()
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    fused = [block.attn.fused_attn for block in model.blocks]
    expected = model(images)
    assert models.place(model, torch.device("cpu")) is model
    assert not any(block.attn.fused_attn for block in model.blocks)
    assert any(fused)
    assert torch.allclose(model(images), expected, atol=1e-5)


def test_shuffled_weights_have_the_same_values_in_another_order(tiny):
    model = models.build(tiny, classes=5, channels=1, seed=0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    models.shuffle(model, seed=1)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter.flatten().sort().values, before[name].flatten().sort().values)
    qkv = "blocks.0.attn.qkv.weight"
    assert not torch.equal(model.state_dict()[qkv], before[qkv])


def test_dropped_patches_are_random_per_image_and_only_in_training(tiny):
    model = models.build(
        tiny.model_copy(update={"pooling": "token"}), classes=5, channels=1, seed=0
    )
    drop = models.drop_patches(model, 0.5)
    tokens = torch.arange(5.0).view(1, 5, 1).expand(40, 5, 2).clone()
    drop.seed = 3
    kept = drop(tokens)
    assert kept.shape == (40, 3, 2)
    assert (kept[:, 0] == 0).all()  # the class token
    assert (kept[:, 1:, 0].sort(dim=1).values.diff(dim=1) > 0).all()  # no patch twice
    assert len({tuple(row) for row in kept[:, 1:, 0].tolist()}) > 3
    assert torch.equal(kept, drop(tokens))
    drop.seed = 4
    assert not torch.equal(kept, drop(tokens))
    assert drop.eval()(tokens) is tokens


def test_frozen_features_are_the_class_token_and_the_mean_of_the_patches(tiny):
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    both = models.build(tiny.model_copy(update={"pooling": "token"}), classes=5, channels=1, seed=0)
    tokens = both.eval().forward_features(images)
    found = models.frozen_features(both, images)
    assert torch.allclose(found[:, :64], tokens[:, 0])
    assert torch.allclose(found[:, 64:], tokens[:, 1:].mean(dim=1))
    mean = models.build(tiny, classes=5, channels=1, seed=0).eval()
    # Without a class token timm normalises after the mean, not before it.
    assert models.frozen_features(mean, images).shape == (3, 64)


# --- Weights that come and go -------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    """A model with other weights than those of any seed, and the folder that it was saved to."""

    def save(pooling="token", channels=1, normalise=(0.25, 0.5)):
        recipe = Model(
            name="test_vit", image_size=16, patch_size=8, pooling=pooling, normalise=normalise
        )
        model = build(recipe, classes=4, channels=channels, seed=0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn(parameter.shape))
        scale = Normalise.of(model, feed(np.zeros((1, 16, 16), np.uint8), CPU), CPU)
        models.save(model, recipe, scale, tmp_path / "saved")
        return model.eval(), recipe, tmp_path / "saved"

    return save


@pytest.mark.parametrize("pooling", ["token", "average"])
@pytest.mark.parametrize("channels", [1, 3])
def test_timm_loads_what_was_saved_with_equal_logits(saved, pooling, channels):
    model, _, folder = saved(pooling, channels)
    loaded = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    images = torch.randn(2, channels, 16, 16)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))
    assert list(loaded.pretrained_cfg["mean"]) == [0.25] * channels
    assert list(loaded.pretrained_cfg["std"]) == [0.5] * channels
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "config.json"}
    assert [path.name for path in folder.parent.iterdir()] == ["saved"]  # nothing half-written


def test_published_weights_are_begun_with_from_every_place(saved, tmp_path):
    model, recipe, folder = saved()
    # As the authors' training script writes it: under a key, with its arguments, of many GPUs.
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "args": Namespace(lr=1)}, tmp_path / "last.pth.tar")
    images = torch.randn(2, 1, 16, 16)
    for weights in (f"local-dir:{folder}", folder / "model.safetensors", tmp_path / "last.pth.tar"):
        begun = recipe.model_copy(update={"weights": str(weights)})
        again = build(begun, classes=7, channels=1, seed=3).eval()
        with torch.inference_mode():
            assert torch.equal(features(again, images), features(model, images))
        larger = build(begun.model_copy(update={"image_size": 32}), classes=7, channels=1, seed=3)
        assert larger(torch.randn(2, 1, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("weights", "changes", "message"),
    [
        ("no/such.pth", {}, "weights: no/such.pth: no such file, and no name of timm"),
        ("local-dir:{folder}", {"name": "vit_tiny_patch16_224"}, "of a test_vit, but model.name"),
        ("local-dir:{folder}", {"pooling": "average"}, "cannot be loaded"),
        ("{folder}/config.json", {}, "cannot be loaded"),
    ],
)
def test_weights_that_cannot_be_begun_with_are_one_line(saved, weights, changes, message):
    _, recipe, folder = saved()
    wrong = recipe.model_copy(update={"weights": weights.format(folder=folder), **changes})
    with pytest.raises(ModelError, match=message) as caught:
        build(wrong, classes=4, channels=1, seed=0)
    assert "\n" not in str(caught.value)


def test_another_input_size_interpolates_positions(saved):
    model, _, _ = saved()
    positions = model.pos_embed
    models.resize(model, 16)
    assert model.pos_embed is positions
    models.resize(model, 24)
    assert model(torch.randn(2, 1, 24, 24)).shape == (2, 4)
