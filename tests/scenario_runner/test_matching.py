"""Values in `expect:`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.scenario.matching import mismatches, pair_up, read_match
from appliance.scenario.text import read


def match(text, globs=True):
    return read_match(read(text), "x", globs)


FITS = [
    ("5..30", 5.0, 4.9),
    ("..5", 5, 5.1),
    ("2..4 min", 180, 241),
    ('">= 3"', 3, 2.9),
    ('"> 3"', 3.1, 3),
    ("< 2 s", 1.9, 2),
    ("139*", "13912345678", "0139"),
    ("/^1[35]9/", "159", "0159"),
    ("none", "", "x"),
    ("none", None, 0),
    ("any", "x", ""),
    ("yes", True, False),
    ("5", 5.4, 5.6),
    ("5.0", 5.04, 5.1),
    ("0571", "0571", "571"),
    ("[tone, battery]", "battery", "polarity"),
    ("[1001, 1002]", ["1001", "1002"], ["1002", "1001"]),
    ("1001", ["1001"], ["1001", "1002"]),
    ('"none"', "none", ""),
]


@pytest.mark.parametrize(("written", "good", "bad"), FITS)
def test_values(written, good, bad):
    assert match(written).fits(good)
    assert not match(written).fits(bad)


def test_a_star_is_a_key_among_keys():
    assert match("1*", globs=False).fits("1*")
    assert not match("1*", globs=False).fits("12")


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_ranges_are_intervals(a, b, value):
    low, high = sorted((round(a, 3), round(b, 3)))
    assert match(f"{low:.3f}..{high:.3f}").fits(value) == (low <= value <= high)


def test_pairing_finds_the_only_way():
    wanted = [{"line": match("any")}, {"line": match("L1")}]
    pairs, rest = pair_up(wanted, [{"line": "L1"}, {"line": "L2"}])
    assert pairs == {0: 1, 1: 0}
    assert rest == []


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6))
def test_pairing_takes_as_many_as_there_are(wanted, got):
    pairs, rest = pair_up([{"n": match(str(w))} for w in wanted], [{"n": g} for g in got])
    assert len(pairs) == sum(min(wanted.count(n), got.count(n)) for n in range(4))
    assert len(rest) == len(got) - len(pairs)
    assert all(wanted[w] == got[g] for w, g in pairs.items())


def test_what_does_not_fit_is_said():
    assert mismatches({"talk_s": match("5..9")}, {"talk_s": 3.21}) == ["talk_s: expected 5..9, was 3.21"]
