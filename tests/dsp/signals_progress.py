"""Telephone signals for the tests, made without the code under test.

Nothing here imports `dsp`: a tone is described by its frequencies and its on
and off times, and is made sample by sample from the formula.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 8000
ZERO_DBM0_PEAK = 32768.0 * 10 ** (-3.14 / 20)

Samples = NDArray[np.float64]


def gate(cadence_ms: tuple[float, ...], n: int, shift_s: float = 0.0) -> Samples:
    """1 while the tone is on, 0 while it is off; an empty cadence is always on."""
    if not cadence_ms:
        return np.ones(n)
    edges = np.cumsum([0.0, *cadence_ms]) / 1000
    at = (np.arange(n) / RATE + shift_s) % edges[-1]
    return (np.searchsorted(edges, at, side="right") % 2 == 1).astype(float)


def tone(
    frequencies_hz: tuple[float, ...],
    cadence_ms: tuple[float, ...],
    duration_s: float,
    level_dbm0: float = -13.0,
    frequency_error: float = 0.0,
    cadence_error: float = 0.0,
    modulation_hz: float = 0.0,
    shift_s: float = 0.0,
    seed: int = 0,
) -> Samples:
    """A cadenced tone; each frequency has the level, a modulated one at the top of its swing."""
    n = round(duration_s * RATE)
    t = np.arange(n) / RATE
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(frequencies_hz))
    peak = ZERO_DBM0_PEAK * 10 ** (level_dbm0 / 20)
    x = np.zeros(n)
    for frequency, phase in zip(frequencies_hz, phases, strict=True):
        x += peak * np.sin(2 * np.pi * frequency * (1 + frequency_error) * t + phase)
    if modulation_hz:
        x *= (1 + 0.8 * np.cos(2 * np.pi * modulation_hz * t)) / 1.8
    return x * gate(tuple(ms * (1 + cadence_error) for ms in cadence_ms), n, shift_s)


def white(duration_s: float, level_dbm0: float, seed: int = 0) -> Samples:
    """White noise of a level from 0 to 4 kHz."""
    rms = ZERO_DBM0_PEAK / np.sqrt(2) * 10 ** (level_dbm0 / 20)
    return np.random.default_rng(seed).normal(0, rms, round(duration_s * RATE))


def silence(duration_s: float) -> Samples:
    """Nothing at all."""
    return np.zeros(round(duration_s * RATE))


def level_of(x: Samples) -> float:
    """Level (dBm0) of a piece of sound over its whole length."""
    return float(20 * np.log10(max(np.sqrt(np.mean(x**2)), 1e-3) / (ZERO_DBM0_PEAK / np.sqrt(2))))


def at_level(x: Samples, level_dbm0: float) -> Samples:
    """The same sound at another level."""
    return np.asarray(x, float) * 10 ** ((level_dbm0 - level_of(x)) / 20)


def active_level_of(x: Samples) -> float:
    """Level (dBm0) of speech over the 20 ms frames in which somebody speaks."""
    frames = np.asarray(x[: len(x) // 160 * 160], float).reshape(-1, 160)
    power = (frames**2).mean(axis=1)
    return level_of(frames[power > 0.03 * np.percentile(power, 95)].ravel())


def a_law(x: Samples) -> Samples:
    """Once through A-law (G.711), by its formula, not by tables."""
    y = np.clip(np.rint(x), -32256, 32256) / 32768
    a = 87.6
    size = np.abs(y)
    small = size < 1 / a
    companded = np.where(small, a * size, 1 + np.log(np.maximum(a * size, 1e-9))) / (1 + np.log(a))
    code = (np.floor(companded * 128) + 0.5) / 128 * (1 + np.log(a))
    expanded = np.where(code < 1, code / a, np.exp(code - 1) / a)
    return np.sign(y) * expanded * 32768
