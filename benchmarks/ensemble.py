"""Many vision transformers of one shape trained side by side on one GPU, as stacked tensors.

A ViT-Tiny on 32 x 32 pixels is far too small for a GPU: one step of one network takes as long as
one of fifty. So the weights of M networks are stacked, [M, ...], and every product is a batched
one. Loss, clipping and optimisers are those of `explorer.training.engine`, per network; a network
that diverges does so alone. `python -m benchmarks.ensemble` shows on a processor that a step is the
engine's.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor, nn

from explorer.training import engine
from explorer.training.augment import augment, photometric
from explorer.training.optimisers import MOMENTUM, orthogonalise
from explorer.training.recipe import Augmentation, Phase

EPSILON = 1e-6  # of timm's layer norms
BLOCK = (
    "norm1.weight", "norm1.bias", "attn.qkv.weight", "attn.qkv.bias", "attn.proj.weight",
    "attn.proj.bias", "norm2.weight", "norm2.bias", "mlp.fc1.weight", "mlp.fc1.bias",
    "mlp.fc2.weight", "mlp.fc2.bias",
)  # fmt: skip
MATRICES = tuple(name for name in BLOCK if name.endswith("weight") and "norm" not in name)

Weights = dict[str, Tensor]


def stack(models: Sequence[nn.Module], device: torch.device) -> Weights:
    """Stack the weights of networks of one shape, float32 [M, ...] by timm's names."""
    states = [model.state_dict() for model in models]
    return {
        name: torch.stack([state[name].float() for state in states]).to(device)
        for name in states[0]
    }


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Apply M layers to [M, N, inputs]; weight [M, outputs, inputs], bias [M, outputs]."""
    return torch.baddbmm(bias[:, None].to(x.dtype), x, weight.mT.to(x.dtype))


def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Normalise the last axis of [M, N, D], with scale and shift [M, D]."""
    return nnf.layer_norm(x, x.shape[-1:], eps=EPSILON) * weight[:, None] + bias[:, None]


def normed(x: Tensor, scale: Tensor, shift: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A layer norm and the layer behind it, in the type of `x`'s product with the folded weights.

    Scale and shift of the norm, [M, D], go into the layer: that is the same function, and spares
    several passes over the tokens.
    """
    bias = bias + torch.bmm(weight, shift[:, :, None])[:, :, 0]
    return linear(x, weight * scale[:, None], bias)


def block(x: Tensor, batch: int, heads: int, dtype: torch.dtype, *w: Tensor) -> Tensor:
    """One transformer block of M networks on tokens, float32 [M, B * T, D]."""
    count, tokens, width = x.shape
    h = nnf.layer_norm(x, x.shape[-1:], eps=EPSILON).to(dtype)
    qkv = normed(h, w[0], w[1], w[2], w[3])
    qkv = qkv.view(count * batch, tokens // batch, 3, heads, width // heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    attended = nnf.scaled_dot_product_attention(q, k, v).transpose(1, 2)
    x = x + linear(attended.reshape(count, tokens, width), w[4], w[5])
    h = nnf.layer_norm(x, x.shape[-1:], eps=EPSILON).to(dtype)
    return x + linear(nnf.gelu(normed(h, w[6], w[7], w[8], w[9])), w[10], w[11])


@dataclass
class Shape:
    """What the networks of an ensemble share."""

    patch: int
    depth: int
    heads: int
    dtype: torch.dtype
    run: Callable[..., Tensor] = block

    def tokens(self, w: Weights, images: Tensor, drop: float = 0.0) -> Tensor:
        """Tokens after the last norm, [M, B, T, D], of normalised images [M, B, C, H, W]."""
        count, batch, channels, height, width = images.shape
        p = self.patch
        patches = images.view(count, batch, channels, height // p, p, width // p, p)
        patches = patches.permute(0, 1, 3, 5, 2, 4, 6).reshape(count, -1, channels * p * p)
        kernel = w["patch_embed.proj.weight"].flatten(2)
        x = linear(patches.to(self.dtype), kernel, w["patch_embed.proj.bias"]).float()
        x = x.view(count, batch, -1, x.shape[-1])
        cls = w["cls_token"].expand(-1, batch, -1, -1)
        x = torch.cat([cls, x], dim=2) + w["pos_embed"]
        if drop:
            kept = max(1, round((1 - drop) * (x.shape[2] - 1)))
            order = torch.rand(x.shape[0], batch, x.shape[2] - 1, device=x.device)
            chosen = 1 + order.topk(kept, dim=2).indices
            chosen = torch.cat([torch.zeros_like(chosen[:, :, :1]), chosen], dim=2)
            x = x.gather(2, chosen[..., None].expand(-1, -1, -1, x.shape[3]))
        left = x.shape[2]
        x = x.reshape(count, batch * left, -1)
        for number in range(self.depth):
            own = [w[f"blocks.{number}.{name}"] for name in BLOCK]
            x = self.run(x, batch, self.heads, self.dtype, *own)
        return norm(x, w["norm.weight"], w["norm.bias"]).view(count, batch, left, -1)

    def logits(self, w: Weights, tokens: Tensor) -> Tensor:
        """Outputs of the heads, [M, B, classes], from the class tokens."""
        pooled = tokens[:, :, 0].to(self.dtype)
        return linear(pooled, w["head.weight"], w["head.bias"]).float()


class Optimisers:
    """AdamW for all, or Muon for the matrices of the blocks and AdamW for the rest.

    The share of the peak learning rates is a tensor, so that a step can be a CUDA graph.
    """

    def __init__(self, w: Weights, recipe: Phase, dtype: torch.dtype) -> None:
        self.recipe = recipe
        self.dtype = dtype
        device = next(iter(w.values())).device
        self.factor = torch.zeros((), device=device)
        muon = recipe.optimiser == "muon"
        fast = [n for n in w if muon and n.startswith("blocks.") and n.endswith(MATRICES)]
        rest = {n: p for n, p in w.items() if n not in fast}
        plain = [p for n, p in rest.items() if p.ndim < 3 or n.endswith(("pos_embed", "cls_token"))]
        spared = {id(p) for p in plain}
        cuda = device.type == "cuda"
        self.adamw = torch.optim.AdamW(
            [
                {
                    "params": [p for p in rest.values() if id(p) not in spared],
                    "weight_decay": recipe.weight_decay,
                },
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=torch.zeros((), device=device),
            fused=True,
            capturable=cuda,
        )
        self.matrices = [[w[n] for n in fast if n.endswith(kind)] for kind in MATRICES if muon]
        self.averages = [[torch.zeros_like(p) for p in group] for group in self.matrices]

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights at `factor` times the peak learning rates."""
        for options in self.adamw.param_groups:
            options["lr"].copy_(self.factor * self.recipe.learning_rate)
        self.adamw.step()
        rate = self.factor * (self.recipe.matrix_learning_rate or 0.0)
        for group, averages in zip(self.matrices, self.averages, strict=True):
            gradients = [gradient_of(p) for p in group]
            torch._foreach_lerp_(averages, gradients, 1 - MOMENTUM)
            torch._foreach_lerp_(gradients, averages, MOMENTUM)
            rows, columns = group[0].shape[1:]
            updates = orthogonalise(torch.cat([g.to(self.dtype) for g in gradients]))
            size = rate * math.sqrt(max(1, rows / columns))
            decay = 1 - rate * self.recipe.weight_decay
            for matrix, update in zip(group, torch.split(updates, len(group[0])), strict=True):
                matrix.mul_(decay).sub_(update * size)

    def forget(self) -> None:
        """Begin anew: what warming up has left behind is gone."""
        for state in self.adamw.state.values():
            for value in state.values():
                value.zero_()
        for group in self.averages:
            torch._foreach_zero_(group)


def gradient_of(parameter: Tensor) -> Tensor:
    """Return the gradient that a parameter has after a backward pass."""
    if parameter.grad is None:
        raise ValueError("no backward pass has been made")
    return parameter.grad


@torch.no_grad()
def clip(w: Weights, most: float) -> None:
    """Shorten the gradient of every network to a norm of at most `most`."""
    gradients = [gradient_of(p) for p in w.values()]
    squares = torch.stack([g.flatten(1).square().sum(dim=1) for g in gradients]).sum(dim=0)
    factor = (most / (squares.sqrt() + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))


class Stepper:
    """A step of an ensemble on a batch; on a GPU it is recorded once and then replayed.

    Args:
        w: Weights of M networks.
        shape: Their shape.
        recipe: Of the phase.
        images: Example of a batch, normalised, float [M, B, C, H, W].
        targets: Example of its targets, float [M, B, classes].
        drop: Share of the patches left out.
        rates: Learning rate of every network as a multiple of the recipe's, float [M].
    """

    def __init__(
        self, w: Weights, shape: Shape, recipe: Phase, images: Tensor, targets: Tensor,
        drop: float = 0.0, rates: Tensor | None = None,
    ) -> None:  # fmt: skip
        self.w, self.shape, self.recipe, self.drop, self.rates = w, shape, recipe, drop, rates
        for parameter in w.values():
            parameter.requires_grad_()
        self.images, self.targets = images.clone(), targets.clone()
        self.optimisers = Optimisers(w, recipe, shape.dtype)
        self.loss = torch.zeros(len(images), device=images.device)
        self.graph: torch.cuda.CUDAGraph | None = None
        if images.device.type == "cuda":
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):  # at a learning rate of zero nothing moves
                for _ in range(2):
                    self._step()
            torch.cuda.current_stream().wait_stream(stream)
            for parameter in w.values():
                parameter.grad = None
            graph = torch.cuda.CUDAGraph()
            try:
                with torch.cuda.graph(graph):
                    self._step()
                self.graph = graph
            except RuntimeError as error:
                print("not recorded:", str(error)[:300], flush=True)
            self.optimisers.forget()

    def __call__(self, images: Tensor, targets: Tensor, factor: float) -> Tensor:
        """Train on one batch at a share of the peak rates; the losses [M], until the next call."""
        self.images.copy_(images)
        self.targets.copy_(targets)
        self.optimisers.factor.fill_(factor)
        if self.graph is None:
            self._step()
        else:
            self.graph.replay()
        return self.loss

    def _step(self) -> None:
        logits = self.shape.logits(self.w, self.shape.tokens(self.w, self.images, self.drop))
        loss = nnf.cross_entropy(
            logits.flatten(0, 1), self.targets.flatten(0, 1),
            label_smoothing=self.recipe.label_smoothing, reduction="none",
        ).view(len(self.images), -1).mean(dim=1)  # fmt: skip
        for parameter in self.w.values():
            parameter.grad = None
        loss.sum().backward()  # type: ignore[no-untyped-call]
        self.loss.copy_(loss.detach())
        if self.recipe.clip is not None:
            clip(self.w, self.recipe.clip)
        if self.rates is None:
            self.optimisers.step()
            return
        # Step and decay are proportional to the rate, so a share of the step is a rate.
        before = {name: parameter.detach().clone() for name, parameter in self.w.items()}
        self.optimisers.step()
        with torch.no_grad():
            for name, parameter in self.w.items():
                share = self.rates.view(-1, *[1] * (parameter.ndim - 1))
                parameter.copy_(before[name].lerp(parameter, share))


@dataclass
class Group:
    """Neighbouring networks of an ensemble whose images are augmented alike."""

    first: int
    count: int
    recipe: Augmentation


# Batches that are drawn and augmented at once.
SLAB = 16


def train(
    w: Weights,
    shape: Shape,
    images: Tensor,
    labels: Tensor,
    recipe: Phase,
    *,
    mean: Tensor,
    std: Tensor,
    classes: int,
    seed: int,
    groups: Sequence[Group] = (),
    drop: float = 0.0,
    rates: Tensor | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Train an ensemble in place.

    Args:
        w: Weights of M networks.
        shape: Their shape.
        images: uint8 [M, N, C, H, W].
        labels: int64 [M, N].
        recipe: Of the phase; its batches must divide the images.
        mean: Of the grey levels, float [M, 1, 1, 1, 1].
        std: The same.
        classes: Outputs of the heads.
        seed: Of order and augmentation.
        groups: How images are augmented; not at all for networks in no group.
        drop: Share of the patches left out.
        rates: Learning rate of every network as a multiple of the recipe's, float [M].

    Yields:
        After every epoch its number and the mean loss of its second half, float [M].
    """
    count, total = labels.shape
    device, batch = images.device, min(recipe.batch_size, total)
    steps = total // batch
    flat, flat_labels = images.flatten(0, 1), labels.flatten()
    offsets = torch.arange(count, device=device)[:, None] * total
    generator = torch.Generator(device).manual_seed(engine.mixed(seed, 0))
    stepper: Stepper | None = None
    step = 0
    for epoch in range(recipe.epochs):
        order = torch.rand(count, total, generator=generator, device=device).argsort(dim=1)
        losses = torch.zeros(count, device=device)
        counted = 0
        for piece in torch.split(order[:, : steps * batch], SLAB * batch, dim=1):
            chosen = (piece + offsets).flatten()
            x = flat[chosen].view(count, -1, *flat.shape[1:]).float()
            y = nnf.one_hot(flat_labels[chosen], classes).float().view(count, -1, classes)
            for group in groups:
                part = slice(group.first, group.first + group.count)
                own = photometric(
                    x[part].flatten(0, 1),
                    group.recipe.photometric,
                    engine.mixed(seed, 5, step, group.first),
                )
                own = (own.view_as(x[part]) - mean[part]) / std[part]
                own, target = augment(
                    own.flatten(0, 1),
                    y[part].flatten(0, 1),
                    group.recipe,
                    engine.mixed(seed, 1, step, group.first),
                )
                x[part], y[part] = own.view_as(x[part]), target.view_as(y[part])
            for now, goal in zip(*(torch.split(v, batch, dim=1) for v in (x, y)), strict=True):
                stepper = stepper or Stepper(w, shape, recipe, now, goal, drop, rates)
                factor = engine.schedule(step, steps * recipe.epochs, recipe.warmup)
                loss = stepper(now, goal, factor)
                if step % steps >= steps // 2:
                    losses += loss
                    counted += 1
                step += 1
        yield epoch, losses / counted
    for parameter in w.values():
        parameter.requires_grad_(False)
        parameter.grad = None


@torch.no_grad()
def apply(
    function: Callable[[Tensor], Tensor], images: Tensor, mean: Tensor, std: Tensor, most: int
) -> Tensor:
    """Apply a function of normalised images [M, B, ...] to uint8 [M or 1, N, ...], in pieces."""
    count = len(mean)
    parts = []
    for piece in torch.split(images, most, dim=1):
        x = piece.expand(count, -1, -1, -1, -1).float()
        parts.append(function((x - mean) / std))
    return torch.cat(parts, dim=1)


def _check() -> None:
    """Compare three steps of an ensemble of two with the engine's, on a processor."""
    from explorer.training import models
    from explorer.training.recipe import Model, Pretrain

    recipe = Pretrain(
        epochs=1, batch_size=8, optimiser="muon", learning_rate=1e-3, matrix_learning_rate=0.02,
        precision="float32",
    )  # fmt: skip
    model = Model(image_size=32, patch_size=8)
    networks = [models.build(model, classes=4, channels=1, seed=seed) for seed in (0, 1)]
    images = np.random.default_rng(0).integers(0, 256, (2, 24, 1, 32, 32), dtype=np.uint8)
    labels = np.arange(24, dtype=np.int64) % 4
    w = stack(networks, torch.device("cpu"))
    cpu = torch.device("cpu")
    trainings = [
        engine.Training(n, i, labels, recipe, classes=4, seed=0, device=cpu, phase="pretrain")
        for n, i in zip(networks, images, strict=True)
    ]
    stepper: Stepper | None = None
    for step in range(3):
        chosen = torch.arange(8) + 8 * step
        for training in trainings:
            (shown,) = training.source.batches([chosen])
            x, y = training.batch(shown, chosen)
            training.differentiate(x, y)
            training.clip()
            training.update()
            training.step += 1
        x = (torch.from_numpy(images)[:, chosen].float() - 127.5) / 127.5
        y = nnf.one_hot(torch.from_numpy(labels)[chosen], 4).float().expand(2, -1, -1)
        stepper = stepper or Stepper(w, Shape(8, 12, 3, torch.float32), recipe, x, y)
        stepper(x, y, engine.schedule(step, 3, recipe.warmup))
    first = [models.build(model, classes=4, channels=1, seed=seed) for seed in (0, 1)]
    expected, before = (stack(each, torch.device("cpu")) for each in (networks, first))
    worst = max(float((w[n].detach() - expected[n]).abs().max()) for n in w)
    moved = max(float((w[n].detach() - before[n]).abs().max()) for n in w)
    print(f"largest difference of a weight after three steps: {worst:.1e} (moved {moved:.1e})")


if __name__ == "__main__":
    _check()
