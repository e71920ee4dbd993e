"""VisualAtom: noisy, wavy orbits around a nucleus."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from explorer.formulas import noise, streams
from explorer.formulas.base import Formula, Images, Parameter, Ranges, Rows

# What a category draws, in the order of the hash's purposes; append only. The field, its
# parameter, its type.
_DRAWS = (
    ("quantization", "quantization", np.int64),
    ("orbits", "orbits", np.int64),
    ("noise", "noise", np.float64),
    ("line_width", "line_width", np.float64),
    ("radius", "radius", np.int64),
    ("frequency_1", "frequency_1", np.int64),
    ("frequency_2", "frequency_2", np.int64),
    ("amplitude_1", "amplitude_1", np.float64),
    ("amplitude_2", "amplitude_2", np.float64),
    ("oval_x", "oval_rate", np.float64),
    ("oval_y", "oval_rate", np.float64),
)
_FREQUENCY_2 = 6
_REDRAW = 2**33  # added to a purpose for every further attempt


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
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="quantization",
            kind=int,
            low=3,
            high=4096,
            default=(200, 1000),
            unit="vertices",
            description="vertices of an orbit",
            symbol="q",
        ),
        Parameter(
            name="orbits",
            kind=int,
            low=0,
            high=2000,
            default=(1, 200),
            unit="orbits",
            description="orbits around the nucleus",
            symbol="K",
        ),
        Parameter(
            name="noise",
            kind=float,
            low=0.0,
            high=32.0,
            default=(0.0, 4.0),
            unit="px",
            description="level of the Perlin noise, and growth from orbit to orbit",
            symbol="η",
        ),
        Parameter(
            name="line_width",
            kind=float,
            low=0.0,
            high=32.0,
            default=(0.0, 0.1),
            unit="px",
            description="constant growth from orbit to orbit",
            symbol="l",
        ),
        Parameter(
            name="radius",
            kind=int,
            low=0,
            high=4096,
            default=(10, 60),
            unit="px",
            description="radius of the nucleus",
            symbol="r",
        ),
        Parameter(
            name="frequency_1",
            kind=int,
            low=0,
            high=1000,
            default=(0, 20),
            unit="per turn",
            description="frequency of the first wave",
            symbol="n1",
        ),
        Parameter(
            name="frequency_2",
            kind=int,
            low=0,
            high=1000,
            default=(0, 20),
            unit="per turn",
            description="frequency of the second wave",
            symbol="n2",
        ),
        Parameter(
            name="amplitude_1",
            kind=float,
            low=0.0,
            high=32.0,
            default=(0.5, 0.5),
            unit="px",
            description="amplitude of the first wave",
            symbol="λ1",
        ),
        Parameter(
            name="amplitude_2",
            kind=float,
            low=0.0,
            high=32.0,
            default=(0.5, 0.5),
            unit="px",
            description="amplitude of the second wave",
            symbol="λ2",
        ),
        Parameter(
            name="oval_rate",
            kind=float,
            low=0.0,
            high=8.0,
            default=(1.0, 2.0),
            unit="times the radius",
            description="half axes of the nucleus, one draw along x and one along y",
            symbol="o",
        ),
        Parameter(
            name="position",
            kind=float,
            low=-4.0,
            high=4.0,
            default=(-1.0, 1.0),
            unit="half canvases",
            description="centre of an instance from the middle, one draw along x and one along y",
            symbol="u",
        ),
        Parameter(
            name="grey",
            kind=int,
            low=0,
            high=255,
            default=(0, 255),
            unit="grey levels",
            description="grey of an orbit",
            symbol="g",
        ),
    )
    groups: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "frequency": ("frequency_1", "frequency_2"),
        "amplitude": ("amplitude_1", "amplitude_2"),
    }

    def categories(
        self, ranges: Ranges | None, *, seed: int, categories: Sequence[int] | range
    ) -> Rows:
        """Draw q, K, η, l, r, n1, n2, λ1, λ2, ox and oy of some categories."""
        return self._draw(self.resolve(ranges), streams.keys(self.name, seed, categories))

    def draw_into(
        self, images: Images, full: Ranges, *, seed: int, category: int, instances: range
    ) -> None:
        """Draw some instances of one category; see :meth:`Formula.draw_into`."""
        from explorer.formulas import orbits

        category_key = streams.keys(self.name, seed, [category])
        row = self._draw(full, category_key)[0]

        key = streams.instance_keys(category_key, instances)
        low, high = (orbits.fixed(images.shape[1] / 2 * (1 + end)) for end in full["position"])
        starts = np.empty((len(instances), 4), np.int64)
        starts[:, :2] = streams.integers(streams.words(key, range(2)), low, high)
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
        orbits.draw(images, key, starts, row["orbits"], cosine, sine, growth, steps, *full["grey"])

    def _draw(self, full: Mapping[str, tuple[float, float]], key: streams.Words) -> Rows:
        rows = streams.rows(key, _DRAWS, full)
        low, high = full["frequency_2"]
        purpose = _FREQUENCY_2
        while low < high and (again := _same_frequency(rows)).any():
            purpose += _REDRAW
            word = streams.words(key[again], [purpose])[:, 0]
            rows["frequency_2"][again] = streams.integers(word, int(low), int(high))
        return rows


def _same_frequency(rows: Rows) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = (rows["frequency_1"] == rows["frequency_2"]) & (
        rows["frequency_1"] != 0
    )
    return same
