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

LEAST_POWER = np.float32(1e-3 / RMS_AT_0_DBM0**2)
"""What silence counts as: -114 dBm0."""
_SQUARE = np.float32(1.0 / (FRAME * RMS_AT_0_DBM0**2))
_MEAN_SQUARE = np.float32(1.0 / (FRAME * RMS_AT_0_DBM0) ** 2)
_ONES = np.ones(FRAME, np.float32)

Array = NDArray[np.float32]


class VoiceActivity:
    """Voice activity of all ports at once.

    After `process`, `voice[p]` says whether port p is speaking, `loud[p]` whether its last frame stood
    out of the noise, `power[p]` its power over that of 0 dBm0, `level_dbm0[p]` the same in dB, and
    `floor_dbm0[p]` the port's noise floor.
    """

    def __init__(self, ports: int) -> None:
        self.ports = ports
        self.voice = np.zeros(ports, np.bool_)
        self.loud = np.zeros(ports, np.bool_)
        self.power: Array = np.full(ports, LEAST_POWER, np.float32)
        self.level_dbm0: Array = np.full(ports, -99.0, np.float32)
        self.floor_dbm0: Array = np.full(ports, -60.0, np.float32)
        self._slow: Array = np.full(ports, -99.0, np.float32)
        self._moves: Array = np.zeros(ports, np.float32)
        self._until = np.zeros(ports, np.int64)
        """Frame before which a port counts as speaking."""
        self._number = 0
        self._sum: Array = np.zeros(ports, np.float32)
        self._mean: Array = np.zeros(ports, np.float32)
        self._fill = 0

    def reset(self, ports: Sequence[int]) -> None:
        """Forget what these ports sounded like."""
        index = list(ports)
        self.voice[index] = False
        self.loud[index] = False
        self.power[index] = LEAST_POWER
        self.level_dbm0[index] = -99.0
        self.floor_dbm0[index] = -60.0
        self._slow[index] = -99.0
        self._moves[index] = 0.0
        self._until[index] = 0
        self._sum[index] = 0.0
        self._mean[index] = 0.0

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """Take a block `[P, n]`; returns `voice` as of its last whole 20 ms frame."""
        return self.process_clean(clean(x), active)

    def process_clean(self, x: Array, active: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """The same for samples that `dsp.levels.clean` has seen."""
        start = 0
        while start < x.shape[1]:
            n = min(FRAME - self._fill, x.shape[1] - start)
            part = x[:, start : start + n]
            squares = np.vecdot(part, part)
            total = part @ _ONES[:n]
            if active is not None:
                squares *= active
                total *= active
            self._fill += n
            start += n
            if n < FRAME:
                self._sum += squares
                self._mean += total
                if self._fill < FRAME:
                    break
                squares, total = self._sum, self._mean
            self._frame(squares, total)
            self._fill = 0
            if n < FRAME:
                self._sum[:] = 0.0
                self._mean[:] = 0.0
        return self.voice

    def _frame(self, squares: Array, total: Array) -> None:
        """Judge a whole frame by the sum of its squares and that of its samples; both are used up."""
        total *= total
        total *= _MEAN_SQUARE
        squares *= _SQUARE
        squares -= total
        power = np.maximum(squares, LEAST_POWER, out=self.power)
        level = np.log10(power, out=self.level_dbm0)
        level *= 10.0
        floor = self.floor_dbm0
        step = level - floor
        step = np.minimum(0.5 * step, 0.01 * step)  # falls fast, rises slowly
        floor += step
        np.maximum(floor, -75.0, out=floor)
        np.minimum(floor, -30.0, out=floor)
        slow, moves = self._slow, self._moves
        np.copyto(slow, level, where=slow < -90.0)
        change = level - slow
        slow += 0.4 * change
        np.abs(change, out=change)
        np.minimum(change, 12.0, out=change)
        change -= moves
        change *= 0.1
        moves += change
        loud = np.greater(level, np.maximum(floor + ABOVE_FLOOR_DB, QUIETEST_DBM0), out=self.loud)
        np.copyto(self._until, self._number + HANG_FRAMES, where=loud & (moves > 1.0))
        np.greater(self._until, self._number, out=self.voice)
        self._number += 1
