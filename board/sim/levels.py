"""Levels and sample counts: how numbers on the 16-bit scale relate to dBm0 and milliseconds.

0 dBm0 is a sine whose peak lies 3.14 dB below the overload point of A-law (ITU-T G.711).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 8000
BLOCK = 160
"""Samples per tick (20 ms)."""

PEAK_0DBM0 = 32768.0 * 10.0 ** (-3.14 / 20.0)
"""Peak of a 0 dBm0 sine on the 16-bit scale."""

RMS_0DBM0 = PEAK_0DBM0 / math.sqrt(2.0)

Float = NDArray[np.float32]
Int16 = NDArray[np.int16]


def peak_of(level_dbm0: float) -> float:
    """Peak of a sine of `level_dbm0`."""
    return PEAK_0DBM0 * gain_of(level_dbm0)


def rms_of(level_dbm0: float) -> float:
    """Root mean square of any signal of `level_dbm0`."""
    return RMS_0DBM0 * gain_of(level_dbm0)


def gain_of(gain_db: float) -> float:
    """Amplitude factor of a gain in dB."""
    return math.pow(10.0, gain_db / 20.0)


def samples_of_ms(duration_ms: float) -> int:
    """Whole samples in `duration_ms`."""
    return round(duration_ms * RATE_HZ / 1000.0)


def samples_of_s(duration_s: float) -> int:
    """Whole samples in `duration_s`."""
    return round(duration_s * RATE_HZ)


def to_int16(samples: Float) -> Int16:
    """Round and limit to the 16-bit scale (a codec overloads at +3.14 dBm0)."""
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)
