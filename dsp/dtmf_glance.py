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

from dataclasses import dataclass

import numpy as np

from dsp.dtmf_bank import (
    CENTRED,
    FRAME_SAMPLES,
    HIGH_HZ,
    LOW_HZ,
    OFF_HZ,
    RESPONSE,
    TONES_OF_PAIR,
    WINDOW,
    Bools,
    Floats,
    Ints,
    sounding_samples,
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
_FULLER = np.float32(1.004)
_SQUARES = np.concatenate([[0.0], np.cumsum(WINDOW.astype(float) ** 2)])
_ENERGY = float(_SQUARES[-1])
_FILLED = np.arange(FRAME_SAMPLES + 1.0)


def _filters() -> Samples:
    turn = 2 * np.pi / SAMPLE_RATE_HZ * np.array(LOW_HZ + HIGH_HZ)[:, None] * CENTRED
    cosine, sine = np.cos(turn), -np.sin(turn)
    filters = np.concatenate([cosine, sine, CENTRED * cosine, CENTRED * sine]).astype(np.float32)
    return filters.T.copy()


_FILTERS = _filters()
_RATIO: Floats = (
    np.sin(2 * np.pi / SAMPLE_RATE_HZ * OFF_HZ[:, None] * CENTRED) @ (WINDOW * CENTRED / 2.0) / RESPONSE
)
"""Y/X of a tone that is OFF_HZ beside its filter."""
_GAIN = RESPONSE**2


@dataclass(frozen=True)
class Glance:
    """What four frames tell; all [ports] or [ports, 2].

    `clean`: the full frame and its neighbours hold two steady tones and nothing else. Only
    then the rest is of use. `start` and `end` are in samples of the four frames.
    """

    clean: Bools
    start: Floats
    end: Floats
    peak: Floats
    full: Samples
    off_hz: Floats


def glance(frames: Samples, power: Samples, pair: Ints) -> Glance | None:
    """Look for pairs in the newest four frames [ports, 4, 160]; None where nothing is clean.

    `power`: what the frame bank has for the tones of the pairs, [4, ports, 2].
    """
    rows = np.arange(len(pair))
    windowed = frames * WINDOW
    energy = np.vecdot(windowed, windowed)
    # The later frame is the full one where the tone begins in the earlier.
    late = power[3].min(1) > _FULLER * power[2].min(1)
    late &= power[1].max(1) < _MOST_RESIDUE * power[3].min(1)
    at = 2 + late
    here = np.maximum(energy[rows, at], np.float32(1e-6))
    clean = energy[rows, at - 2] < _MOST_RESIDUE * here
    if not clean.any():
        return None
    parts = (windowed[rows, at] @ _FILTERS).reshape(-1, 4, 8)
    xr, xi, yr, yi = parts[rows[:, None], :, TONES_OF_PAIR[pair]].transpose(2, 0, 1)
    size = np.maximum(xr * xr + xi * xi, np.float32(1e-6))
    drift = np.abs(yr * xr + yi * xi).max(1)
    off_hz = np.interp((yi * xr - yr * xi) / size, _RATIO, OFF_HZ)
    square = size / np.interp(off_hz, OFF_HZ, _GAIN)
    clean &= np.abs(1.0 - square.sum(1) * (_ENERGY / 2.0) / here) < _MOST_RESIDUE
    clean &= drift < _MOST_DRIFT_SAMPLES * size.min(1)
    full = power[at, rows]
    beside = np.stack([at - 1, np.minimum(at + 1, FRAMES - 1)])
    filled, fits = _rims(power[beside, rows] / full, energy[rows, beside] / here)
    clean &= fits[0] & (fits[1] | late)
    begin = at * float(FRAME_SAMPLES)
    end = begin + FRAME_SAMPLES + np.where(late, 0.0, filled[1])
    return Glance(clean, begin - filled[0], end, np.sqrt(square), full, off_hz)


def _rims(share: Samples, energy: Samples) -> tuple[Floats, Bools]:
    """How many samples of frames beside the full one sound, and whether their energy is just that.

    `share` of the power of both tones [2, ports, 2], and of the energy [2, ports].
    """
    low, high = np.moveaxis(np.sqrt(share), 2, 0)
    filled = sounding_samples((low + high) / 2.0)
    expected = np.interp(filled, _FILLED, _SQUARES) / _ENERGY
    fits: Bools = np.abs(energy - expected) < _MOST_RESIDUE + _RIM_ERROR * np.maximum(low, high)
    fits &= np.abs(low - high) < _MOST_APART
    return filled, fits
