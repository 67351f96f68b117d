"""Sample rate conversion of whole recordings by a windowed sinc.

Each output sample is the sum of its neighbours in the input, weighted by a sinc
that is cut at the lower of the two Nyquist frequencies and shaped by a Kaiser
window (about 80 dB of stop band). For rates with a small ratio the weights come
from one exact table of phases; for odd rates they are interpolated from a fine one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dsp.levels import Samples

LOBES = 32
_KAISER_BETA = 8.0
_CUT = 0.95
_MOST_PHASES = 2048
_BLOCK = 4096


def resample(x: Samples, from_hz: int, to_hz: int) -> Samples:
    """The recording `x` [n] at another rate, float32 [round(n * to_hz / from_hz)].

    Level and timing stay: sample 0 of both stands at the same moment.
    """
    if from_hz <= 0 or to_hz <= 0:
        raise ValueError("sample rates must be positive")
    if x.ndim != 1:
        raise ValueError("resample takes one recording, [n]")
    if from_hz == to_hz or len(x) == 0:
        return x.astype(np.float32)
    common = math.gcd(from_hz, to_hz)
    up, down = to_hz // common, from_hz // common
    stretch = max(1.0, from_hz / to_hz)
    half = math.ceil(LOBES * stretch)
    exact = up <= _MOST_PHASES
    phases = up if exact else _MOST_PHASES
    table = _weights(phases, half, stretch)
    padded = np.concatenate(
        [np.zeros(half, np.float32), x.astype(np.float32), np.zeros(half + 1, np.float32)]
    )
    count = round(len(x) * to_hz / from_hz)
    out = np.empty(count, np.float32)
    taps = np.arange(2 * half)
    for first in range(0, count, _BLOCK):
        place = np.arange(first, min(first + _BLOCK, count), dtype=np.int64) * down
        whole, part = place // up, place % up
        near = padded[np.minimum(whole[:, None] + 1 + taps, len(padded) - 1)]
        if exact:
            out[first : first + len(place)] = np.einsum("nt,nt->n", near, table[part])
        else:
            fine = part * (phases / up)
            index = fine.astype(np.intp)
            share = (fine - index).astype(np.float32)[:, None]
            weights = table[index] * (1.0 - share) + table[index + 1] * share
            out[first : first + len(place)] = np.einsum("nt,nt->n", near, weights)
    return out


def _weights(phases: int, half: int, stretch: float) -> NDArray[np.float32]:
    """Weights [phases + 1, 2 * half] of the inputs around a place `phase / phases` past one of them."""
    away = np.arange(1 - half, half + 1) - np.arange(phases + 1)[:, None] / phases
    cut = _CUT / stretch
    inside = np.clip(1.0 - (away / half) ** 2, 0.0, None)
    shape = np.i0(_KAISER_BETA * np.sqrt(inside)) / np.i0(_KAISER_BETA) * (np.abs(away) < half)
    weights = cut * np.sinc(cut * away) * shape
    # Every phase passes a constant unchanged.
    table: NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return table
