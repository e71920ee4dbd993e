import os

import pytest
import torch

from explorer.training import arithmetic
from explorer.training.recipe import FineTune

CPU = torch.device("cpu")
RECIPE = FineTune(epochs=1, batch_size=8, learning_rate=1e-3)
VARIABLE = "CUBLAS_WORKSPACE_CONFIG"


def of(**fields):
    return RECIPE.model_copy(update=fields)


@pytest.mark.parametrize(
    ("amx", "avx512", "expected"),
    [
        (True, False, torch.bfloat16),
        (False, True, torch.bfloat16),
        (False, False, torch.float32),
    ],
)
def test_auto_is_what_the_processor_multiplies(monkeypatch, amx, avx512, expected):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    assert arithmetic.matrix_type(RECIPE, CPU) is expected
    assert arithmetic.matrix_type(of(precision="float32"), CPU) is torch.float32
    assert arithmetic.matrix_type(of(precision="bfloat16"), CPU) is torch.bfloat16
    assert arithmetic.matrix_type(RECIPE, torch.device("cuda")) is torch.bfloat16


def test_an_older_torch_that_cannot_tell_means_float32(monkeypatch):
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert arithmetic.matrix_type(RECIPE, CPU) is torch.float32


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_products_are_made_in_the_arithmetic_of_the_recipe(precision):
    layer = torch.nn.Linear(4, 4)
    with arithmetic.autocast(of(precision=precision), CPU):
        assert layer(torch.ones(1, 4)).dtype is getattr(torch, precision)


@pytest.mark.parametrize("before", [None, ":16:8", "0"])
@pytest.mark.parametrize("on", [True, False])
def test_determinism_is_put_back(monkeypatch, before, on):
    monkeypatch.delenv(VARIABLE, raising=False)
    if before is not None:
        monkeypatch.setenv(VARIABLE, before)
    torch.use_deterministic_algorithms(on, warn_only=on)
    try:
        with arithmetic.determinism(of(deterministic=True)):
            assert torch.are_deterministic_algorithms_enabled()
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
            assert os.environ[VARIABLE] == (":16:8" if before == ":16:8" else ":4096:8")
        assert torch.are_deterministic_algorithms_enabled() == on
        assert torch.is_deterministic_algorithms_warn_only_enabled() == on
        assert os.environ.get(VARIABLE) == before
    finally:
        torch.use_deterministic_algorithms(False)


def test_determinism_is_put_back_after_an_error():
    def fail():
        with arithmetic.determinism(of(deterministic=True)):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not torch.are_deterministic_algorithms_enabled()


def test_nothing_is_switched_unless_it_is_asked_for():
    with arithmetic.determinism(RECIPE):
        assert not torch.are_deterministic_algorithms_enabled()
