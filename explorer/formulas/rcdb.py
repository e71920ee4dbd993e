"""Radial contours: noisy contours around a point."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

import numpy as np

from explorer.formulas import noise, streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows
from explorer.formulas.visual_atom import VisualAtom

# What a category and what an instance draws, in the order of the hash's purposes; append only.
# The field, its parameter, its type.
_CATEGORY = (
    ("quantization", "quantization", np.int64),
    ("orbits", "orbits", np.int64),
    ("noise", "noise", np.float64),
    ("line_width", "line_width", np.float64),
    ("ground", "ground", np.int64),
    ("breaks", "breaks", np.int64),
    ("break_width", "break_width", np.int64),
)
_INSTANCE = (
    ("radius", "radius", np.int64),
    ("oval_x", "oval_rate", np.float64),
    ("oval_y", "oval_rate", np.float64),
    ("x", "position", np.float64),
    ("y", "position", np.float64),
)
_BREAKS = 2**33  # purpose of the hash that the lines over an instance are drawn from
_MEAN = 100  # of the exponential distribution of q
_ONE = 1 << 128
_RATIO = 336896500797848528446871789614827604747  # exp(-1 / _MEAN) in units of 1 / _ONE

_ATOM = {parameter.name: parameter for parameter in VisualAtom.parameters}


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
    parameters: ClassVar[tuple[Parameter, ...]] = (
        replace(
            _ATOM["quantization"],
            default=(3, 200),
            description="vertices of an orbit, exponentially distributed with mean 100",
        ),
        replace(_ATOM["orbits"], description="orbits around the point"),
        _ATOM["noise"],
        _ATOM["line_width"],
        replace(_ATOM["radius"], default=(0, 100), description="radius of the innermost contour"),
        replace(
            _ATOM["oval_rate"],
            description="half axes of the innermost contour, one draw along x and one along y",
        ),
        replace(_ATOM["position"], default=(-0.78125, 0.78125)),
        _ATOM["grey"],
        Parameter("ground", int, 0, 255, (255, 255), "grey levels", "grey of the canvas", "b"),
        Parameter("breaks", int, 0, 10_000, (0, 0), "lines", "lines in the ground's grey", "B"),
        Parameter("break_width", int, 1, 64, (1, 1), "px", "width of such a line", "w"),
    )

    def categories(
        self, ranges: Ranges | None, *, seed: int, categories: Sequence[int] | range
    ) -> Rows:
        """Draw q, K, η and l of some categories."""
        return _draw(self.resolve(ranges), streams.keys(self.name, seed, categories))

    def draw_into(
        self, images: Images, full: Ranges, *, seed: int, category: int, instances: range
    ) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import orbits, raster

        category_key = streams.keys(self.name, seed, [category])
        row = _draw(full, category_key)[0]
        key = streams.instance_keys(category_key, instances)
        drawn = streams.rows(key, _INSTANCE, full)
        half = images.shape[1] / 2
        centre = [half * (1 + drawn["x"]), half * (1 + drawn["y"])]
        axes = [drawn["radius"] * drawn["oval_x"], drawn["radius"] * drawn["oval_y"]]
        starts = orbits.fixed(np.stack([*centre, *axes], axis=1))

        cosine, sine = orbits.sines(row["quantization"])
        growth = np.full(len(cosine), orbits.fixed(row["noise"] + row["line_width"]))
        steps = orbits.times(orbits.fixed(2 * row["noise"]), noise.quantiles())
        ground = int(row["ground"])
        orbits.draw(
            images, key, starts, row["orbits"], cosine, sine, growth, steps, *full["grey"], ground
        )
        if row["breaks"]:
            lines = streams.words(key, [_BREAKS])[:, 0]
            width, count = int(row["break_width"]), int(row["breaks"])
            raster.cross_out(images, lines, count, width, np.uint8(ground))


def _draw(full: Mapping[str, tuple[float, float]], key: streams.Words) -> Rows:
    rows = streams.rows(key, _CATEGORY, full)
    low, high = full["quantization"]
    # The distribution has no memory: above `low` it begins anew.
    rows["quantization"] = low + np.searchsorted(
        _distribution(int(high - low) + 1), streams.words(key, [0])[:, 0], side="right"
    )
    return rows


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
