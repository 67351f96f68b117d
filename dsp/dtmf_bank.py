"""The tones of DTMF, and what a Hann-windowed frame of 20 ms gives behind a filter for one of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsp.levels import SAMPLE_RATE_HZ, Samples

LOW_HZ = (697.0, 770.0, 852.0, 941.0)
HIGH_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
FRAME_SAMPLES = 160

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

TONES_OF_PAIR: Ints = np.array([(low, 4 + high) for low in range(4) for high in range(4)], np.intp)
"""A pair of tones is numbered 4 · low + high; its two indices into LOW_HZ + HIGH_HZ, [16, 2]."""
PAIR_HZ: Floats = np.array(LOW_HZ + HIGH_HZ)[TONES_OF_PAIR]
"""Nominal frequencies of each pair, [16, 2]."""

_N = np.arange(FRAME_SAMPLES)
WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * (_N + 0.5) / FRAME_SAMPLES)).astype(np.float32)
CENTRED: Floats = np.arange(FRAME_SAMPLES, dtype=float) - (FRAME_SAMPLES - 1) / 2.0
"""Places in a frame, from its middle."""
OFF_HZ: Floats = np.arange(-70.0, 71.0)
RESPONSE: Floats = np.cos(2 * np.pi / SAMPLE_RATE_HZ * OFF_HZ[:, None] * CENTRED) @ (WINDOW / 2.0)
"""Amplitude behind a filter of a tone of peak 1 that is OFF_HZ beside it."""


def _offset_series() -> Floats:
    ratio: Floats = np.sin(2 * np.pi / SAMPLE_RATE_HZ * OFF_HZ[:, None] * CENTRED) @ (WINDOW * CENTRED / 2.0)
    ratio /= RESPONSE
    near = np.abs(OFF_HZ) < 50.0
    return np.asarray(np.linalg.lstsq(ratio[near, None] ** np.array([1, 3, 5, 7]), OFF_HZ[near])[0], float)


def _gain_series() -> Floats:
    near = np.abs(OFF_HZ) < 50.0
    return np.asarray(
        np.linalg.lstsq(OFF_HZ[near, None] ** np.array([0, 2, 4, 6]), RESPONSE[near] ** 2)[0], float
    )


OFFSET_SERIES = _offset_series()
"""A frame that a tone fills gives, weighed with time and without, Y = Σ w·n·x and X = Σ w·x at a filter's
frequency. Powers 1, 3, 5 and 7 of the imaginary part of Y/X times these: Hz off the filter."""
GAIN_SERIES = _gain_series()
"""Power of a tone of peak 1 behind a filter, by powers 0, 2, 4 and 6 of the Hz that it is off."""


def offset_hz(ratio: float) -> float:
    """How far a steady tone is off its filter, from the imaginary part of Y/X."""
    square = ratio * ratio
    a, b, c, d = OFFSET_SERIES.tolist()
    return float(ratio * (a + square * (b + square * (c + square * d))))


def full_power(peak: Floats | Samples, off_hz: Floats) -> Samples:
    """Power in its filter of a tone that fills a frame, `off_hz` beside the filter's frequency."""
    full: Samples = (peak * np.interp(off_hz, OFF_HZ, RESPONSE)).astype(np.float32) ** 2
    return full
