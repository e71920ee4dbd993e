"""Vision transformers of timm, from scratch (the same weights for the same seed) or published.

Channels: the model has as many input channels as the downstream task (1 or 3), because that is
where it has to end up and because both arms, pre-trained and from scratch, must then be the same
model. Grey proxy images are repeated over the channels of a colour model, and colour images are
reduced to their luma for a grey one; `explorer.training.engine` does so a batch at a time.
"""

import shutil
from argparse import Namespace
from difflib import get_close_matches
from pathlib import Path

import timm
import torch
from timm.models import save_for_hf
from torch import Tensor, nn

from explorer.training import recipe as recipes
from explorer.training.inputs import Normalise


class ModelError(ValueError):
    """A model that cannot be built: unknown to timm, or no vision transformer."""


def build(recipe: recipes.Model, *, classes: int, channels: int, seed: int) -> nn.Module:
    """Build a vision transformer.

    Args:
        recipe: Name, input side, patch side and pooling.
        classes: Outputs of the head.
        channels: Channels of the input, 1 or 3.
        seed: Of the weights; the global random state is left as it was.

    Returns:
        A model in training mode, on the CPU, with random weights as the recipe says or with those
        that it names. Its attribute
        `input_scale` keeps the recipe's `normalise`, as the scale belongs to the weights.

    Raises:
        ModelError: The name is unknown (the nearest is suggested) or no vision transformer, or the
            weights are missing or of another model.
    """
    known = timm.list_models("*vit*")
    if not timm.is_model(recipe.name):
        close = get_close_matches(recipe.name, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "vit_tiny_patch16_224 is one"
        raise ModelError(f"timm has no model named '{recipe.name}'; {hint}")
    pooled: dict[str, object] = (
        {"global_pool": "avg", "class_token": False} if recipe.pooling == "average" else {}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model: nn.Module = _create(
                recipe,
                img_size=recipe.image_size,
                patch_size=recipe.patch_size,
                in_chans=channels,
                num_classes=0,
                **pooled,
            )
        except TypeError as error:
            raise ModelError(
                f"'{recipe.name}' is no plain vision transformer; vit_tiny_patch16_224 is one"
            ) from error
        if recipe.initialisation == "fan_in" and recipe.weights is None:
            for module in model.modules():
                if isinstance(module, nn.Linear):
                    nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
    if not hasattr(model, "blocks"):
        raise ModelError(f"'{recipe.name}' has no transformer blocks; vit_tiny_patch16_224 has")
    model.input_scale = recipe.normalise  # type: ignore[assignment]
    # Apart, so that the weights below do not depend on the number of classes: with one seed the
    # arm from scratch starts where the pre-trained arms started.
    replace_head(model, classes=classes, seed=seed)
    return model


def _create(recipe: recipes.Model, **options: object) -> nn.Module:
    """Let timm make a model, and load weights where the recipe names some."""
    weights = recipe.weights
    if weights is None:
        model: nn.Module = timm.create_model(recipe.name, pretrained=False, **options)
        return model
    file = Path(weights).expanduser()
    named = weights.startswith(("local-dir:", "hf-hub:")) or timm.is_model(weights.split(".")[0])
    if not named and not file.is_file():
        raise ModelError(f"weights: {weights}: no such file, and no name of timm")
    try:
        # The authors' checkpoints hold the arguments of the script that wrote them.
        with torch.serialization.safe_globals([Namespace]):
            model = (
                timm.create_model(weights, pretrained=True, **options)
                if named
                else timm.create_model(
                    recipe.name,
                    pretrained=True,
                    pretrained_cfg_overlay={"file": str(file)},
                    **options,
                )
            )
    except TypeError:
        raise
    except Exception as error:  # whatever timm, torch and the network raise
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ModelError(f"weights: {weights}: cannot be loaded ({reason})") from error
    found = model.pretrained_cfg.get("architecture")  # type: ignore[union-attr,operator]
    if found != recipe.name.split(".")[0]:
        raise ModelError(f"weights: {weights}: of a {found}, but model.name is {recipe.name}")
    return model


def resize(model: nn.Module, size: int) -> None:
    """Let a model take another side of the input, in pixels; positions are interpolated."""
    if tuple(model.patch_embed.img_size) != (size, size):  # type: ignore[union-attr,arg-type]
        model.set_input_size(img_size=(size, size))  # type: ignore[operator]


def save(model: nn.Module, recipe: recipes.Model, normalise: Normalise, folder: Path) -> None:
    """Write a model as timm loads it: ``timm.create_model("local-dir:FOLDER", pretrained=True)``.

    The folder appears when it is whole; one of before is replaced.

    Args:
        model: The model.
        recipe: What it was built from.
        normalise: Scale of its input.
        folder: Where to write `model.safetensors` and `config.json`.
    """
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    channels = channels_of(model)
    levels = {
        name: [value / 255 for value in values.flatten().tolist()] * (channels // values.numel())
        for name, values in (("mean", normalise.mean), ("std", normalise.std))
    }
    size = [int(side) for side in model.patch_embed.img_size]  # type: ignore[union-attr]
    pooled = {"global_pool": "avg", "class_token": False} if recipe.pooling == "average" else {}
    shown = {"input_size": [channels, *size], "interpolation": "bicubic", "crop_pct": 1.0}
    save_for_hf(
        model,
        str(part),
        model_config={"pretrained_cfg": {**shown, **levels}},
        model_args={
            "img_size": size[0],
            "patch_size": recipe.patch_size,
            "in_chans": channels,
            **pooled,
        },
        safe_serialization=True,
    )
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def replace_head(model: nn.Module, *, classes: int, seed: int) -> None:
    """Give a model a new head with random weights, for another set of classes.

    Everything below the head keeps its weights. The global random state is left as it was.
    """
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.reset_classifier(classes)  # type: ignore[operator]
        if isinstance(head := model.head, nn.Linear):
            # As timm initialises a new model; its reset_classifier leaves torch's own.
            nn.init.trunc_normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
    model.to(device)


def place(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a model to a device, and let its attention be computed as is fastest there.

    On CUDA torch's fused attention. On a processor two plain products: with some tens of tokens
    they are as fast as the fused attention in float32, and in bfloat16 its backward is twenty
    times as slow on a processor without AMX (1.3 s of 3.0 s in ten steps of a ViT-Tiny).
    """
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = device.type == "cuda"  # type: ignore[assignment]
    return model.to(device)


class PatchDrop(nn.Module):
    """Leave out a share of the patches in training (PatchDropout: Liu et al., 2022).

    timm's own draws from torch's global random state; this one from a seed that is set per step.

    Args:
        share: Of the patches to leave out, in 0..1; at least one is kept.
        prefix: Tokens before the patches that are always kept (the class token).
    """

    def __init__(self, share: float, prefix: int) -> None:
        super().__init__()
        self.share = share
        self.prefix = prefix
        self.seed = 0

    def forward(self, tokens: Tensor) -> Tensor:
        """Keep a random subset of the patches, another per image: [B, T, D] to [B, kept, D]."""
        if not self.training or self.share == 0:
            return tokens
        first, patches = tokens[:, : self.prefix], tokens[:, self.prefix :]
        kept = max(1, round((1 - self.share) * patches.shape[1]))
        generator = torch.Generator(tokens.device).manual_seed(self.seed)
        order = torch.rand(patches.shape[:2], generator=generator, device=tokens.device)
        chosen = order.topk(kept, dim=1).indices[:, :, None].expand(-1, -1, patches.shape[2])
        return torch.cat([first, patches.gather(1, chosen)], dim=1)


class DropPath(nn.Module):
    """Leave out a residual branch for some images in training (Huang et al., 2016).

    timm's own draws from torch's global random state; here the draws are handed in per step.

    Args:
        share: Chance that an image goes without the branch, in 0..1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.kept: Tensor | None = None

    def draw(self, count: int, generator: torch.Generator) -> None:
        """Draw which of the images of the next batch keep the branch."""
        drawn = torch.rand(count, generator=generator, device=generator.device)
        self.kept = (drawn >= self.share).float() / (1 - self.share)

    def forward(self, branch: Tensor) -> Tensor:
        """Scale what is kept, so that its mean stays: [B, ...]."""
        if not self.training or self.kept is None:
            return branch
        return branch * self.kept.to(branch.dtype).view(-1, *[1] * (branch.ndim - 1))


def drop_branches(model: nn.Module, share: float) -> list[DropPath]:
    """Let a model leave out residual branches in training, the more the deeper; 0 is none.

    Returns:
        The modules that do so, which take draws per step.

    Raises:
        ModelError: Some are to be left out, and the model has no place for that.
    """
    blocks = list(model.blocks)  # type: ignore[arg-type]
    found = []
    for place_, block in enumerate(blocks):
        for name in ("drop_path1", "drop_path2"):
            if hasattr(block, name):
                chance = share * place_ / max(1, len(blocks) - 1)
                setattr(block, name, DropPath(chance) if chance else nn.Identity())
                found += [getattr(block, name)] if chance else []
    if share and not found:
        raise ModelError("drop_path: this model has no residual branches to leave out")
    return found


def drop_patches(model: nn.Module, share: float) -> PatchDrop:
    """Let a model leave out a share of its patches in training; 0 is none.

    Returns:
        The module that does so, which takes a `seed` per step.

    Raises:
        ModelError: Some are to be left out, and the model has no place for that.
    """
    if not hasattr(model, "patch_drop") or not hasattr(model, "num_prefix_tokens"):
        if share:
            raise ModelError("patch_drop: this model cannot leave out patches; a plain ViT can")
        return PatchDrop(0.0, 0)
    drop = PatchDrop(share, int(model.num_prefix_tokens))  # type: ignore[arg-type]
    model.patch_drop = drop
    return drop


def shuffle(model: nn.Module, *, seed: int) -> None:
    """Put the weights of every tensor into random order: a control of the same statistics.

    What is gained from such weights is owed to their size and spread, not to what was learned
    (Huang et al., 2206.10139, found 39 % of the benefit there). The global random state is left
    as it was.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            flat = parameter.detach().flatten()
            order = torch.randperm(flat.numel(), generator=generator).to(flat.device)
            parameter.copy_(flat[order].view_as(parameter))


def frozen_features(model: nn.Module, images: Tensor) -> Tensor:
    """Class token and mean of the patch tokens side by side, float [B, D or 2 D].

    A model without a class token has the mean alone, and one that does not tell its tokens apart
    what it pools itself. `images` is normalised, [B, C, H, W]; the tokens are those after the last
    norm of the blocks.
    """
    if not hasattr(model, "num_prefix_tokens"):
        return features(model, images)
    tokens: Tensor = model.forward_features(images)  # type: ignore[operator]
    prefix = int(model.num_prefix_tokens)  # type: ignore[arg-type]
    mean = tokens[:, prefix:].mean(dim=1)
    return torch.cat([tokens[:, 0], mean], dim=1) if prefix else mean


def features(model: nn.Module, images: Tensor) -> Tensor:
    """Pooled features below the head, float [B, width], of normalised images [B, C, H, W]."""
    pooled: Tensor = model.forward_head(  # type: ignore[operator]
        model.forward_features(images),  # type: ignore[operator]
        pre_logits=True,
    )
    return pooled


def channels_of(model: nn.Module) -> int:
    """Channels that a model takes."""
    return int(model.patch_embed.proj.in_channels)  # type: ignore[union-attr,arg-type]


def block_matrices(model: nn.Module) -> list[nn.Parameter]:
    """The 2-D weights of the transformer blocks: attention and MLP, in order."""
    return [p for p in model.blocks.parameters() if p.ndim == 2]  # type: ignore[union-attr]
