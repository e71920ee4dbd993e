"""VisualAtom in the counter stream."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer import formulas
from explorer.formulas import orbits
from tests.formulas import reference

atom = formulas.get("visual_atom")


def one(ranges=None, *, seed=0, category=0, instance=0, canvas=64) -> np.ndarray:
    instances = range(instance, instance + 1)
    return atom.render(ranges, seed=seed, category=category, instances=instances, canvas=canvas)[0]


def plain(monkeypatch, ranges, **arguments) -> np.ndarray:
    with monkeypatch.context() as patch:
        patch.setattr(orbits, "draw", reference.draw_orbits)
        return one(ranges, **arguments)


@st.composite
def some_ranges(draw, **bounds):
    """Ranges inside the given bounds; the other parameters inside their legal limits."""
    ranges = {}
    for parameter in atom.parameters:
        low, high = bounds.get(parameter.name, (parameter.low, parameter.high))
        number = st.integers(low, high) if parameter.kind is int else st.floats(low, high)
        ranges[parameter.name] = tuple(sorted(draw(st.tuples(number, number))))
    return ranges


@settings(max_examples=80)
@given(
    ranges=some_ranges(quantization=(3, 60), orbits=(0, 60), radius=(0, 120), noise=(0, 9)),
    canvas=st.integers(16, 160),
    seed=st.integers(0, 2**63 - 1),
)
def test_pixels_are_those_of_the_plain_definition(ranges, canvas, seed):
    with pytest.MonkeyPatch.context() as patch:
        expected = plain(patch, ranges, seed=seed, canvas=canvas)
    assert np.array_equal(one(ranges, seed=seed, canvas=canvas), expected)


def test_the_largest_legal_atom_does_not_overflow():
    most = {parameter.name: parameter.high for parameter in atom.parameters}
    step = most["noise"] * 1.9525 + most["line_width"] + most["amplitude_1"] + most["amplitude_2"]
    radius = most["radius"] * most["oval_rate"] + most["orbits"] * step
    centre = formulas.MAX_CANVAS / 2 * (1 + most["position"])
    assert (radius + centre) * 2**orbits.FRACTION < 2**31


@pytest.mark.parametrize(
    "name",
    ["quantization", "orbits", "noise", "line_width", "radius", "amplitude_1", "amplitude_2"],
)
def test_another_range_of_one_parameter_leaves_the_other_draws_alone(name):
    low, high = next((p.low, p.high) for p in atom.parameters if p.name == name)
    before = atom.categories(None, seed=0, categories=range(20))
    after = atom.categories({name: (low, high)}, seed=0, categories=range(20))
    assert [f for f in before.dtype.names if not np.array_equal(before[f], after[f])] == [name]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8, 360, 997, 4096])
def test_sines_are_accurate(count):
    angle = 2 * np.pi * np.arange(count) / count
    cosine, sine = orbits.sines(count) * 2.0**-orbits.TURN
    assert np.abs(cosine - np.cos(angle)).max() < 6e-9
    assert np.abs(sine - np.sin(angle)).max() < 6e-9
