"""How numbers are written."""

import pytest

from explorer.report import numerals


@pytest.mark.parametrize(
    ("uncertainties", "places"),
    [([], 1), ([0.0], 1), ([12.0], 0), ([1.5], 1), ([0.4], 2), ([0.01], 2), ([0.4, 2, 30], 1)],
)
def test_decimals_follow_the_median_uncertainty(uncertainties, places):
    assert numerals.decimals(uncertainties) == places


@pytest.mark.parametrize(
    ("uncertainties", "places"),
    [([0.9], 1), ([0.021], 2), ([0.0031, 0.004, 0.9], 3), ([12.0], 0), ([0.0], None), ([], None)],
)
def test_a_column_that_stands_without_its_spread_keeps_one_digit_of_it(uncertainties, places):
    assert numerals.resolved(uncertainties) == places


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.24, "+1.2"), (-0.44, "\N{MINUS SIGN}0.4"), (0.04, "0.0"), (-0.04, "0.0"), (10, "+10.0")],
)
def test_signed(value, text):
    assert numerals.signed(value, 1) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "<0.001"), (0.00099, "<0.001"), (0.0123, "0.012"), (0.0994, "0.099"), (0.0996, "0.10")],
)
def test_p_value(p, text):
    assert numerals.p_value(p) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (121.4, "121"),
        (0.1, "0.100"),
        (-2.345, "\N{MINUS SIGN}2.35"),
        (12345, "12345"),
        (0.001234, "0.00123"),
    ],
)
def test_significant(value, text):
    assert numerals.significant(value) == text


def test_ranges():
    said = numerals.ranges(
        {"frequency": (0, 20), "orbits": (8, 8), "line_width": (0, 0.1), "position": (-1, 1)}
    )
    assert said == (
        "frequency 0\N{EN DASH}20, orbits 8, line_width 0\N{EN DASH}0.1, "
        "position \N{MINUS SIGN}1 to 1"
    )
    assert numerals.ranges({"vertices": (20000, 123456)}) == "vertices 20000\N{EN DASH}123456"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (99.4 * 60, "99 min"),
        (3.09 * 3600, "3 h 05"),
        (52 * 3600, "2 d 4 h"),
    ],
)
def test_duration(seconds, text):
    assert numerals.duration(seconds) == text
