"""What lines return of what we say to them, taken out: of prompts for us, of conversations for the others.

    line in a menu          ──► canceller ──► detectors, recording      keys are heard through our own prompts
    line in a conversation  ─┬──────────────► detectors, figures        as the line brings it
                             └► canceller ──► gain, mixer, recording    an agent does not hear himself

In a conversation there is a second hybrid, that of the telephone: what the caller says comes back from
it, weaker and later, and is sent to the line again. Of a steady or regular sound (busy tone) that looks
like a line that returns more than it gets, and a canceller that believed it would take the caller's tone
away and keep it alive afterwards. So a line is only learned from what somebody says to it
himself: who is louder than the echo of what he is told can be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from appliance.engine.powers import Powers
from board.api import BLOCK_SAMPLES
from dsp.echo import EchoCanceller
from dsp.ownecho import OwnEcho

NO_ECHO = 10 ** (1.0 / 10)
"""Factor of power (1 dB): no telephone returns more than it gets, not even of the tone it returns best."""

MOST_DELAY = 8
"""Blocks; the deepest queue of a card has 6."""

Float = NDArray[np.float32]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]


class LineEcho:
    """The echo canceller of all lines. The tick thread alone uses it."""

    def __init__(self, rows: int, lines: int) -> None:
        """rows: of the matrix; lines: how many of them may be lines."""
        self.active: Bools = np.zeros(lines, np.bool_)
        """Lines on which echo is being cancelled, in their own order."""
        self._canceller = EchoCanceller(lines)
        self._blocks = np.zeros((2, lines, BLOCK_SAMPLES), np.float32)
        self._teaches = np.ones(lines, np.bool_)
        self._clean = np.zeros((rows, BLOCK_SAMPLES), np.float32)
        self._delays = np.zeros(lines, np.intp)
        self._delayed = False
        """Some of them is not 0."""
        self._past = np.zeros((MOST_DELAY + 1, lines, BLOCK_SAMPLES), np.float32)
        """What was said to the lines of late, the newest at `_newest`; kept while a card delays it."""
        self._newest = 0
        self._own = OwnEcho(rows, NO_ECHO)
        self._voices = np.zeros(rows, np.bool_)

    def reset(self, lines: list[int]) -> None:
        """Forget what has been learned of these lines, counted in their own order."""
        self._canceller.reset(lines)

    def path(self, line: int) -> Float:
        """What a line returns, as far as it is known."""
        return self._canceller.path(line)

    def delay(self, lines: list[int], blocks: int) -> None:
        """What is said to these lines, counted in their own order, is played so many blocks late
        (`Board.echo_blocks`): their echo is looked for that much later. At most `MOST_DELAY` count."""
        self._delays[lines] = min(blocks, MOST_DELAY)
        self._delayed = bool(self._delays.any())

    def remember(self, said: Float, rows: Rows) -> None:
        """Once per tick, before `process`: what was said in the block before."""
        if self._delayed:
            self._newest = (self._newest + 1) % len(self._past)
            self._past[self._newest, : len(rows)] = said[rows]

    def listen(self, powers: Powers) -> None:
        """Who speaks in this block himself, and is not only sent back what he is told."""
        np.logical_not(self._own.process(powers.heard, powers.said), out=self._voices)

    def process(self, heard: Float, said: Float, rows: Rows, bridged: Bools, matrix: Float) -> Float:
        """What the others shall hear of all ports: float32 [rows, 160] on the 16-bit scale.

        heard: what the ports say; changed in place on lines that hear us and nobody else. said: what they
        were told in the block before. rows: of the lines; those in `active` are worked on. bridged: rows in
        a conversation. matrix: who hears whom.
        """
        count, canceller = len(rows), self._canceller
        far, near = self._blocks
        if self._delayed:
            far[:count] = self._past[
                (self._newest - self._delays[:count]) % len(self._past), np.arange(count)
            ]
        else:
            far[:count] = said[rows]
        near[:count] = heard[rows]
        talking = bridged[rows]
        if not talking.any():
            heard[rows] = canceller.process(far, near, self.active)[:count]
            return heard
        teaches = ((matrix[rows] > 0) & self._voices).any(axis=1)
        np.greater_equal(teaches, talking, out=self._teaches[:count])
        after = canceller.process(far, near, self.active, self._teaches)[:count]
        clean = self._clean
        np.copyto(clean, heard)
        clean[rows] = after
        alone = ~talking
        heard[rows[alone]] = after[alone]
        return clean
