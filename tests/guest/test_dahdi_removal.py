"""Cards that are pulled and come back, in the real kernel.

Pulling is `unassign_span` while the channels are open, as a driver does whose hardware has gone;
then the span is destroyed, and created again when the card is pushed in.
"""

import time

import numpy as np
import pytest

from board.api import (
    BoardError,
    OffHook,
    OnHook,
    PortBack,
    PortGone,
    PortKind,
    RingOn,
    SetHook,
    StartRinging,
    StopRinging,
)
from board.dahdi import DahdiBoard, find_cards, ioctls
from board.dahdi.kernel import LinuxKernel
from board.dahdi.spans import Control
from tests.guest.dahdi_loop import (
    LINE,
    PHONE,
    create,
    destroy,
    loop,
    looped_spans,
    peak_at,
    sine,
    unassign,
    wire,
)
from tests.guest.guest import in_guest

CARD = "dyn-loc-1-0"
ON, OFF, RING = ioctls.HOOK_ONHOOK, ioctls.HOOK_OFFHOOK, ioctls.HOOK_RING


@in_guest()
def test_card_that_is_pulled_in_mid_call_ends_its_ports():
    with loop() as one:
        one.board.command(LINE, SetHook(True))
        one.telephone.hook(OFF)
        one.wait_for(OffHook, PHONE)
        pulling = unassign("DYN/loc/1:0")
        one.until(lambda: len(one.of(PortGone)) == 2)
        assert sorted(event.port for event in one.of(PortGone)) == [LINE, PHONE]
        pulling.wait()
        # Nobody is left to pace the card: the box is told so, and does not hang.
        with pytest.raises(BoardError, match="removed"):
            one.run(1.0)


@in_guest()
def test_one_of_two_cards_is_pulled_and_comes_back():
    with looped_spans():
        # The board gives the span its numbers again when the card is back.
        board = DahdiBoard("")
        names = [port.name for port in board.ports]
        assert len(names) == 4
        seen, late = [], []
        for tick_number in range(350):
            if tick_number == 50:
                pulling = unassign("DYN/loc/1:0")
            before = time.monotonic()
            tick = board.read()
            late.append(time.monotonic() - before)
            seen += tick.events
            board.write(np.full((4, 160), 100, np.int16))
            if tick_number == 150:
                pulling.wait()
        gone = [event.port for event in seen if isinstance(event, PortGone)]
        back = [event.port for event in seen if isinstance(event, PortBack)]
        assert (sorted(gone), sorted(back)) == ([0, 1], [0, 1]), seen
        assert [port.name for port in board.ports] == names
        assert board.counters.samples_lost == 0
        # The next call on the ports that are back: the other card's telephone socket rings our line.
        ours, theirs = 0, 2

        def until(kind, port):
            for _ in range(100):
                if any(isinstance(event, kind) and event.port == port for event in board.read().events):
                    return
                board.write(np.zeros((4, 160), np.int16))
            raise AssertionError(f"no {kind.__name__} at port {port}")

        for _ in range(100):  # the kernel hides rings for 2 s after a channel is opened
            board.read()
            board.write(np.zeros((4, 160), np.int16))
        board.command(theirs, StartRinging())
        until(RingOn, ours)
        board.command(ours, SetHook(True))
        until(OffHook, theirs)
        tones = np.zeros((4, 8000), np.int16)
        tones[ours], tones[theirs] = sine(1000, 1.0), sine(440, 1.0)
        heard = []
        for block in np.split(tones, 50, axis=1):
            heard.append(board.read().audio)
            board.write(np.ascontiguousarray(block))
        end = np.concatenate(heard[-20:], axis=1)
        assert peak_at(end[ours], 440) > 7000
        assert peak_at(end[theirs], 1000) > 7000
        board.close()
        return {"longest_tick_ms": round(max(late) * 1000, 1)}


@in_guest()
def test_card_that_is_pulled_and_pushed_in_again_has_its_names_and_takes_the_next_calls():
    with loop(address=CARD) as one:
        names = [port.name for port in one.board.ports]
        one.board.command(LINE, SetHook(True))
        one.telephone.hook(OFF)
        one.wait_for(OffHook, PHONE)
        unassign("DYN/loc/1:0")
        one.until(lambda: len(one.of(PortGone)) == 2)
        with pytest.raises(BoardError, match="removed"):
            one.run(1.0)
        destroy(one.control, "1:0")
        assert [card.name for card in find_cards()] == ["dyn-loc-1-1"]
        # Another card takes its numbers meanwhile.
        create(one.control, "2:0")
        try:
            create(one.control, "1:0")
            assert numbers() == [5, 6]
            wire({5: PortKind.FXO, 6: PortKind.FXS})
            one.telephone.hook(ON)
            one.exchange.hook(ON)
            one.reopen(CARD)
            assert [port.name for port in one.board.ports] == names
            one.run(1.5)
            line_call(one)
            telephone_call(one)
        finally:
            one.board.close()
            destroy(one.control, "2:0")


def numbers():
    """Channel numbers of our card today."""
    with Control(LinuxKernel()) as control:
        return [channel.number for channel in control.channels() if channel.card == CARD]


def line_call(one):
    """A call comes in on our line, is answered and heard both ways."""
    one.exchange.hook(RING)
    one.wait_for(RingOn, LINE)
    one.exchange.events.clear()
    one.board.command(LINE, SetHook(True))
    one.until(lambda: ioctls.EVENT_RINGOFFHOOK in one.exchange.events)
    one.exchange.hook(OFF)
    one.run(0.5)
    heard_both_ways(one, LINE, one.exchange)


def telephone_call(one):
    """Our telephone is rung, lifted, heard both ways and hung up."""
    one.telephone.events.clear()
    one.board.command(PHONE, StartRinging())
    one.until(lambda: ioctls.EVENT_RINGBEGIN in one.telephone.events)
    one.telephone.hook(OFF)
    one.wait_for(OffHook, PHONE)
    one.board.command(PHONE, StopRinging())
    one.run(0.5)
    heard_both_ways(one, PHONE, one.telephone)
    one.telephone.hook(ON)
    one.wait_for(OnHook, PHONE)


def heard_both_ways(one, row, far):
    one.to_say[row] = sine(1000, 1.0)
    far.say(sine(440, 1.0))
    one.run(0.8)
    assert peak_at(one.sound(row, len(one.heard) - 10), 440) > 7000
    assert peak_at(np.concatenate(far.heard[-10:]), 1000) > 7000
