"""Dead leaves: filled shapes that cover one another."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from explorer.formulas import streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges

_RADII = 200  # different radii of a category

_EXPONENT = "power of the radius that its chance falls with"
_SMALLEST = "least radius"
_LARGEST = "greatest radius, the least one where that is greater"
_SHAPE = "disc, square, turned square, rectangle, triangle, quadrangle"
_MIXTURE = "chance of a leaf to have any of the six shapes instead of that of the category"
_LEAVES = "most leaves of an image; no more fall when all is covered"


class DeadLeaves(Formula):
    """Dead leaves (Baradad et al., NeurIPS 2021): filled shapes over one another.

    Leaves fall on a black canvas, each in one grey, until no pixel is bare or ``leaves`` have
    fallen. A leaf lies around or on a circle of radius r about a uniform place of the canvas: r is
    one of 200 radii in even steps from ``smallest`` to ``largest`` canvases, with a chance in
    proportion to ``r^-e - largest^-e`` (e is the exponent; ``e = 0`` makes all alike). It is the
    disc, a square upright or turned, a rectangle, a triangle or a quadrangle with its corners on
    the circle. A category draws e, the two radii, its shape and the chance of a leaf to have
    another shape; an instance draws all leaves.

    The law of a leaf is that of the authors' script (``dead_leaves/generate_dataset.py``), which
    has e = 3, radii of 0.03 to 1 canvas and 5,000 leaves, and one shape for all images: ``mixture``
    1 is its "mixed", ``mixture`` 0 with ``shape`` 1 or 2 its "squares" and "oriented". There are no
    categories in that paper, and how the CVPR 2022 paper of Kataoka et al. made some of it for
    its baseline is not published: the other ranges are ours. Colours are greys, textures of leaves
    are not taken, and a leaf of grey 0 covers.
    """

    name: ClassVar[str] = "dead_leaves"
    title: ClassVar[str] = "Dead leaves"
    source: ClassVar[str] = (
        "Baradad, Wulff, Wang, Isola & Torralba: Learning to See by Looking at Noise. NeurIPS 2021"
    )
    version: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("exponent", int, 0, 8, (2, 4), "power", _EXPONENT, "e"),
        Parameter("smallest", float, 0.01, 1.0, (0.02, 0.1), "canvases", _SMALLEST, "r0"),
        Parameter("largest", float, 0.01, 1.0, (0.2, 1.0), "canvases", _LARGEST, "r1"),
        Parameter("shape", int, 0, 5, (0, 5), "number", _SHAPE, "f"),
        Parameter("mixture", float, 0.0, 1.0, (0.0, 0.5), "chance", _MIXTURE, "m"),
        Parameter("leaves", int, 1, 20_000, (5_000, 5_000), "leaves", _LEAVES, "N"),
        Parameter("grey", int, 0, 255, (0, 255), "grey levels", "grey of a leaf", "g"),
    )
    log_from: ClassVar[Mapping[str, float]] = {"smallest": 0.01, "largest": 0.01, "leaves": 1}
    draws: ClassVar[streams.Draws] = (
        "exponent",
        "smallest",
        "largest",
        "shape",
        "mixture",
        "leaves",
    )

    def draw_into(self, images: Images, full: Ranges, *, row: np.void, keys: streams.Words) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import leaves

        radii, borders = radius_law(int(row["exponent"]), row["smallest"], row["largest"])
        leaves.draw(
            images,
            keys,
            np.maximum((radii * images.shape[1]).astype(np.int64), 1),
            borders,
            int(row["shape"]),
            round(float(row["mixture"]) * 2**24),
            int(row["leaves"]),
            *map(int, full["grey"]),
        )


def radius_law(
    exponent: int, smallest: float, largest: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the radii ``[200]`` in canvases and the borders ``[199]`` of their chances.

    The radius is number k where a uniform number of 0..2**32 is at or above k borders: as in the
    authors' script the one whose cumulated chance is the nearest.
    """
    steps = np.arange(_RADII) / (_RADII - 1)
    most = max(smallest, largest)
    radii = smallest + steps * (most - smallest)
    # By repeated products, each rounded as IEEE 754 says: a library's power may differ.
    powers, last = np.ones(_RADII), 1.0
    for _ in range(exponent):
        powers, last = powers * radii, last * most
    chances = 1 / powers - (1 / last if exponent else 0.0)
    chances = np.maximum(chances, 0.0)
    if not chances.any():
        chances[:] = 1.0
    total = np.cumsum(chances)
    total = total / total[-1]
    return radii, ((total[1:] + total[:-1]) * 2.0**31).astype(np.int64)
