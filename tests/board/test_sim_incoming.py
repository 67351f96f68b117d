"""Calls from outside: ringing, caller ID, answer, hang-up cues."""

import numpy as np
import pytest
from sim_reference import dtmf_keys, fsk_octets, level_dbm0, mdmf, sound_segments_ms, tone_dbm0

from board.api import BatteryBack, BatteryLost, PolarityReversed, RingOff, RingOn


def ring_times_s(bench, port=0):
    return [round(e.clock / 8000, 3) for e in bench.seen(RingOn, RingOff, port=port)]


@pytest.mark.parametrize(
    ("country", "expected"),
    [
        ("CN", [0.0, 1.0, 5.0, 6.0, 10.0, 11.0]),
        ("US", [0.0, 2.0, 6.0, 8.0]),
        ("GB", [0.0, 0.4, 0.6, 1.0, 3.0, 3.4]),
    ],
)
def test_the_line_rings_with_the_cadence_of_the_country(bench, country, expected):
    b = bench(country=country)
    b.office.outside("Anna").call(1, callerid="none", ring_delay_ms=0)
    b.run(11.5)
    assert ring_times_s(b, 1)[: len(expected)] == expected
    assert not ring_times_s(b, 0)


def test_the_caller_hears_ringback_until_the_box_answers(bench):
    b = bench()
    anna = b.office.outside("Anna")
    anna.call(0)
    b.run(9.9)
    assert anna.state == "calling"
    assert tone_dbm0(anna.heard(9.9)[800:7200], 450) == pytest.approx(-10, abs=0.3)
    assert sound_segments_ms(anna.heard(9.9))[:3] == [(True, 1000), (False, 4000), (True, 1000)]
    b.take(0, 1.0)
    assert anna.state == "talking"
    assert level_dbm0(anna.heard(0.9)) < -60
    rings = len(b.seen(RingOn))
    b.run(10)
    assert len(b.seen(RingOn)) == rings


def test_answering_in_a_ring_burst_ends_the_burst(bench):
    b = bench()
    b.office.outside("Anna").call(0, ring_delay_ms=0)
    b.run(0.5)
    b.take(0, 1)
    assert ring_times_s(b) == [0.0, 0.5]


def test_a_caller_who_gives_up_stops_the_ringing(bench):
    b = bench()
    anna = b.office.outside("Anna")
    anna.call(0, ring_delay_ms=0)
    b.run(5.5)
    anna.hang_up()
    b.run(10)
    assert ring_times_s(b) == [0.0, 1.0, 5.0, 5.5]
    assert anna.state == "idle"
    assert b.office.line(0).state == "idle"


@pytest.mark.parametrize(("country", "mark", "space"), [("CN", 1200, 2200), ("DE", 1300, 2100)])
def test_fsk_caller_id_comes_between_the_first_two_rings(bench, country, mark, space):
    b = bench(country=country)
    b.office.outside("Anna").call(0, number="13800138000", name="张三 Zhang")
    sound = b.run(5.0)[0]
    ring_end = next(e.clock for e in b.seen(RingOff))
    burst = sound[ring_end : ring_end + 4 * 8000 - 2000]
    assert tone_dbm0(burst[7000:7800], mark) == pytest.approx(-13.5 - 3, abs=1.0)
    found = mdmf(fsk_octets(burst, mark, space))
    assert found[0x01] == b"01050900"
    assert found[0x02] == b"13800138000"
    assert found[0x07].decode("gb2312") == "张三 Zhang"
    assert level_dbm0(burst[-2400:]) < -50


def test_fsk_seizure_and_mark_have_the_standard_lengths(bench):
    b = bench(noise_dbm0=-110.0, hum_dbm0=-110.0)
    b.office.outside("Anna").call(0, number="1")
    b.run(0.2 + 1.0 + 0.6)
    sound = b.run(0.7)[0]
    mark = np.array([tone_dbm0(sound[i : i + 80], 1200) for i in range(0, 4000, 80)])
    space = np.array([tone_dbm0(sound[i : i + 80], 2200) for i in range(0, 4000, 80)])
    assert np.abs(mark - space)[1:23].max() < 6  # 250 ms of alternating bits
    assert (mark - space)[26:38].min() > 10  # 150 ms of mark


@pytest.mark.parametrize(("how", "reason"), [("withheld", b"P"), ("unavailable", b"O")])
def test_fsk_says_why_there_is_no_number(bench, how, reason):
    b = bench()
    b.office.outside("Anna").call(0, number="13800138000", callerid=how)
    b.run(1.3)
    found = mdmf(fsk_octets(b.run(2.5)[0], 1200, 2200))
    assert found[0x04] == reason
    assert found[0x08] == reason
    assert 0x02 not in found


@pytest.mark.parametrize(
    ("settings", "call", "keys"),
    [
        ({}, {"number": "13800138000"}, "D13800138000C"),
        ({"callerid_frame": "A#"}, {"number": "02012345678"}, "A02012345678#"),
        ({}, {"callerid": "withheld"}, "DB10C"),
        ({}, {"callerid": "unavailable"}, "DB00C"),
        ({}, {"number": ""}, "DB00C"),
    ],
)
def test_dtmf_caller_id_comes_before_the_first_ring(bench, settings, call, keys):
    b = bench(callerid="dtmf", **settings)
    b.office.outside("Anna").call(0, **call)
    sound = b.run(5)[0]
    first_ring = b.seen(RingOn)[0].clock
    assert dtmf_keys(sound[:first_ring]) == keys
    assert not b.seen(PolarityReversed)
    lengths = {ms for on, ms in sound_segments_ms(sound[:first_ring]) if on}
    assert lengths <= {60, 70, 80}


def test_dtmf_caller_id_after_polarity_reversal(bench):
    b = bench(callerid="dtmf", callerid_polarity=True)
    b.office.outside("Anna").call(0, number="13800138000")
    b.run(5)
    first, back = b.seen(PolarityReversed)
    assert first.reversed_ and not back.reversed_
    assert first.clock < b.seen(RingOn)[0].clock <= back.clock + 1


def test_british_caller_id_comes_before_the_ring(bench):
    b = bench(country="GB", callerid_polarity=True)
    b.office.outside("Anna").call(0, number="02079460000")
    sound = b.run(3)[0]
    first_ring = b.seen(RingOn)[0].clock
    assert mdmf(fsk_octets(sound[:first_ring], 1300, 2100))[0x02] == b"02079460000"


def test_a_call_without_caller_id_sends_nothing(bench):
    b = bench(callerid="none")
    b.office.outside("Anna").call(0, number="13800138000")
    assert level_dbm0(b.run(5)[0]) < -50


def test_second_call_to_a_busy_line_hears_busy_tone(bench):
    b = bench()
    anna, ben = b.office.outside("Anna"), b.office.outside("Ben")
    anna.call(0)
    ben.call(0)
    b.run(3)
    assert (anna.state, ben.state) == ("calling", "busy_tone")
    assert sound_segments_ms(ben.heard(3))[:4] == [(True, 350), (False, 350), (True, 350), (False, 350)]
    ben.hang_up()
    assert ben.state == "idle"
    b.take(0, 1)
    assert anna.state == "talking"


def test_both_sides_hear_each_other_at_the_loss_of_the_line(bench, sine):
    b = bench(loss_db=6.0, erl_db=40.0, noise_dbm0=-110.0, hum_dbm0=-110.0)
    anna = b.office.outside("Anna")
    anna.call(0)
    b.run(0.5)
    b.take(0, 0.2)
    anna.say(sine(1020, -10, 2))
    heard_by_box = b.run(2, {0: sine(600, -12, 2)})[0]
    assert tone_dbm0(heard_by_box[4000:12000], 1020) == pytest.approx(-16, abs=0.2)
    assert tone_dbm0(anna.heard(1.5)[:8000], 600) == pytest.approx(-18, abs=0.3)
    assert tone_dbm0(anna.heard(1.5)[:8000], 1020) < -60
    assert not anna.pending


def talking(b, line=0):
    anna = b.office.outside("Anna")
    anna.call(line)
    b.run(0.5)
    b.take(line, 1.0)
    assert anna.state == "talking"
    b.events.clear()
    return anna


@pytest.mark.parametrize(
    ("country", "tone", "hz", "cadence"),
    [
        ("CN", "busy", 450, 350),
        ("CN", "congestion", 450, 700),
        ("US", "busy", 480, 500),
        ("DE", "busy", 425, 480),
        ("CN", "620 Hz 300/300 ms", 620, 300),
    ],
)
def test_disconnect_tone_until_the_box_releases(bench, country, tone, hz, cadence):
    b = bench(country=country, disconnect_tone=tone, disconnect_delay_ms=500)
    anna = talking(b)
    anna.hang_up()
    sound = b.run(5)[0]
    segments = sound_segments_ms(sound, threshold=300)
    assert segments[0] == (False, 500)
    assert segments[1:4] == [(True, cadence), (False, cadence), (True, cadence)]
    assert tone_dbm0(sound[4400 : 4400 + cadence * 4], hz) > -30
    assert not b.seen(BatteryLost, PolarityReversed)
    b.release(0)
    assert b.office.line(0).state == "idle"
    assert level_dbm0(b.run(0.5)[0]) < -80


def test_battery_drop_tells_of_the_hang_up(bench):
    b = bench(battery_drop_ms=300, disconnect_tone="none", disconnect_delay_ms=400)
    anna = talking(b)
    at = b.office.clock
    anna.hang_up()
    sound = b.run(5)[0]
    lost, back = b.seen(BatteryLost, BatteryBack)
    assert (lost.clock - at, back.clock - lost.clock) == (3200, 2400)
    assert level_dbm0(sound[24000:]) < -50


def test_polarity_reverses_on_answer_and_turns_back_on_hang_up(bench):
    b = bench(polarity_reversal=True, disconnect_tone="none")
    anna = b.office.outside("Anna")
    anna.call(0)
    b.run(2)
    b.take(0, 1)
    assert [e.reversed_ for e in b.seen(PolarityReversed)] == [True]
    assert b.board.measure(0).reversed_ is True
    anna.hang_up()
    b.run(2)
    assert [e.reversed_ for e in b.seen(PolarityReversed)] == [True, False]


def test_a_line_may_give_no_cue_at_all(bench):
    b = bench(disconnect_tone="none")
    talking(b).hang_up()
    sound = b.run(60)[0]
    assert not b.seen(BatteryLost, PolarityReversed)
    assert level_dbm0(sound) < -50


def test_dial_tone_may_return(bench):
    b = bench(disconnect_tone="dial")
    talking(b).hang_up()
    assert tone_dbm0(b.run(3)[0][16000:], 450) == pytest.approx(-13, abs=0.5)


def test_busy_tone_turns_into_howler_and_then_silence(bench):
    b = bench()
    talking(b).hang_up()
    b.run(42)
    assert tone_dbm0(b.run(1)[0], 950) == pytest.approx(-3, abs=0.5)
    b.run(60)
    assert level_dbm0(b.run(1)[0]) < -50


def test_when_the_box_hangs_up_the_caller_hears_busy_tone(bench):
    b = bench()
    anna = talking(b)
    b.release(0, 3)
    assert anna.state == "released"
    assert (True, 350) in sound_segments_ms(anna.heard(2))
    anna.hang_up()
    assert anna.state == "idle"
    anna.call(0)
    b.run(1)
    assert anna.state == "calling"


def test_seizing_before_the_first_ring_meets_the_caller(bench, sine):
    b = bench()
    anna = b.office.outside("Anna")
    anna.call(0, ring_delay_ms=3000)
    b.run(1)
    anna.say(sine(1020, -10, 2))
    sound = b.take(0, 2)[0]
    assert anna.state == "talking"
    assert not b.seen(RingOn)
    assert tone_dbm0(sound[4000:12000], 450) < -45
    assert tone_dbm0(sound[4000:12000], 1020) > -15


@pytest.mark.parametrize("glare", [True, False])
def test_a_call_arriving_between_seizure_and_dial_tone(bench, glare):
    b = bench(glare=glare, dial_tone_delay_ms=1000)
    anna = b.office.outside("Anna")
    b.take(0, 0.5)
    anna.call(0)
    b.run(2)
    assert anna.state == ("talking" if glare else "busy_tone")
    assert b.office.line(0).state == ("talking" if glare else "dial_tone")


def test_what_is_said_before_the_answer_waits_for_it(bench, sine):
    b = bench()
    anna = b.office.outside("Anna")
    anna.call(0)
    anna.say(sine(1020, -10, 0.5))
    anna.press("5")
    b.run(3)
    assert anna.pending
    sound = b.take(0, 1)[0]
    assert not anna.pending
    assert tone_dbm0(sound[800:4000], 1020) > -15
    assert dtmf_keys(sound[4100:6000]) == "5"
