"""What a line is like: level, peak, clipping, noise floor, mains hum, echo return.

For the diagnostics page and for support. Nothing here decides anything; the
figures are of the last whole second, on all ports at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dsp.levels import RMS_AT_0_DBM0, SAMPLE_RATE_HZ, SILENCE_DBM0

FRAME = 160
FRAMES = 5
"""So many frames (100 ms) are looked at together, which costs less than one by one."""
SECOND = SAMPLE_RATE_HZ
CLIP = 32000.0
"""A sample at least this far from zero counts as clipped (A-law's last step is 32256)."""
HARMONICS = (1, 2, 3)
LOUD_DBM0 = -35.0
"""Far sound must be at least this loud for its echo to be measured."""

Array = NDArray[np.float32]


class LineMeters:
    """Meters of all ports; every array is `[ports]` and changes once a second.

    `level_dbm0`, `peak_dbm0` (of a sine with that peak), `noise_dbm0` (the
    quietest 100 ms), `hum_50_dbm0` and `hum_60_dbm0` (mains and its first two
    harmonics), `clipped` (samples), and `erl_db`: how much weaker the sound
    that comes back is than the sound that was sent, over the frames in which
    only we were sending (NaN until there were some).
    """

    def __init__(self, ports: int) -> None:
        self.ports = ports
        self.level_dbm0: Array = np.full(ports, SILENCE_DBM0, np.float32)
        self.peak_dbm0: Array = np.full(ports, SILENCE_DBM0, np.float32)
        self.noise_dbm0: Array = np.full(ports, SILENCE_DBM0, np.float32)
        self.hum_50_dbm0: Array = np.full(ports, SILENCE_DBM0, np.float32)
        self.hum_60_dbm0: Array = np.full(ports, SILENCE_DBM0, np.float32)
        self.erl_db: Array = np.full(ports, np.nan, np.float32)
        self.clipped = np.zeros(ports, np.int64)
        t = np.arange(SECOND) / SAMPLE_RATE_HZ
        waves = [
            wave(2 * np.pi * mains * k * t)
            for mains in (50, 60)
            for k in HARMONICS
            for wave in (np.cos, np.sin)
        ]
        self._waves = np.array(waves, np.float32).T.copy()
        self._hum = np.zeros((ports, self._waves.shape[1]), np.float32)
        self._power = np.zeros((SECOND // FRAME, ports), np.float32)
        self._sent = np.zeros((SECOND // FRAME, ports), np.float32)
        self._clips = np.zeros(ports, np.int64)
        self._peak = np.zeros(ports, np.float32)
        self._x = np.zeros((ports, FRAMES * FRAME), np.float32)
        self._far = np.zeros((ports, FRAMES * FRAME), np.float32)
        self._fill = 0
        self._frame = 0

    def reset(self, ports: Sequence[int]) -> None:
        """Forget these ports' figures and what has been taken in of this second."""
        index = list(ports)
        for meter in (self.level_dbm0, self.peak_dbm0, self.noise_dbm0, self.hum_50_dbm0, self.hum_60_dbm0):
            meter[index] = SILENCE_DBM0
        self.erl_db[index] = np.nan
        self.clipped[index] = 0
        self._hum[index] = 0.0
        self._power[:, index] = 0.0
        self._sent[:, index] = 0.0
        self._clips[index] = 0
        self._peak[index] = 0.0

    def process(self, x: NDArray[np.generic], far: NDArray[np.generic] | None = None) -> bool:
        """Take a block `[P, n]` of what comes in and, with `far`, of what went out at the same time.

        Returns whether a second was completed and the figures are new.
        """
        new = False
        start = 0
        while start < x.shape[1]:
            n = min(FRAMES * FRAME - self._fill, x.shape[1] - start)
            np.copyto(self._x[:, self._fill : self._fill + n], x[:, start : start + n], casting="unsafe")
            if far is None:
                self._far[:, self._fill : self._fill + n] = 0.0
            else:
                part = self._far[:, self._fill : self._fill + n]
                np.copyto(part, far[:, start : start + n], casting="unsafe")
            self._fill += n
            start += n
            if self._fill == FRAMES * FRAME:
                self._fill = 0
                new |= self._take()
        return new

    def _take(self) -> bool:
        frames = slice(self._frame, self._frame + FRAMES)
        for block, powers in ((self._x, self._power), (self._far, self._sent)):
            with np.errstate(over="ignore", invalid="ignore"):
                power = _powers(block)
            if not np.isfinite(power).all():
                np.nan_to_num(block, copy=False, nan=0.0)
                np.clip(block, -32768.0, 32767.0, out=block)
                power = _powers(block)
            powers[frames] = power.T
        peak = np.abs(self._x).max(axis=1)
        if peak.max(initial=0.0) >= CLIP:
            self._clips += (np.abs(self._x) >= CLIP).sum(axis=1)
        np.maximum(self._peak, peak, out=self._peak)
        samples = slice(self._frame * FRAME, (self._frame + FRAMES) * FRAME)
        self._hum += self._x @ self._waves[samples]
        self._frame += FRAMES
        if self._frame < SECOND // FRAME:
            return False
        self._finish()
        self._frame = 0
        return True

    def _finish(self) -> None:
        self.level_dbm0[:] = _dbm0(self._power.mean(axis=0))
        self.peak_dbm0[:] = _dbm0(self._peak**2 / 2)
        fifths = self._power.reshape(-1, FRAMES, self.ports).mean(axis=1)
        self.noise_dbm0[:] = _dbm0(fifths.min(axis=0))
        lines = 2 * (self._hum / SECOND) ** 2
        half = lines.shape[1] // 2
        self.hum_50_dbm0[:] = _dbm0(lines[:, :half].sum(axis=1))
        self.hum_60_dbm0[:] = _dbm0(lines[:, half:].sum(axis=1))
        self.clipped[:] = self._clips
        loud = _dbm0(self._sent) > LOUD_DBM0
        count = loud.sum(axis=0)
        seen = np.flatnonzero(count >= 5)
        if seen.size:
            back = np.where(loud, self._power / np.maximum(self._sent, 1e-3), np.inf)[:, seen]
            back.sort(axis=0)
            # the lower quarter: frames in which the near side was not talking as well
            part = back[(count[seen] - 1) // 4, np.arange(seen.size)]
            self.erl_db[seen] = -10 * np.log10(np.maximum(part, 1e-10))
        self._hum[:] = 0.0
        self._clips[:] = 0
        self._peak[:] = 0.0


def _powers(block: Array) -> Array:
    """Mean power of each frame, `[ports, FRAMES]`."""
    frames = block.reshape(len(block), FRAMES, FRAME)
    power: Array = np.vecdot(frames, frames)
    power /= FRAME
    return power


def _dbm0(power: NDArray[np.floating]) -> Array:
    floor = 10 ** (SILENCE_DBM0 / 10)
    level: Array = (10 * np.log10(np.maximum(power / RMS_AT_0_DBM0**2, floor))).astype(np.float32)
    return level
