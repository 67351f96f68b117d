"""How fast a simulated card runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol

from board.sim.levels import BLOCK, RATE_HZ


class Pace(Protocol):
    """Decides when the next block is there."""

    def wait(self) -> int:
        """Return when the next block is due: how many samples before it are lost, as a rule 0."""


class VirtualPace:
    """As fast as the reader asks."""

    def wait(self) -> int:
        """Return at once; nothing is ever lost."""
        return 0


BUFFER_S = 2.0
"""How far a reader may be behind and still catch up."""


class WallPace:
    """A block every 20 ms of real time.

    Deadlines are absolute (start + n · 20 ms), so a late reader catches up without
    waiting and the card never drifts against the clock it was given. As with any card
    the buffer has an end: a reader that is further behind than `buffer_s` has lost
    those blocks, and the machine is not kept busy for ever with time that is gone.
    """

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], None] = time.sleep,
        buffer_s: float = BUFFER_S,
    ) -> None:
        self._buffer_s = buffer_s
        self._now_s = now_s
        self._sleep_s = sleep_s
        self._start_s: float | None = None
        self._blocks = 0

    def wait(self) -> int:
        """Sleep until the next deadline, return at once when it has passed; samples that are lost."""
        if self._start_s is None:
            self._start_s = self._now_s()
        self._blocks += 1
        lost = 0
        behind_s = self._now_s() - self._due_s(self._start_s)
        if behind_s > self._buffer_s:
            blocks = math.ceil(behind_s * RATE_HZ / BLOCK)
            self._blocks += blocks
            lost = blocks * BLOCK
        while (left_s := self._due_s(self._start_s) - self._now_s()) > 0:
            self._sleep_s(left_s)
        return lost

    def _due_s(self, start_s: float) -> float:
        return start_s + self._blocks * BLOCK / RATE_HZ
