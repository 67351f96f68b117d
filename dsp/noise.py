"""Which parts of a recording are nothing but noise, however loud.

Noise keeps its level, and no frequency stands out of its spectrum. Speech changes its level from
syllable to syllable; music and tones may keep theirs, but are made of lines.

    level     ~~~~~~~~~~~~~~~~~ . _/\\_/\\/\\__/\\ . ‾‾‾‾‾‾‾‾‾‾‾
    spectrum  -----------------   |              |  |    |
              noise               speech         music, a tone

A wave that is square, or clipped until it is, for a second is no voice either: something is broken.

What is too short for that is somebody's word if any of it has a pitch: hiss and clicks have none, and
that of hum is the mains'.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dsp.cadence import stretches
from dsp.fft import forward
from dsp.levels import SAMPLE_RATE_HZ
from dsp.linescan import HOP, WINDOW
from dsp.tonality import tonal

WINDOW_FRAMES = 50
"""What is shorter than 1 s is not looked at."""
STEADY_DB = 1.5
"""Standard deviation of the levels of a second: white noise 0.4, one that falls by 20 dB a decade 1.3."""
FFT = 256
NEIGHBOURS = 6
"""Bins on either side with which each bin of the spectrum is compared."""
LINE = 3.0
"""Factor of power by which a line stands out of its neighbours; the mean of a second of noise does not."""
SQUARE_STEADY_DB = 0.5
SQUARE_CREST = 1.15
"""Peak over root mean square: a square wave has 1, a sine 1.41, a voice 3 and more."""
LOWEST_HZ, HIGHEST_HZ = 200.0, 3400.0
HANN = np.hanning(WINDOW).astype(np.float32)
PIECE = 500
"""Windows that are looked at in one go."""
PITCH_FFT = 512
PITCH_BINS = slice(8, 217)
"""125 to 3400 Hz."""
PITCH_SAMPLES = slice(20, 128)
"""A period of 62 to 400 Hz; a higher pitch repeats itself there, too."""
MOST_LINE = 20.0
"""Factor above its neighbours that a bin counts with at most."""
PITCH = 0.42
"""Correlation after one period: 3 of 24000 frames of white, pink and brown noise have more, and seven in
eight of the loud frames of speech."""
LEAST_PITCHED = 2
UNPITCHED_FRAMES = 20
"""No consonant lasts for 0.4 s."""
CONSONANT_FRAMES = 6
HUM_FRAMES = 20
"""What is shorter cannot be told from a voice of that pitch."""
HUM_LOOK = 500
"""10 s: somebody may speak after so much of it."""
HUM_LOWEST_HZ, HUM_STRONGEST_HZ = 90.0, 260.0
"""The mains' own frequency is below the first; the strongest line of hum is one of the first few."""
HUM_HZ = 1.0
HUM_STEADY_DB = 3.0
"""Hum keeps its level; a word of a voice that has the mains' pitch has not."""
HUM_SHARE = 0.9
"""So much of the power lies no further from multiples of 50 or 60 Hz than this and the length allow."""

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
            if not _has_lines(samples[first * HOP : stop * HOP]):
                found[first:stop] = True
    return found


def square(samples: Array, levels_dbm0: NDArray[np.floating]) -> Bools:
    """Whether each 20 ms frame of a recording `[n]` is part of a second of a square or clipped wave."""
    frames = len(levels_dbm0)
    found = np.zeros(frames, np.bool_)
    if frames < WINDOW_FRAMES:
        return found
    x = np.pad(samples[: frames * HOP], (0, max(frames * HOP - len(samples), 0))).reshape(frames, HOP)
    peak = np.abs(x - x.mean(axis=1, keepdims=True)).max(axis=1)
    flat = peak < SQUARE_CREST * x.std(axis=1)
    whole = sliding_window_view(flat, WINDOW_FRAMES).all(axis=1)
    steady = sliding_window_view(levels_dbm0, WINDOW_FRAMES).std(axis=1) < SQUARE_STEADY_DB
    for first in np.flatnonzero(whole & steady).tolist():
        found[first : first + WINDOW_FRAMES] = True
    return found


def _has_lines(x: Array) -> bool:
    """Whether any frequency stands out of the spectrum of a second of sound."""
    hann = np.hanning(FFT).astype(np.float32)
    parts = sliding_window_view(x, FFT)[:: FFT // 2]
    if not len(parts):
        return True
    power = np.square(np.abs(np.fft.rfft(parts * hann, axis=1))).mean(axis=0)
    around = np.median(sliding_window_view(power, 2 * NEIGHBOURS + 1), axis=1)
    bin_hz = SAMPLE_RATE_HZ / FFT
    inner = slice(round(LOWEST_HZ / bin_hz), round(HIGHEST_HZ / bin_hz))
    beside = slice(inner.start - NEIGHBOURS, inner.stop - NEIGHBOURS)
    return bool((power[inner] > LINE * around[beside] + 1e-3).any())


def words(samples: Array, voice: Bools) -> Bools:
    """`voice`, the 20 ms frames of a recording `[n]` in which there is sound, without hiss, clicks and hum.

    What has no pitch for long is not spoken, but for the consonants beside what has one.
    """
    spoken = voice.copy()
    padded = np.pad(samples, (WINDOW - HOP, HOP))

    def lacks_lines(first: int, stop: int) -> bool:
        return not _has_lines(samples[first * HOP : stop * HOP])

    for first, stop in stretches(voice):
        pitched = np.flatnonzero(_pitched(padded[first * HOP : stop * HOP + WINDOW - HOP])) + first
        if len(pitched) < LEAST_PITCHED:
            spoken[first:stop] = stop - first > UNPITCHED_FRAMES and not lacks_lines(first, stop)
        else:
            edges = [first - CONSONANT_FRAMES, *pitched.tolist(), stop + CONSONANT_FRAMES]
            for a, b in pairwise(edges):
                inner = a + CONSONANT_FRAMES, b - CONSONANT_FRAMES
                if b - a > UNPITCHED_FRAMES and lacks_lines(*inner):
                    spoken[slice(*inner)] = False
        for a, b in pairwise(
            np.linspace(first, stop, (stop - first - 1) // HUM_LOOK + 2).astype(int).tolist()
        ):
            if _is_hum(samples[a * HOP : b * HOP]):
                spoken[a:b] = False
    return spoken


def _pitched(x: Array) -> Bools:
    """Whether each window of 40 ms of `x` [n], one every 20 ms, has a pitch, or one or two tones in it."""
    windows = sliding_window_view(x, WINDOW)[::HOP]
    found = np.zeros(len(windows), np.bool_)
    for at in range(0, len(windows), PIECE):
        part = windows[at : at + PIECE]
        part = part - part.mean(axis=1, keepdims=True)
        spectrum = np.square(np.abs(forward(np.pad(part * HANN, ((0, 0), (0, PITCH_FFT - WINDOW))))))
        band = spectrum[:, PITCH_BINS]
        beside = np.pad(band, ((0, 0), (NEIGHBOURS, NEIGHBOURS)), mode="reflect")
        around = np.median(sliding_window_view(beside, 2 * NEIGHBOURS + 1, axis=1), axis=2)
        flat = np.zeros_like(spectrum)
        flat[:, PITCH_BINS] = np.minimum(band / (around + 1e-3), MOST_LINE)
        repeats = np.fft.irfft(flat, axis=1)
        best = repeats[:, PITCH_SAMPLES].max(axis=1)
        found[at : at + PIECE] = (best > PITCH * repeats[:, 0]) | tonal(part)
    return found


def _is_hum(x: Array) -> bool:
    """Whether a sound [n] is the mains' hum and its harmonics."""
    if len(x) < HUM_FRAMES * HOP:
        return False
    levels = np.square(x[: len(x) // HOP * HOP].reshape(-1, HOP)).mean(axis=1, dtype=np.float64)[1:-1]
    if np.std(10 * np.log10(levels + 1e-3)) > HUM_STEADY_DB:
        return False
    power = np.square(np.abs(np.fft.rfft(x * np.hanning(len(x)))))
    hz = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE_HZ)
    power[hz < HUM_LOWEST_HZ] = 0.0
    if hz[power.argmax()] > HUM_STRONGEST_HZ:
        return False
    near = 2 * SAMPLE_RATE_HZ / len(x) + HUM_HZ
    return any(
        power[np.abs(hz - mains * np.rint(hz / mains)) < near].sum() > HUM_SHARE * power.sum()
        for mains in (50.0, 60.0)
    )
