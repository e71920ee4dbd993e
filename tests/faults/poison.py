"""Two families of images that no trial survives; a distribution made by the test offers them."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from explorer.formulas import Formula, Parameter, Ranges


class Raises(Formula):
    """Raises where it is to draw."""

    name: ClassVar[str] = "raises"
    title: ClassVar[str] = "Images that raise"
    source: ClassVar[str] = "nobody"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("dose", int, 0, 9, (0, 9), "drops", "how much of it", "d"),
    )
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def categories(
        self, ranges: Ranges | None, *, seed: int, categories: Sequence[int] | range
    ) -> np.ndarray[Any, Any]:
        """Say nothing of any category."""
        del ranges, seed
        return np.zeros(len(categories), dtype=[("dose", np.int64)])

    def draw_into(self, images: np.ndarray[Any, Any], full: Ranges, **_: Any) -> None:
        """Raise."""
        del images
        raise ValueError(f"a dose of {full['dose'][1]:.0f} is poison")


class Kills(Raises):
    """Ends its process where it is to draw."""

    name: ClassVar[str] = "kills"
    title: ClassVar[str] = "Images that kill"

    def draw_into(self, images: np.ndarray[Any, Any], full: Ranges, **_: Any) -> None:
        """End."""
        del images, full
        os._exit(1)
