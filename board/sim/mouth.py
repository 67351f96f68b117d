"""What a person says and hears at one handset."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from board.sim import dtmf
from board.sim.config import OfficeError
from board.sim.levels import BLOCK, RATE_HZ, Float, Int16

_SILENCE: Int16 = np.zeros(BLOCK, dtype=np.int16)
_SILENCE.setflags(write=False)

LIVE_BLOCKS = 10
"""Most live blocks that wait (200 ms); older ones are dropped so that live stays live."""


class Mouth:
    """Queue of sounds (speech and keys in their order) plus a live feed, in blocks."""

    def __init__(self) -> None:
        self._queue: deque[Float | Int16] = deque()
        self._at = 0
        self._live: deque[Int16] = deque(maxlen=LIVE_BLOCKS)

    @property
    def pending(self) -> bool:
        """Something queued is still to be heard."""
        return bool(self._queue)

    def say(self, samples: NDArray[np.int16]) -> None:
        """Queue int16 speech at 8000 samples per second."""
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise OfficeError(f"say needs int16 samples in one row, not {samples.dtype} {samples.shape}")
        if samples.size:
            self._queue.append(samples.copy())

    def press(
        self,
        keys: str,
        on_ms: float = 80.0,
        off_ms: float = 80.0,
        level_dbm0: float = -8.0,
        twist_db: float = 0.0,
        freq_error_percent: float = 0.0,
    ) -> None:
        """Queue DTMF keys; "," is half a second of pause."""
        tones = dtmf.dial(keys, on_ms, off_ms, level_dbm0, twist_db, freq_error_percent)
        if tones.size:
            self._queue.append(tones)

    def feed(self, block: NDArray[np.int16]) -> None:
        """Add one live block, int16 [BLOCK]."""
        if block.shape != (BLOCK,) or block.dtype != np.int16:
            raise OfficeError(f"feed needs {BLOCK} int16 samples, not {block.dtype} {block.shape}")
        self._live.append(block.copy())

    def clear(self) -> None:
        """Forget everything that is still queued."""
        self._queue.clear()
        self._live.clear()
        self._at = 0

    def speak(self, out: Float) -> None:
        """Take one block into `out` [BLOCK]."""
        filled = 0
        while filled < BLOCK and self._queue:
            head = self._queue[0]
            piece = head[self._at : self._at + BLOCK - filled]
            out[filled : filled + piece.size] = piece
            filled += piece.size
            self._at += piece.size
            if self._at >= head.size:
                self._queue.popleft()
                self._at = 0
        if filled < BLOCK:
            out[filled:] = 0.0
        if self._live:
            out += self._live.popleft()


class Ear:
    """Remembers the last seconds that were heard."""

    def __init__(self, memory_s: int) -> None:
        self._size = memory_s * RATE_HZ // BLOCK * BLOCK
        self._ring: Int16 | None = None
        self._at = 0
        self._total = 0
        self._last: Int16 = _SILENCE

    @property
    def total(self) -> int:
        """Samples heard so far, in all."""
        return self._total

    def hear(self, block: Int16) -> None:
        """Take in one block, int16 [BLOCK]."""
        if self._ring is None:
            self._ring = np.zeros(self._size, dtype=np.int16)
        self._ring[self._at : self._at + BLOCK] = block
        self._last = self._ring[self._at : self._at + BLOCK]
        self._at = (self._at + BLOCK) % self._size
        self._total += BLOCK

    def deaf(self) -> None:
        """Nothing is heard in this block (on hook)."""
        self._last = _SILENCE

    def listen(self) -> Int16:
        """The block heard in the last tick, int16 [BLOCK] (silence when on hook)."""
        return self._last.copy()

    def heard(self, seconds: float) -> Int16:
        """The last `seconds` heard while off hook (fewer when there were fewer), oldest first."""
        count = min(round(seconds * RATE_HZ), self._total, self._size)
        if self._ring is None or count <= 0:
            return np.zeros(0, dtype=np.int16)
        start = self._at - count
        if start >= 0:
            return self._ring[start : self._at].copy()
        return np.concatenate([self._ring[start:], self._ring[: self._at]])
