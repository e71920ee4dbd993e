"""VisualAtom: noisy, wavy orbits around a nucleus."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from explorer.formulas import noise, streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows

_FREQUENCY_2 = 6  # its place in the draws
_REDRAW = 2**33  # added to a purpose for every further attempt
_AXES = "half axes of the nucleus, one draw along x and one along y"
_CENTRE = "centre of an instance from the middle, one draw along x and one along y"


class VisualAtom(Formula):
    """VisualAtom (Takashima et al., CVPR 2023): noisy, wavy orbits around a nucleus.

    A nucleus of half axes ``r·ox`` and ``r·oy`` is cut into q vertices at angles
    ``θ_i = 2π i / q``. Each of K orbits pushes vertex i outward, along x and along y on their own,
    by ``l + λ1 sin(n1 θ_i) + λ2 sin(n2 θ_i) + η (1 - p)`` with p a value of Perlin noise (between
    -0.96 and 0.96), and is drawn as a closed polygon in one grey on black. A category draws all of
    this once; an instance draws its centre, the grey of its orbits and the noise.

    With the default ranges this is the best practice of VisualAtom-1k and -21k (on a canvas of
    512); n2 is drawn again while it equals n1, unless n1 is 0 or the range has no other value.
    """

    name: ClassVar[str] = "visual_atom"
    title: ClassVar[str] = "VisualAtom"
    source: ClassVar[str] = (
        "Takashima, Hayamizu, Inoue, Kataoka & Yokota: Visual Atoms: Pre-training Vision "
        "Transformers with Sinusoidal Waves. CVPR 2023"
    )
    version: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("quantization", int, 3, 4096, (200, 1000), "vertices", "corners per orbit", "q"),
        Parameter("orbits", int, 0, 2000, (1, 200), "orbits", "orbits around the nucleus", "K"),
        Parameter("noise", float, 0.0, 32.0, (0.0, 4.0), "px", "Perlin noise per orbit", "η"),
        Parameter("line_width", float, 0.0, 32.0, (0.0, 0.1), "px", "growth per orbit", "l"),
        Parameter("radius", int, 0, 4096, (10, 60), "px", "radius of the nucleus", "r"),
        Parameter("frequency_1", int, 0, 1000, (0, 20), "per turn", "frequency of wave 1", "n1"),
        Parameter("frequency_2", int, 0, 1000, (0, 20), "per turn", "frequency of wave 2", "n2"),
        Parameter("amplitude_1", float, 0.0, 32.0, (0.5, 0.5), "px", "amplitude of wave 1", "λ1"),
        Parameter("amplitude_2", float, 0.0, 32.0, (0.5, 0.5), "px", "amplitude of wave 2", "λ2"),
        Parameter("oval_rate", float, 0.0, 8.0, (1.0, 2.0), "times the radius", _AXES, "o"),
        Parameter("position", float, -4.0, 4.0, (-1.0, 1.0), "half canvases", _CENTRE, "u"),
        Parameter("grey", int, 0, 255, (0, 255), "grey levels", "grey of an orbit", "g"),
    )
    log_from: ClassVar[Mapping[str, float]] = {
        **dict.fromkeys(("quantization", "orbits", "noise", "radius"), 1),
        **dict.fromkeys(("frequency_1", "frequency_2"), 1),
        **dict.fromkeys(("amplitude_1", "amplitude_2"), 0.5),
        "line_width": 0.1,
    }
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "frequency": ("frequency_1", "frequency_2"),
        "amplitude": ("amplitude_1", "amplitude_2"),
    }
    draws: ClassVar[streams.Draws] = (
        "quantization",
        "orbits",
        "noise",
        "line_width",
        "radius",
        "frequency_1",
        "frequency_2",
        "amplitude_1",
        "amplitude_2",
        ("oval_x", "oval_rate"),
        ("oval_y", "oval_rate"),
    )

    def rows(self, full: Ranges, seed: int, categories: Sequence[int] | range) -> Rows:
        """Draw q, K, η, l, r, n1, n2, λ1, λ2, ox and oy of some categories."""
        rows = super().rows(full, seed, categories)
        key = streams.keys(self.name, seed, categories)
        low, high = full["frequency_2"]
        purpose = _FREQUENCY_2
        while low < high and (again := _same_frequency(rows)).any():
            purpose += _REDRAW
            word = streams.words(key[again], [purpose])[:, 0]
            rows["frequency_2"][again] = streams.integers(word, int(low), int(high))
        return rows

    def draw_into(self, images: Images, full: Ranges, *, row: np.void, keys: streams.Words) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import orbits

        low, high = (orbits.fixed(images.shape[1] / 2 * (1 + end)) for end in full["position"])
        starts = np.empty((len(images), 4), np.int64)
        starts[:, :2] = streams.integers(streams.words(keys, range(2)), low, high)
        starts[:, 2] = orbits.fixed(row["radius"] * row["oval_x"])
        starts[:, 3] = orbits.fixed(row["radius"] * row["oval_y"])

        cosine, sine = orbits.sines(row["quantization"])
        vertex = np.arange(row["quantization"])
        growth = np.full(len(vertex), orbits.fixed(row["noise"] + row["line_width"]))
        for n in ("1", "2"):
            amplitude = orbits.fixed(row["amplitude_" + n])
            # sin(n θ_i) is the sine of the turn's part n i mod q.
            growth += orbits.times(amplitude, sine[row["frequency_" + n] * vertex % len(vertex)])
        steps = orbits.times(orbits.fixed(row["noise"]), noise.quantiles())
        orbits.draw(images, keys, starts, row["orbits"], cosine, sine, growth, steps, *full["grey"])


def _same_frequency(rows: Rows) -> Any:
    return (rows["frequency_1"] == rows["frequency_2"]) & (rows["frequency_1"] != 0)
