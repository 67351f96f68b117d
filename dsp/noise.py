"""Which parts of a recording are nothing but noise, however loud.

Noise keeps its level, and no frequency stands out of its spectrum. Speech changes its level from
syllable to syllable; music and tones may keep theirs, but are made of lines.

    level     ~~~~~~~~~~~~~~~~~ . _/\\_/\\/\\__/\\ . ‾‾‾‾‾‾‾‾‾‾‾
    spectrum  -----------------   |              |  |    |
              noise               speech         music, a tone
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FRAME = 160
WINDOW_FRAMES = 50
"""What is shorter than 1 s is not looked at."""
STEADY_DB = 1.5
"""Standard deviation of the levels of a second: white noise 0.4, one that falls by 20 dB a decade 1.3."""
FFT = 256
NEIGHBOURS = 6
"""Bins on either side with which each bin of the spectrum is compared."""
LINE = 3.0
"""Factor of power by which a line stands out of its neighbours; the mean of a second of noise does not."""
LOWEST_HZ, HIGHEST_HZ = 200.0, 3400.0

Array = NDArray[np.float32]
Bools = NDArray[np.bool_]


def noise(samples: Array, levels_dbm0: NDArray[np.floating]) -> Bools:
    """Whether each 20 ms frame of a recording `[n]` lies within a second of noise; levels: of its frames."""
    frames = len(levels_dbm0)
    found = np.zeros(frames, np.bool_)
    if frames < WINDOW_FRAMES:
        return found
    steady = sliding_window_view(levels_dbm0, WINDOW_FRAMES).std(axis=1) < STEADY_DB
    until = 0
    for first in np.flatnonzero(steady).tolist():
        stop = first + WINDOW_FRAMES
        # Overlapping windows say nearly the same: half a second further is the next to look at.
        if first >= until or not (first + 1 < len(steady) and steady[first + 1]):
            until = first + WINDOW_FRAMES // 2
            if not _has_lines(samples[first * FRAME : stop * FRAME]):
                found[first:stop] = True
    return found


def _has_lines(x: Array) -> bool:
    """Whether any frequency stands out of the spectrum of a second of sound."""
    hann = np.hanning(FFT).astype(np.float32)
    parts = sliding_window_view(x, FFT)[:: FFT // 2]
    if not len(parts):
        return True
    power = np.square(np.abs(np.fft.rfft(parts * hann, axis=1))).mean(axis=0)
    around = np.median(sliding_window_view(power, 2 * NEIGHBOURS + 1), axis=1)
    bin_hz = 8000 / FFT
    inner = slice(round(LOWEST_HZ / bin_hz), round(HIGHEST_HZ / bin_hz))
    beside = slice(inner.start - NEIGHBOURS, inner.stop - NEIGHBOURS)
    return bool((power[inner] > LINE * around[beside] + 1e-3).any())
