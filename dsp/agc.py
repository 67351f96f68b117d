"""Everybody about equally loud: a fixed gain per port, an automatic one beside it, and a limiter.

The automatic gain follows the mean power of speech alone. In pauses, noise and
tones it stands still, so nothing is pumped up between words:

    input     talk   talk        (tone)  talk
    gain      ~~/----~~----------------~~\\-----

Every 20 ms a new gain is decided and reached by a straight ramp over the next
20 ms, counted in samples and not in blocks, so that the result does not depend on
how the sound is cut. What would still be too loud is held at `LIMIT` by a limiter
without delay: it closes at once, remembers the worst peak behind it, and opens slowly.

Source of the target: ITU-T P.56 active speech level, -26 dB of overload as used in P.800.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dsp.levels import OVERLOAD_DBM0, SAMPLE_RATE_HZ, SILENCE_DBM0, clean
from dsp.linescan import HOP, WINDOW
from dsp.tonality import tonal
from dsp.voice import LEAST_POWER, VoiceActivity

TARGET_DBM0 = OVERLOAD_DBM0 + 3.01 - 26.0
LOWEST_DB = -12.0
HIGHEST_DB = 18.0
ATTACK_DB_PER_S = 30.0
RELEASE_DB_PER_S = 8.0
FIXED_AT_MOST_DB = 30.0
LIMIT = 31000.0
"""Largest sample that leaves: under A-law's last step, so that a limited peak is no clipped one."""
LIMITER_RELEASE_DB = 60.0 / SAMPLE_RATE_HZ
"""Per sample: slow enough that the limiter does not follow the wave of a low voice."""
EDGE_FRAMES = 2
"""Speech counts when it is loud for so many frames before and one after: beside a tone lies its edge."""
UNDER_LOUDEST_DB = 20.0
"""A frame so far under the loudest is a pause that the voice detector bridges: its noise is no speech."""
LOUDEST_FALL_DB = 0.2
"""Per frame (10 dB/s), so that somebody softer who takes over is heard."""
TOP_FALL = 10.0 ** (-0.3 / 10.0)
"""Factor of power by which the top of the speech itself falls per frame that counts, so not in pauses."""
MEMORY_FRAMES = 50
"""Frames of speech (1 s of talking) over which its power is averaged; fewer at the beginning."""

_RAMP = np.stack([np.ones(HOP), np.arange(1, HOP + 1) / HOP]).astype(np.float32)
"""Times a gain and its change."""
_FACTOR = np.float32(np.log(10.0) / 20.0)

Array = NDArray[np.float32]


class Agc:
    """Gain of all ports at once.

    `gain_db[p]` is the automatic gain of port p now, `fixed_db[p]` the fixed one,
    `speech_dbm0[p]` the level of its speech behind the fixed gain (NaN before there was any).
    target_dbm0: level that speech is brought to. lowest_db, highest_db: limits of the
    automatic gain. attack_db_per_s: how fast it falls; release_db_per_s: how fast it rises.
    """

    def __init__(
        self,
        ports: int,
        target_dbm0: float = TARGET_DBM0,
        lowest_db: float = LOWEST_DB,
        highest_db: float = HIGHEST_DB,
        attack_db_per_s: float = ATTACK_DB_PER_S,
        release_db_per_s: float = RELEASE_DB_PER_S,
    ) -> None:
        if ports < 1:
            raise ValueError(f"automatic gain needs at least one port, not {ports}")
        if not -50.0 <= target_dbm0 <= OVERLOAD_DBM0:
            raise ValueError(f"the target must be -50 to {OVERLOAD_DBM0} dBm0, not {target_dbm0}")
        if not -60.0 <= lowest_db <= 0.0 <= highest_db <= 60.0:
            raise ValueError(
                f"the gain's limits must be -60 to 0 and 0 to 60 dB, not {lowest_db} and {highest_db}"
            )
        if not (0.0 < attack_db_per_s <= 1000.0 and 0.0 < release_db_per_s <= 1000.0):
            raise ValueError(
                f"attack and release must be 0 to 1000 dB/s, not {attack_db_per_s} and {release_db_per_s}"
            )
        self.ports = ports
        self.target_dbm0 = target_dbm0
        self.lowest_db, self.highest_db = lowest_db, highest_db
        self._down = attack_db_per_s * HOP / SAMPLE_RATE_HZ
        self._up = release_db_per_s * HOP / SAMPLE_RATE_HZ
        self.gain_db: Array = np.zeros(ports, np.float32)
        self.fixed_db: Array = np.zeros(ports, np.float32)
        self.speech_dbm0: Array = np.full(ports, np.nan, np.float32)
        self._automatic = np.ones(ports, np.bool_)
        self._all_automatic = True
        self._voice = VoiceActivity(ports)
        self._window: Array = np.zeros((ports, WINDOW), np.float32)
        """Two frames, that tones are looked for in when the second is whole."""
        self._place = WINDOW - HOP
        self._power = np.zeros(ports)  # of speech, before the fixed gain, over that of 0 dBm0
        self._top = np.zeros(ports)  # the loudest frame of speech of late, likewise
        self._heard = np.zeros(ports, np.int32)  # frames of speech, up to MEMORY_FRAMES
        self._tone = np.zeros(ports, np.bool_)  # in the last window that was looked at
        self._run = np.zeros(ports, np.int32)  # loud frames in a row that were no tone
        self._loudest_dbm0: Array = np.full(ports, SILENCE_DBM0, np.float32)  # of late
        self._last: Array = np.full(ports, LEAST_POWER, np.float32)  # power of the frame before
        self._active = np.ones(ports, np.bool_)  # active during the whole frame so far
        # The factor at the start of this frame, and how much more it is at its end.
        self._gains: Array = np.stack([np.ones(ports), np.zeros(ports)], axis=1).astype(np.float32)
        self._held_db = np.zeros(ports)  # what the limiter takes away at the last sample
        self._holding = False
        self._fill = 0

    def reset(self, ports: Sequence[int]) -> None:
        """A new call begins: these ports' speech is forgotten, the automatic gain is 0 dB, without a ramp.

        The fixed gain stays, and whether the automatic one is switched on.
        """
        index = np.asarray(ports, np.intp)
        self._voice.reset(ports)
        self._window[index] = 0.0
        self.gain_db[index] = 0.0
        self.speech_dbm0[index] = np.nan
        self._loudest_dbm0[index] = SILENCE_DBM0
        for state in (self._power, self._top, self._heard, self._run, self._held_db, self._tone):
            state[index] = 0
        self._gains[index, 0] = _factor(self.fixed_db[index])
        self._gains[index, 1] = 0.0

    def set_fixed(self, ports: Sequence[int], gain_db: float) -> None:
        """Fixed gain of these ports in dB, reached over the next whole 20 ms."""
        if not abs(gain_db) <= FIXED_AT_MOST_DB:
            limit = FIXED_AT_MOST_DB
            raise ValueError(f"a fixed gain must be {-limit:g} to {limit:g} dB, not {gain_db}")
        self.fixed_db[list(ports)] = gain_db

    def set_automatic(self, ports: Sequence[int], on: bool) -> None:
        """Switch the automatic gain of these ports; off, it returns to 0 dB at its usual pace."""
        self._automatic[list(ports)] = on
        self._all_automatic = bool(self._automatic.all())

    def process(
        self, x: NDArray[np.float32] | NDArray[np.int16], active: NDArray[np.bool_] | None = None
    ) -> Array:
        """Bring a block `[ports, n]` (16-bit scale, any n) to its level.

        Returns float32 of the same shape, no sample beyond ±`LIMIT`.
        active: ports that may be learned from; the others keep the gain they have.
        Samples that are not finite count as 0.
        """
        if x.ndim != 2 or x.shape[0] != self.ports:
            raise ValueError(f"a block must be [{self.ports}, n], not {list(x.shape)}")
        x = clean(x)
        out = np.empty(x.shape, np.float32)
        start = 0
        while start < x.shape[1]:
            stop = min(start + HOP - self._fill, x.shape[1])
            part = x[:, start:stop]
            window = self._window[:, self._place : self._place + stop - start]
            self._place += stop - start
            if active is None:
                window[:] = part
            else:
                self._active &= active
                np.multiply(part, active[:, None], out=window)
            self._voice.process_clean(part, active)
            self._amplify(part, out[:, start:stop])
            start = stop
            if not self._fill:
                self._decide()
                self._active[:] = True
        return out

    def _amplify(self, part: Array, out: Array) -> None:
        """Apply the ramp of this frame, and the limiter."""
        n = part.shape[1]
        np.multiply(part, self._gains @ _RAMP[:, self._fill : self._fill + n], out=out)
        self._fill = (self._fill + n) % HOP
        if not self._holding and out.max() <= LIMIT and out.min() >= -LIMIT:
            return
        size = np.maximum(out.max(axis=1), -out.min(axis=1))
        rows = np.flatnonzero((size > LIMIT) | (self._held_db > 0.0))
        # Each peak asks for its reduction, which then fades along a straight line in dB:
        # held[n] = max over k <= n of (asked[k] - fading * (n - k)), a running maximum.
        fading = LIMITER_RELEASE_DB * np.arange(n + 1)
        asked = np.empty((rows.size, n + 1))
        asked[:, 0] = self._held_db[rows]
        asked[:, 1:] = 20.0 * np.log10(np.maximum(np.abs(out[rows]), LIMIT) / LIMIT)
        held = np.maximum.accumulate(asked + fading, axis=1) - fading
        out[rows] *= _factor(-held[:, 1:])
        self._held_db[rows] = np.where(held[:, -1] > 1e-9, held[:, -1], 0.0)
        self._holding = bool(self._held_db.any())

    def _decide(self) -> None:
        """The gains of the next frame, from the frame that is now whole."""
        voice = self._voice
        level_dbm0, loudest_dbm0 = voice.level_dbm0, self._loudest_dbm0
        loud = voice.voice & voice.loud
        loud &= self._active
        loudest_dbm0 -= LOUDEST_FALL_DB
        np.maximum(loudest_dbm0, level_dbm0, out=loudest_dbm0)
        loud &= level_dbm0 > loudest_dbm0 - UNDER_LOUDEST_DB
        if self._place == WINDOW:
            self._place = 0
            self._tone[:] = False
            rows = loud.nonzero()[0]
            self._tone[rows] = tonal(self._window[rows])
        np.greater(loud, self._tone, out=loud)
        self._run += 1
        self._run *= loud
        sure = (self._run > EDGE_FRAMES + 1).nonzero()[0]  # what is judged is the frame before this one
        if sure.size:
            heard = np.minimum(self._heard[sure] + 1, MEMORY_FRAMES)
            power = self._last[sure]
            # After somebody loud the mean would sink for many seconds; it is never above the top of late.
            top = np.maximum(self._top[sure] * TOP_FALL, power)
            mean = self._power[sure]
            mean = np.minimum(mean + (power - mean) / heard, top)
            self._heard[sure], self._top[sure], self._power[sure] = heard, top, mean
            speech_dbm0 = 10.0 * np.log10(mean) + self.fixed_db[sure]
            self.speech_dbm0[sure] = speech_dbm0
            wanted = self.target_dbm0 - speech_dbm0
            wanted = np.minimum(np.maximum(wanted, self.lowest_db), self.highest_db)
            if not self._all_automatic:
                automatic = self._automatic[sure]
                sure, wanted = sure[automatic], wanted[automatic]
            self._move(sure, wanted)
        self._last[:] = voice.power
        if not self._all_automatic:
            leaving = np.flatnonzero(~self._automatic & (self.gain_db != 0.0))
            self._move(leaving, np.zeros(leaving.size, np.float32))
        now, change = self._gains.T
        now += change
        np.subtract(_factor(self.fixed_db + self.gain_db), now, out=change)

    def _move(self, ports: NDArray[np.intp], wanted_db: NDArray[np.floating]) -> None:
        step_db = wanted_db - self.gain_db[ports]
        self.gain_db[ports] += np.minimum(np.maximum(step_db, -self._down), self._up)


def _factor(gain_db: NDArray[np.floating]) -> Array:
    factor: Array = np.exp(gain_db * _FACTOR).astype(np.float32, copy=False)
    return factor
