"""Conversations in which nobody is heard: levels first, then the guard, and never too soon."""

import numpy as np
import pytest

from appliance.engine.deadair import DeadAir
from appliance.engine.powers import Powers
from tests.engine.engine_box import speech

LINES = np.array([True, False])
QUIET = np.random.default_rng(1).normal(0, 30, (2, 160)).astype(np.float32)
WORDS = speech("demo-instruct")[: 8000 * 10].astype(np.float32)


def run(air, seconds, heard=QUIET, said=QUIET * 0, lines=LINES):
    """(seconds into it, row, silent) of what is told."""
    found = []
    for tick in range(round(seconds * 50)):
        a = heard(tick) if callable(heard) else heard
        b = said(tick) if callable(said) else said
        found += [(tick / 50, row, silent) for row, silent, _ in air.process(a, b, Powers.of(a, b), lines)]
    return found


def words(level=1.0):
    def block(tick):
        at = tick * 160 % (len(WORDS) - 160)
        return np.stack([WORDS[at : at + 160] * level] * 2)

    return block


def air(after_s=20.0):
    found = DeadAir(2)
    found.use(after_s)
    return found


def test_silence_is_told_once_and_that_it_is_over():
    found = air()
    assert run(found, 60) == [(pytest.approx(20, abs=0.5), 0, True)]
    assert run(found, 5, heard=words())[0][1:] == (0, False)
    assert run(found, 30) == [(pytest.approx(20, abs=1.0), 0, True)]


@pytest.mark.parametrize("who", ["the caller", "the agent", "softly"])
def test_whoever_speaks_is_heard(who):
    found = air()
    if who == "the agent":
        assert run(found, 60, said=words()) == []
    else:
        assert run(found, 60, heard=words(0.02 if who == "softly" else 1.0)) == []


def test_on_hold_time_stands_still_and_begins_anew_afterwards():
    found = air()
    run(found, 15)
    assert run(found, 60, lines=np.zeros(2, np.bool_)) == []
    assert run(found, 19) == []
    assert [told for *_, told in run(found, 3)] == [True]


def test_nothing_is_told_where_it_is_not_wanted():
    assert run(air(0.0), 300) == []
    found = air(20.0)
    run(found, 10)
    found.use(40.0)
    assert run(found, 35) == []
    assert [told for *_, told in run(found, 10)] == [True]


@pytest.mark.parametrize("after_s", [0.0, 300.0])
def test_a_silence_that_does_not_count_any_more_is_taken_back(after_s):
    """Or the call would be ended by what was told under the setting before, whoever speaks."""
    found = air(20.0)
    assert [told for *_, told in run(found, 25)] == [True]
    found.use(after_s)
    assert run(found, 5) == [(0, 0, False)]


def test_a_call_that_ends_in_silence_leaves_nothing_to_the_next_one():
    box = air()
    assert [silent for *_, silent in run(box, 30)] == [True]
    assert run(box, 1, lines=np.array([False, False])) == []
    assert run(box, 5, heard=words()) == [], "the next one was never told to be silent"
    assert [silent for *_, silent in run(box, 30)] == [True]
