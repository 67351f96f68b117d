"""Telephone sets on FXS ports: bell, hook, keys, dial, sound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_reference import dtmf_keys, sound_segments_ms, tone_dbm0

from board.api import (
    CommandDone,
    CommandFailed,
    DropBattery,
    Flash,
    MessageLamp,
    OffHook,
    OnHook,
    OnHookTransfer,
    PulseDigit,
    ReadBreaks,
    SetHook,
    SetPolarity,
    StartRinging,
    StopRinging,
)
from board.sim import OfficeConfig, OfficeError, SimBoard

PORT = 2


def lifted(b):
    phone = b.office.phone(PORT)
    phone.lift()
    b.run(0.2)
    b.events.clear()
    return phone


def test_the_bell_follows_the_cadence_until_told_to_stop(bench):
    b = bench()
    phone = b.office.phone(PORT)
    b.do(PORT, StartRinging((400, 200, 400, 2000)))
    sounds = []
    for _ in range(300):
        b.run(0.02)
        sounds.append(phone.bell_on)
    edges = (np.flatnonzero(np.diff(np.array(sounds, dtype=int))) + 1) * 20
    assert edges[:7].tolist() == pytest.approx([400, 600, 1000, 3000, 3400, 3600, 4000], abs=20)
    assert phone.ringing and phone.state == "ringing"
    assert phone.ring_bursts == 4
    b.do(PORT, StopRinging())
    b.run(0.1)
    assert not phone.ringing and not phone.bell_on
    assert len(b.seen(CommandDone, port=PORT)) == 2


@pytest.mark.parametrize("ring_s", [0.5, 2.5])
def test_lifting_trips_the_ringing_within_200_ms(bench, ring_s):
    b = bench()
    phone = b.office.phone(PORT)
    b.do(PORT, StartRinging())
    b.run(ring_s)
    at = b.office.clock
    phone.lift()
    b.run(0.5)
    assert [e.port for e in b.seen(OffHook)] == [PORT]
    # Not at once either: ring trip takes its time, here the configured 120 ms and a bounce.
    assert 115 < (b.seen(OffHook)[0].clock - at) / 8 < 130
    assert not phone.ringing and not phone.bell_on
    b.run(5)
    assert not phone.bell_on


def test_lifting_and_hanging_up_are_seen_once_in_spite_of_bounce(bench):
    for seed in range(20):
        b = bench(seed=seed)
        phone = b.office.phone(PORT)
        phone.lift()
        b.run(1)
        at = b.office.clock
        phone.hang_up()
        b.run(1.5)
        assert [type(e) for e in b.events] == [OffHook, OnHook]
        assert (b.events[1].clock - at) / 8 == pytest.approx(1000, abs=10)


def test_lifting_again_at_once_leaves_the_telephone_off_hook(bench):
    for seed in range(20):
        b = bench(seed=seed)
        phone = lifted(b)
        phone.hang_up()
        phone.lift()
        b.run(2)
        assert not b.seen(OnHook)
        assert b.board.measure(PORT).off_hook is True


@pytest.mark.parametrize("duration_ms", [90, 100, 300, 600, 950])
def test_flash_is_reported_with_its_length(bench, duration_ms):
    b = bench()
    lifted(b).flash(duration_ms)
    b.run(2)
    (flash,) = b.events
    assert isinstance(flash, Flash)
    assert flash.duration_ms == pytest.approx(duration_ms, abs=8)


def test_a_break_beyond_the_flash_time_is_hanging_up(bench):
    b = bench()
    lifted(b).flash(1200)
    b.run(2)
    assert [type(e) for e in b.events] == [OnHook, OffHook]


@pytest.mark.parametrize(("break_ms", "make_ms"), [(60, 40), (67, 33), (33, 17)])
def test_rotary_digits(bench, break_ms, make_ms):
    b = bench()
    phone = lifted(b)
    phone.pulse("19073", break_ms, make_ms)
    assert phone.pending
    b.run(8)
    assert "".join(e.digit for e in b.events) == "19073"
    assert all(isinstance(e, PulseDigit) for e in b.events)
    assert not phone.pending


def test_hanging_up_ends_a_dial_under_way(bench):
    b = bench()
    phone = lifted(b)
    phone.pulse("99999")
    b.run(1)
    phone.hang_up()
    b.run(5)
    assert isinstance(b.events[-1], OnHook)
    assert not phone.pending


def test_keys_and_speech_reach_the_box_in_order(bench, sine):
    b = bench()
    phone = lifted(b)
    phone.say(sine(1020, -10, 0.3))
    phone.press("1*#", on_ms=60, off_ms=60, level_dbm0=-6, twist_db=2)
    sound = b.run(1)[PORT]
    assert tone_dbm0(sound[400:2000], 1020) == pytest.approx(-10, abs=0.3)
    assert dtmf_keys(sound[2400 + 80 :]) in ("1*#", "#")  # the first key follows speech at once
    assert tone_dbm0(sound[2400 + 960 + 80 : 2400 + 960 + 400], 941) == pytest.approx(-6, abs=0.5)
    assert tone_dbm0(sound[2400 + 960 + 80 : 2400 + 960 + 400], 1209) == pytest.approx(-4, abs=0.5)
    assert not phone.pending


def test_the_ear_hears_what_the_box_plays(bench, sine):
    b = bench()
    phone = lifted(b)
    b.run(1, {PORT: sine(600, -10, 1)})
    assert tone_dbm0(phone.heard(0.8), 600) == pytest.approx(-10, abs=0.2)
    assert phone.listen().any()
    phone.hang_up()
    b.run(1.5)
    assert not phone.listen().any()


def test_on_hook_there_is_no_sound(bench, sine):
    b = bench()
    phone = b.office.phone(PORT)
    sound = b.run(1, {PORT: sine(600, -10, 1)})
    assert not sound[PORT].any()
    assert phone.heard(1).size == 0


def test_live_sound_passes_with_little_delay_and_does_not_pile_up(bench):
    b = bench()
    phone = lifted(b)
    for _ in range(50):
        phone.feed(np.full(160, 1000, dtype=np.int16))
    sound = b.run(1)[PORT]
    loud = np.flatnonzero(np.abs(sound) > 500)
    assert loud[0] < 40
    assert loud[-1] < 10 * 160 + 40


def test_the_hybrid_returns_an_echo(bench, noise):
    b = bench()
    lifted(b)
    played = noise(-20, 2)
    sound = b.run(2, {PORT: played})[PORT]
    gain_db = 20 * np.log10(np.std(sound[800:].astype(float)) / np.std(played[800:].astype(float)))
    assert gain_db == pytest.approx(-18, abs=1)


def test_ringing_a_telephone_that_is_just_being_lifted_trips_at_once(bench):
    b = bench()
    b.office.phone(PORT).lift()
    b.do(PORT, StartRinging())
    b.run(0.5)
    assert not b.seen(CommandFailed)
    assert len(b.seen(OffHook)) == 1
    assert not b.office.phone(PORT).ringing


def test_ringing_a_lifted_telephone_fails(bench):
    b = bench()
    lifted(b)
    b.do(PORT, StartRinging())
    b.do(PORT, StartRinging(()))
    b.do(PORT, SetHook(True))
    b.do(0, StartRinging())
    b.do(PORT, DropBattery(0))
    b.run(0.1)
    reasons = [e.reason for e in b.seen(CommandFailed)]
    assert "off hook" in reasons[0]
    assert reasons[2] == "SetHook is not for FXS ports"
    assert reasons[3] == "StartRinging is not for FXO ports"
    assert "between 1 and 10000" in reasons[4]


@pytest.mark.parametrize("cadence", [(), (1000,), (0, 1000), (1000, 99999)])
def test_impossible_ring_cadences_fail(bench, cadence):
    b = bench()
    b.do(PORT, StartRinging(cadence))
    b.run(0.1)
    assert "ring cadence" in b.seen(CommandFailed)[0].reason


def test_feed_can_be_reversed_and_dropped(bench, sine):
    b = bench()
    phone = lifted(b)
    b.do(PORT, SetPolarity(True))
    b.run(0.1)
    assert b.board.measure(PORT).reversed_ is True
    assert b.board.measure(PORT).volts == -8.0
    b.do(PORT, DropBattery(400))
    phone.say(sine(1020, -10, 1))
    sound = b.run(1)[PORT]
    assert phone.feed_drops == 1
    assert sound_segments_ms(sound)[0] == (False, 400)
    assert not b.seen(OnHook)


def test_people_get_clear_errors(bench):
    b = bench()
    phone = b.office.phone(PORT)
    with pytest.raises(OfficeError, match="lift it first"):
        phone.press("1")
    with pytest.raises(OfficeError, match="lift it first"):
        phone.flash()
    phone.lift()
    with pytest.raises(OfficeError, match="rotary"):
        phone.pulse("#")
    with pytest.raises(OfficeError, match="no dial"):
        phone.pulse("1", break_ms=5)
    with pytest.raises(OfficeError, match="cannot be pressed"):
        phone.press("1x")
    with pytest.raises(OfficeError, match="int16"):
        phone.say(np.zeros(100))
    with pytest.raises(OfficeError, match="160"):
        phone.feed(np.zeros(100, dtype=np.int16))
    with pytest.raises(OfficeError, match="between 10 and 10000"):
        phone.flash(1)
    with pytest.raises(OfficeError, match="telephones are 2 to 3"):
        b.office.phone(1)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["lift", "hang_up", "flash", "pulse", "press"]), st.integers(1, 90)),
        max_size=15,
    ),
    st.integers(0, 5),
)
def test_hook_events_alternate_whatever_people_do(steps, seed):
    board = SimBoard(OfficeConfig.from_dict({"lines": 0, "phones": 1, "seed": seed}))
    phone = board.office.phone(0)
    events = []
    for what, ticks in steps:
        if what in ("lift", "hang_up"):
            getattr(phone, what)()
        elif phone.off_hook:
            {
                "flash": lambda: phone.flash(200),
                "pulse": lambda: phone.pulse("31"),
                "press": lambda: phone.press("5"),
            }[what]()
        for _ in range(ticks):
            events += board.read().events
    for _ in range(400):
        events += board.read().events
    hooks = [e for e in events if isinstance(e, OffHook | OnHook)]
    for i, event in enumerate(hooks):
        assert isinstance(event, OffHook if i % 2 == 0 else OnHook)
    assert (len(hooks) % 2 == 1) == phone.off_hook
    clocks = [e.clock for e in events]
    assert clocks == sorted(clocks)


def test_on_hook_a_telephone_hears_the_box_while_it_asks_for_it_and_between_the_rings(bench, sine):
    b = bench()
    phone = b.office.phone(PORT)
    heard = []
    phone.display.hear = lambda block: heard.append(float(np.abs(block).max()))
    b.do(PORT, StartRinging((400, 2000)))
    b.do(PORT, OnHookTransfer(1000))
    b.run(2.0, {PORT: sine(1000, -10.0, 2.0)})
    # 0.4 s of ring voltage, then what is left of the second.
    assert 0.5 < 0.02 * sum(level > 1000 for level in heard) < 0.65
    assert phone.heard(1).size == 0, "the receiver lies on its hook"
    phone.lift()
    b.run(0.3)
    b.do(PORT, OnHookTransfer(1000))
    b.run(0.1)
    assert b.seen(CommandFailed, port=PORT)[-1].reason == "the telephone is off hook"
    for wrong in (0, 10001):
        phone.hang_up()
        b.run(1.5)
        b.do(PORT, OnHookTransfer(wrong))
        b.run(0.1)
        assert "not between 1 and 10000 ms" in b.seen(CommandFailed, port=PORT)[-1].reason


@pytest.mark.parametrize(
    ("dialling", "duration_ms", "kind"),
    [(True, 100, PulseDigit), (False, 60, Flash), (None, 100, Flash), (None, 60, PulseDigit)],
)
def test_a_single_break_is_read_as_the_box_says_until_hung_up(bench, dialling, duration_ms, kind):
    b = bench()
    phone = lifted(b)
    if dialling is not None:
        b.do(PORT, ReadBreaks(dialling))
    phone.flash(duration_ms)
    b.run(0.6)
    assert [type(event) for event in b.events if isinstance(event, PulseDigit | Flash)] == [kind]
    phone.hang_up()
    b.run(1.5)
    phone.lift()
    b.run(0.3)
    b.events.clear()
    phone.flash(duration_ms)
    b.run(0.6)
    plain = Flash if duration_ms >= 80 else PulseDigit
    assert [type(event) for event in b.events if isinstance(event, PulseDigit | Flash)] == [plain]


def test_the_message_lamp(bench):
    b = bench()
    phone = b.office.phone(PORT)
    for on in (True, False):
        b.do(PORT, MessageLamp(on))
        b.run(0.02)
        assert phone.lamp is on
