"""The card's sample counter beside ours: which of our samples an event belongs to."""

from __future__ import annotations

from board.linecard.frames import CLOCK_MODULUS, nearest_clock

WINDOW_SAMPLES = 30 * 8000
"""A smaller offset is believed for so long; after that a newer one may be larger."""


class ClockFit:
    """Offset between the card's counter and the samples captured since we opened it.

    Both count the same samples. What the card says arrives late by the serial line,
    never early, so the smallest difference seen lately is the true one:

        ours at arrival - card's counter:   +13 +12 +31 +12 +12 +45     offset 12
    """

    def __init__(self) -> None:
        self._offset: int | None = None
        self._candidate: int | None = None
        self._since = 0
        self._counter = 0

    def forget(self) -> None:
        """Samples were lost, or the card has started anew."""
        self._offset = self._candidate = None

    def note(self, counter: int, captured: int) -> None:
        """A frame with `counter` (modulo 2**32) arrived when we had `captured` samples."""
        if self._offset is None:
            self._counter = counter
            self._since = captured
        else:
            self._counter = nearest_clock(counter, self._counter)
        offset = captured - self._counter
        if self._offset is None or offset < self._offset:
            self._offset = offset
        if self._candidate is None or offset < self._candidate:
            self._candidate = offset
        if captured - self._since > WINDOW_SAMPLES:
            self._offset, self._candidate, self._since = self._candidate, None, captured

    def ours(self, counter: int, captured: int) -> int:
        """Our clock at the card's `counter`, never later than `captured`."""
        if self._offset is None:
            return captured
        return min(nearest_clock(counter % CLOCK_MODULUS, self._counter) + self._offset, captured)
