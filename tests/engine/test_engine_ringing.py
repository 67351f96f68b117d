"""Ring voltage becomes ringing: bounce and test pulses are no calls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.ringing import RingFilter

TICK = 160


def ms(samples):
    return samples * 8


def play(*bursts, until_ms=20000):
    """bursts: (start, end) in ms. [("start" | "stop", ms)], as told at ticks or edges."""
    line = RingFilter()
    edges = sorted([(ms(a), True) for a, _ in bursts] + [(ms(b), False) for _, b in bursts])
    told = []
    for now in range(0, ms(until_ms), TICK):
        while edges and edges[0][0] <= now:
            at, on = edges.pop(0)
            told += [(what, at // 8) for what in line.feed(on, at)]
        told += [(what, now // 8) for what in line.due(now)]
    return told


def test_a_ring_is_told_after_200_ms_and_its_end_100_ms_late():
    assert play((1000, 2000), (6000, 7000)) == [
        ("start", 1200),
        ("stop", 2100),
        ("start", 6200),
        ("stop", 7100),
    ]


def test_contact_bounce_is_nothing_however_often():
    assert play(*[(t, t + 40) for t in range(1000, 9000, 900)]) == []


def test_one_short_burst_is_no_call():
    assert play((1000, 1150)) == []


def test_a_second_short_burst_within_eight_seconds_is_a_ring():
    told = play((1000, 1150), (6000, 6150))
    assert [what for what, _ in told] == ["start", "stop"]
    assert told[0][1] <= 6200


def test_short_bursts_farther_apart_are_still_nothing():
    assert play((1000, 1150), (9500, 9650), (18000, 18150)) == []


def test_a_short_gap_does_not_cut_a_burst():
    assert play((1000, 1500), (1550, 2000)) == [("start", 1200), ("stop", 2100)]


def test_the_british_double_ring_is_two_bursts():
    assert [what for what, _ in play((1000, 1400), (1600, 2000))] == ["start", "stop"] * 2


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_starts_and_stops_take_turns_and_every_long_burst_is_told(lengths_ms):
    """Alternating bursts and gaps of any length."""
    bursts, at = [], 1000
    for number, length in enumerate(lengths_ms):
        if number % 2 == 0:
            bursts.append((at, at + length))
        at += length
    told = [what for what, _ in play(*bursts, until_ms=at + 1000)]
    assert told == ["start", "stop"] * (len(told) // 2)
    if any(end - start >= 200 for start, end in bursts):
        assert told
