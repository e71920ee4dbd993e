"""The optimisers of both phases: AdamW, SGD, and Muon on the matrices of the blocks.

Why Muon is not `torch.optim.Muon`: that one (torch 2.15) orthogonalises one matrix at a time, in
bfloat16, with five steps. On a CPU core a step of a ViT-Tiny then costs as much as forward and
backward of a batch. Here matrices of equal shape go through together, in three steps, on the small
Gram matrix, in the arithmetic of the recipe; docs/protocol.md has the measurement.
"""

import math
from collections.abc import Callable
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from explorer.training.arithmetic import matrix_type
from explorer.training.models import block_matrices
from explorer.training.recipe import Phase

# Three odd quintics x -> a x + b x^3 + c x^5, composed. Each is the best approximation of 1 on the
# range that its forerunner leaves (Amsel et al., "The Polar Express", 2025), from [0.01, 1] on.
# Singular values from 1 % of the Frobenius norm upwards end in 0.73..1.27: what Jordan's five
# steps with one quintic reach (0.7..1.2), at three fifths of the cost.
# Two steps would save a quarter of the products, but the network learns less (a mean loss of 1.91
# against 1.84 in the `laptop` pre-training, three seeds), even with a tighter bound than the norm.
NEWTON_SCHULZ = (
    (8.0934, -23.6204, 17.4462),
    (3.6366, -2.7219, 0.5365),
    (2.6613, -1.9772, 0.4526),
)
MOMENTUM = 0.95


def build(model: nn.Module, recipe: Phase) -> list[torch.optim.Optimizer]:
    """Make the optimisers of a phase. Every group remembers its peak rate as `peak`.

    Weight decay reaches matrices (and the patch embedding's kernel), not norms, biases, tokens
    and position embeddings.
    """
    fast = block_matrices(model) if recipe.optimiser == "muon" else []
    taken = {id(p) for p in fast}
    rest = [(n, p) for n, p in model.named_parameters() if id(p) not in taken]
    plain = [p for n, p in rest if p.ndim < 2 or n.endswith(("pos_embed", "cls_token"))]
    spared = {id(p) for p in plain}
    decayed = [p for _, p in rest if id(p) not in spared]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.SGD(
            groups, lr=recipe.learning_rate, momentum=0.9, nesterov=recipe.nesterov, fused=True
        )
        if recipe.optimiser == "sgd"
        else torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)
    ]
    if recipe.matrix_learning_rate is not None:
        optimisers.append(
            Muon(
                fast,
                lr=recipe.matrix_learning_rate,
                weight_decay=recipe.weight_decay,
                dtype=matrix_type(recipe, fast[0].device),
            )
        )
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["peak"] = group["lr"]
    return optimisers


class Muon(torch.optim.Optimizer):
    """Momentum whose update is replaced by the nearest orthogonal matrix.

    Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024): Nesterov
    momentum 0.95, the update scaled by √max(1, rows / columns), decoupled weight decay.

    Args:
        params: Matrices.
        lr: Size of an update, in units of an orthogonal matrix.
        weight_decay: Decoupled, times `lr`.
        dtype: In which updates are made orthogonal; momentum and matrices keep theirs.
    """

    def __init__(
        self,
        params: list[nn.Parameter],
        *,
        lr: float,
        weight_decay: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make one step; parameters without a gradient stay. The gradients are used up."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            ready = [p for p in group["params"] if p.grad is not None]
            by_shape = sorted(ready, key=lambda p: tuple(p.shape))
            for shape, together in groupby(by_shape, key=lambda p: tuple(p.shape)):
                matrices = list(together)
                updates = orthogonalise(self._momentum(matrices))
                size = group["lr"] * math.sqrt(max(1, shape[0] / shape[1]))
                for matrix, update in zip(matrices, updates.unbind(), strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-size)

    def _momentum(self, parameters: list[nn.Parameter]) -> Tensor:
        """Take the gradients into the averages; Nesterov's updates, [B, rows, columns]."""
        first = parameters[0]
        updates = torch.empty(
            (len(parameters), *first.shape), dtype=self.dtype, device=first.device
        )
        for parameter, update in zip(parameters, updates.unbind(), strict=True):
            state: dict[str, Any] = self.state[parameter]
            gradient = parameter.grad
            assert gradient is not None  # noqa: S101 - the caller chose those that have one
            if not state:
                state["momentum"] = torch.zeros_like(gradient)
            average: Tensor = state["momentum"]
            average.lerp_(gradient, 1 - MOMENTUM)
            # In place: memory that is asked for anew every step costs more than the arithmetic.
            update.copy_(gradient.lerp_(average, MOMENTUM))
        return updates


def orthogonalise(matrices: Tensor) -> Tensor:
    """Replace matrices by (nearly) the nearest orthogonal ones: U S Vᵀ becomes about U Vᵀ.

    Args:
        matrices: float [B, rows, columns].

    Returns:
        The same shape and type. A step X ← (a + b A + c A²) X with A = X Xᵀ touches X only
        through the Gram matrix A, and all its factors commute; so the iteration runs on the
        smaller side's A alone, and the product of the factors is applied to X once at the end.
    """
    x = matrices
    tall = x.size(1) > x.size(2)
    gram = torch.bmm(x.mT, x) if tall else torch.bmm(x, x.mT)
    # Its trace is the square of the Frobenius norm. X is divided by a little more than the norm, so
    # that rounding leaves no singular value above one; in the small matrices, which is cheaper.
    trace = gram.diagonal(dim1=1, dim2=2).sum(dim=1)[:, None, None]
    scale = 1 / (1.01 * trace.sqrt().clamp(min=1e-12))
    gram.mul_(scale).mul_(scale)
    product = None
    for step, (a, b, c) in enumerate(NEWTON_SCHULZ):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = factor if product is None else torch.bmm(factor, product)
        if step < len(NEWTON_SCHULZ) - 1:
            gram = torch.bmm(torch.bmm(factor, gram), factor)
    assert product is not None  # noqa: S101 - there are three steps
    product.mul_(scale)
    return torch.bmm(x, product) if tall else torch.bmm(product, x)
