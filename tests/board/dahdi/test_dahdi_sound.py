"""Blocks, their order and delay, and every fault that may hit them."""

import errno
import threading

import numpy as np
import pytest
from dahdi_fake_kernel import LINE, FakeChannel, card
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from board.api import BoardError, OffHook, PortBack, PortGone, RingOn, SetHook
from board.clocks import Clocks
from board.dahdi import DahdiBoard, ioctls
from board.door import Door


def blocks(ticks, row):
    return [int(tick.audio[row, 0]) for tick in ticks]


def test_every_block_comes_once_and_in_order(bench):
    bench.run(100)
    for row in range(4):
        got = blocks(bench.ticks, row)
        assert got == list(range(got[0], got[0] + len(got)))
    assert [tick.clock for tick in bench.ticks] == [160 * i for i in range(103)]
    assert sum(tick.lost for tick in bench.ticks) == 0


def test_what_is_written_is_played_without_a_gap_and_soon(bench):
    bench.run(100)
    played = np.frombuffer(b"".join(bench.channel(1).played), np.int16)
    begun = int(np.argmax(played))
    assert begun <= 2 * 160 + 8, "two blocks of reserve"
    assert (played[begun:] == 1000).all()
    counters = bench.board.counters
    assert (counters.slips, counters.underruns, counters.overruns) == (0, 0, 0)


@pytest.mark.parametrize("ahead", [2, 3, 6])
def test_how_late_the_card_plays_is_what_it_says(make_bench, ahead):
    """Its echo is looked for by that."""
    bench = make_bench(ahead_blocks=ahead)
    bench.run(30)
    bench.board.read()
    out = np.zeros((4, 160), np.int16)
    begun_ms = len(bench.channel(1).played)
    out[0] = 7777
    bench.board.write(out)
    bench.run(20)
    played = np.frombuffer(b"".join(bench.channel(1).played), np.int16)
    late_ms = int(np.argmax(played == 7777)) / 8 - begun_ms
    assert late_ms == pytest.approx(20 * bench.board.echo_blocks, abs=1)
    assert bench.board.echo_blocks == ahead - 1


def test_channels_may_be_out_of_step(make_bench):
    kernel = card()
    for number, channel in kernel.channels.items():
        channel.partial = 40 * number
    bench = make_bench(kernel)
    for number, channel in kernel.channels.items():
        channel.partial = 152 - 40 * (number - 1)
    bench.run(60)
    settled = bench.board.counters
    bench.run(200)
    for row in range(4):
        got = [value for value in blocks(bench.ticks, row) if value]
        assert got == list(range(got[0], got[0] + len(got)))
    # A channel that lags has a block too many in its playing queue at first.
    assert bench.board.counters == settled
    assert (settled.underruns, settled.slips <= 4) == (0, True)


def test_a_late_tick_loses_nothing_and_adds_no_delay(bench):
    bench.run(20)
    for _ in range(70):
        bench.kernel.pass_ms()
    bench.run(150)
    for row in range(4):
        got = blocks(bench.ticks, row)
        assert got == list(range(got[0], got[0] + len(got)))
    played = np.frombuffer(b"".join(bench.channel(1).played[-400:]), np.int16)
    assert (played == 1000).all()
    assert len(bench.channel(1).queue) < 3 * 320


def test_a_very_late_tick_is_an_overrun_that_is_counted(bench):
    for channel in bench.kernel.channels.values():
        bench.kernel.script.append((bench.kernel.now + 0.3, lambda one=channel: one.say(29)))
    for _ in range(400):
        bench.kernel.pass_ms()
    assert bench.run(30) == []
    assert bench.board.counters.overruns == 4
    assert bench.board.counters.underruns >= 1
    assert Clocks([bench.board]).health()[0]["device"]["overruns"] == 4


@pytest.mark.parametrize("what", ["read", "write"])
def test_elast_with_events_pending(bench, what):
    """The event is fetched and told, the sound goes on."""
    bench.channel(3).faults[what] = [500]
    bench.channel(3).say(ioctls.EVENT_RINGOFFHOOK)
    events = bench.run(3)
    assert [type(event) for event in events] == [OffHook]
    bench.run(10)
    got = blocks(bench.ticks, 2)
    assert got == list(range(got[0], got[0] + len(got)))


def test_an_event_between_poll_and_write(bench):
    bench.board.read()
    bench.channel(1).say(ioctls.EVENT_RINGBEGIN)
    bench.board.write(np.zeros((4, 160), np.int16))
    assert [type(event) for event in bench.run()] == [RingOn]


def test_elast_for_ever_ends_the_tick_and_the_others_go_on(bench):
    bench.channel(1).faults["read"] = [500, "..."]
    polls = bench.kernel.polls
    events = bench.run(200)
    assert bench.kernel.polls - polls < 2000
    assert (type(events[0]), events[0].port) == (PortGone, 0)
    assert {event.port for event in events} == {0}
    assert blocks(bench.ticks[-10:], 1) == sorted(blocks(bench.ticks[-10:], 1))
    assert all(blocks(bench.ticks[-10:], 1))


def test_events_that_never_end(bench):
    class Endless:
        def popleft(self):
            return ioctls.EVENT_POLARITY

        def __bool__(self):
            return True

    bench.channel(2).events = Endless()
    events = bench.run(5)
    assert [(type(event), event.port) for event in events if isinstance(event, PortGone)] == [(PortGone, 1)]
    assert "do not end" in next(event for event in events if isinstance(event, PortGone)).reason


@pytest.mark.parametrize("code", [errno.EPIPE, errno.EIO, errno.ENODEV])
@pytest.mark.parametrize("what", ["read", "write"])
def test_a_broken_channel_takes_only_its_port(bench, what, code):
    bench.channel(3).faults[what] = [code, "..."]
    events = bench.run(10)
    assert [(type(event), event.port) for event in events] == [(PortGone, 2)]
    assert events[0].reason
    assert all(blocks(bench.ticks[-5:], 0))


@pytest.mark.parametrize("what", ["read", "write"])
def test_signals_in_between(bench, what):
    bench.channel(1).faults[what] = [errno.EINTR, errno.EINTR]
    bench.run(5)
    got = blocks(bench.ticks, 0)
    assert got == list(range(got[0], got[0] + len(got)))


def test_short_writes_are_finished(bench):
    bench.channel(1).short_write = [100, 100, 320, 2, 320] + [320] * 50
    bench.run(40)
    played = np.frombuffer(b"".join(bench.channel(1).played), np.int16)
    begun = int(np.argmax(played))
    assert (played[begun:] == 1000).all()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(late_ms=st.lists(st.integers(0, 45), min_size=5, max_size=25))
def test_whatever_the_lateness_of_ticks_nothing_heard_is_lost_and_delay_is_bounded(make_bench, late_ms):
    bench = make_bench(card(1, 1))
    for ms in late_ms:
        for _ in range(ms):
            bench.kernel.pass_ms()
        bench.run()
    bench.run(110)
    for row in (0, 1):
        got = [value for value in blocks(bench.ticks, row) if value]
        assert bench.board.counters.overruns or got == list(range(got[0], got[0] + len(got)))
    assert all(len(channel.queue) < 3 * 320 for channel in bench.kernel.channels.values())
    played = np.frombuffer(b"".join(bench.channel(1).played[-300:]), np.int16)
    assert (played == 1000).all()
    bench.board.close()


def test_a_port_that_gives_no_samples_is_told_and_comes_back(bench):
    bench.channel(3).mute = True
    (gone,) = bench.run(40)
    assert (type(gone), gone.port, gone.reason) == (PortGone, 2, "the port gives no samples: check the card")
    assert not bench.ticks[-1].audio[2].any()
    assert bench.ticks[-1].audio[0].all()
    bench.channel(3).mute = False
    (back,) = bench.run(10)
    assert (type(back), back.port) == (PortBack, 2)


def test_another_channel_paces_when_the_first_falls_silent(bench):
    bench.channel(1).mute = True
    begun = bench.kernel.now
    events = bench.run(100)
    assert [(type(event), event.port) for event in events] == [(PortGone, 0)]
    assert bench.kernel.now - begun < 100 * 0.02 + 0.1
    assert sum(tick.lost for tick in bench.ticks) == 0


def test_a_card_that_gives_no_samples_holds_nobody_up_and_is_lost_in_the_end(bench):
    for channel in bench.kernel.channels.values():
        channel.mute = True
    begun, events, waits = bench.kernel.now, [], []
    with pytest.raises(BoardError, match="gives no samples"):
        while True:
            before = bench.kernel.now
            events += bench.run()
            waits.append(bench.kernel.now - before)
    assert max(waits) < 0.06
    assert 2.9 < bench.kernel.now - begun < 3.2
    assert sorted((type(event).__name__, event.port) for event in events) == [
        ("PortGone", n) for n in range(4)
    ]


def test_a_card_that_pauses_is_in_step_afterwards(bench):
    for channel in bench.kernel.channels.values():
        channel.mute = True
    bench.run(10)
    for channel in bench.kernel.channels.values():
        channel.mute = False
    begun, clock = bench.kernel.now, bench.ticks[-1].clock
    bench.run(100)
    assert bench.kernel.now - begun == pytest.approx(100 * 0.02, abs=0.05)
    assert bench.ticks[-1].clock - clock == 100 * 160
    assert all(bench.ticks[-1].audio[:, 0])


def test_a_pulled_card_ends_its_ports_only(make_bench):
    kernel = card(1, 0, span=1)
    kernel.channels[2] = FakeChannel(2, 2, 1, LINE)
    kernel.devices()["other"] = type(kernel.devices()["pci:0000:02:04.0"])("usb:1", "", "", {2: 1}, 1)
    bench = make_bench(kernel)
    bench.run(3)
    kernel.remove(1)
    events = bench.run(100)
    assert [(type(event), event.port, event.reason) for event in events] == [
        (PortGone, 0, "the card has been removed")
    ]
    assert all(blocks(bench.ticks[-90:], 1))
    assert sum(tick.lost for tick in bench.ticks) == 0
    assert bench.board.measure(0).off_hook is None
    result, _ = bench.do(0, SetHook(True))
    assert result == "the port is gone"
    # Back with another span and channel number, in the same place.
    kernel.channels[7] = FakeChannel(7, 5, 1, LINE)
    kernel.devices()["pci:0000:02:04.0"].spans = {5: 1}
    events = bench.run(60)
    assert [(type(event), event.port) for event in events] == [(PortBack, 0)]
    assert kernel.channels[7].signalling == 0x2004
    assert bench.do(0, SetHook(True))[0] == "done"
    assert all(blocks(bench.ticks[-3:], 0))


def test_a_card_that_is_being_taken_away_is_not_taken_for_a_new_one(make_bench):
    bench = make_bench()
    bench.channel(1).say(ioctls.EVENT_REMOVED)
    bench.kernel.span_alarms[1] = 1 << 5
    assert [type(event) for event in bench.run(70)] == [PortGone]
    bench.kernel.span_alarms.clear()
    assert [type(event) for event in bench.run(60)] == [PortBack]


def test_a_driver_that_takes_its_time_with_a_returned_card_holds_no_other_port():
    kernel = card(1, 0, span=1)
    kernel.channels[2] = FakeChannel(2, 2, 1, LINE)
    kernel.devices()["other"] = type(kernel.devices()["pci:0000:02:04.0"])("usb:1", "", "", {2: 1}, 1)
    door = Door("dahdi")
    board = DahdiBoard(kernel=kernel, door=door)
    begun, through = threading.Event(), threading.Event()
    assign = kernel.devices

    def slow():
        if threading.current_thread() is not threading.main_thread():
            begun.set()
            assert through.wait(60.0)
        return assign()

    kernel.devices = slow
    try:
        kernel.remove(1)
        kernel.channels[7] = FakeChannel(7, 5, 1, LINE)
        assign()["pci:0000:02:04.0"].spans = {5: 1}
        ticks = [board.read() for _ in range(200)]
        assert begun.wait(60.0)
        assert all(blocks(ticks, 1)) and not any(tick.lost for tick in ticks)
        assert [type(event) for tick in ticks for event in tick.events] == [PortGone]
        through.set()
        assert door.wait(60.0)
        assert [type(event) for event in (*board.read().events, *board.read().events)] == [PortBack]
    finally:
        through.set()
        board.close()


def test_the_event_of_removal(bench):
    bench.channel(2).say(ioctls.EVENT_REMOVED)
    (gone,) = bench.run(2)
    assert (gone.port, gone.reason) == (1, "the card has been removed")


def test_all_cards_pulled(bench):
    bench.kernel.remove(1)
    events = bench.run()
    assert sorted((type(event).__name__, event.port) for event in events) == [
        ("PortGone", n) for n in range(4)
    ]
    with pytest.raises(BoardError, match="removed"):
        bench.run()


@pytest.mark.parametrize("audio", [np.zeros((3, 160), np.int16), np.zeros((4, 160), np.float32)])
def test_sound_of_the_wrong_shape_or_type(bench, audio):
    with pytest.raises(BoardError, match="int16 samples"):
        bench.board.write(audio)


@pytest.mark.parametrize("port", [-1, 4])
def test_ports_that_do_not_exist(bench, port):
    with pytest.raises(BoardError, match="ports are 0 to 3"):
        bench.board.command(port, SetHook(True))


@pytest.mark.parametrize("ahead", [2, 4])
def test_delay_is_what_was_asked_for(make_bench, ahead):
    bench = make_bench(ahead_blocks=ahead)
    bench.run(5)
    played = np.frombuffer(b"".join(bench.channel(1).played), np.int16)
    assert int(np.argmax(played)) == pytest.approx(ahead * 160, abs=16)


def test_opening_twice_says_who_has_it():
    kernel = card()
    first = DahdiBoard(kernel=kernel)
    with pytest.raises(BoardError, match="another program"):
        DahdiBoard(kernel=kernel)
    first.close()
