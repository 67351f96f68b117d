"""Is this one tone, or two together, whatever their frequencies?

A tone keeps its power in a few bins of the spectrum, speech and noise do not. The test
looks at one window alone; a vowel may pass it now and then, so whoever asks must bear that.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dsp.fft import forward
from dsp.levels import RMS_AT_0_DBM0, SAMPLE_RATE_HZ

LOWEST_HZ = 200.0
"""Everything below is mains hum or rumble: no tone that a telephone network sends."""
SIDE_BINS = 2
"""Half the width of a Hann window's main lobe, which holds practically all of a tone's power."""
TONE_SHARE = 0.97
"""So much of the power above `LOWEST_HZ` must lie in the two strongest lines (15 dB over the noise)."""
LEAST_DBM0 = -46.0
_NEAR = np.arange(-SIDE_BINS, SIDE_BINS + 1)

Array = NDArray[np.float32]


def tonal(window: Array) -> NDArray[np.bool_]:
    """Whether each row of `[rows, samples]` (16-bit scale, 30 ms or more) is one tone or two together.

    Weaker than `LEAST_DBM0` is no tone.
    """
    rows, samples = window.shape
    if rows == 0:
        return np.zeros(0, np.bool_)
    hann, scale = _hann(samples)
    parts = forward(window * hann).view(np.float32)
    parts *= parts
    lowest = int(LOWEST_HZ * samples / SAMPLE_RATE_HZ) + 1
    # Nothing beside the band, so that there is something beside every line.
    power = np.zeros((rows, samples // 2 + 1 - lowest + 2 * SIDE_BINS), np.float32)
    np.add(parts[:, 2 * lowest :: 2], parts[:, 2 * lowest + 1 :: 2], out=power[:, SIDE_BINS:-SIDE_BINS])
    total = power.sum(axis=1)
    every = np.arange(rows)[:, None]
    lines = np.zeros(rows, np.float32)
    for _ in range(2):
        bins = power.argmax(axis=1)[:, None] + _NEAR
        lines += power[every, bins].sum(axis=1)
        power[every, bins] = 0.0
    least = RMS_AT_0_DBM0**2 * 10 ** (LEAST_DBM0 / 10)
    found: NDArray[np.bool_] = (total * scale > least) & (lines > TONE_SHARE * total)
    return found


@lru_cache(maxsize=4)
def _hann(samples: int) -> tuple[Array, float]:
    """The window, and what makes the sum of its one-sided power spectrum a mean square."""
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(samples) + 0.5) / samples)).astype(np.float32)
    return hann, 2.0 / float(np.square(hann, dtype=np.float64).sum())
