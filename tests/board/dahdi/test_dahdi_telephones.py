"""A telephone: every event of the kernel, every command, and what may go wrong with them."""

import errno

import pytest

from board.api import (
    DropBattery,
    Flash,
    LineMeasure,
    MessageLamp,
    OffHook,
    OnHook,
    OnHookTransfer,
    PortBack,
    PortGone,
    PulseDigit,
    ReadBreaks,
    SetHook,
    SetPolarity,
    StartRinging,
    StopRinging,
)
from board.dahdi import ioctls

LIFT, HANG_UP = ioctls.EVENT_RINGOFFHOOK, ioctls.EVENT_ONHOOK
DIGIT = ioctls.EVENT_PULSEDIGIT


def kinds(events):
    return [(type(event), event.port) for event in events]


def short_break(bench, digit="1"):
    """What the kernel says of one short break, or of a dialled digit."""
    bench.channel(3).say(ioctls.EVENT_PULSE_START)
    events = bench.run(12)
    bench.channel(3).say(DIGIT | ord(digit))
    return events + bench.run()


def lift(bench):
    bench.channel(3).say(LIFT)
    assert kinds(bench.run()) == [(OffHook, 2)]


def answer(bench):
    assert bench.do(2, StartRinging())[0] == "done"
    lift(bench)


def test_lifting_and_hanging_up(bench):
    lift(bench)
    assert bench.channel(3).hooks == [ioctls.HOOK_OFFHOOK]
    bench.channel(3).say(HANG_UP)
    assert kinds(bench.run()) == [(OnHook, 2)]
    # Not the kernel's hang-up: it would drop the battery and be busy for 0.8 s.
    assert bench.channel(3).hooks == [ioctls.HOOK_OFFHOOK, ioctls.HOOK_RINGOFF]


def test_the_answer_ends_the_kernels_ringing(bench):
    answer(bench)
    assert bench.channel(3).hooks == [ioctls.HOOK_RING, ioctls.HOOK_OFFHOOK]
    assert bench.do(2, StopRinging())[0] == "done"
    assert bench.channel(3).hooks[-1] == ioctls.HOOK_OFFHOOK, "the telephone was put on hook in the call"


def test_ringing_has_the_wanted_cadence(bench):
    assert bench.do(2, StartRinging((400, 200, 400, 2000)))[0] == "done"
    assert bench.channel(3).cadence[:5] == (400, 200, 400, 2000, 0)
    assert bench.do(2, StartRinging((1000, 4000)))[0] == "done"
    assert bench.do(2, StopRinging())[0] == "done"
    assert bench.channel(3).hooks == [5, 6, 5, 6]


@pytest.mark.parametrize("cadence", [(), (1000,), (1, 2)])
def test_cadences_that_cannot_be(bench, cadence):
    assert "ring cadence" in bench.do(2, StartRinging(cadence))[0]


def test_a_telephone_that_is_off_hook_is_not_rung(bench):
    lift(bench)
    assert bench.do(2, StartRinging())[0] == "the telephone is off hook"


def test_ringing_waits_until_the_kernel_is_ready(bench):
    bench.channel(3).faults[ioctls.HOOK] = [errno.EBUSY] * 30
    assert bench.do(2, StartRinging(), ticks=25)[0] is None
    (done,) = bench.run(10)
    assert done.command_id == 1


def test_ringing_that_is_stopped_before_it_began_is_no_failure(bench):
    bench.channel(3).faults[ioctls.HOOK] = [errno.EBUSY] * 3
    bench.board.command(2, StartRinging())
    bench.board.command(2, StopRinging())
    events = bench.run(5)
    assert [event.command_id for event in events] == [1, 2]
    assert bench.channel(3).hooks == [ioctls.HOOK_RINGOFF]


def test_lifting_before_ringing_began(bench):
    bench.channel(3).faults[ioctls.HOOK] = [errno.EBUSY]
    bench.board.command(2, StartRinging())
    bench.channel(3).say(LIFT)
    events = bench.run(3)
    assert {type(event).__name__ for event in events} == {"CommandDone", "OffHook"}
    assert bench.channel(3).hooks == [ioctls.HOOK_OFFHOOK]


def test_no_tone_zone(bench):
    bench.channel(3).faults[ioctls.HOOK] = [errno.ENODATA]
    assert bench.do(2, StartRinging())[0] == "the kernel has no tone zone"


def test_flash(bench):
    answer(bench)
    bench.channel(3).say(ioctls.EVENT_WINKFLASH)
    (flash,) = bench.run()
    assert (type(flash), flash.duration_ms) == (Flash, 0)


def test_a_telephone_that_hung_up_as_the_box_began_and_is_lifted_at_once_is_off_hook(bench):
    bench.channel(3).say(ioctls.EVENT_WINKFLASH)
    assert kinds(bench.run()) == [(OffHook, 2)]
    assert bench.channel(3).hooks == [ioctls.HOOK_OFFHOOK]


def test_a_telephone_whose_lifting_the_kernel_takes_for_a_pulse_as_the_box_begins_is_off_hook(bench):
    assert kinds(short_break(bench)) == [(OffHook, 2)]
    assert [event.digit for event in short_break(bench, "1")] == ["1"]


def test_a_telephone_whose_lifting_the_kernel_does_not_tell_as_the_box_begins_is_off_hook(bench):
    bench.run(10)
    bench.channel(3).rx_hook = ioctls.RX_OFFHOOK
    assert kinds(bench.run()) == [(OffHook, 2)]
    bench.channel(3).rx_hook = ioctls.RX_ONHOOK
    bench.channel(3).say(HANG_UP)
    assert kinds(bench.run()) == [(OnHook, 2)]


def test_a_lifting_that_is_told_while_the_hook_state_is_looked_at_is_no_flash(bench, monkeypatch):
    channel, ioctl = bench.channel(3), bench.kernel.ioctl

    def lifted_just_now(fd, request, data):
        if (fd, request) == (channel.fd, ioctls.GET_PARAMS) and channel.rx_hook != ioctls.RX_OFFHOOK:
            channel.rx_hook = ioctls.RX_OFFHOOK
            channel.say(ioctls.EVENT_WINKFLASH)
        ioctl(fd, request, data)

    monkeypatch.setattr(bench.kernel, "ioctl", lifted_just_now)
    assert kinds(bench.run(4)) == [(OffHook, 2)]


def test_short_break_in_a_call_is_the_r_key(bench):
    answer(bench)
    start = bench.ticks[-1].clock
    (flash,) = short_break(bench)
    assert (type(flash), flash.duration_ms) == (Flash, 100)
    assert 0 < flash.clock - start < 480, "it is dated by its beginning"


def test_digits_in_a_call_stay_digits_and_open_the_way_for_a_one(bench):
    answer(bench)
    assert [event.digit for event in short_break(bench, "7")] == ["7"]
    assert [event.digit for event in short_break(bench, "1")] == ["1"]


def test_one_is_a_digit_while_dialling(bench):
    lift(bench)
    assert [(type(event), event.digit) for event in short_break(bench)] == [(PulseDigit, "1")]


def test_one_is_the_r_key_long_after_dialling(bench):
    lift(bench)
    short_break(bench, "8")
    bench.run(520)
    assert kinds(short_break(bench)) == [(Flash, 2)]


def test_the_layer_above_can_say_what_to_expect(bench):
    lift(bench)
    assert bench.do(2, ReadBreaks(dialling=False))[0] == "done"
    assert kinds(short_break(bench)) == [(Flash, 2)]
    assert bench.do(2, ReadBreaks(dialling=True))[0] == "done"
    assert kinds(short_break(bench)) == [(PulseDigit, 2)]
    bench.channel(3).say(HANG_UP)
    bench.run()
    answer(bench)
    assert kinds(short_break(bench)) == [(Flash, 2)]


@pytest.mark.parametrize("digit", ["*", "#"])
def test_eleven_pulses_are_no_digit(bench, digit):
    lift(bench)
    assert short_break(bench, digit) == []


def test_polarity_lamp_and_speech_on_hook(bench):
    channel = bench.channel(3)
    channel.asked.clear()
    for command in (SetPolarity(True), MessageLamp(True), MessageLamp(False), OnHookTransfer(1500)):
        assert bench.do(2, command)[0] == "done"
    asked = [(ioctls.SETPOLARITY, 1), (ioctls.VMWI, 1), (ioctls.VMWI, 0), (ioctls.ONHOOKTRANSFER, 1500)]
    assert channel.asked == asked
    assert bench.board.measure(2) == LineMeasure(None, None, True, False)


def test_speech_on_hook_is_opened_again_after_a_burst_of_ringing(bench):
    bench.do(2, OnHookTransfer(2000))
    bench.do(2, StartRinging())
    bench.channel(3).asked.clear()
    bench.channel(3).say(ioctls.EVENT_RINGEROFF)
    bench.run(100)
    ((request, left_ms),) = bench.channel(3).asked
    assert request == ioctls.ONHOOKTRANSFER
    assert 1900 < left_ms < 2000
    bench.channel(3).say(ioctls.EVENT_RINGEROFF)
    bench.run()
    assert len(bench.channel(3).asked) == 1


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (OnHookTransfer(0), "not between"),
        (OnHookTransfer(40000), "not between"),
        (SetHook(True), "FXS ports"),
    ],
)
def test_commands_that_are_refused(bench, command, says):
    assert says in bench.do(2, command)[0]


def test_commands_that_the_driver_does_not_know(make_bench):
    from dahdi_fake_kernel import card

    kernel = card()
    kernel.channels[3].unknown = {ioctls.SETPOLARITY, ioctls.VMWI_CONFIG, ioctls.ONHOOKTRANSFER}
    bench = make_bench(kernel)
    for command in (SetPolarity(True), MessageLamp(True), OnHookTransfer(1000)):
        assert bench.do(2, command)[0] == f"{type(command).__name__} is not for FXS ports of this card"


def test_battery_drop(bench):
    answer(bench)
    channel = bench.channel(3)
    assert bench.do(2, DropBattery(500), ticks=25)[0] is None
    assert channel.hooks[-1] == ioctls.HOOK_ONHOOK
    channel.say(ioctls.EVENT_HOOKCOMPLETE)
    channel.faults[ioctls.HOOK] = [errno.EBUSY] * 15
    (done,) = bench.run(20)
    assert done.command_id == 2
    assert channel.hooks[-1] == ioctls.HOOK_OFFHOOK, "the feed is not brought back"


@pytest.mark.parametrize("duration_ms", [100, 1100])
def test_battery_drops_of_another_length(bench, duration_ms):
    answer(bench)
    assert "500 ms and no other" in bench.do(2, DropBattery(duration_ms))[0]


def test_battery_drop_on_hook(bench):
    assert "nothing to tell" in bench.do(2, DropBattery(500))[0]


def test_hanging_up_during_a_battery_drop_leaves_it_on_hook(bench):
    answer(bench)
    bench.do(2, DropBattery(500), ticks=5)
    bench.channel(3).say(HANG_UP)
    events = bench.run(60)
    assert kinds(events)[-1] == (OnHook, 2)
    assert bench.channel(3).hooks[-1] == ioctls.HOOK_RINGOFF


def test_an_alarm_takes_the_port_away_and_its_end_brings_it_back(bench):
    bench.channel(3).say(ioctls.EVENT_ALARM, ioctls.EVENT_ALARM)
    (gone,) = bench.run(3)
    assert (type(gone), "check its cable" in gone.reason) == (PortGone, True)
    bench.channel(3).say(ioctls.EVENT_NOALARM, ioctls.EVENT_NOALARM)
    assert kinds(bench.run(3)) == [(PortBack, 2)]


def test_voltage_between_the_wires(make_bench):
    from dahdi_fake_kernel import card

    kernel = card()
    kernel.channels[3].stats = (-1128, -47376, -52000)
    assert make_bench(kernel).board.measure(2) == LineMeasure(pytest.approx(46.248), None, False, False)
