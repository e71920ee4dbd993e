"""How far studies may move the ends of ranges: the limits of a formula, or what a file says."""

import pytest

from explorer import files, formulas
from explorer.study import load_search_space


@pytest.mark.parametrize("name", formulas.BUILT_IN)
def test_studies_move_ranges_as_far_as_the_formula_or_a_narrower_file_says(name):
    formula, space = formulas.get(name), load_search_space(name)
    limits = {p.name: (p.low, p.high) for p in formula.parameters}
    narrower = set()
    for key, bounds in space.parameters.items():
        least, most = limits[formula.groups.get(key, (key,))[0]]
        for first, last in (bounds.low, bounds.high):
            assert least <= first < last <= most
            narrower |= {key} if (first, last) != (least, most) else set()
    assert formula.resolve(space.complete({})) == formula.resolve()
    # A file that narrows nothing says nothing.
    assert (name in {held for held, _ in files.available("search_spaces")}) == bool(narrower)


def test_ofdb_is_one_drawing_per_category():
    space = load_search_space("ofdb")
    assert space.formula == "fractal"
    ranges = formulas.get("fractal").resolve(space.complete({}))
    # Of the authors' make_2dofdb.py with one_ins.csv.
    expected = {"points": (10**5, 10**5), "weight": (0, 0), "mirror": (0, 0), "patch": (3, 3)}
    expected |= {"filling": (0.2, 0.2), "grey": (127, 127)}
    assert {name: ranges[name] for name in expected} == expected
