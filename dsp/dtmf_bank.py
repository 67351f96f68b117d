"""The first stage of the DTMF receiver: eight filters over frames of 20 ms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsp.levels import SAMPLE_RATE_HZ, Samples, peak_from_dbm0

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

_BESIDE_HZ = (0.0, 50.0, 100.0, 150.0, 300.0, 350.0, 400.0, 450.0, 500.0, 550.0)
"""Offset, hum and dial tone: loud, but nothing to do with keys."""
_BESIDE_SHARE = np.array(2 * ([1.0 / 3.0] + 9 * [1.0 / 1.5]), np.float32)
"""What either part of each of these filters counts, so that a tone between two of them counts once."""
_N = np.arange(FRAME_SAMPLES)
WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * (_N + 0.5) / FRAME_SAMPLES)).astype(np.float32)
CENTRED: Floats = np.arange(FRAME_SAMPLES, dtype=float) - (FRAME_SAMPLES - 1) / 2.0
"""Places in a frame, from its middle."""
OFF_HZ: Floats = np.arange(-70.0, 71.0)
RESPONSE: Floats = np.cos(2 * np.pi / SAMPLE_RATE_HZ * OFF_HZ[:, None] * CENTRED) @ (WINDOW / 2.0)
"""Amplitude behind a filter of a tone of peak 1 that is OFF_HZ beside it."""
PART: Floats = np.concatenate([[0.0], np.cumsum(WINDOW, dtype=float) / WINDOW.sum(dtype=float)])
"""What a tone that fills so many samples at one end of a frame passes, as a share of the whole."""
_COUNT = np.arange(FRAME_SAMPLES + 1.0)


def _filters(freqs_hz: tuple[float, ...]) -> Samples:
    turn = 2 * np.pi / SAMPLE_RATE_HZ * _N * np.array(freqs_hz)[:, None]
    return np.concatenate([np.cos(turn), np.sin(turn)]).astype(np.float32) * WINDOW


class FrameBank:
    """The cheap test: does a frame hold one low and one high tone?

    A Hann-windowed frame has lobes wide enough (±100 Hz) for one filter per tone,
    and side lobes low enough (-50 dB at 200 Hz) that a dial tone needs no filter
    in front. What offset, hum and dial tone hold is left out of the sum that the
    pair is compared with.
    """

    def __init__(self, lowest_dbm0: float) -> None:
        self._tones = np.ascontiguousarray(_filters(LOW_HZ + HIGH_HZ).T)
        self._beside = _filters(_BESIDE_HZ)
        # Half of the amplitude, because the edge of a tone may lie in the frame.
        least = (0.25 * 0.25 * FRAME_SAMPLES * peak_from_dbm0(lowest_dbm0)) ** 2
        self._least = np.float32(17.0 * least)
        most = max(float(np.linalg.norm(self._tones[:, tone::8], 2)) for tone in range(8))
        self._least_energy = np.float32(0.99 * least / most**2)
        """A frame with less passes less through every filter than either tone of a pair must have."""

    def is_loud(self, frames: Samples) -> bool:
        """Whether any of `frames` [n, 160] may hold a pair by its energy alone."""
        return bool(np.vecdot(frames, frames).max() > self._least_energy)

    def powers(self, frames: Samples) -> Samples:
        """What each of the eight filters passes of each of `frames` [n, 160]: its power, [8, n]."""
        parts = (frames @ self._tones).T
        parts *= parts
        power: Samples = np.add(parts[:8], parts[8:], order="C")
        return power

    def pairs(self, frames: Samples, power: Samples) -> tuple[Bools, Ints, Samples]:
        """Which of `frames` [n, 160] may hold a pair, which pair, and its weaker power; each [n].

        `power` is that of the frames. The pair is told only where there may be one. Most frames
        fail one of the quick tests.
        """
        groups = power.reshape(2, 4, -1)
        best = np.maximum.reduce(groups, axis=1)
        low, high = best[0], best[1]
        weaker: Samples = np.minimum(low, high)
        both = low + high
        # Neither tone has 16 times the power of the other: both together less than 17 times the weaker one's.
        alike: Bools = 17.0 * weaker > np.maximum(both, self._least)
        single = np.add.reduce(groups, axis=1) < 1.5 * best
        alike &= single[0]
        alike &= single[1]
        likely = alike.nonzero()[0]
        pair: Ints = np.zeros(len(frames), np.intp)
        if len(likely):
            some = frames[likely]
            windowed = some * WINDOW
            parts = self._beside @ some.T
            parts *= parts
            energy = np.vecdot(windowed, windowed) * np.float32(FRAME_SAMPLES / 3.0) - _BESIDE_SHARE @ parts
            held = both[likely] > 0.58 * energy
            alike[likely] = held
            likely = likely[held]
            if len(likely):
                low_tone, high_tone = groups[:, :, likely].argmax(1)
                pair[likely] = 4 * low_tone + high_tone
        return alike, pair, weaker


def full_power(peak: Floats | Samples, off_hz: Floats) -> Samples:
    """Power in its filter of a tone that fills a frame, `off_hz` beside the filter's frequency."""
    full: Samples = (peak * np.interp(off_hz, OFF_HZ, RESPONSE)).astype(np.float32) ** 2
    return full


def sounding_samples(share: Samples) -> Floats:
    """How many samples at one end of a frame hold a tone that has this share of its full amplitude."""
    filled: Floats = np.interp(share, PART, _COUNT)
    return filled
