"""Levels: between dBm0 and the 16-bit linear scale.

0 dBm0 is a sine wave whose peak is 3.14 dB under the A-law overload point
(G.711), 32768 on the linear scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 8000
TICK_SAMPLES = 160
OVERLOAD_DBM0 = 3.14
PEAK_AT_0_DBM0 = 32768.0 * 10.0 ** (-OVERLOAD_DBM0 / 20.0)
RMS_AT_0_DBM0 = PEAK_AT_0_DBM0 / 2.0**0.5
SILENCE_DBM0 = -100.0
"""What `rms_dbm0` and `peak_dbm0` answer for silence, and their lower limit."""

MOST_SAMPLE = 65536.0
"""What is beyond no converter can have sent; a sum of signals may well pass the 16-bit range."""
LINGER_SAMPLES = SAMPLE_RATE_HZ // 5
"""Silence (0.2 s) after a recording, in which what sounds up to its end is over."""
_SILENCE_POWER = np.float32(10.0 ** (SILENCE_DBM0 / 10.0))

Samples = NDArray[np.float32]


def peak_from_dbm0(level_dbm0: float) -> float:
    """Peak, on the 16-bit scale, of a sine of this level."""
    return float(PEAK_AT_0_DBM0 * 10.0 ** (level_dbm0 / 20.0))


def rms_from_dbm0(level_dbm0: float) -> float:
    """Root mean square, on the 16-bit scale, of any signal of this level."""
    return float(RMS_AT_0_DBM0 * 10.0 ** (level_dbm0 / 20.0))


def dbm0_from_peak(peak: float) -> float:
    """Level of a sine with this peak; never under `SILENCE_DBM0`."""
    return _decibels(peak, PEAK_AT_0_DBM0)


def dbm0_from_rms(rms: float) -> float:
    """Level of a signal with this root mean square; never under `SILENCE_DBM0`."""
    return _decibels(rms, RMS_AT_0_DBM0)


def rms_dbm0(x: NDArray[np.float32] | NDArray[np.int16]) -> Samples:
    """Level of each port.

    `x` is [ports, samples]; the answer is float32 [ports]. No samples, or
    samples that are not finite, read as `SILENCE_DBM0`.
    """
    if x.ndim != 2:
        raise ValueError(f"samples must be [ports, samples], not {x.ndim}-dimensional")
    if x.shape[1] == 0:
        return np.full(x.shape[0], SILENCE_DBM0, np.float32)
    wide = x.astype(np.float32, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        power = np.vecdot(wide, wide)
    power *= np.float32(1.0 / (x.shape[1] * RMS_AT_0_DBM0**2))
    if not np.isfinite(power).all():
        power[~np.isfinite(power)] = 0.0
    level: Samples = np.log10(np.maximum(power, _SILENCE_POWER))
    level *= np.float32(10.0)
    return np.maximum(level, np.float32(SILENCE_DBM0))


def power(x: NDArray[np.float32]) -> Samples:
    """Mean power of each row of `[ports, samples]` over that of 0 dBm0, float32 `[ports]`.

    Of sound that is in range: nothing is done about samples that are not.
    """
    found: Samples = np.vecdot(x, x)
    found *= np.float32(1.0 / (x.shape[1] * RMS_AT_0_DBM0**2))
    return found


def clean(x: NDArray[np.generic]) -> Samples:
    """float32 samples with what is not finite, or far out of range, taken out; `x` itself if nothing is."""
    wide = x.astype(np.float32, copy=False)
    if x.dtype == np.int16 or not x.size:
        return wide
    if not (wide.max() <= MOST_SAMPLE and wide.min() >= -MOST_SAMPLE):  # also when it is not a number
        wide = np.nan_to_num(wide, nan=0.0, posinf=0.0, neginf=0.0)
        return np.clip(wide, -MOST_SAMPLE, MOST_SAMPLE)
    return wide


def lingering(x: Samples) -> Samples:
    """A recording `[n]` with `LINGER_SAMPLES` of silence after it."""
    return np.concatenate([x, np.zeros(LINGER_SAMPLES, np.float32)])


def _decibels(value: float, reference: float) -> float:
    if not np.isfinite(value) or value <= 0.0:
        return SILENCE_DBM0
    return max(SILENCE_DBM0, float(20.0 * np.log10(value / reference)))
