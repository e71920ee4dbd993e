"""Perlin noise images: texture without contours."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from explorer.formulas import streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows

# What a category draws, in the order of the hash's purposes; append only. The field, its
# parameter, its type.
_DRAWS = (
    ("frequency_x", "frequency_x", np.float64),
    ("frequency_y", "frequency_y", np.float64),
    ("octaves", "octaves", np.int64),
    ("persistence", "persistence", np.float64),
    ("lacunarity", "lacunarity", np.float64),
    ("contrast", "contrast", np.float64),
)


class Perlin(Formula):
    """Perlin noise in two dimensions (Perlin, SIGGRAPH 1985 and 2002): texture without contours.

    The sum of several octaves of gradient noise. Octave k has ``f·m^k`` cells across the canvas,
    with its own f along x and along y, and the amplitude ``p^k``; the amplitudes are scaled to a
    sum of squares of 1, so that the number of octaves does not change the contrast. Grey 128 is a
    noise value of 0; a value is between -1 and 1, of standard deviation about 1/4. A category draws
    all of this once; an instance draws the gradients and where the cells begin.

    An octave whose cells are smaller than a pixel is white noise.
    """

    name: ClassVar[str] = "perlin"
    title: ClassVar[str] = "Perlin noise"
    source: ClassVar[str] = (
        "Perlin: An Image Synthesizer. SIGGRAPH 1985; Perlin: Improving Noise. SIGGRAPH 2002"
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="frequency_x",
            kind=float,
            low=0.0,
            high=256.0,
            default=(1.0, 32.0),
            unit="cells per canvas",
            description="cells of the first octave across the canvas",
            symbol="fx",
        ),
        Parameter(
            name="frequency_y",
            kind=float,
            low=0.0,
            high=256.0,
            default=(1.0, 32.0),
            unit="cells per canvas",
            description="cells of the first octave down the canvas",
            symbol="fy",
        ),
        Parameter(
            name="octaves",
            kind=int,
            low=1,
            high=8,
            default=(1, 5),
            unit="octaves",
            description="octaves that are summed",
            symbol="n",
        ),
        Parameter(
            name="persistence",
            kind=float,
            low=0.0,
            high=1.0,
            default=(0.3, 0.8),
            unit="times",
            description="amplitude of an octave as a part of the one before",
            symbol="p",
        ),
        Parameter(
            name="lacunarity",
            kind=float,
            low=1.0,
            high=4.0,
            default=(1.5, 3.0),
            unit="times",
            description="frequency of an octave as a multiple of the one before",
            symbol="m",
        ),
        Parameter(
            name="contrast",
            kind=float,
            low=0.0,
            high=16.0,
            default=(0.5, 1.0),
            unit="256 grey levels",
            description="grey levels to a noise value of 1",
            symbol="c",
        ),
    )
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {"frequency": ("frequency_x", "frequency_y")}

    def categories(
        self, ranges: Ranges | None, *, seed: int, categories: Sequence[int] | range
    ) -> Rows:
        """Draw fx, fy, n, p, m and c of some categories."""
        key = streams.keys(self.name, seed, categories)
        return streams.rows(key, _DRAWS, self.resolve(ranges))

    def draw_into(
        self, images: Images, full: Ranges, *, seed: int, category: int, instances: range
    ) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import gradient_noise

        category_key = streams.keys(self.name, seed, [category])
        row = streams.rows(category_key, _DRAWS, full)[0]
        # By repeated products, each rounded as IEEE 754 says: a library's power may differ.
        scales, amplitudes = [1.0], [1.0]
        for _ in range(1, row["octaves"]):
            scales.append(scales[-1] * float(row["lacunarity"]))
            amplitudes.append(amplitudes[-1] * float(row["persistence"]))
        squares = 0.0
        for amplitude in amplitudes:
            squares += amplitude * amplitude
        norm = (1 << gradient_noise.DIGITS) / math.sqrt(squares)
        cells = [
            float(row[field]) * 2.0**32 / images.shape[1]
            for field in ("frequency_x", "frequency_y")
        ]
        gradient_noise.draw(
            images,
            streams.instance_keys(category_key, instances),
            np.array([[round(scale * cell) for cell in cells] for scale in scales], np.uint64),
            np.array([round(amplitude * norm) for amplitude in amplitudes], np.int32),
            round(float(row["contrast"]) * 256 * (1 << gradient_noise.DIGITS)),
        )
