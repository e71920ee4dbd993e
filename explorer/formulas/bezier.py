"""Bezier curves: smooth contours without a centre."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from explorer.formulas import streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows

# What an instance draws: as :attr:`Formula.draws`.
_INSTANCE = (("x", "position"), ("y", "position"))
_SHAPE = 2**33  # purpose of the hash that the control points of a category are drawn from

_SIZE = "side of the square that the control points of a category lie in"
_JITTER = "part of the place of a control point that an instance draws"
_CLOSED = "whether a curve ends where it begins (1) or at its last control point (0)"
_CENTRE = "centre of an instance from the middle, along x and along y"


class Bezier(Formula):
    """Bezier curves (Kataoka et al., ACCV 2020 and CVPR 2022): smooth contours, no centre.

    A curve of n control points is ``B(t) = Σ_j C(n-1, j) t^j (1-t)^(n-1-j) P_j`` for t in 0..1; a
    closed one comes back to P_0 as a further control point. It is drawn as 256 lines, one pixel
    wide, in one grey on black. A category draws n, the number of curves K, whether they are closed,
    the size, the jitter u, and a place in the square -1..1 for every control point; an instance
    draws its centre, the grey of every curve, and another place for every control point, which
    counts by the part u: ``P = size / 2 · ((1 - u) P_category + u P_instance)``.

    The papers use such images as a baseline ("BC" in the tables of hypotheses 1 and 2 of the CVPR
    paper) and did not publish the code: only that the images are Bezier curves is theirs, and all
    ranges are ours. With a jitter of 1 the images of a category share n, K, c and s only; with a
    small one they are variants of one drawing.
    """

    name: ClassVar[str] = "bezier"
    title: ClassVar[str] = "Bezier curves"
    source: ClassVar[str] = (
        "Kataoka, Hayamizu, Yamada, Nakashima, Takashima, Zhang, Martinez-Noriega, Inoue & Yokota: "
        "Replacing Labeled Real-Image Datasets with Auto-Generated Contours. CVPR 2022"
    )
    version: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("control_points", int, 2, 32, (3, 12), "points", "per curve", "n"),
        Parameter("curves", int, 0, 500, (1, 40), "curves", "curves of an image", "K"),
        Parameter("closed", int, 0, 1, (0, 1), "no or yes", _CLOSED, "c"),
        Parameter("jitter", float, 0.0, 1.0, (0.05, 0.25), "times", _JITTER, "u"),
        Parameter("size", float, 0.0, 4.0, (0.8, 1.6), "canvases", _SIZE, "s"),
        Parameter("position", float, -4.0, 4.0, (-0.25, 0.25), "half canvases", _CENTRE, "x, y"),
        Parameter("grey", int, 0, 255, (64, 255), "grey levels", "grey of a curve", "g"),
    )
    log_from: ClassVar[Mapping[str, float]] = {"curves": 1}
    draws: ClassVar[streams.Draws] = ("control_points", "curves", "closed", "jitter", "size")

    def rows(self, full: Ranges, seed: int, categories: Sequence[int] | range) -> Rows:
        """Draw n, K, c, u and s of some categories.

        The field ``shape`` is the uint64 that the places of the control points are hashed from.
        """
        shape = streams.words(streams.keys(self.name, seed, categories), [_SHAPE])[:, 0]
        return streams.with_fields(super().rows(full, seed, categories), shape=shape)

    def draw_into(self, images: Images, full: Ranges, *, row: np.void, keys: streams.Words) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import bezier_curves, raster

        drawn = streams.rows(keys, _INSTANCE, full)
        half, (low, high) = images.shape[1] / 2, map(int, full["grey"])
        bezier_curves.draw(
            images,
            keys,
            row["shape"],
            np.stack([half * (1 + drawn["x"]), half * (1 + drawn["y"])], axis=1),
            bernstein(int(row["control_points"]), bool(row["closed"])),
            int(row["curves"]),
            bool(row["closed"]),
            float(row["jitter"]),
            half * float(row["size"]),
            low,
            high,
            raster.canvas_array(images.shape[1]),
            raster.work_array(),
        )


def bernstein(points: int, closed: bool) -> npt.NDArray[np.float64]:
    """Weights ``[points, 257 or 256]`` of the control points at even steps of t in 0..1.

    Of a closed curve the first point has the weight of the last one too, and t = 1 is left out. By
    de Casteljau's recursion, whose sums and products round alike on every machine.
    """
    t = np.arange(257) / 256
    degree = points if closed else points - 1
    weights = np.zeros((degree + 1, len(t)))
    weights[0] = 1.0
    for raised in range(1, degree + 1):
        left = weights[:raised] * t
        weights[:raised] *= 1 - t
        weights[1 : raised + 1] += left
    if not closed:
        return weights
    weights[0] += weights[degree]
    return np.ascontiguousarray(weights[:degree, :256])
