import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.training import models, optimisers
from explorer.training.recipe import FineTune

MUON = FineTune(
    epochs=1, batch_size=8, learning_rate=1e-3, optimiser="muon", matrix_learning_rate=0.02
)


@settings(max_examples=20)
@given(
    rows=st.integers(2, 40),
    columns=st.integers(2, 40),
    scale=st.sampled_from([1e-4, 1.0, 1e4]),
    seed=st.integers(0, 1000),
)
def test_orthogonalise_keeps_directions_and_flattens_sizes(rows, columns, scale, seed):
    generator = torch.Generator().manual_seed(seed)
    u, _ = torch.linalg.qr(torch.randn(rows, min(rows, columns), generator=generator))
    v, _ = torch.linalg.qr(torch.randn(columns, min(rows, columns), generator=generator))
    s = torch.linspace(1, 0.1, min(rows, columns))
    found = optimisers.orthogonalise(scale * (u * s @ v.T)[None])[0]
    flat = u.T @ found @ v
    sizes = torch.diagonal(flat)
    assert found.shape == (rows, columns)
    assert float(sizes.min()) > 0.6
    assert float(sizes.max()) < 1.4
    assert float((flat - torch.diag(sizes)).abs().max()) < 1e-3


def test_orthogonalise_agrees_with_the_plain_iteration():
    x = torch.randn(3, 20, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = x / (1.01 * x.norm(dim=(1, 2), keepdim=True))
    for a, b, c in optimisers.NEWTON_SCHULZ:
        gram = expected @ expected.mT
        expected = a * expected + (b * gram + c * gram @ gram) @ expected
    assert torch.allclose(optimisers.orthogonalise(x), expected, atol=1e-10)


def test_coefficients_flatten_all_but_the_smallest():
    sizes = torch.logspace(-2, 0, 500, dtype=torch.float64)
    for a, b, c in optimisers.NEWTON_SCHULZ:
        sizes = a * sizes + b * sizes**3 + c * sizes**5
    assert float(sizes.min()) > 0.72
    assert float(sizes.max()) < 1.28


def test_orthogonalise_of_nothing_is_nothing():
    assert torch.equal(optimisers.orthogonalise(torch.zeros(2, 4, 3)), torch.zeros(2, 4, 3))


def test_step_follows_the_rule_of_torch():
    """Same momentum, scale and decay as torch.optim.Muon; both are near the polar factor."""
    start = torch.randn(24, 16, generator=torch.Generator().manual_seed(0))
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    first = optimisers.Muon([ours], lr=0.1, weight_decay=0.5)
    second = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.5)
    for seed in range(4):
        ours.grad = torch.randn(24, 16, generator=torch.Generator().manual_seed(seed))
        theirs.grad = ours.grad.clone()
        first.step()
        second.step()
    moved = (ours - theirs).detach().norm() / (ours - start).detach().norm()
    assert float(moved) < 0.25


def test_every_parameter_has_one_optimiser(tiny):
    model = models.build(tiny, classes=5, channels=1, seed=0)
    adamw = FineTune(epochs=1, batch_size=8, learning_rate=1e-3)
    for recipe in (MUON, adamw, adamw.model_copy(update={"optimiser": "sgd"})):
        built = optimisers.build(model, recipe)
        held = [id(p) for o in built for group in o.param_groups for p in group["params"]]
        assert sorted(held) == sorted(id(p) for p in model.parameters())


def test_weight_decay_spares_vectors_and_embeddings(tiny):
    model = models.build(tiny, classes=5, channels=1, seed=0)
    spared = {
        id(p)
        for optimiser in optimisers.build(model, MUON)
        for group in optimiser.param_groups
        if group["weight_decay"] == 0
        for p in group["params"]
    }
    for name, parameter in model.named_parameters():
        expected = name.endswith("bias") or "norm" in name or name == "pos_embed"
        assert (id(parameter) in spared) == expected, name


def test_a_matrix_without_gradient_stays():
    parameter = torch.nn.Parameter(torch.ones(3, 3))
    optimisers.Muon([parameter], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(parameter, torch.ones(3, 3))
    with pytest.raises(ValueError, match="closure"):
        optimisers.Muon([parameter], lr=0.1, weight_decay=0.5).step(lambda: 0.0)


def test_bfloat16_goes_about_the_same_way():
    start = torch.randn(24, 16, generator=torch.Generator().manual_seed(0))
    exact, rounded = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    first = optimisers.Muon([exact], lr=0.1, weight_decay=0.5)
    second = optimisers.Muon([rounded], lr=0.1, weight_decay=0.5, dtype=torch.bfloat16)
    for seed in range(4):
        exact.grad = torch.randn(24, 16, generator=torch.Generator().manual_seed(seed))
        rounded.grad = exact.grad.clone()
        first.step()
        second.step()
    assert second.state[rounded]["momentum"].dtype is torch.float32
    assert not torch.equal(exact, rounded)
    moved = (exact - rounded).detach().norm() / (exact - start).detach().norm()
    assert float(moved) < 0.05


def test_muon_follows_the_arithmetic_of_the_recipe(tiny):
    model = models.build(tiny, classes=5, channels=1, seed=0)
    for precision in ("float32", "bfloat16"):
        recipe = MUON.model_copy(update={"precision": precision})
        assert optimisers.build(model, recipe)[1].dtype is getattr(torch, precision)
