"""The counter stream draws from the distributions of the authors' stream."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

from explorer import authors, formulas
from explorer.authors import kernels, streams
from explorer.formulas import orbits
from tests.formulas import two_samples

DRAWS = 2_000  # categories whose draws are compared
IMAGES = 400  # categories of which one image is compared
SIDE = 512
BACKGROUND = {"visual_atom": 0, "rcdb": 255}

both = pytest.mark.parametrize("name", list(authors.ARGUMENTS))


class Recorder(random.Random):
    """The authors' generator, which notes what it draws."""

    drawn: list[float]

    def randint(self, a: int, b: int) -> int:
        return self._note(super().randint(a, b))

    def uniform(self, a: float, b: float) -> float:
        return self._note(super().uniform(a, b))

    def expovariate(self, lambd: float = 1.0) -> float:
        return self._note(super().expovariate(lambd))

    def _note(self, value):
        type(self).drawn.append(value)
        return value


def their_draws(name: str) -> two_samples.Sample:
    """Return what the authors' stream draws for the first image of every category."""
    rows: list[list[float]] = []

    def grow(*_: object) -> None:
        drawn = Recorder.drawn
        # q of rcdb and n2 may have been drawn several times, and before all that comes what was
        # drawn after the image before.
        rows.append(drawn[-9:] if name == "rcdb" else [*drawn[2 * bool(rows) :][:6], *drawn[-5:]])
        drawn.clear()

    Recorder.drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "random", SimpleNamespace(Random=Recorder))
        patch.setattr(kernels, "grow", grow)
        given = {"numof_classes": DRAWS, "numof_instances": 1, "thread_num": 7}
        for _ in authors.render(name, given):
            pass
    columns = [np.array(values) for values in zip(*rows, strict=True)]
    if name == "visual_atom":
        q, orbit, noise, width, radius, n1, n2, oval_x, oval_y, y, x = columns
        own = {"radius": radius, "oval_x": oval_x, "oval_y": oval_y}
        own |= {"n1": n1, "n2": n2, "n2 - n1": n2 - n1}
    else:
        q, orbit, noise, width, radius, oval_x, oval_y, y, x = columns
        q, own = q.astype(int), {}
    drawn = {"q": q, "K": orbit, "noise": noise, "line_width": width}
    drawn |= {"x": (SIDE + x) / 2, "y": (SIDE + y) / 2}
    return drawn | own | {"half axis x": radius * oval_x, "half axis y": radius * oval_y}


def our_draws(name: str, ranges=None) -> two_samples.Sample:
    """Return what the counter stream draws for the first image of every category."""
    formula = formulas.get(name)
    rows = formula.categories(ranges, seed=7, categories=range(DRAWS))
    starts: list[np.ndarray] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orbits, "draw", lambda *given: starts.append(given[2][0]))
        for category in range(DRAWS):
            formula.render(ranges, seed=7, category=category, instances=range(1), canvas=SIDE)
    x, y, half_x, half_y = np.array(starts).T / 2**orbits.FRACTION
    drawn = {"q": rows["quantization"], "K": rows["orbits"], "x": x, "y": y}
    drawn |= {field: rows[field] for field in ("noise", "line_width")}
    if name == "visual_atom":
        drawn |= {field: rows[field] for field in ("radius", "oval_x", "oval_y")}
        drawn |= {"n1": rows["frequency_1"], "n2": rows["frequency_2"]}
        drawn |= {"n2 - n1": rows["frequency_2"] - rows["frequency_1"]}
    return drawn | {"half axis x": half_x, "half axis y": half_y}


def our_images(name: str, ranges=None) -> two_samples.Sample:
    formula = formulas.get(name)
    images = (
        formula.render(ranges, seed=11, category=category, instances=range(1), canvas=SIDE)[0]
        for category in range(IMAGES)
    )
    return two_samples.describe(images, BACKGROUND[name])


@pytest.fixture(scope="module")
def drawn() -> dict[str, two_samples.Sample]:
    return {name: their_draws(name) for name in authors.ARGUMENTS}


@pytest.fixture(scope="module")
def measured() -> dict[str, two_samples.Sample]:
    measured = {}
    given = {"numof_classes": IMAGES, "numof_instances": 1, "image_size": SIDE, "thread_num": 11}
    for name in authors.ARGUMENTS:
        images = (image for _, image in authors.render(name, given))
        measured[name] = two_samples.describe(images, BACKGROUND[name])
    return measured


@both
def test_draws_are_those_of_the_authors(name, drawn):
    assert two_samples.differences(our_draws(name), drawn[name]) == []


@both
def test_images_are_those_of_the_authors(name, measured):
    assert two_samples.differences(our_images(name), measured[name]) == []


# --- the procedure finds what is wrong ------------------------------------------------------------


WRONG = [
    ("visual_atom", {"radius": (10, 64)}, {"radius", "half axis x", "half axis y"}),
    ("visual_atom", {"frequency_2": (1, 20)}, {"n2"}),
    ("visual_atom", {"position": (-0.87, 0.87)}, {"x", "y"}),
    ("rcdb", {"quantization": (3, 150)}, {"q"}),
    ("rcdb", {"radius": (0, 120)}, {"half axis x", "half axis y"}),
    ("rcdb", {"position": (-1, 1)}, {"x", "y"}),
]


@pytest.mark.parametrize(("name", "ranges", "expected"), WRONG)
def test_draws_from_a_wrong_range_are_found(name, ranges, expected, drawn):
    found = two_samples.differences(our_draws(name, ranges), drawn[name])
    assert found
    assert set(found) <= expected


@pytest.mark.parametrize(
    ("name", "ranges", "expected"),
    [("visual_atom", {"grey": (0, 200)}, "grey 7"), ("rcdb", {"position": (-0.3, 0.3)}, "ring 7")],
)
def test_images_from_a_wrong_range_are_found(name, ranges, expected, measured):
    assert expected in two_samples.differences(our_images(name, ranges), measured[name])
