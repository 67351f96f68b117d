"""The glance: keys that nothing disturbs are decided from four frames, without an envelope.

A Hann-windowed frame that a tone fills tells its frequency: weighed with time and without, it
gives Y = Σ w·(n-c)·x and X = Σ w·x at the filter's frequency. For a steady tone Y/X is imaginary
and tells how far off it is; a real part is loudness that grows or falls. What the two tones do
not explain of the frame's energy is the residue.

    frames     silent   |   ____/~~~|~~~~~~~~~~~~|~~~\\_____
                before       rim         full        rim or full

The frames beside the full one must hold just as much energy as the edge of the same two tones gives.
"""

from __future__ import annotations

from bisect import bisect
from typing import NamedTuple

import numpy as np

from dsp.dtmf_bank import (
    CENTRED,
    FRAME_SAMPLES,
    HIGH_HZ,
    LOW_HZ,
    OFF_HZ,
    PART,
    RESPONSE,
    TONES_OF_PAIR,
    WINDOW,
    Floats,
    Ints,
)
from dsp.levels import SAMPLE_RATE_HZ, Samples

FRAMES = 4
"""How many frames a glance takes."""

_MOST_RESIDUE = 0.004
"""Under this share of the energy no chord and no voice is to be feared."""
_MOST_DRIFT_SAMPLES = 1.5
_MOST_APART = 0.06
"""Amplitudes of the two tones at a rim, as shares of what they become, differ by less than this."""
_RIM_ERROR = 0.06
_SQUARES = np.cumsum(WINDOW.astype(float) ** 2)
_ENERGY = float(_SQUARES[-1])
_RIM_ENERGY: list[float] = [0.0, *(_SQUARES / _ENERGY).tolist()]
_RIM_AMPLITUDE: list[float] = PART.tolist()


def _filters() -> Samples:
    turn = 2 * np.pi / SAMPLE_RATE_HZ * np.array(LOW_HZ + HIGH_HZ)[:, None] * CENTRED
    cosine, sine = np.cos(turn), -np.sin(turn)
    filters = np.concatenate([cosine, sine, CENTRED * cosine, CENTRED * sine]).astype(np.float32)
    return filters.T.copy()


def _offset_series() -> list[float]:
    """Frequency off the filter's [Hz] by powers 1, 3, 5 and 7 of Y/X."""
    turn = 2 * np.pi / SAMPLE_RATE_HZ * OFF_HZ[:, None] * CENTRED
    ratio: Floats = np.sin(turn) @ (WINDOW * CENTRED / 2.0) / RESPONSE
    near = np.abs(OFF_HZ) < 50.0
    odd = ratio[near, None] ** np.array([1, 3, 5, 7])
    series: list[float] = np.linalg.lstsq(odd, OFF_HZ[near])[0].tolist()
    return series


def _gain_series() -> list[float]:
    """Power of a tone of peak 1 behind a filter, by even powers of the offset [Hz]."""
    near = np.abs(OFF_HZ) < 50.0
    even = OFF_HZ[near, None] ** np.array([0, 2, 4, 6])
    series: list[float] = np.linalg.lstsq(even, RESPONSE[near] ** 2)[0].tolist()
    return series


_FILTERS = _filters()
_OFFSET = _offset_series()
_GAIN = _gain_series()


class Glance(NamedTuple):
    """A clean pair: where it sounds, in samples of the four frames, and its two tones.

    `full`: their power in the frame bank.
    """

    start: int
    end: int
    peak: tuple[float, float]
    full: tuple[float, float]
    off_hz: tuple[float, float]


def glance(frames: Samples, power: Samples, pair: Ints) -> list[Glance | None]:
    """Look for pairs in the newest four frames [ports, 4, 160]; None where something disturbs them.

    `power`: what the frame bank has for the tones of the pairs, [ports, 4, 2].
    """
    windowed = frames * WINDOW
    energy = np.vecdot(windowed, windowed)
    parts = (windowed[:, 2:].reshape(-1, FRAME_SAMPLES) @ _FILTERS).reshape(-1, 2, 4, 8)
    tones = parts[np.arange(len(pair))[:, None], :, :, TONES_OF_PAIR[pair]]
    return [_judge(*port) for port in zip(power.tolist(), energy.tolist(), tones.tolist(), strict=True)]


def _judge(power: list[list[float]], energy: list[float], tones: list[list[list[float]]]) -> Glance | None:
    """One port: power [4 frames][2 tones], energy [4], X and Y of [2 tones][last 2 frames]."""
    # The full frame is the last but one, or the last, whichever holds no edge.
    for at in (2, 3):
        seen = _judge_full(at, power, energy, tones)
        if seen is not None:
            return seen
    return None


def _judge_full(
    at: int, power: list[list[float]], energy: list[float], tones: list[list[list[float]]]
) -> Glance | None:
    here = energy[at]
    if energy[at - 2] >= _MOST_RESIDUE * here:
        return None
    low, high = _steady_tone(tones[0][at - 2]), _steady_tone(tones[1][at - 2])
    if low is None or high is None:
        return None
    if abs(1.0 - (low[0] + high[0]) * (_ENERGY / 2.0) / here) >= _MOST_RESIDUE:
        return None
    before = _filled(power[at - 1], power[at], energy[at - 1] / here)
    after = 0 if at == 3 else _filled(power[3], power[at], energy[3] / here)
    if before is None or after is None:
        return None
    begin = at * FRAME_SAMPLES
    return Glance(
        begin - before,
        begin + FRAME_SAMPLES + after,
        (low[0] ** 0.5, high[0] ** 0.5),
        (power[at][0], power[at][1]),
        (low[1], high[1]),
    )


def _steady_tone(parts: list[float]) -> tuple[float, float] | None:
    """Square of the peak and offset [Hz] of a tone, from real and imaginary parts of X and Y."""
    xr, xi, yr, yi = parts
    size = xr * xr + xi * xi
    if abs(yr * xr + yi * xi) >= _MOST_DRIFT_SAMPLES * size:
        return None
    off_hz = offset_hz((yi * xr - yr * xi) / size)
    square = off_hz * off_hz
    a, b, c, d = _GAIN
    return size / max(a + square * (b + square * (c + square * d)), 1.0), off_hz


def offset_hz(ratio: float) -> float:
    """How far a steady tone is off its filter, from the imaginary part of Y/X."""
    square = ratio * ratio
    a, b, c, d = _OFFSET
    return ratio * (a + square * (b + square * (c + square * d)))


def _filled(power: list[float], full: list[float], energy: float) -> int | None:
    """How many samples of a frame beside the full one sound; None where its energy is not just that.

    `energy` as a share of the full frame's.
    """
    low, high = (power[0] / full[0]) ** 0.5, (power[1] / full[1]) ** 0.5
    if abs(low - high) >= _MOST_APART:
        return None
    filled = min(bisect(_RIM_AMPLITUDE, (low + high) / 2.0), FRAME_SAMPLES)
    if abs(energy - _RIM_ENERGY[filled]) >= _MOST_RESIDUE + _RIM_ERROR * max(low, high):
        return None
    return filled
