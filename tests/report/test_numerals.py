"""How numbers are written."""

import math

import pytest

from explorer.report import numerals

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numerals.signed(0.04, 1), "0.0"),
        (numerals.signed(-0.36, 1), f"{MINUS}0.4"),
        (numerals.signed(math.nan, 2), DASH),
        (numerals.fixed(-1.234, 2), f"{MINUS}1.23"),
        (numerals.with_interval(str, math.nan, 0.1, 0.2), "nan"),
        (numerals.with_interval(str, 1.0, 0.5, 2.0), "1.0 [0.5, 2.0]"),
        (numerals.with_interval(str, 1.0, None, None), "1.0"),
        (numerals.p_value(0.0004), "<0.001"),
        (numerals.p_value(0.0994), "0.099"),
        (numerals.p_value(0.0996), "0.10"),
        (numerals.equals(0.0001), "< 0.001"),
        (numerals.significant(123456.0), "123456"),
        (numerals.significant(0.00123456), "0.00123"),
        (numerals.significant(0), "0"),
        (numerals.significant(math.inf), DASH),
        (numerals.ranges({"a": (0, 20), "b": (8, 8), "c": (-1, 1)}),
         f"a 0{DASH}20, b 8, c {MINUS}1 to 1"),
        (numerals.duration(42), "42 s"),
        (numerals.duration(99.6), "2 min"),
        (numerals.duration(3 * 3600 + 300), "3 h 05"),
        (numerals.duration(52 * 3600), "2 d 4 h"),
        (numerals.mean_std(0.805, 0.024), "80.5 ± 2.4"),
        (numerals.mean_std(0.805, None, 2), "80.50"),
        (numerals.count(1, "trial"), "1 trial"),
        (numerals.count(2000, "trial"), "2,000 trials"),
        (numerals.listed(["a"]), "a"),
        (numerals.listed([*"abcdefgh"]), "a, b, c, d, e, f and 2 more"),
        (numerals.plain({"a": [1, 2.50], "b": None, "c": True}), "a 1, 2.5 b none c yes"),
        (numerals.plain([]), "none"),
    ],
)  # fmt: skip
def test_numbers(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    ("uncertainties", "places"),
    [([], 1), ([0.0], 1), ([1.5], 1), ([12.0], 0), ([0.15], 2), ([0.001], 2), ([1.5, 14, 0.2], 1)],
)
def test_decimals_follow_the_median_uncertainty(uncertainties, places):
    assert numerals.decimals(uncertainties) == places
