"""Nobody there: neither voice nor tone for so long that the call should be looked after.

    sound    talk talk      x         talk
    told                 silent       back        x: a crackle is no sound

Noise and mains hum are silence. A crackle makes the voice detector answer for its hold
time, so that voice counts once it has lasted longer, and a tone after three frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.levels import SAMPLE_RATE_HZ, clean
from dsp.linescan import HOP, Framer
from dsp.tonality import LEAST_DBM0, tonal
from dsp.voice import HANG_FRAMES, VoiceActivity

VOICE_FRAMES = HANG_FRAMES + 5
"""A click alone is voice for the detector's hold time and up to two frames; the shortest word for longer."""
TONE_FRAMES = 3


@dataclass(frozen=True)
class SilenceChange:
    """A port has fallen silent (`silent`), or its sound is back.

    `at_samples`: when it was decided, counted from the guard's start.
    """

    port: int
    silent: bool
    at_samples: int


class SilenceGuard:
    """Watches all ports at once; each silence is told once, and once that it is over.

    limit_s: time without voice and tone after which a port is silent, counted from
    the end of its last sound (voice ends 0.2 s after the last word) or from `reset`.
    After `process`, `silent[p]` says whether port p is silent and `quiet_s` for how long it
    has had no sound.
    """

    def __init__(self, ports: int, limit_s: float) -> None:
        if ports < 1:
            raise ValueError(f"a silence guard needs at least one port, not {ports}")
        if not (math.isfinite(limit_s) and limit_s >= 1.0):
            raise ValueError(f"the limit of silence must be at least 1 second, not {limit_s}")
        self.ports = ports
        self.limit_s = limit_s
        self.silent = np.zeros(ports, np.bool_)
        self._limit_frames = math.ceil(limit_s * SAMPLE_RATE_HZ / HOP)
        self._voice = VoiceActivity(ports)
        self._framer = Framer(ports)
        self._active = np.ones(ports, np.bool_)  # active during the whole frame so far
        self._quiet = np.zeros(ports, np.int64)  # frames since the last sound
        self._voiced = np.zeros(ports, np.int64)  # frames of voice in a row
        self._toned = np.zeros(ports, np.int64)  # frames of a tone in a row

    @property
    def quiet_s(self) -> NDArray[np.float64]:
        """Seconds since each port's last sound, `[ports]`."""
        return self._quiet.astype(np.float64) * (HOP / SAMPLE_RATE_HZ)

    def reset(self, ports: Sequence[int]) -> None:
        """A new call begins on these ports: the time starts again, and nothing is told of the old one."""
        index = np.asarray(ports, np.intp)
        self._voice.reset(ports)
        self._framer.reset(index)
        self.silent[index] = False
        for count in (self._quiet, self._voiced, self._toned):
            count[index] = 0

    def process(
        self, x: NDArray[np.float32] | NDArray[np.int16], active: NDArray[np.bool_] | None = None
    ) -> list[SilenceChange]:
        """Take a block `[ports, n]` on the 16-bit scale, any n; what has changed in it.

        active: ports to watch; for the others (no call, on hold) time stands still.
        Samples that are not finite count as 0.
        """
        if x.ndim != 2 or x.shape[0] != self.ports:
            raise ValueError(f"a block must be [{self.ports}, n], not {list(x.shape)}")
        changes: list[SilenceChange] = []
        wide = clean(x)
        start = 0
        while start < x.shape[1]:
            if active is not None:
                self._active &= active
            stop, whole = self._framer.push(wide, active, start)
            self._voice.process_clean(wide[:, start:stop], active)
            start = stop
            if whole:
                changes += self._frame()
                self._framer.step()
                self._active[:] = True
        return changes

    def _frame(self) -> list[SilenceChange]:
        voice = self._voice.voice & self._active
        self._voiced[:] = np.where(voice, self._voiced + 1, 0)
        # whoever is known to speak need not be looked at for a tone
        tone = self._active & (self._voice.level_dbm0 > LEAST_DBM0) & (self._voiced < VOICE_FRAMES)
        rows = np.flatnonzero(tone)
        tone[rows] = tonal(self._framer.window[rows])
        self._toned[:] = np.where(tone, self._toned + 1, 0)
        sound = (self._voiced >= VOICE_FRAMES) | (self._toned >= TONE_FRAMES)
        self._quiet[self._active] += 1
        self._quiet[sound] = 0
        silent = (self._quiet >= self._limit_frames) & self._active | self.silent & ~sound
        changed = np.flatnonzero(silent != self.silent).tolist()
        self.silent[:] = silent
        return [SilenceChange(port, bool(silent[port]), self._framer.clock) for port in changed]
