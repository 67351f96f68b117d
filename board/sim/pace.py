"""How fast a simulated card runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from board.sim.levels import BLOCK, RATE_HZ


class Pace(Protocol):
    """Decides when the next block is there."""

    def wait(self) -> None:
        """Return when the next block is due."""


class VirtualPace:
    """As fast as the reader asks."""

    def wait(self) -> None:
        """Return at once."""


BUFFER_S = 2.0
"""How far a reader may be behind and still catch up."""


class WallPace:
    """A block every 20 ms of real time.

    Deadlines are absolute (start + n · 20 ms), so a late reader catches up without
    waiting and the card never drifts against the clock it was given. As with any card
    the buffer has an end: a reader that is further behind than `BUFFER_S` has lost
    those blocks, and the machine is not kept busy for ever with time that is gone.
    """

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], None] = time.sleep,
    ) -> None:
        self._now_s = now_s
        self._sleep_s = sleep_s
        self._start_s: float | None = None
        self._blocks = 0

    def wait(self) -> None:
        """Sleep until the next deadline; return at once when it has passed."""
        if self._start_s is None:
            self._start_s = self._now_s()
        self._blocks += 1
        due_s = self._start_s + self._blocks * BLOCK / RATE_HZ
        behind_s = self._now_s() - due_s
        if behind_s > BUFFER_S:
            self._start_s += behind_s + BLOCK / RATE_HZ
            due_s = self._start_s + self._blocks * BLOCK / RATE_HZ
        while (left_s := due_s - self._now_s()) > 0:
            self._sleep_s(left_s)
