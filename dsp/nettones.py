"""The network's tones in a recording, whatever country it comes from.

Ringback, busy, congestion and dial tone are one to three sines between 330 and 720 Hz (E.180 supplement 2)
that stand still: their level and frequencies do not move within a burst, nor from burst to burst. A vowel may
look the same for 60 ms; it glides over 300 ms, and does not come back with the same pitch three times.

    ringback  ▇▇▇▇▇________▇▇▇▇▇____      one long burst that stands still is enough
    busy      ▇_▇_▇_▇_                    short ones must come three times, or with a long one
    SIT       950 1400 1800 Hz            only all three in a row; one of them is somebody's beep

No table of a country is asked: who judges a call by its recording alone often does not know where it rang.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dsp.cadence import stretches, turn_short
from dsp.levels import RMS_AT_0_DBM0, SAMPLE_RATE_HZ

FRAME = 160
WINDOW = 512
"""Samples (64 ms) around a frame that its spectrum is taken from: bins of 15.6 Hz."""
BESIDE = 2
"""Bins on either side of a line that hold practically all of it under a Hann window."""
LOWEST_HZ, HIGHEST_HZ = 320.0, 740.0
HUM_HZ = 200.0
SHARE = 0.72
"""So much of a frame's power above `HUM_HZ` lies in its two strongest lines: noise may be 5 dB under them."""
LEAST_DBM0 = -52.0
SHORTEST_FRAMES = 4
LONG_FRAMES = 15
"""A burst of 300 ms shows whether its frequencies stand still."""
LOOK_FRAMES = 32
LINES = 3
APART_HZ = 12.0
AROUND_HZ = 60.0
PURE = 0.97
"""Share of what lies around the lines that must be in lines no wider than the length of the burst allows."""
MEAN_HZ = 640.0
"""Two sines may lie around it, as 540 and 660 Hz; what lies above it as a whole is somebody's beep."""
SAME_HZ = 5.0
SAME_DB = 3.0
SHORT_SAME_HZ = 3.0
SHORT_SAME_DB = 1.5
"""How far two bursts of one tone are apart at most; closer where all of them are short."""
STEADY_DB = 9.0
"""Frames of a burst that are so much weaker are its edges; two sines that beat stray by less."""
REPEATED = 3
NEAR_FRAMES = 250
"""Bursts of one tone that follow each other within 5 s."""
ALONE_DB = 10.0
EDGE_FRAMES = 2
SIT_HZ = (950.0, 1400.0, 1800.0)
SIT_OFF_HZ = 52.0
SIT_FRAMES = (10, 23)
SIT_GAP_FRAMES = 5
"""E.180: 330 ± 70 ms each, up to 30 ms between; as seen through windows of 64 ms."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Burst:
    """A burst of a tone: frames `first` to before `stop`, where its lines lie, how strong they are."""

    first: int
    stop: int
    hz: float
    """Mean of its frequencies, each by its power."""
    level_dbm0: float


@dataclass(frozen=True)
class NetworkTones:
    """What a recording holds of the network's tones, in frames of 20 ms."""

    bursts: list[Burst]
    """In order; a special information tone is none of them."""
    sit: int | None
    """The frame in which the first special information tone ends."""


@dataclass(frozen=True)
class _Lines:
    """Of each frame: share of its power in its strongest lines, where they are, and their power."""

    two_share: Floats
    one_share: Floats
    top_hz: Floats
    second_hz: Floats
    mean_hz: Floats
    level_dbm0: Floats


def network_tones(samples: NDArray[np.floating]) -> NetworkTones:
    """Find the network's tones in a recording `[n]` on the 16-bit scale."""
    x = np.asarray(samples, np.float64)
    if len(x) < WINDOW:
        return NetworkTones([], None)
    lines = _lines(x)
    inside = (lines.top_hz > LOWEST_HZ) & (lines.top_hz < HIGHEST_HZ)
    inside &= (lines.second_hz > LOWEST_HZ) & (lines.second_hz < HIGHEST_HZ) | (lines.one_share > SHARE)
    inside &= lines.mean_hz < MEAN_HZ
    on = inside & (lines.two_share > SHARE) & (lines.level_dbm0 > LEAST_DBM0)
    turn_short(on, 2, False)
    found = [burst for a, b in stretches(on) for burst in _trim(lines, a, b)]
    long = [b for b in found if b.stop - b.first >= LONG_FRAMES and _stands_still(x, b)]
    short = [b for b in found if b not in long and b.stop - b.first < 2 * LONG_FRAMES and _is_alone(x, b)]
    sure = long + [burst for burst in short if _is_repeated(burst, short)]
    kept = sure + [b for b in short if b not in sure and any(_same(b, other) for other in sure)]
    return NetworkTones(sorted(kept, key=lambda burst: burst.first), _sit(lines))


def _lines(x: Floats) -> _Lines:
    count = -(-len(x) // FRAME)
    before = (WINDOW - FRAME) // 2
    padded = np.pad(x, (before, before + FRAME + WINDOW))
    windows = sliding_window_view(padded, WINDOW)[::FRAME][:count]
    spectrum = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), axis=1)) ** 2
    bin_hz = SAMPLE_RATE_HZ / WINDOW
    spectrum[:, : int(HUM_HZ / bin_hz)] = 0.0
    total = spectrum.sum(axis=1) + 1e-9
    hz = np.arange(spectrum.shape[1]) * bin_hz
    near = np.arange(-BESIDE, BESIDE + 1)
    every = np.arange(count)[:, None]
    powers, tops, moments = [], [], np.zeros(count)
    for _ in range(2):
        bins = np.clip(spectrum.argmax(axis=1), BESIDE, spectrum.shape[1] - 1 - BESIDE)[:, None] + near
        part = spectrum[every, bins]
        powers.append(part.sum(axis=1))
        moments += (part * hz[bins]).sum(axis=1)
        tops.append((part * hz[bins]).sum(axis=1) / np.maximum(powers[-1], 1e-9))
        spectrum[every, bins] = 0.0
    two = powers[0] + powers[1]
    scale = 2.0 / (float((np.hanning(WINDOW) ** 2).sum()) * WINDOW) / RMS_AT_0_DBM0**2
    level = 10 * np.log10(np.maximum(two * scale, 1e-10))
    mean_hz = moments / np.maximum(two, 1e-9)
    return _Lines(two / total, powers[0] / total, tops[0], tops[1], mean_hz, level)


def _trim(lines: _Lines, first: int, stop: int) -> list[Burst]:
    """The part of a stretch that has its level, unless it is too short for a burst."""
    levels = lines.level_dbm0[first:stop]
    strong = np.flatnonzero(levels > np.percentile(levels, 80) - STEADY_DB)
    first, stop = first + int(strong[0]), first + int(strong[-1]) + 1
    if stop - first < SHORTEST_FRAMES:
        return []
    inner = slice(first + 1, stop - 1)
    return [
        Burst(first, stop, float(np.median(lines.mean_hz[inner])), float(np.median(lines.level_dbm0[inner])))
    ]


def _stands_still(x: Floats, burst: Burst) -> bool:
    """Whether the frequencies of a long burst keep their places, in each part of it."""
    first, stop = burst.first + 1, burst.stop - 1
    parts = -(-(stop - first) // LOOK_FRAMES)
    edges = np.linspace(first, stop, parts + 1).round().astype(int).tolist()
    return min(_purity(x[a * FRAME : b * FRAME]) for a, b in pairwise(edges)) > PURE


def _purity(x: Floats) -> float:
    """Share of the power around up to `LINES` lines that is in lines as narrow as the length `[n]` allows."""
    size = 8192
    spectrum = np.abs(np.fft.rfft((x - x.mean()) * np.hanning(len(x)), size)) ** 2
    bin_hz = SAMPLE_RATE_HZ / size
    lobe = int(2 * SAMPLE_RATE_HZ / len(x) / bin_hz) + 1
    apart = max(int(APART_HZ / bin_hz), lobe)
    away = int(AROUND_HZ / bin_hz)
    inside = np.zeros(len(spectrum), np.bool_)
    around = np.zeros(len(spectrum), np.bool_)
    left = spectrum.copy()
    left[: int(LOWEST_HZ / bin_hz)] = 0.0
    left[int(HIGHEST_HZ / bin_hz) :] = 0.0
    for _ in range(LINES):
        top = int(left.argmax())
        inside[max(top - lobe, 0) : top + lobe + 1] = True
        around[max(top - away, 0) : top + away + 1] = True
        left[max(top - apart, 0) : top + apart + 1] = 0.0
        if left.max() < 0.01 * spectrum[inside].max():
            break
    return float(spectrum[inside].sum()) / max(float(spectrum[around].sum()), 1e-9)


def _is_alone(x: Floats, burst: Burst) -> bool:
    """Whether a burst begins out of quiet and ends in it, as no syllable within a word does."""
    level = _power(x, burst.first + 1, burst.stop - 1)
    least = level * 10 ** (-ALONE_DB / 10)
    before = min(_power(x, burst.first - i - 1, burst.first - i) for i in range(1, 4))
    after = min(_power(x, burst.stop + i, burst.stop + i + 1) for i in range(3))
    return before < least and after < least


def _power(x: Floats, first: int, stop: int) -> float:
    part = x[max(first, 0) * FRAME : max(stop, 0) * FRAME]
    return float((part * part).mean()) if len(part) else 0.0


def _is_repeated(burst: Burst, others: Sequence[Burst]) -> bool:
    """Whether a short burst (one of `others`) is one of three that nothing but their time tells apart."""
    return sum(_same(burst, other, SHORT_SAME_HZ, SHORT_SAME_DB) for other in others) >= REPEATED


def _same(a: Burst, b: Burst, apart_hz: float = SAME_HZ, apart_db: float = SAME_DB) -> bool:
    near = max(a.first, b.first) - min(a.stop, b.stop) < NEAR_FRAMES
    return near and abs(a.hz - b.hz) < apart_hz and abs(a.level_dbm0 - b.level_dbm0) < apart_db


def _sit(lines: _Lines) -> int | None:
    """The frame in which the first special information tone of a recording ends."""
    clear = (lines.one_share > SHARE) & (lines.level_dbm0 > LEAST_DBM0)
    runs: Sequence[list[tuple[int, int]]] = [
        [
            (a, b)
            for a, b in stretches(clear & (np.abs(lines.top_hz - hz) < SIT_OFF_HZ))
            if SIT_FRAMES[0] <= b - a <= SIT_FRAMES[1]
        ]
        for hz in SIT_HZ
    ]
    for _, one_stop in runs[0]:
        for two_first, two_stop in runs[1]:
            for three_first, three_stop in runs[2]:
                if max(abs(two_first - one_stop), abs(three_first - two_stop)) <= SIT_GAP_FRAMES:
                    return three_stop
    return None
