"""Vision transformers of timm, from scratch, the same weights for the same seed.

Channels: the model has as many input channels as the downstream task (1 or 3), because that is
where it has to end up and because both arms, pre-trained and from scratch, must then be the same
model. Grey proxy images are repeated over the channels of a colour model, and colour images are
reduced to their luma for a grey one; `explorer.training.engine` does so a batch at a time.
"""

from difflib import get_close_matches

import timm
import torch
from torch import Tensor, nn

from explorer.training import recipe as recipes


class ModelError(ValueError):
    """A model that cannot be built: unknown to timm, or no vision transformer."""


def build(recipe: recipes.Model, *, classes: int, channels: int, seed: int) -> nn.Module:
    """Build a vision transformer with random weights.

    Args:
        recipe: Name, input side, patch side and pooling.
        classes: Outputs of the head.
        channels: Channels of the input, 1 or 3.
        seed: Of the weights; the global random state is left as it was.

    Returns:
        A model in training mode, on the CPU, initialised as the recipe says.

    Raises:
        ModelError: The name is unknown (the nearest is suggested) or no vision transformer.
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
            model: nn.Module = timm.create_model(
                recipe.name,
                pretrained=False,
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
        if recipe.initialisation == "fan_in":
            for module in model.modules():
                if isinstance(module, nn.Linear):
                    nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
    if not hasattr(model, "blocks"):
        raise ModelError(f"'{recipe.name}' has no transformer blocks; vit_tiny_patch16_224 has")
    # Apart, so that the weights below do not depend on the number of classes: with one seed the
    # arm from scratch starts where the pre-trained arms started.
    replace_head(model, classes=classes, seed=seed)
    return model


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


def features(model: nn.Module, images: Tensor) -> Tensor:
    """Pooled features below the head, float [B, width], of standardised images [B, C, H, W]."""
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
