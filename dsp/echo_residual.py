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
LOWEST_LEAK_DB = np.array(-36.0, np.float32)
"""An array, as others here are: np.where and np.copyto take scalars at twice the cost."""
LEAST_KEPT = np.float32(10 ** (-18 / 10))
"""Of the residual's power."""
SUPPRESSION_MARGIN_DB = np.float32(6.0)
"""A residual up to this much above the expected one is taken for echo alone."""
TALK_DB = np.float32(-7.5)
HIDDEN_DB = np.array(-9.0, np.float32)
"""Residual over echo: above the first somebody speaks here, under the second nobody, unless just before."""
LOG_OF_DB = np.float32(np.log(10.0) / 10.0)
"""The natural logarithm of a power ratio of 1 dB."""
HANGOVER_TICKS = 12
LEAK_DOWN = np.float32(0.1)
LEAK_UP_DB = np.array(0.4, np.float32)
SPEECH_OVER_LEAK_DB = np.float32(9.0)
SPEECH_LEAK_UP_DB = np.array(0.05, np.float32)
NARROW_LEAK_DB = np.float32(-10.0)
NOISE_FLOOR_FALL = np.float32(0.2)
NOISE_FLOOR_RISE = np.float32(1.005)
"""Per block: the noise estimate climbs 2 dB a second when the line gets noisier."""
HISSES = 1 << 14
"""So many different blocks of noise there are."""
# Energies of a block.
NOISE_AT_START = np.float32(BLOCK_SAMPLES * rms_from_dbm0(-60.0) ** 2)
NOISE_AT_LEAST = np.float32(0.01 * BLOCK_SAMPLES)
NOISE_AT_MOST = np.float32(BLOCK_SAMPLES * rms_from_dbm0(-45.0) ** 2)


class ResidualSuppressor:
    """Gain and comfort noise behind the linear filters of all ports."""

    def __init__(self, ports: int) -> None:
        self.leak_db = np.zeros(ports, np.float32)
        """The usual level of the residual under the echo: 0 before anything is learned."""
        self._talk_until = np.zeros(ports, np.int64)  # the tick in which near-end speech counts as over
        self._spoken_until = np.zeros(ports, np.int64)  # the same of speech that was heard over ours
        self._gains = np.ones((2, ports), np.float32)  # before and in this tick
        self._noise_energy = np.full(ports, NOISE_AT_START, np.float32)
        self._tick = 0
        hiss = np.random.default_rng(1).standard_normal(ports * BLOCK_SAMPLES + HISSES, dtype=np.float32)
        hiss *= np.float32(BLOCK_SAMPLES**-0.5)  # a block of it has an energy of 1
        # Blocks for all ports, [beginning, port, sample]; each begins a sample later.
        shape, (sample,) = (HISSES, ports, BLOCK_SAMPLES), hiss.strides
        self._hisses = np.lib.stride_tricks.as_strided(
            hiss, shape, (sample, BLOCK_SAMPLES * sample, sample), writeable=False
        )
        ramp = np.ones(BLOCK_SAMPLES, np.float32)
        ramp[:RAMP_SAMPLES] = np.arange(1, RAMP_SAMPLES + 1) / RAMP_SAMPLES
        self._fades = np.stack([1 - ramp, ramp])

    def reset(self, ports: Rows | list[int]) -> None:
        """Forget these ports."""
        self.leak_db[ports] = 0
        self._talk_until[ports] = self._spoken_until[ports] = 0
        self._gains[:, ports] = 1
        self._noise_energy[ports] = NOISE_AT_START

    @property
    def spoken_over(self) -> NDArray[np.bool_]:
        """Ports at whose near end somebody speaks, or has spoken a moment ago."""
        spoken: NDArray[np.bool_] = self._spoken_until > self._tick
        return spoken

    def process(self, residual: Float, ratio_db: Float, alone: Rows, narrow: NDArray[np.int32]) -> Float:
        """Turn down what is left of the echo where nothing else is there; fill with the line's own noise.

        residual: float32 [ports, 160], changed in place. ratio_db: its energy over that of the echo taken
        away; where we are not speaking, the leak. alone: ports whose near end is passed as it is. narrow: not
        0 where the far end is a tone.
        """
        self._tick += 1
        leak_db = self.leak_db
        # The leak is the usual level of the residual under the echo. It is followed quickly when it falls,
        # slowly when it rises, and hardly where the residual is so loud that somebody must be speaking. How
        # well a tone is cancelled says nothing about speech.
        least_db = np.minimum(leak_db, NARROW_LEAK_DB)
        np.copyto(least_db, LOWEST_LEAK_DB, where=narrow == 0)
        step_db = ratio_db - leak_db
        loud = step_db > SPEECH_OVER_LEAK_DB
        up_db = np.where(loud, SPEECH_LEAK_UP_DB, LEAK_UP_DB)
        # A tenth of the way down; upwards all of it, but not more than that.
        np.maximum(step_db, LEAK_DOWN * step_db, out=step_db)
        np.minimum(step_db, up_db, out=step_db)
        leak_db += step_db
        np.maximum(leak_db, least_db, out=leak_db)
        np.minimum(leak_db, 0, out=leak_db)
        # Between words only echo as loud as it ought to be is turned down. Where nobody has spoken for a
        # while, so is what lies well under the echo: a sound that the filter has not met yet.
        loud &= ratio_db > TALK_DB
        np.copyto(self._talk_until, self._tick + HANGOVER_TICKS, where=loud)
        np.copyto(self._spoken_until, self._talk_until, where=loud)
        expected_db = leak_db + SUPPRESSION_MARGIN_DB
        hidden_db = np.where(self._talk_until <= self._tick, HIDDEN_DB, expected_db)
        np.maximum(expected_db, hidden_db, out=expected_db)
        expected_db -= ratio_db
        expected_db *= LOG_OF_DB
        np.exp(expected_db, out=expected_db)
        wanted = 1 - expected_db
        np.maximum(wanted, LEAST_KEPT, out=wanted)
        np.sqrt(wanted, out=wanted)
        wanted[alone] = 1
        before, gain = self._gains
        before[:] = gain
        gain += wanted
        gain *= 0.5
        np.maximum(gain, wanted, out=gain)
        turned = (np.minimum(before, gain) < 1).nonzero()[0]
        if turned.size:
            level = 1 - np.square(gain[turned])
            level *= self._noise_energy[turned]
            np.sqrt(level, out=level)
            hiss = self._hisses[self._tick * 7919 % HISSES]
            if turned.size == len(gain):
                residual *= self._gains.T @ self._fades
                residual += level[:, None] * hiss
            else:
                kept = residual[turned]
                kept *= self._gains[:, turned].T @ self._fades
                kept += level[:, None] * hiss[turned]
                residual[turned] = kept
        return residual

    def pass_unchanged(self, quiet: Rows, near_energy: Float) -> None:
        """Ports on which we are not speaking: follow the noise of their lines, fast down, slowly up.

        near_energy: sum of the squares of each port's block.
        """
        self._gains[1][quiet] = 1
        self.speaking(quiet, near_energy)

    def speaking(self, rows: Rows, near_energy: Float) -> None:
        """Ports that are not to be turned down in this tick: somebody may speak there; or it is noise."""
        # Whoever speaks while we do not may well go on.
        self._talk_until[rows] = self._tick + HANGOVER_TICKS
        energy, floor = near_energy[rows], self._noise_energy[rows]
        fallen = np.maximum(energy, floor + NOISE_FLOOR_FALL * (energy - floor))
        floor = np.minimum(fallen, floor * NOISE_FLOOR_RISE)
        self._noise_energy[rows] = np.minimum(np.maximum(floor, NOISE_AT_LEAST), NOISE_AT_MOST)
