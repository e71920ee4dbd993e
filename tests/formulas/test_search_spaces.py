"""How far studies may move the ends of ranges: the limits of a formula, or what a file says."""

import pytest

from explorer import files, formulas
from explorer.study import load_search_space

# What is narrower than the formula: bounds of the low end, and of the high end where they differ.
NARROWER = {
    "visual_atom": {
        "quantization": (3, 2000),
        "orbits": (1, 1000),
        "noise": (0, 20),
        "line_width": (0, 10),
        "radius": (1, 200),
        "amplitude": (0, 20),
        "oval_rate": (1, 8),
        "position": (-1, 1),
    },
    "rcdb": {
        "quantization": (3, 2000),
        "orbits": (1, 1000),
        "noise": (0, 20),
        "line_width": (0, 10),
        "radius": (0, 200),
        "oval_rate": (1, 8),
        "position": (-1, 1),
    },
    "fractal": {"points": (100, 1_000_000)},
    "fractal_contractive": {"points": (100, 1_000_000)},
    "exfractal": {"points": (100, 100_000), "view": (0, 360)},
    "perlin": {},
    "bezier": {},
    "dead_leaves": {},
    "one_p_frac": {},
}


@pytest.mark.parametrize("name", formulas.BUILT_IN)
def test_studies_move_ranges_as_far_as_makes_sense(name):
    formula, space = formulas.get(name), load_search_space(name)
    limits = {p.name: (p.low, p.high) for p in formula.parameters}
    limits |= {group: limits[members[0]] for group, members in formula.groups.items()}
    grouped = {member for members in formula.groups.values() for member in members}
    wanted = {key: NARROWER[name].get(key, ends) for key, ends in limits.items()}
    found = {key: (bounds.low, bounds.high) for key, bounds in space.parameters.items()}
    assert found == {key: (ends, ends) for key, ends in wanted.items() if key not in grouped}
    assert formula.resolve(space.complete({})) == formula.resolve()


def test_only_families_that_are_narrowed_have_a_file():
    assert {name for name, _ in files.available("search_spaces")} == {
        n for n in NARROWER if NARROWER[n]
    }
