"""Is somebody speaking on this port?

Each 20 ms frame is compared with the port's own noise floor, which falls fast
and rises slowly, so that neither a loud line nor a quiet one needs a setting.
A steady level is no voice (a tone, hum): speech moves by many dB from syllable
to syllable.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dsp.levels import RMS_AT_0_DBM0, clean

FRAME = 160
HANG_FRAMES = 10
"""Speech is held through the gaps between words (200 ms)."""
ABOVE_FLOOR_DB = 9.0
QUIETEST_DBM0 = -52.0

_ONES = np.ones(FRAME, np.float32)

Array = NDArray[np.float32]


class VoiceActivity:
    """Voice activity of all ports at once.

    After `process`, `voice[p]` says whether port p is speaking, `level_dbm0[p]`
    the level of its last frame and `floor_dbm0[p]` its noise floor.
    """

    def __init__(self, ports: int) -> None:
        self.ports = ports
        self.voice = np.zeros(ports, np.bool_)
        self.level_dbm0: Array = np.full(ports, -99.0, np.float32)
        self.floor_dbm0: Array = np.full(ports, -60.0, np.float32)
        self._slow: Array = np.full(ports, -99.0, np.float32)
        self._moves: Array = np.zeros(ports, np.float32)
        self._hang = np.zeros(ports, np.int32)
        self._sum: Array = np.zeros(ports, np.float32)
        self._mean: Array = np.zeros(ports, np.float32)
        self._fill = 0

    def reset(self, ports: Sequence[int]) -> None:
        """Forget what these ports sounded like."""
        index = list(ports)
        self.voice[index] = False
        self.level_dbm0[index] = -99.0
        self.floor_dbm0[index] = -60.0
        self._slow[index] = -99.0
        self._moves[index] = 0.0
        self._hang[index] = 0
        self._sum[index] = 0.0
        self._mean[index] = 0.0

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Take a block `[P, n]`; returns `voice` as of its last whole 20 ms frame."""
        start = 0
        while start < x.shape[1]:
            n = min(FRAME - self._fill, x.shape[1] - start)
            part = x[:, start : start + n].astype(np.float32, copy=False)
            with np.errstate(over="ignore", invalid="ignore"):
                squares = np.vecdot(part, part)
            if not np.isfinite(squares).all():
                part = clean(part)
                squares = np.vecdot(part, part)
            total = part @ _ONES[:n]
            if active is not None:
                squares *= active
                total *= active
            self._sum += squares
            self._mean += total
            self._fill += n
            start += n
            if self._fill == FRAME:
                self._frame()
                self._fill = 0
                self._sum[:] = 0.0
                self._mean[:] = 0.0
        return self.voice

    def _frame(self) -> None:
        mean = self._mean / FRAME
        power = np.maximum(self._sum / FRAME - mean * mean, 1e-3)
        level = 10 * np.log10(power / np.float32(RMS_AT_0_DBM0**2))
        step = level - self.floor_dbm0
        step *= np.where(step < 0, np.float32(0.5), np.float32(0.01))
        self.floor_dbm0 += step
        np.minimum(np.maximum(self.floor_dbm0, -75.0), -30.0, out=self.floor_dbm0)
        np.copyto(self._slow, level, where=self._slow < -90.0)
        change = np.abs(level - self._slow)
        self._slow += 0.4 * (level - self._slow)
        self._moves += 0.1 * (np.minimum(change, 12.0) - self._moves)
        loud = (level > self.floor_dbm0 + ABOVE_FLOOR_DB) & (level > QUIETEST_DBM0)
        speech = loud & (self._moves > 1.0)
        self._hang[:] = np.where(speech, HANG_FRAMES, np.maximum(self._hang - 1, 0))
        np.greater(self._hang, 0, out=self.voice)
        self.level_dbm0[:] = level
