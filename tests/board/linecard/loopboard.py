"""A card whose every port returns what it is given: for measuring delay."""

import numpy as np

from board import api


class LoopBoard:
    """`ports` FXS ports; block n brings back what was written for block n."""

    def __init__(self, ports):
        self.id = "loop"
        self.caps = api.CardCaps()
        self.ports = tuple(api.PortInfo(i, api.PortKind.FXS, f"loop/{i}") for i in range(ports))
        self.clock = 0
        self._audio = np.zeros((ports, api.BLOCK_SAMPLES), np.int16)
        self._events = []
        self._last = 0

    def read(self):
        tick = api.Tick(self.clock, self._audio, tuple(self._events))
        self._events.clear()
        self.clock += api.BLOCK_SAMPLES
        return tick

    def write(self, audio):
        self._audio = audio.copy()

    def command(self, port, command):
        self._last += 1
        self._events.append(api.CommandDone(port, self.clock, self._last))
        return self._last

    def measure(self, port):
        return api.LineMeasure()

    def close(self):
        pass


class DelayMeter:
    """Writes the number of each block into its samples and reads how old the returning ones are."""

    def __init__(self, board):
        self.board = board
        self.ports = len(board.ports)
        self.written = 0
        self.torn = []
        """Blocks with samples of more than two of ours: (number, the values in them)."""
        self.delays = []
        """In samples, for every block that came back with a number, all ports alike."""

    def tick(self):
        tick = self.board.read()
        row = tick.audio[0]
        assert (tick.audio == row).all(), "ports are out of step"
        newest = int(row[-1])
        if newest:
            # Blocks of the way back need not begin where ours did.
            at = int(np.argmax(row == newest))
            whole = (row[at:] == newest).all() and (row[:at] == row[0]).all()
            self.torn += (
                [] if whole else [(self.written, row[np.flatnonzero(np.diff(row, prepend=-1))].tolist())]
            )
            if whole:
                age = (self.written + 1 - newest) % 30000 * api.BLOCK_SAMPLES + at
                self.delays.append(age)
        self.board.write(np.full((self.ports, api.BLOCK_SAMPLES), self.written % 30000 + 1, np.int16))
        self.written += 1
        return tick
