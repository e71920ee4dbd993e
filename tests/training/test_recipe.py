import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from explorer.training.recipe import (
    Augmentation,
    FineTune,
    Model,
    Photometric,
    Pretrain,
    Scatter,
    Task,
)

PHASE: dict[str, Any] = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3}


def test_is_readable_without_torch():
    code = (
        "import sys, explorer.training.recipe as r; "
        "assert not {'numpy', 'torch', 'timm', 'sklearn', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", 0),
        ("learning_rate", 0),
        ("learning_rate", -1e-3),
        ("learning_rate", float("nan")),
        ("weight_decay", -0.1),
        ("weight_decay", float("inf")),
        ("optimiser", "adagrad"),
        ("warmup", 1.0),
        ("clip", 0),
        ("label_smoothing", 1.0),
        ("precision", "float16"),
        ("rungs", [0.5, 0.5]),
        ("rungs", [0.5, 0.25]),
        ("rungs", [0.0, 1.0]),
        ("rungs", [0.5, 1.5]),
        ("learning_rat", 1e-3),
    ],
)
def test_pretrain_refuses(field, value):
    with pytest.raises(ValidationError) as caught:
        Pretrain(**{**PHASE, field: value})
    assert field in str(caught.value)


def test_rungs_belong_to_pretraining_only():
    with pytest.raises(ValidationError, match="rungs"):
        FineTune(**PHASE, rungs=(1.0,))


def test_muon_and_its_rate_come_together():
    with pytest.raises(ValidationError, match="needs a matrix_learning_rate"):
        FineTune(**PHASE, optimiser="muon")
    with pytest.raises(ValidationError, match="no effect with optimiser adamw"):
        FineTune(**PHASE, matrix_learning_rate=0.02)
    assert FineTune(**PHASE, optimiser="muon", matrix_learning_rate=0.02).clip == 1.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"nesterov": True}, "nesterov has no effect with optimiser adamw"),
        ({"augmentation": {"erase_with": "noise"}}, "erase_with has no effect without erase"),
    ],
)
def test_what_has_no_effect_is_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        FineTune(**PHASE, **wrong)


def test_what_recipes_have_gained_leaves_the_hash_of_those_without():
    """Results that are remembered stay known."""
    gained = {"floor", "nesterov", "drop_path", "micro_batch", "copies", "instances"}
    assert not gained & set(Pretrain(**PHASE).model_dump())
    assert Pretrain(**PHASE, copies=2).model_dump()["copies"] == 2


@pytest.mark.parametrize("normalise", ["per_set", (0.5, 0), (1.5, 0.5), (0.5,)])
def test_normalise_is_a_scale_or_each_set_s_own(normalise):
    with pytest.raises(ValidationError, match="normalise"):
        Model(image_size=16, patch_size=8, normalise=normalise)


def test_patches_tile_the_image():
    with pytest.raises(ValidationError, match="patch_size 5 does not divide image_size 16"):
        Model(image_size=16, patch_size=5)


@pytest.mark.parametrize("field", [{"crop": (0.9, 0.3)}, {"crop": (0.5, 1.5)}, {"crop": (0, 1)}])
def test_crop_is_a_range(field):
    with pytest.raises(ValidationError, match="crop"):
        Augmentation(**field)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"name": "cifar_10"}, "no task named 'cifar_10'; did you mean 'cifar10'"),
        ({"name": "digits", "path": "x"}, "no effect for digits"),
        ({"name": "digits", "draws": 3}, "draws has no effect without train_size"),
        ({"name": "digits", "splits": ("train", "test")}, "splits has no effect for digits"),
        ({"name": "digits", "scatter": {"scale": (0.9, 0.4)}}, "scale"),
        ({"name": "digits", "scatter": {"scale": (0.5, 1.5)}}, "scale"),
        ({"name": "digits", "invert": 1.5}, "invert"),
        ({"name": "stanfordcars"}, "stanfordcars needs a path"),
        ({"name": "imagefolder"}, "imagefolder needs a path"),
        ({"name": "cifar10", "path": "x", "test_fraction": 0.5}, "has a test set"),
        ({"name": "digits", "train_size": 1}, "train_size"),
        ({"name": "digits", "test_fraction": 1.0}, "test_fraction"),
        ({"name": "digits", "seed": -1}, "seed"),
    ],
)
def test_task_refuses(task, message):
    with pytest.raises(ValidationError, match=message):
        Task(**task)


def test_recipes_are_frozen_and_hash_alike():
    first = Task(name="digits", train_size=100)
    assert hash(first) == hash(Task(name="digits", train_size=100))
    with pytest.raises(ValidationError, match="frozen"):
        first.train_size = 50


@pytest.mark.parametrize(
    "recipe", [Model, Augmentation, Photometric, Pretrain, FineTune, Scatter, Task]
)
def test_every_field_is_described(recipe):
    # These are described by the class that they hold.
    bare = {name for name, field in recipe.model_fields.items() if not field.description}
    assert bare <= {"augmentation", "photometric"}
