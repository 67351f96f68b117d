import pytest
from dahdi_fake_kernel import card

from board.api import CommandDone, CommandFailed
from board.dahdi import DahdiBoard, DahdiSettings


class Bench:
    """A board on a made-up kernel. Line channels are 1, 2; telephone channels 3, 4 (rows 0-3)."""

    def __init__(self, kernel, address="", **settings):
        self.kernel = kernel
        self.board = DahdiBoard(address, DahdiSettings(**settings), kernel=kernel)
        self.ticks = []

    def channel(self, number):
        return self.kernel.channels[number]

    def run(self, ticks=1, write=True):
        """Events of some ticks, each written with the row number + 1000 as sound."""
        import numpy as np

        events = []
        out = np.zeros((len(self.board.ports), 160), np.int16) + 1000
        for _ in range(ticks):
            tick = self.board.read()
            assert all(event.clock < tick.clock + 160 for event in tick.events)
            self.ticks.append(tick)
            events += tick.events
            if write:
                self.board.write(out)
        return events

    def do(self, port, command, ticks=1):
        """Give a command; its result ("done" or the reason) and the other events of some ticks."""
        number = self.board.command(port, command)
        events = self.run(ticks)
        mine = [event for event in events if getattr(event, "command_id", None) == number]
        others = [event for event in events if event not in mine]
        results = ["done" if isinstance(event, CommandDone) else event.reason for event in mine]
        assert len(results) <= 1
        assert all(isinstance(event, CommandDone | CommandFailed) for event in mine)
        return (results[0] if results else None), others


@pytest.fixture
def make_bench():
    made = []

    def make(kernel=None, address="", **settings):
        made.append(Bench(kernel or card(), address, **settings))
        return made[-1]

    yield make
    for bench in made:
        bench.board.close()
        assert not bench.kernel.files, "descriptors are left open"


@pytest.fixture
def bench(make_bench):
    found = make_bench()
    assert found.run(3) == []
    return found
