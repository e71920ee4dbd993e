"""Perlin noise images: texture without contours."""

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from explorer.formulas import streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges

_CELLS = "cells per canvas"
_FIRST = "cells of the first octave along "
_AMPLITUDE = "amplitude of an octave as a part of the one before"
_FREQUENCY = "frequency of an octave as a multiple of the one before"
_GREYS = "grey levels to a noise value of 1"


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
    version: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("frequency_x", float, 0.0, 256.0, (1.0, 32.0), _CELLS, _FIRST + "x", "fx"),
        Parameter("frequency_y", float, 0.0, 256.0, (1.0, 32.0), _CELLS, _FIRST + "y", "fy"),
        Parameter("octaves", int, 1, 8, (1, 5), "octaves", "octaves that are summed", "n"),
        Parameter("persistence", float, 0.0, 1.0, (0.3, 0.8), "times", _AMPLITUDE, "p"),
        Parameter("lacunarity", float, 1.0, 4.0, (1.5, 3.0), "times", _FREQUENCY, "m"),
        Parameter("contrast", float, 0.0, 16.0, (0.5, 1.0), "256 grey levels", _GREYS, "c"),
    )
    log_from: ClassVar[Mapping[str, float]] = dict.fromkeys(
        ("frequency_x", "frequency_y", "contrast"), 1
    )
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {"frequency": ("frequency_x", "frequency_y")}
    draws: ClassVar[streams.Draws] = (
        "frequency_x",
        "frequency_y",
        "octaves",
        "persistence",
        "lacunarity",
        "contrast",
    )

    def draw_into(self, images: Images, full: Ranges, *, row: np.void, keys: streams.Words) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        del full
        from explorer.formulas import gradient_noise

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
            keys,
            np.array([[round(scale * cell) for cell in cells] for scale in scales], np.uint64),
            np.array([round(amplitude * norm) for amplitude in amplitudes], np.int32),
            round(float(row["contrast"]) * 256 * (1 << gradient_noise.DIGITS)),
        )
