"""What a linear echo canceller leaves: turned down where nobody speaks, with the line's noise in its place.

One gain per port and tick. It closes when the residual is as loud as it usually is under the echo,
opens within the tick in which somebody speaks, and stays open for the soft end of what is said.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsp.levels import rms_from_dbm0

Float = NDArray[np.float32]
Rows = NDArray[np.intp]

BLOCK_SAMPLES = 160
RAMP_SAMPLES = 40
"""A new gain is reached in 5 ms, so that it does not click."""
LOWEST_LEAK_DB = np.float32(-36.0)
SUPPRESSION_FLOOR = np.float32(10 ** (-18 / 20))
SUPPRESSION_MARGIN_DB = np.float32(6.0)
"""A residual up to this much above the expected one is taken for echo alone."""
TALK_DB = np.float32(-7.5)
HIDDEN_DB = np.float32(-9.0)
"""Residual over echo: above the first somebody speaks here, under the second nobody, unless just before."""
LOG_OF_DB = np.float32(np.log(10.0) / 10.0)
"""The natural logarithm of a power ratio of 1 dB."""
HANGOVER_TICKS = 12
LEAK_DOWN = np.float32(0.1)
LEAK_UP_DB = np.float32(0.4)
SPEECH_OVER_LEAK_DB = np.float32(9.0)
SPEECH_LEAK_UP_DB = np.float32(0.05)
NARROW_LEAK_DB = np.float32(-10.0)
NOISE_FLOOR_RISE = np.float32(1.005)
"""Per block: the noise estimate climbs 2 dB a second when the line gets noisier."""
NOISE_AT_START = np.float32(rms_from_dbm0(-60.0) ** 2)
NOISE_AT_MOST = np.float32(rms_from_dbm0(-45.0) ** 2)


class ResidualSuppressor:
    """Gain and comfort noise behind the linear filters of all ports."""

    def __init__(self, ports: int) -> None:
        self.leak_db = np.zeros(ports, np.float32)
        """The usual level of the residual under the echo: 0 before anything is learned."""
        self._talk_until = np.zeros(ports, np.int64)  # the tick in which near-end speech counts as over
        self._gains = np.ones((ports, 2), np.float32)  # before and in this tick
        self._noise_power = np.full(ports, NOISE_AT_START, np.float32)
        self._tick = 0
        samples = ports * BLOCK_SAMPLES + (1 << 14)
        self._hiss = np.random.default_rng(1).standard_normal(samples, dtype=np.float32)
        ramp = np.ones(BLOCK_SAMPLES, np.float32)
        ramp[:RAMP_SAMPLES] = np.arange(1, RAMP_SAMPLES + 1) / RAMP_SAMPLES
        self._fades = np.stack([1 - ramp, ramp])

    def reset(self, ports: Rows | list[int]) -> None:
        """Forget these ports."""
        self.leak_db[ports] = 0
        self._talk_until[ports] = 0
        self._gains[ports] = 1
        self._noise_power[ports] = NOISE_AT_START

    def process(self, residual: Float, ratio_db: Float, alone: Rows, narrow: NDArray[np.int32]) -> Float:
        """Turn down what is left of the echo where nothing else is there; fill with the line's own noise.

        residual: float32 [ports, 160], changed in place. ratio_db: its power over that of the echo taken
        away; where we are not speaking, the leak. alone: ports whose near end is passed as it is. narrow: not
        0 where the far end is a tone.
        """
        self._tick += 1
        leak_db, gain = self.leak_db, self._gains[:, 1]
        # The leak is the usual level of the residual under the echo. It is followed quickly when it falls,
        # slowly when it rises, and hardly where the residual is so loud that somebody must be speaking.
        step_db = ratio_db - leak_db
        up_db = np.where(step_db > SPEECH_OVER_LEAK_DB, SPEECH_LEAK_UP_DB, LEAK_UP_DB)
        # A tenth of the way down; upwards all of it, but not more than that.
        np.minimum(np.maximum(step_db, LEAK_DOWN * step_db), up_db, out=step_db)
        before_db = leak_db.copy() if narrow.any() else None
        leak_db += step_db
        np.maximum(leak_db, LOWEST_LEAK_DB, out=leak_db)
        np.minimum(leak_db, 0, out=leak_db)
        # How well a tone is cancelled says nothing about speech.
        if before_db is not None:
            np.maximum(leak_db, np.minimum(before_db, NARROW_LEAK_DB), out=leak_db, where=narrow > 0)
        # Between words only echo as loud as it ought to be is turned down. Where nobody has spoken for a
        # while, so is what lies well under the echo: a sound that the filter has not met yet.
        talks = ratio_db > np.maximum(leak_db + SPEECH_OVER_LEAK_DB, TALK_DB)
        np.copyto(self._talk_until, self._tick + HANGOVER_TICKS, where=talks)
        expected_db = leak_db + SUPPRESSION_MARGIN_DB
        np.maximum(expected_db, HIDDEN_DB, out=expected_db, where=self._talk_until <= self._tick)
        expected_db -= ratio_db
        expected_db *= LOG_OF_DB
        kept = 1 - np.exp(expected_db, out=expected_db)
        wanted = np.sqrt(np.maximum(kept, SUPPRESSION_FLOOR**2))
        wanted[alone] = 1
        target = np.maximum(wanted, np.float32(0.5) * (gain + wanted))
        self._gains[:, 0] = gain
        self._gains[:, 1] = target
        residual *= self._gains @ self._fades
        begin = (self._tick * 7919) % (self._hiss.size - residual.size)
        hiss = self._hiss[begin : begin + residual.size].reshape(residual.shape)
        level = np.sqrt(self._noise_power * np.maximum(1 - target * target, 0))
        residual += level[:, None] * hiss
        return residual

    def pass_unchanged(self, quiet: Rows, near_power: Float) -> None:
        """Ports on which we are not speaking: follow the noise of their lines, fast down, slowly up."""
        self._gains[quiet] = 1
        # Whoever speaks while we do not may well go on.
        self._talk_until[quiet] = self._tick + HANGOVER_TICKS
        power, floor = near_power[quiet], self._noise_power[quiet]
        fallen = np.maximum(power, floor + np.float32(0.2) * (power - floor))
        floor = np.minimum(fallen, floor * NOISE_FLOOR_RISE)
        self._noise_power[quiet] = np.minimum(np.maximum(floor, 1e-2), NOISE_AT_MOST)
