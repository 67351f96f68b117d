"""Our back-end against the real kernel: two looped spans, each kind of port on either side."""

from contextlib import closing
from datetime import datetime

import numpy as np

from board.api import (
    BatteryBack,
    BatteryLost,
    CommandDone,
    CommandFailed,
    DialPulses,
    DropBattery,
    Flash,
    FlashHook,
    OffHook,
    OnHook,
    PortKind,
    PulseDigit,
    RingOff,
    RingOn,
    SetHook,
    SetPolarity,
    StartRinging,
    StopRinging,
)
from board.dahdi import DahdiBoard, find_cards, ioctls
from board.sim import callerid as sent_id
from board.sim.country import COUNTRIES
from board.sim.fsk import modulate
from dsp.callerid import CallerIdReceiver
from dsp.dtmf import DtmfReceiver, dtmf_samples
from tests.guest.dahdi_loop import (
    LINE,
    PHONE,
    ROWS,
    TELEPHONE,
    Far,
    delay_ms,
    loop,
    looped_spans,
    peak_at,
    sine,
)
from tests.guest.guest import in_guest

ON, OFF, RING, FLASH = ioctls.HOOK_ONHOOK, ioctls.HOOK_OFFHOOK, ioctls.HOOK_RING, ioctls.HOOK_FLASH


# --------------------------------------------------------------------- finding
@in_guest()
def test_cards_and_ports_are_found():
    with looped_spans():
        assert [(card.name, card.lines, card.phones) for card in find_cards()] == [
            ("dyn-loc-1-0", 1, 1),
            ("dyn-loc-1-1", 1, 1),
        ]
    with loop() as one:
        kinds = [(port.kind, sorted(port.can)) for port in one.board.ports]
        assert kinds == [
            (PortKind.FXO, ["battery", "onhook-audio"]),
            (PortKind.FXS, ["battery", "breaks"]),
        ]


# ----------------------------------------------------------------------- lines
@in_guest()
def test_line_rings_with_its_cadence_and_is_answered():
    with loop() as one:
        one.run(1.5)  # the kernel hides rings for 2 s after a channel is opened
        one.exchange.hook(RING)
        begun = one.wait_for(RingOn, LINE)
        ended = one.wait_for(RingOff, LINE)
        again = one.wait_for(RingOn, LINE, 6.0, count=2)
        burst_ms, cycle_ms = (ended.clock - begun.clock) / 8, (again.clock - begun.clock) / 8
        number = one.board.command(LINE, SetHook(True))
        one.until(lambda: ioctls.EVENT_RINGOFFHOOK in one.exchange.events)
        assert CommandDone(LINE, one.of(CommandDone)[0].clock, number) in one.seen
        assert 960 <= burst_ms <= 1060
        assert 4950 <= cycle_ms <= 5050
        return {"burst_ms": burst_ms, "cycle_ms": cycle_ms}


@in_guest()
def test_first_burst_that_the_kernel_hides_is_still_a_ring():
    with loop() as one:
        one.exchange.hook(RING)
        one.wait_for(RingOff, LINE)
        assert len(one.of(RingOn, LINE)) == 1


@in_guest()
def test_call_right_after_hanging_up_is_seen_from_its_beginning():
    with loop() as one:
        one.run(1.5)
        one.board.command(LINE, SetHook(True))
        one.run(1.0)
        one.board.command(LINE, SetHook(False))
        one.run(0.4)
        one.exchange.hook(ioctls.HOOK_RINGOFF)
        one.exchange.hook(RING)
        begun = one.clock
        assert one.wait_for(RingOn, LINE).clock - begun < 8000 * 0.06


@in_guest()
def test_caller_id_between_the_rings_is_in_the_audio():
    who = sent_id.Identity("13800138000", "Anna")
    wave = modulate(sent_id.fsk_message(who, datetime(2026, 1, 2, 3, 4)), COUNTRIES["CN"].fsk)
    with loop() as one:
        one.run(1.5)
        one.exchange.hook(RING)
        one.wait_for(RingOff, LINE)
        one.exchange.say(wave)
        start = len(one.heard)
        one.run(len(wave) / 8000 + 0.5)
        receiver = CallerIdReceiver(1)
        found = [
            message
            for audio in one.heard[start:]
            for message in receiver.process(audio[:1].astype(np.float32))
        ]
        assert [message.number for message in found] == ["13800138000"]


def travel(one, row, far):
    """Noise, a tone and keys each way between a port of ours and the other end; figures."""
    start, far_start = len(one.heard), len(far.heard)
    noise = (np.random.default_rng(1).standard_normal(8000) * 2000).astype(np.int16)
    one.to_say[row] = np.concatenate([noise, sine(1000, 1.0)])
    far.say(np.concatenate([noise, sine(440, 1.0)]))
    one.run(2.4)
    ours, theirs = one.sound(row, start), np.concatenate(far.heard[far_start:])
    figures = {
        "out_ms": delay_ms(noise, theirs),
        "in_ms": delay_ms(noise, ours),
        "peak_out": round(peak_at(theirs[10400:14400], 1000)),
        "peak_in": round(peak_at(ours[10400:14400], 440)),
    }
    assert abs(figures["peak_out"] - 8000) < 400
    assert abs(figures["peak_in"] - 8000) < 400
    # Two ticks of reserve, one block of collecting and the phase between the two ends' blocks.
    assert figures["out_ms"] <= 80
    assert figures["in_ms"] <= 80

    start, far_start = len(one.heard), len(far.heard)
    one.to_say[row] = dtmf_samples("2580")
    far.say(dtmf_samples("159#"))
    one.run(1.5)
    assert keys([audio[row] for audio in one.heard[start:]]) == "159#"
    assert keys(far.heard[far_start:]) == "2580"
    return figures


def keys(blocks):
    """DTMF digits in blocks of 160 samples."""
    receiver = DtmfReceiver(1)
    found = [event for block in blocks for event in receiver.process(block[None].astype(np.float32))]
    return "".join(event.digit for event in found if event.phase == "down")


@in_guest()
def test_sound_and_keys_pass_both_ways_on_a_line_with_little_delay():
    with loop() as one:
        one.board.command(LINE, SetHook(True))
        one.exchange.hook(OFF)
        one.run(1.0)
        figures = travel(one, LINE, one.exchange)
        assert one.lost == 0
        return figures


@in_guest()
def test_delay_stays_the_same_and_nothing_is_lost():
    with loop() as one:
        one.board.command(LINE, SetHook(True))
        one.exchange.hook(OFF)
        one.run(3.0)
        noise = (np.random.default_rng(2).standard_normal(4000) * 3000).astype(np.int16)
        delays = []
        before = one.board.counters
        for _ in range(2):
            start = len(one.exchange.heard)
            one.to_say[LINE] = noise
            one.run(1.0)
            delays.append(delay_ms(noise, np.concatenate(one.exchange.heard[start:])))
            one.run(4.0)
        after = one.board.counters
        assert delays[0] == delays[1], f"{delays}: before {before}, after {after}"
        assert after == before, f"before {before}, after {after}"
        return {"delays_ms": delays, "counters": vars(after)}


@in_guest()
def test_outside_disconnect_is_a_battery_drop_that_ends():
    with loop() as one:
        one.run(1.5)
        one.exchange.hook(RING)
        one.wait_for(RingOn, LINE)
        one.board.command(LINE, SetHook(True))
        one.until(lambda: ioctls.EVENT_RINGOFFHOOK in one.exchange.events)
        one.exchange.hook(OFF)
        one.run(1.0)
        one.exchange.hook(ON)
        lost = one.wait_for(BatteryLost, LINE)
        back = one.wait_for(BatteryBack, LINE)
        gap_ms = (back.clock - lost.clock) / 8
        assert 450 <= gap_ms <= 560
        return {"gap_ms": gap_ms}


@in_guest()
def test_flash_and_pulses_on_a_line_reach_the_exchange():
    with loop() as one:
        one.board.command(LINE, SetHook(True))
        one.until(lambda: ioctls.EVENT_RINGOFFHOOK in one.exchange.events)
        one.exchange.hook(OFF)
        number = one.board.command(LINE, FlashHook(300))
        one.until(lambda: ioctls.EVENT_WINKFLASH in one.exchange.events)
        one.until(lambda: any(event.command_id == number for event in one.of(CommandDone)))
        number = one.board.command(LINE, DialPulses("305"))
        one.until(lambda: any(event.command_id == number for event in one.of(CommandDone)), 8.0)
        one.run(0.5)
        digits = [chr(code & 0xFF) for code in one.exchange.events if code & ioctls.EVENT_PULSEDIGIT]
        assert digits == list("305")
        assert one.of(CommandFailed) == []


@in_guest()
def test_glare_a_call_comes_while_we_take_the_line():
    with loop() as one:
        one.run(1.5)
        one.exchange.hook(RING)
        number = one.board.command(LINE, SetHook(True))
        one.until(lambda: ioctls.EVENT_RINGOFFHOOK in one.exchange.events)
        one.exchange.hook(OFF)
        one.exchange.say(sine(600, 2.0))
        one.run(1.0)
        # The exchange has its caller on the line at once: no dial tone, a voice; and the ring was seen.
        assert any(event.command_id == number for event in one.of(CommandDone))
        assert len(one.of(RingOn, LINE)) == 1
        assert peak_at(one.sound(LINE, len(one.heard) - 20), 600) > 7000


# ------------------------------------------------------------------ telephones
@in_guest()
def test_telephone_is_rung_answers_and_hangs_up():
    with loop() as one:
        one.run(1.5)
        one.board.command(PHONE, StartRinging((400, 200, 400, 2000)))
        one.until(lambda: ioctls.EVENT_RINGBEGIN in one.telephone.events)
        one.run(3.5)
        bursts = one.telephone.events.count(ioctls.EVENT_RINGBEGIN)
        assert bursts == 3
        one.telephone.hook(OFF)
        asked = one.clock
        answered_ms = (one.wait_for(OffHook, PHONE).clock - asked) / 8
        one.telephone.events.clear()
        one.run(3.0)
        assert ioctls.EVENT_RINGBEGIN not in one.telephone.events, "it goes on ringing after the answer"
        one.telephone.hook(ON)
        asked = one.clock
        hung_up_ms = (one.wait_for(OnHook, PHONE).clock - asked) / 8
        assert answered_ms <= 60
        assert 650 <= hung_up_ms <= 800
        number = one.board.command(PHONE, StartRinging())
        one.run(0.1)
        assert any(event.command_id == number for event in one.of(CommandDone)), "not ready for the next call"
        one.board.command(PHONE, StopRinging())
        one.run(0.1)
        return {"answered_ms": answered_ms, "hung_up_ms": hung_up_ms}


@in_guest()
def test_flash_short_flash_and_pulse_digits_of_a_telephone():
    with loop() as one:
        one.run(1.5)
        one.board.command(PHONE, StartRinging())
        one.until(lambda: ioctls.EVENT_RINGBEGIN in one.telephone.events)
        one.telephone.hook(OFF)
        one.wait_for(OffHook, PHONE)
        one.run(1.0)
        one.telephone.times(flash_ms=400)
        one.telephone.hook(FLASH)
        assert one.wait_for(Flash, PHONE).duration_ms == 0
        one.run(0.5)
        one.telephone.times(flash_ms=100)
        one.telephone.hook(FLASH)
        assert one.wait_for(Flash, PHONE, count=2).duration_ms == 100
        one.telephone.dial("P27")
        one.wait_for(PulseDigit, PHONE, 6.0, count=2)
        assert [event.digit for event in one.of(PulseDigit)] == ["2", "7"]
        assert len(one.of(Flash)) == 2
        assert one.of(OnHook) == []


@in_guest(120.0)
def test_telephone_that_is_lifted_as_the_box_begins_is_off_hook_and_nothing_else():
    # The kernel has just begun to hear from the telephone: it tells nothing, a pulse, a flash.
    for ticks in (0, 4, 15):
        with looped_spans(), closing(Far(TELEPHONE)) as telephone, closing(DahdiBoard("1")) as board:
            events = []

            def run(count, board=board, events=events):
                for _ in range(count):
                    events += [event for event in board.read().events if event.port == PHONE]
                    board.write(np.zeros((ROWS, 160), np.int16))

            run(ticks)
            telephone.hook(OFF)
            run(100)
            assert [type(event) for event in events] == [OffHook], f"after {ticks} ticks: {events}"
            telephone.hook(ON)
            run(60)
            assert [type(event) for event in events] == [OffHook, OnHook], f"after {ticks} ticks: {events}"


@in_guest()
def test_digit_one_of_a_telephone_that_dials():
    with loop() as one:
        one.telephone.hook(OFF)
        one.wait_for(OffHook, PHONE)
        one.run(0.8)
        one.telephone.dial("P11")
        one.wait_for(PulseDigit, PHONE, 6.0, count=2)
        assert [event.digit for event in one.of(PulseDigit)] == ["1", "1"]


@in_guest()
def test_sound_and_keys_pass_both_ways_on_a_telephone_with_little_delay():
    with loop() as one:
        one.telephone.hook(OFF)
        one.wait_for(OffHook, PHONE)
        one.run(1.0)
        figures = travel(one, PHONE, one.telephone)
        assert one.lost == 0
        return figures


@in_guest()
def test_glare_a_telephone_is_lifted_in_the_moment_it_is_rung():
    with loop() as one:
        one.run(1.5)
        one.telephone.hook(OFF)
        one.board.command(PHONE, StartRinging())
        one.wait_for(OffHook, PHONE)
        one.run(0.5)
        one.telephone.events.clear()
        one.telephone.say(sine(600, 5.0))
        one.run(5.0)
        # Whoever lifted has the box on the line, and no ring voltage at the ear.
        assert ioctls.EVENT_RINGBEGIN not in one.telephone.events
        assert one.of(OnHook, PHONE) == []
        assert peak_at(one.sound(PHONE, len(one.heard) - 20), 600) > 7000


@in_guest()
def test_battery_drop_reaches_the_telephone_and_the_feed_comes_back():
    with loop() as one:
        one.telephone.hook(OFF)
        one.wait_for(OffHook, PHONE)
        one.run(1.0)
        number = one.board.command(PHONE, DropBattery(500))
        one.until(lambda: ioctls.EVENT_ONHOOK in one.telephone.events)
        one.until(lambda: any(event.command_id == number for event in one.of(CommandDone)))
        one.run(1.5)
        start = len(one.telephone.heard)
        one.to_say[PHONE] = sine(1000, 1.0)
        one.run(1.0)
        assert peak_at(np.concatenate(one.telephone.heard[start:])[4000:7000], 1000) > 7000
        one.telephone.hook(ON)
        one.wait_for(OnHook, PHONE)


@in_guest()
def test_what_this_driver_cannot_do_fails_clearly():
    with loop() as one:
        number = one.board.command(PHONE, SetPolarity(True))
        one.run(0.1)
        (failed,) = one.of(CommandFailed)
        assert failed.command_id == number
        assert "SetPolarity is not for FXS ports of this card" in failed.reason
