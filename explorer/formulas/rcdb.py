"""Radial contours: noisy contours around a point."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np

from explorer.formulas import noise, streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows

_EXPONENTIAL = "vertices of an orbit, exponentially distributed with mean 100"
_AXES = "half axes of the innermost contour, one draw along x and one along y"
_CENTRE = "centre of an instance from the middle, one draw along x and one along y"

# What an instance draws: as :attr:`Formula.draws`.
_INSTANCE = (
    "radius",
    ("oval_x", "oval_rate"),
    ("oval_y", "oval_rate"),
    ("x", "position"),
    ("y", "position"),
)
_BREAKS = 2**33  # purpose of the hash that the lines over an instance are drawn from
_ONE = 1 << 128
_RATIO = 336896500797848528446871789614827604747  # exp(-1 / 100) in units of 1 / _ONE


class RadialContours(Formula):
    """RCDB, radial contours (Kataoka et al., CVPR 2022): noisy contours around a point.

    The innermost contour, of half axes ``r·ox`` and ``r·oy``, is cut into q vertices at angles
    ``θ_i = 2π i / q``. Each of K orbits pushes vertex i outward, along x and along y on their own,
    by ``l + η (1 - 2p)`` with p a value of Perlin noise (between -0.96 and 0.96), and is drawn as a
    closed polygon in one grey on the ground. A category draws q, K, η and l once; an instance draws
    r, ox, oy, its centre, the grey of its orbits and the noise.

    q is the whole part of an exponential variate of mean 100, cut off at the two ends of its range.
    With the default ranges these are the recommended ones (on a canvas of 512). The released script
    draws on white; the figures of the paper show light lines on black, which is ``ground`` 0.

    ``breaks`` lines in the ground's grey, between uniform places of the canvas, may be drawn over
    an image. The paper breaks contours with 1,000 of them ("failure modes" of its project page) and
    says of their width that contours break but the main frame does not disappear. As such a line is
    0.52 canvases long in the mean, about ``1 - exp(-0.52 B w / S)`` of a canvas of side S is
    crossed out: 64 % by 1,000 lines of one pixel at 512, and by 500 at 256.
    """

    name: ClassVar[str] = "rcdb"
    title: ClassVar[str] = "Radial contours (RCDB)"
    source: ClassVar[str] = (
        "Kataoka, Hayamizu, Yamada, Nakashima, Takashima, Zhang, Martinez-Noriega, Inoue & Yokota: "
        "Replacing Labeled Real-Image Datasets with Auto-Generated Contours. CVPR 2022"
    )
    version: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("quantization", int, 3, 4096, (3, 200), "vertices", _EXPONENTIAL, "q"),
        Parameter("orbits", int, 0, 2000, (1, 200), "orbits", "orbits around the point", "K"),
        Parameter("noise", float, 0.0, 32.0, (0.0, 4.0), "px", "Perlin noise per orbit", "η"),
        Parameter("line_width", float, 0.0, 32.0, (0.0, 0.1), "px", "growth per orbit", "l"),
        Parameter("radius", int, 0, 4096, (0, 100), "px", "radius of the innermost contour", "r"),
        Parameter("oval_rate", float, 0.0, 8.0, (1.0, 2.0), "times the radius", _AXES, "o"),
        Parameter("position", float, -4.0, 4.0, (-0.78125, 0.78125), "half canvases", _CENTRE, "u"),
        Parameter("grey", int, 0, 255, (0, 255), "grey levels", "grey of an orbit", "g"),
        Parameter("ground", int, 0, 255, (255, 255), "grey levels", "grey of the canvas", "b"),
        Parameter("breaks", int, 0, 10_000, (0, 0), "lines", "lines in the ground's grey", "B"),
        Parameter("break_width", int, 1, 64, (1, 1), "px", "width of such a line", "w"),
    )
    log_from: ClassVar[Mapping[str, float]] = {
        **dict.fromkeys(("quantization", "orbits", "noise", "radius", "breaks"), 1),
        "line_width": 0.1,
    }
    draws: ClassVar[streams.Draws] = (
        "quantization",
        "orbits",
        "noise",
        "line_width",
        "ground",
        "breaks",
        "break_width",
    )

    def rows(self, full: Ranges, seed: int, categories: Sequence[int] | range) -> Rows:
        """Draw q, K, η, l, b, B and w of some categories."""
        rows = super().rows(full, seed, categories)
        low, high = full["quantization"]
        word = streams.words(streams.keys(self.name, seed, categories), [0])[:, 0]
        # The distribution has no memory: above `low` it begins anew.
        borders = _distribution(int(high - low) + 1)
        rows["quantization"] = low + np.searchsorted(borders, word, side="right")
        return rows

    def draw_into(self, images: Images, full: Ranges, *, row: np.void, keys: streams.Words) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import orbits, raster

        drawn = streams.rows(keys, _INSTANCE, full)
        half = images.shape[1] / 2
        centre = [half * (1 + drawn["x"]), half * (1 + drawn["y"])]
        axes = [drawn["radius"] * drawn["oval_x"], drawn["radius"] * drawn["oval_y"]]
        starts = orbits.fixed(np.stack([*centre, *axes], axis=1))

        cosine, sine = orbits.sines(row["quantization"])
        growth = np.full(len(cosine), orbits.fixed(row["noise"] + row["line_width"]))
        steps = orbits.times(orbits.fixed(2 * row["noise"]), noise.quantiles())
        ground = int(row["ground"])
        orbits.draw(
            images, keys, starts, row["orbits"], cosine, sine, growth, steps, *full["grey"], ground
        )
        if row["breaks"]:
            lines = streams.words(keys, [_BREAKS])[:, 0]
            width, count = int(row["break_width"]), int(row["breaks"])
            raster.cross_out(images, lines, count, width, np.uint8(ground))


@lru_cache(maxsize=16)
def _distribution(count: int) -> streams.Words:
    """Borders, in units of 2**-64, between the cumulated chances of the first so many integers.

    In integers throughout: a logarithm differs from one machine's library to another's.
    """
    powers = [_ONE]
    for _ in range(count):
        powers.append(powers[-1] * _RATIO // _ONE)
    whole = _ONE - powers[count]
    return np.array([((_ONE - power) << 64) // whole for power in powers[1:count]], np.uint64)
