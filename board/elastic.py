"""A short queue between a device's sample clock and the tick.

device ──► [■■■■■■■■········] ──► tick
more than 120 ms: the oldest are dropped down to 40 ms   (a slip, counted)
less than a block: what is there, then silence           (an underrun, counted)
"""

from __future__ import annotations

from collections import deque

import numpy as np

from board.api import BLOCK_SAMPLES, Samples

FILL_SAMPLES = 2 * BLOCK_SAMPLES
MOST_SAMPLES = 6 * BLOCK_SAMPLES


class SampleQueue:
    """Samples int16 mono in any pieces in, blocks of 160 out."""

    def __init__(self) -> None:
        self._samples: Samples = np.zeros(0, np.int16)
        self._flowing = False
        self.slipped_samples = 0
        self.underruns = 0
        self._lost = 0

    def clear(self) -> None:
        """Forget what is queued: it belongs to another call."""
        self._samples = self._samples[:0]
        self._flowing = False
        self._lost = 0

    @property
    def flowing(self) -> bool:
        """Whether sound has been given, without a gap since."""
        return self._flowing

    @property
    def ready(self) -> bool:
        """Whether `take` would give a whole block of sound."""
        return len(self) >= BLOCK_SAMPLES

    def __len__(self) -> int:
        """Samples that are queued."""
        return len(self._samples)

    def put(self, samples: Samples) -> None:
        """Samples from the device."""
        self._samples = np.concatenate([self._samples, samples])
        if len(self._samples) > MOST_SAMPLES:
            excess = len(self._samples) - FILL_SAMPLES
            self._samples = self._samples[excess:]
            self.slipped_samples += excess
            self._lost += excess

    def take(self) -> tuple[Samples, int]:
        """(160 samples, how many are missing before or in them)."""
        lost, self._lost = self._lost, 0
        out = np.zeros(BLOCK_SAMPLES, np.int16)
        if not self._flowing and not self.ready:
            return out, lost
        self._flowing = True
        count = min(BLOCK_SAMPLES, len(self._samples))
        out[:count] = self._samples[:count]
        self._samples = self._samples[count:]
        if count < BLOCK_SAMPLES:
            self._flowing = False
            self.underruns += 1
            lost += BLOCK_SAMPLES - count
        return out, lost


MOST_LATE_BLOCKS = 100
QUIET_PEAK = 200
"""Blocks that stay below this (-41 dBm0) are not missed."""


class LateSpeech:
    """What is said while the device is still connecting: said a little later, caught up in the pauses.

    A greeting begins with the answer; a device needs up to a second until it carries sound.
    One block in, one block out; nothing is delayed once the pauses have been used up.
    """

    def __init__(self) -> None:
        self._blocks: deque[Samples] = deque(maxlen=MOST_LATE_BLOCKS)

    def __len__(self) -> int:
        return len(self._blocks)

    def clear(self) -> None:
        """A new call."""
        self._blocks.clear()

    def put(self, samples: Samples) -> None:
        """One block that is to be heard."""
        if len(self._blocks) == 0 and not samples.any():
            # Silence before the first word needs no room; `take` makes it up.
            return
        self._blocks.append(samples.copy())

    def take(self) -> Samples:
        """The block that is heard now."""
        while len(self._blocks) > 1 and int(np.abs(self._blocks[0].astype(np.int32)).max()) < QUIET_PEAK:
            self._blocks.popleft()
        return self._blocks.popleft() if self._blocks else np.zeros(BLOCK_SAMPLES, np.int16)
