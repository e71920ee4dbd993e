"""In which arithmetic a phase computes, and whether the same bits come out every time."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from explorer.training.recipe import Phase

# cuBLAS has no fixed order of summation without it, and torch refuses to go on.
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
_FIXED = (":4096:8", ":16:8")


def matrix_type(recipe: Phase, device: torch.device) -> torch.dtype:
    """Type in which matrices are multiplied: what the recipe asks for, or what is fast here.

    ``auto`` is bfloat16 on GPUs since Ampere (2020) and on processors that multiply it (AMX or
    AVX512-BF16), where a product takes half the time (205 against 100 GFLOP/s a core on Zen 4);
    float32 elsewhere.
    """
    capable = gpu_multiplies_bfloat16 if device.type == "cuda" else multiplies_bfloat16
    wanted = recipe.precision == "bfloat16" or (recipe.precision == "auto" and capable())
    return torch.bfloat16 if wanted else torch.float32


def autocast(recipe: Phase, device: torch.device) -> torch.autocast:
    """Forward in the arithmetic of the recipe; what is no product stays in float32."""
    wanted = matrix_type(recipe, device) is torch.bfloat16
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


@contextmanager
def determinism(recipe: Phase) -> Iterator[None]:
    """Allow only algorithms that give the same bits every time, if the recipe asks for it.

    Torch knows this switch for the whole process only. It is set for the length of the block and
    then put back, with the environment variable that cuBLAS needs.

    Raises:
        RuntimeError: In the block, by torch, from an operation that has no such algorithm.
    """
    if not recipe.deterministic:
        yield
        return
    said = os.environ.get(_CUBLAS)
    on = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    if said not in _FIXED:
        os.environ[_CUBLAS] = _FIXED[0]
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(on, warn_only=warns)
        if said is None:
            os.environ.pop(_CUBLAS, None)
        else:
            os.environ[_CUBLAS] = said


def check_gpus(wanted: float, recipes: Iterable[Phase]) -> None:
    """Raise ``ValueError`` if this machine lacks GPUs or the arithmetic that recipes ask for."""
    there = torch.cuda.device_count()
    if not there:
        raise ValueError("wants a GPU, and torch sees none here; laptop is for processors")
    if wanted > there:
        raise ValueError(f"resources.gpus: wants {wanted:g} GPUs, and torch sees {there} here")
    if any(r.precision == "bfloat16" for r in recipes) and not gpu_multiplies_bfloat16():
        name = torch.cuda.get_device_name()
        raise ValueError(f"precision: {name} does not multiply bfloat16; auto uses float32 there")


def gpu_multiplies_bfloat16() -> bool:
    """Say whether the GPU has instructions that multiply bfloat16; yes where there is none."""
    available = torch.cuda.is_available()
    return not available or torch.cuda.is_bf16_supported(including_emulation=False)


def multiplies_bfloat16() -> bool:
    """Say whether this processor has instructions that multiply bfloat16."""
    # Both are private, and older versions of torch lack one or the other.
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    found = (getattr(torch.cpu, name, None) for name in names)
    return any(bool(capable()) for capable in found if capable is not None)
