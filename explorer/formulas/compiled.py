"""How kernels are compiled: one decorator, so that all are alike.

Without the interpreter lock, so that threads run side by side. Cached on disk, so that only the
first process compiles. Never with ``fastmath``: every operation rounds as IEEE 754 says, no product
and sum are contracted, and the result is the same on every machine.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numba as nb

F = TypeVar("F", bound=Callable[..., object])

# numba compiles a kernel anew when its own file has changed, but not when a file has whose kernels
# it calls. The name under which it is cached therefore ends in a digest of all files.
_SOURCES = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()[:16]


def kernel(function: F) -> F:
    """Compile a function at its first call."""
    function.__qualname__ = f"{function.__qualname__}_{_SOURCES}"
    compiled = nb.njit(nogil=True)(function)
    # Where neither this package, the user's cache nor NUMBA_CACHE_DIR can be written, numba says
    # so; then every process compiles.
    with suppress(RuntimeError):
        compiled.enable_caching()
    return compiled  # type: ignore[no-any-return]
