"""A kernel that holds a port's closing or opening holds no tick, of this card or another."""

import threading

import numpy as np
import pytest
from at_bench import BenchTime, BenchWire
from modem_emulator import Modem

from board import api
from board.atcard import DOOR_PATIENCE_S
from board.clocks import Clocks
from board.door import Door
from board.modem import ModemBoard
from board.sim import OfficeConfig, SimBoard

PATIENCE_S = 60.0
REOPENED_S = 2.0


class Gate:
    """Blocks who comes by, until it is let through."""

    def __init__(self):
        self.begun = threading.Event()
        self.through = threading.Event()

    def pass_by(self):
        self.begun.set()
        assert self.through.wait(PATIENCE_S)


class Box:
    """A modem and an office in one box, in ticks."""

    def __init__(self, monkeypatch):
        self.modem = Modem()
        self.time = BenchTime(self.modem)
        self.closing = self.opening = None
        self.opened = self.closed = 0
        box = self

        class HeldWire(BenchWire):
            def __init__(self, path, device):
                if box.opening is not None:
                    box.opening.pass_by()
                super().__init__(path, device)
                box.opened += 1

            def close(self):
                if box.closing is not None:
                    box.closing.pass_by()
                super().close()
                box.closed += 1

        monkeypatch.setattr("board.modem.card.SerialWire", lambda path: HeldWire(path, self.modem))
        self.door = Door("modem")
        self.card = ModemBoard("/dev/ttyACM7", time=self.time, door=self.door)
        self.office = SimBoard(OfficeConfig.from_dict({"lines": 1, "phones": 1}))
        self.boards = Clocks([self.office, self.card]).boards
        self.events = []
        self.other_clock = 0

    def run(self, seconds):
        for _ in range(round(seconds * 50)):
            for board in self.boards:
                tick = board.read()
                if board.inner is self.card:
                    self.events += tick.events
                else:
                    assert (tick.clock, tick.lost) == (self.other_clock, 0)
                    self.other_clock += 160
            for board in self.boards:
                board.write(np.zeros((len(board.ports), 160), np.int16))
            # The office has no pace of its own here; the modem's time is what passes.
            self.time.wait([], 0.02)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    def end(self):
        for gate in (self.closing, self.opening):
            if gate is not None:
                gate.through.set()
        assert self.door.wait(PATIENCE_S)
        self.card.close()
        self.modem.close()


@pytest.fixture
def box(monkeypatch):
    made = Box(monkeypatch)
    yield made
    made.end()


def test_ticks_go_on_while_a_lost_port_is_being_closed(box):
    box.closing = Gate()
    box.modem.unplug()
    box.run(20)
    assert box.closing.begun.wait(PATIENCE_S) and box.closed == 0
    [gone] = box.of(api.PortGone)
    assert "gone" in gone.reason
    number = box.card.command(0, api.SetHook(True))
    box.run(0.1)
    assert [event.command_id for event in box.of(api.CommandFailed)] == [number]
    assert box.opened == 1, "what is not closed yet is not opened again"
    box.modem.plug_in()
    box.closing.through.set()
    assert box.door.wait(PATIENCE_S)
    box.run(0.1)
    assert box.door.wait(PATIENCE_S)
    box.run(REOPENED_S)
    assert (box.opened, box.closed) == (2, 1)
    assert len(box.of(api.PortBack)) == 1


def test_ticks_go_on_while_a_port_is_being_opened_and_it_is_given_up_in_the_end(box):
    box.opening = Gate()
    box.modem.unplug()
    box.run(0.1)
    assert box.door.wait(PATIENCE_S)
    box.run(20)
    assert box.opening.begun.wait(PATIENCE_S) and box.opened == 1
    assert len(box.of(api.PortGone)) == 1
    with pytest.raises(api.BoardError, match="cannot be opened: pull it out"):
        box.run(DOOR_PATIENCE_S)


def test_a_port_opened_after_the_card_was_closed_is_closed_again(box):
    box.opening = Gate()
    box.modem.unplug()
    box.run(0.1)
    assert box.door.wait(PATIENCE_S)
    box.run(2)
    assert box.opening.begun.wait(PATIENCE_S)
    box.modem.plug_in()
    closing = threading.Thread(target=box.card.close)
    closing.start()
    box.opening.through.set()
    closing.join(PATIENCE_S)
    assert box.door.wait(PATIENCE_S)
    assert (box.opened, box.closed) == (2, 2)
