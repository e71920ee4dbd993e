"""Ranges: completed from the defaults, checked, and refused in one line."""

import pickle
import subprocess
import sys

import pytest

from explorer import formulas

atom = formulas.get("visual_atom")


def test_an_unknown_formula_names_the_nearest():
    with pytest.raises(formulas.UnknownFormula, match="did you mean 'visual_atom'") as error:
        formulas.get("visual_atoms")
    assert error.value.name == "visual_atoms"


def test_names_are_unique_and_defaults_legal():
    for name in formulas.names():
        formula = formulas.get(name)
        known = [parameter.name for parameter in formula.parameters]
        assert len({*known, *formula.groups}) == len(known) + len(formula.groups)
        assert set().union(*formula.groups.values()) <= set(known)
        assert formula.resolve({p.name: p.default for p in formula.parameters}) == formula.resolve()


def test_a_group_sets_its_members():
    full = atom.resolve({"frequency": (3, 9), "noise": (1, 2)})
    assert full["frequency_1"] == full["frequency_2"] == (3, 9)
    assert full["noise"] == (1.0, 2.0)


def test_ends_become_the_parameter_s_kind():
    full = atom.resolve({"orbits": (3.0, 5.0), "noise": (1, 2)})
    assert [type(end) for end in full["orbits"]] == [int, int]
    assert [type(end) for end in full["noise"]] == [float, float]


@pytest.mark.parametrize(
    ("ranges", "parameter", "message"),
    [
        ({"frequncy": (0, 1)}, "frequncy", "did you mean 'frequency'"),
        ({"orbits": (-1, 3)}, "orbits", r"-1: must be in 0..2000 \(orbits\)"),
        ({"noise": (0, float("inf"))}, "noise", "inf: must be in"),
        ({"noise": "03"}, "noise", "give two numbers"),
        ({"noise": (False, True)}, "noise", "give a number"),
        ({"frequency_1": (0, 1), "frequency": (0, 1)}, "frequency_1", "group 'frequency'"),
    ],
)
def test_an_illegal_range_is_refused(ranges, parameter, message):
    with pytest.raises(formulas.RangeError, match=message) as error:
        atom.resolve(ranges)
    assert error.value.parameter == parameter
    assert "\n" not in str(error.value)
    with pytest.raises(formulas.RangeError, match=message):
        atom.render(ranges, seed=0, category=0, instances=range(1), canvas=16)


def test_errors_survive_the_way_from_a_worker():
    for error in (
        formulas.RangeError("noise", 3, "too much"),
        formulas.UnknownFormula("visual_atm"),
    ):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__


def test_names_and_bounds_are_had_without_the_compiler():
    code = "import sys, explorer.formulas, explorer.images; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
