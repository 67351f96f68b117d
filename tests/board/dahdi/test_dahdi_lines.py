"""A line: every event of the kernel, every command, and what may go wrong with them."""

import errno

import pytest

from board.api import (
    BatteryBack,
    BatteryLost,
    DialPulses,
    FlashHook,
    LineMeasure,
    PolarityReversed,
    RingOff,
    RingOn,
    SetHook,
    StartRinging,
)
from board.dahdi import ioctls

RINGBEGIN, RINGOFFHOOK = ioctls.EVENT_RINGBEGIN, ioctls.EVENT_RINGOFFHOOK


def kinds(events):
    return [(type(event), event.port) for event in events]


def test_a_burst_of_ringing(bench):
    bench.channel(1).say(RINGBEGIN)
    (on,) = bench.run()
    bench.run(50)
    bench.channel(1).say(RINGOFFHOOK)
    (off,) = bench.run()
    assert kinds([on, off]) == [(RingOn, 0), (RingOff, 0)]
    # The kernel tells the end 50 ms late: 51 ticks less 50 ms.
    assert abs((off.clock - on.clock) / 8 - (51 * 20 - 50)) <= 20


def test_events_carry_the_clock_of_the_moment_within_the_block(bench):
    at = bench.kernel.now + 0.007
    bench.kernel.script.append((at, lambda: bench.channel(2).say(RINGBEGIN)))
    (on,) = bench.run()
    tick = bench.ticks[-1]
    assert (on.port, on.clock - tick.clock) == (1, pytest.approx(7 * 8, abs=9))


def test_a_burst_whose_beginning_the_kernel_hides(bench):
    bench.channel(1).say(RINGOFFHOOK)
    assert kinds(bench.run()) == [(RingOn, 0), (RingOff, 0)]


def test_the_end_of_ringing_after_the_answer_is_no_new_ring(bench):
    bench.do(0, SetHook(True))
    bench.channel(1).say(RINGOFFHOOK)
    assert bench.run() == []


def test_the_swing_of_our_own_hang_up_is_no_ring(bench):
    bench.do(0, SetHook(True))
    bench.do(0, SetHook(False))
    bench.channel(1).say(RINGBEGIN)
    assert bench.run(5) == []
    bench.channel(1).say(RINGOFFHOOK)
    assert bench.run(30) == []


def test_a_call_right_after_hanging_up_is_told_from_its_beginning(bench):
    bench.do(0, SetHook(True))
    bench.do(0, SetHook(False))
    bench.channel(1).say(RINGBEGIN)
    start = bench.ticks[-1].clock
    (on,) = bench.run(30)
    assert isinstance(on, RingOn)
    assert on.clock - start < 320


def test_battery_drop_and_return(bench):
    bench.do(0, SetHook(True))
    bench.channel(1).say(ioctls.EVENT_ONHOOK)
    bench.channel(1).rx_hook = ioctls.RX_ONHOOK
    assert kinds(bench.run(25)) == [(BatteryLost, 0)]
    bench.channel(1).rx_hook = ioctls.RX_OFFHOOK
    assert kinds(bench.run(2)) == [(BatteryBack, 0)]
    bench.channel(1).say(ioctls.EVENT_ONHOOK)
    bench.channel(1).rx_hook = ioctls.RX_ONHOOK
    assert kinds(bench.run()) == [(BatteryLost, 0)]


def test_unplugged_and_plugged_line(bench):
    channel = bench.channel(2)
    channel.alarms = 8
    channel.say(ioctls.EVENT_ALARM)
    assert kinds(bench.run(100)) == [(BatteryLost, 1)]
    channel.alarms = 0
    channel.say(ioctls.EVENT_NOALARM)
    assert kinds(bench.run(2)) == [(BatteryBack, 1)]


def test_a_drop_that_lasts_is_one_loss(bench):
    bench.do(0, SetHook(True))
    channel = bench.channel(1)
    channel.rx_hook = ioctls.RX_ONHOOK
    channel.say(ioctls.EVENT_ONHOOK)
    events = bench.run(50)
    channel.alarms = 8
    channel.say(ioctls.EVENT_ALARM)
    events += bench.run(10)
    assert kinds(events) == [(BatteryLost, 0)]


def test_polarity(bench):
    bench.channel(1).say(ioctls.EVENT_POLARITY)
    bench.channel(2).say(ioctls.EVENT_POLARITY, ioctls.EVENT_POLARITY)
    found = [(event.port, event.reversed_) for event in bench.run() if isinstance(event, PolarityReversed)]
    assert sorted(found) == [(0, True), (1, False), (1, True)]


@pytest.mark.parametrize("code", [0x40000 | 53, 0x20000 | 53, 19, 23, 99, ioctls.EVENT_PULSE_START])
def test_events_that_mean_nothing_here_are_taken_away(bench, code):
    bench.channel(1).say(code)
    assert bench.run(2) == []
    assert not bench.channel(1).events


def test_taking_and_releasing_the_line(bench):
    assert bench.do(0, SetHook(True)) == ("done", [])
    assert bench.do(0, SetHook(False)) == ("done", [])
    # Not the kernel's own hang-up, which empties buffers and hides the next ring.
    assert bench.channel(1).hooks == [ioctls.HOOK_OFFHOOK, ioctls.HOOK_RINGOFF]


def test_flash(bench):
    bench.do(0, SetHook(True))
    assert bench.do(0, FlashHook(300), ticks=10)[0] is None
    assert bench.channel(1).times[16] == 300
    bench.channel(1).say(ioctls.EVENT_HOOKCOMPLETE)
    (done,) = bench.run()
    assert (done.port, done.command_id) == (0, 2)


def test_a_flash_while_the_kernel_still_debounces_is_tried_again(bench):
    bench.do(0, SetHook(True))
    bench.channel(1).faults[ioctls.HOOK] = [errno.EBUSY] * 20
    assert bench.do(0, FlashHook(100), ticks=15)[0] is None
    bench.run(10)
    assert bench.channel(1).hooks[-1] == ioctls.HOOK_FLASH


def test_a_port_that_stays_busy_fails_the_command_in_the_end(bench):
    bench.do(0, SetHook(True))
    bench.channel(1).faults[ioctls.HOOK] = [errno.EBUSY, "..."]
    result, others = bench.do(0, FlashHook(100), ticks=120)
    assert (result, others) == ("the port stayed busy", [])
    bench.channel(1).faults.clear()
    assert bench.do(0, SetHook(False))[0] == "done"


def test_a_flash_whose_end_is_never_told(bench):
    bench.do(0, SetHook(True))
    result, _ = bench.do(0, FlashHook(100), ticks=120)
    assert result == "the card did not report its end"


def test_hanging_up_interrupts_a_flash(bench):
    bench.do(0, SetHook(True))
    bench.board.command(0, FlashHook(100))
    bench.board.command(0, SetHook(False))
    flash, hook = bench.run()
    assert (flash.reason, hook.command_id) == ("interrupted by another command", 3)


def test_pulses(bench):
    bench.do(0, SetHook(True))
    played = len(bench.channel(1).played)
    assert bench.do(0, DialPulses("307"), ticks=20)[0] is None
    assert bench.channel(1).dialled == ["P307"]
    # Nothing may be written meanwhile: a write would end the kernel's dialling.
    assert not any(b"".join(bench.channel(1).played[played + 60 :]))
    bench.channel(1).say(ioctls.EVENT_DIALCOMPLETE)
    (done,) = bench.run()
    assert done.command_id == 2
    bench.run(5)
    assert any(b"".join(bench.channel(1).played[-20:]))


@pytest.mark.parametrize("digits", ["", "12a", "*", "1" * 33, "１"])
def test_pulses_that_cannot_be_dialled(bench, digits):
    bench.do(0, SetHook(True))
    if digits:
        assert "cannot be dialled by pulses" in bench.do(0, DialPulses(digits))[0]
    else:
        assert bench.do(0, DialPulses(digits))[0] is not None


@pytest.mark.parametrize("command", [FlashHook(100), DialPulses("1")])
def test_a_line_that_is_on_hook_neither_flashes_nor_dials(bench, command):
    assert bench.do(0, command)[0] == "the line is on hook: take it first"


@pytest.mark.parametrize("duration_ms", [9, 2001])
def test_flashes_out_of_bounds(bench, duration_ms):
    bench.do(0, SetHook(True))
    assert "not between 10 and 2000 ms" in bench.do(0, FlashHook(duration_ms))[0]


def test_no_tone_zone(bench):
    bench.do(0, SetHook(True))
    bench.channel(1).faults[ioctls.DIAL] = [errno.ENODATA]
    assert bench.do(0, DialPulses("1"))[0] == "the kernel has no tone zone"


def test_a_command_for_telephones_is_refused(bench):
    assert bench.do(0, StartRinging())[0] == "StartRinging is not for FXO ports of this card"


def test_voltage_where_the_driver_has_it(make_bench):
    from dahdi_fake_kernel import card

    kernel = card()
    kernel.channels[1].stats = (-48000, 0, 0)
    bench = make_bench(kernel)
    assert bench.board.measure(0) == LineMeasure(-48.0, None, False, False)
    assert bench.board.measure(1) == LineMeasure(None, None, None, False)
    bench.do(0, SetHook(True))
    kernel.channels[1].faults[ioctls.WCTDM_GET_STATS] = [errno.EIO]
    assert bench.board.measure(0) == LineMeasure(None, None, False, True)
