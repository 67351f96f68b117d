"""Calls of the box to the outside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_bench import Bench
from sim_reference import fsk_octets, level_dbm0, mdmf, sound_segments_ms, tone_dbm0

from board.api import (
    BatteryLost,
    CommandDone,
    CommandFailed,
    DialPulses,
    FlashHook,
    PolarityReversed,
    SetHook,
)
from board.sim import OfficeConfig, SimBoard, dtmf
from board.sim.dtmf_receiver import DtmfReceiver
from board.sim.levels import to_int16

MOBILE = "13900139000"


def dial(b, keys, line=0, **how):
    tones = to_int16(dtmf.dial(keys, **how))
    return b.run(np.ceil(tones.size / 160) / 50, {line: tones})


def test_dial_tone_comes_after_its_delay_and_stops_at_the_first_digit(bench):
    b = bench(dial_tone_delay_ms=400, erl_db=40.0)
    sound = b.take(0, 1.4)[0]
    assert sound_segments_ms(sound)[0] == (False, 400)
    assert tone_dbm0(sound[4800:], 450) == pytest.approx(-13, abs=0.3)
    dial(b, "1")
    assert level_dbm0(b.run(0.5)[0]) < -50


def test_american_dial_tone_has_two_frequencies(bench):
    b = bench(country="US")
    sound = b.take(0, 1.4)[0][4800:]
    assert tone_dbm0(sound, 350) == pytest.approx(-16, abs=0.3)
    assert tone_dbm0(sound, 440) == pytest.approx(-16, abs=0.3)


def test_a_call_is_answered_by_itself_talks_and_hangs_up(bench, sine):
    b = bench(erl_db=40.0)
    sub = b.office.subscriber(
        MOBILE, "answer", answer_after_s=6.0, say=sine(1020, -10, 2), press="7", hang_up_after_s=4.0
    )
    b.take(0, 1)
    dial(b, MOBILE)
    assert b.office.line(0).dialled == MOBILE
    sound = b.run(6.5)[0]
    assert sub.state == "ringing"
    assert sound_segments_ms(sound)[1:3] == [(True, 1000), (False, 4000)]
    sound = b.run(2.5)[0]
    assert sub.state == "talking"
    assert tone_dbm0(sound[8000:16000], 1020) > -14
    b.run(5)
    assert sub.state == "idle"
    assert sound_segments_ms(b.run(2)[0])[1][1] == 350
    b.release(0)
    b.take(0, 1)
    dial(b, MOBILE)
    b.run(7.5)
    assert sub.state == "talking"
    b.release(0, 5)
    assert sub.state == "idle"


def test_manual_subscriber_rings_until_answered(bench):
    b = bench(polarity_reversal=True)
    sub = b.office.subscriber("8001", "manual")
    b.take(0, 1)
    dial(b, "8001")
    b.run(20)
    assert sub.state == "ringing"
    assert not b.seen(PolarityReversed)
    sub.answer()
    b.run(1)
    assert sub.state == "talking"
    assert [e.reversed_ for e in b.seen(PolarityReversed)] == [True]
    b.release(0)
    assert sub.state == "released"
    assert [e.reversed_ for e in b.seen(PolarityReversed)] == [True, False]


@pytest.mark.parametrize(
    ("behaviour", "segments"),
    [
        ("busy", [(True, 350), (False, 350), (True, 350)]),
        ("congestion", [(True, 700), (False, 700), (True, 700)]),
        (
            "unobtainable",
            [(True, 100), (False, 100), (True, 100), (False, 100), (True, 100), (False, 100), (True, 400)],
        ),
        ("no_answer", [(True, 1000), (False, 4000), (True, 1000)]),
    ],
)
def test_outcomes_by_subscriber(bench, behaviour, segments):
    b = bench()
    b.office.subscriber(MOBILE, behaviour)
    b.take(0, 1)
    dial(b, MOBILE)
    sound = b.run(8)[0]
    assert sound_segments_ms(sound)[1 : 1 + len(segments)] == segments


def test_unknown_number_in_the_us_gives_the_information_tone(bench):
    b = bench(country="US")
    b.take(0, 1)
    dial(b, "2125550100")
    sound = b.run(3)[0]
    start = round(sound_segments_ms(sound)[0][1] * 8)
    for i, hz in enumerate((950, 1400, 1800)):
        piece = sound[start + i * 2640 + 400 : start + (i + 1) * 2640 - 400]
        assert tone_dbm0(piece, hz) > -20


def test_an_engaged_subscriber_is_busy(bench):
    b = bench()
    sub = b.office.outside(MOBILE)
    sub.call(1)
    b.take(0, 1)
    dial(b, MOBILE)
    assert sound_segments_ms(b.run(3)[0])[1:3] == [(True, 350), (False, 350)]


def test_nobody_answers_for_ever(bench):
    b = bench()
    sub = b.office.subscriber(MOBILE, "no_answer")
    b.take(0, 1)
    dial(b, MOBILE)
    b.run(91)
    assert sub.state == "idle"
    assert (True, 350) in sound_segments_ms(b.run(3)[0])


def test_release_while_ringing_stops_the_ringing(bench):
    b = bench()
    sub = b.office.subscriber(MOBILE, "manual")
    b.take(0, 1)
    dial(b, MOBILE)
    b.run(3)
    b.release(0)
    assert sub.state == "idle"


def test_a_call_given_up_leaves_nothing_behind(bench):
    b = bench()
    b.office.subscriber("8001", "answer", answer_after_s=6)
    other = b.office.subscriber("8002", "manual")
    b.take(0, 1)
    dial(b, "8001")
    b.run(1)
    b.release(0, 1)
    b.take(0, 0.5)
    dial(b, "8002")
    b.run(8)
    assert other.state == "ringing"


def test_tones_of_an_exchange_may_be_off_nominal(bench):
    b = Bench(SimBoard(OfficeConfig(tone_freq_error_percent=2.0, tone_cadence_error_percent=10.0)))
    sound = b.take(0, 1)[0][4000:]
    assert tone_dbm0(sound, 459) > tone_dbm0(sound, 450) + 3
    dial(b, "2#")
    assert sound_segments_ms(b.run(3)[0])[1] == (True, 110)


# ------------------------------------------------------- between own lines
def own_numbers(**line):
    plain = {"lines": [{"number": "62345678", **line}, {"number": "62345679", **line}], "phones": 0}
    return Bench(SimBoard(OfficeConfig.from_dict(plain)))


def test_the_box_reaches_its_own_other_line(sine):
    b = own_numbers()
    b.take(0, 1)
    dial(b, "62345679")
    sound = b.run(4)
    assert mdmf(fsk_octets(sound[1][8000:], 1200, 2200))[0x02] == b"62345678"
    assert (True, 1000) in sound_segments_ms(sound[0])
    b.take(1, 0.5)
    sound = b.run(1, {0: sine(600, -10, 1), 1: sine(1500, -10, 1)})
    assert tone_dbm0(sound[1][1600:7200], 600) == pytest.approx(-16, abs=0.5)
    assert tone_dbm0(sound[0][1600:7200], 1500) == pytest.approx(-16, abs=0.5)
    b.release(0)
    assert [b.office.line(i).state for i in (0, 1)] == ["idle", "far_gone"]
    b.release(1)
    assert [b.office.line(i).state for i in (0, 1)] == ["idle", "idle"]


def test_the_called_own_line_may_hang_up_first_or_be_left_ringing():
    b = own_numbers()
    for answered in (True, False):
        b.take(0, 1)
        dial(b, "62345679")
        b.run(2)
        if answered:
            b.take(1, 1)
            b.release(1)
            assert [b.office.line(i).state for i in (0, 1)] == ["far_gone", "idle"]
        b.release(0)
        assert [b.office.line(i).state for i in (0, 1)] == ["idle", "idle"]


@pytest.mark.parametrize("number", ["62345678", "62345679"])
def test_own_line_that_is_engaged_is_busy(number):
    b = own_numbers()
    b.take(1, 1)
    b.take(0, 1)
    dial(b, number)
    assert sound_segments_ms(b.run(3)[0])[1:3] == [(True, 350), (False, 350)]


def test_dialling_nothing_ends_in_congestion_then_howler(bench):
    b = bench()
    b.take(0, 16)
    assert (True, 700) in sound_segments_ms(b.run(3)[0])
    b.run(38)
    assert tone_dbm0(b.run(1)[0], 950) == pytest.approx(-3, abs=0.5)


@pytest.mark.parametrize(("digits", "seconds"), [("114", 3.8), ("110", 0.0), ("8001#", 0.0), (MOBILE, 0.0)])
def test_digit_collection_ends_by_rule_by_hash_or_by_timeout(bench, digits, seconds):
    b = bench()
    b.take(0, 1)
    dial(b, digits)
    b.run(seconds)
    line = b.office.line(0)
    assert line.state == ("routing" if not seconds else "digits")
    b.run(0.2)
    assert line.state == "routing"
    assert line.dialled == digits.rstrip("#")


def test_a_number_that_begins_another_number_waits_for_more(bench):
    b = bench()
    for number in ("800", "8001"):
        b.office.subscriber(number)
    b.take(0, 1)
    dial(b, "800")
    assert b.office.line(0).state == "digits"
    dial(b, "1")
    assert b.office.line(0).state == "routing"


def test_dial_pulses_of_the_box_are_understood(bench):
    b = bench()
    sub = b.office.subscriber("8013")
    b.take(0, 1)
    number = b.do(0, DialPulses("8013"))
    b.run(7)
    assert b.office.line(0).dialled == "8013"
    assert sub.state == "ringing"
    assert [e.command_id for e in b.seen(CommandDone)][-1] == number


def test_a_flash_is_no_release_and_a_long_break_is(bench):
    b = bench()
    sub = b.office.subscriber("8001", "answer", answer_after_s=1)
    b.take(0, 1)
    dial(b, "8001")
    b.run(3)
    b.do(0, FlashHook(300))
    b.run(2)
    assert sub.state == "talking"
    assert b.office.line(0).flashes == 1
    b.do(0, FlashHook(1000))
    b.run(2)
    assert sub.state == "idle" or sub.state == "released"
    assert b.office.line(0).state == "dial_tone"


def test_commands_that_make_no_sense_fail_with_a_reason(bench):
    b = bench()
    b.do(0, DialPulses("12"))
    b.do(0, FlashHook(100))
    b.run(0.1)
    assert [e.reason for e in b.seen(CommandFailed)] == ["the line is on hook: take it first"] * 2
    b.take(0)
    b.do(0, DialPulses("1x"))
    b.do(0, DialPulses("1" * 33))
    b.do(0, FlashHook(0))
    b.run(0.1)
    reasons = [e.reason for e in b.seen(CommandFailed)][2:]
    assert "digits 0-9" in reasons[0]
    assert "1 to 32" in reasons[1]
    assert "10 and 2000" in reasons[2]


def test_a_new_command_interrupts_pulses(bench):
    b = bench()
    b.take(0, 1)
    first = b.do(0, DialPulses("99999"))
    b.run(0.5)
    b.do(0, SetHook(False))
    b.run(2)
    failed = b.seen(CommandFailed)
    assert [(e.command_id, e.reason) for e in failed] == [(first, "interrupted by another command")]
    assert b.office.line(0).state == "idle"


def test_unplugged_line_loses_battery_and_its_call(bench):
    b = bench()
    anna = b.office.outside("Anna")
    anna.call(0)
    b.run(1)
    b.take(0, 1)
    b.office.line(0).unplug()
    sound = b.run(2)[0]
    assert len(b.seen(BatteryLost)) == 1
    assert not sound.any()
    assert anna.state == "released"
    assert b.board.measure(0).volts == 0.0
    b.office.line(0).plug()
    b.run(1)
    assert b.office.line(0).state == "dial_tone"


@settings(max_examples=60, deadline=None)
@given(
    keys=st.text("0123456789*#ABCD", min_size=1, max_size=8),
    on_ms=st.integers(45, 120),
    off_ms=st.integers(40, 120),
    level=st.floats(-24, -4),
    twist=st.floats(-8, 4),
    offset=st.integers(0, 159),
    error=st.floats(-1.5, 1.5),
)
def test_the_exchange_reads_every_dtmf_a_telephone_may_send(keys, on_ms, off_ms, level, twist, offset, error):
    tones = dtmf.dial(keys, on_ms, off_ms, level, twist, error)
    sound = to_int16(np.concatenate([np.zeros(offset), tones, np.zeros(640)]).astype(np.float32))
    sound = sound[: sound.size // 160 * 160].reshape(-1, 160)
    receiver = DtmfReceiver()
    assert "".join(receiver.hear(block) for block in sound) == keys


def test_the_exchange_reads_no_dtmf_in_noise(noise):
    receiver = DtmfReceiver()
    sound = noise(-15, 60).reshape(-1, 160)
    assert "".join(receiver.hear(block) for block in sound) == ""
