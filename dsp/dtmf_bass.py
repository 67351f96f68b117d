"""What a line carries under 600 Hz while a key sounds: dial tone and hum, or somebody's voice.

Dial tone and hum were there before the key and stay as they are; the pitch of a voice does
neither. So up to four tones are fitted to what was heard before and during the key, and must
explain both.
"""

from __future__ import annotations

import numpy as np

from dsp.dtmf_bank import Bools, Floats
from dsp.dtmf_look import FFT, HISTORY_SAMPLES, Runs, Spectrum
from dsp.levels import SAMPLE_RATE_HZ

_DOWN = 4
_RATE_HZ = SAMPLE_RATE_HZ / _DOWN
_FFT = FFT // _DOWN
_FINE_FFT = 1024
_LENGTH = HISTORY_SAMPLES // _DOWN
_N = np.arange(_LENGTH, dtype=float)
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 600.0
_PASSED_HZ, _STOPPED_HZ = 520.0, 685.0
"""A band with no key in it, whose edge is soft enough to ring no longer than 6 ms."""
_MOST_TONES = 4
_ROUNDS = 2
_ROUGHLY = 2.0
_MOST_CHANGE = 2.5
"""The strongest of two dial tones' frequencies, seen before and during a key, differs by less than this."""
_REACHES = np.array([[480.0], [240.0]]) / _DOWN
"""A dial tone that began shortly before the key is judged by what there was of it."""
_BINS = tuple(int(hz * _FFT / _RATE_HZ) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
"""Where the tones are in the spectrum of a window."""


def _low_pass() -> Floats:
    hz = np.arange(_FFT // 2 + 1) * SAMPLE_RATE_HZ / FFT
    slope = np.clip((hz - _PASSED_HZ) / (_STOPPED_HZ - _PASSED_HZ), 0.0, 1.0)
    shape: Floats = np.cos(np.pi / 2 * slope) ** 2 / _DOWN**0.5
    return shape


_LOW_PASS = _low_pass()


def is_steady(bins: Spectrum, runs: Runs, weaker_peak: Floats) -> Bools:
    """Whether what lies under 600 Hz is up to four tones that go on unchanged, [ports].

    `bins` is the spectrum of the history, `runs` where the keys sound, `weaker_peak` the
    amplitude of their weaker tone.
    """
    x = np.fft.irfft(bins[:, : _FFT // 2 + 1] * _LOW_PASS, _FFT, norm="ortho")[:, :_LENGTH]
    start, end = runs.start / _DOWN, (runs.end - 16.0) / _DOWN
    # All reaches of all ports at once.
    since = np.maximum(start - _REACHES, 0.0)
    reach, port = np.nonzero((start - since >= 40.0) & (end - start > 20.0))
    steady = np.zeros(len(x), bool)
    if len(port):
        goes_on = _goes_on(x[port], since[reach, port], start[port], end[port], weaker_peak[port])
        steady[port[goes_on]] = True
    return steady


def _goes_on(x: Floats, since: Floats, start: Floats, end: Floats, weaker_peak: Floats) -> Bools:
    heard = (since[:, None] <= _N) & (end[:, None] >= _N)
    x = (x - (np.vecdot(x, heard) / heard.sum(1))[:, None]) * heard
    # Before the key and during it.
    windows = _hann(np.stack([since, start + 6.0]), np.stack([start - 6.0, end]))
    loud = _loudest(x, windows)
    goes_on: Bools = loud.max(0) <= _MOST_CHANGE * loud.min(0)
    rows = np.flatnonzero(goes_on)
    if not len(rows):
        return goes_on
    most = np.minimum(0.5 * weaker_peak[rows], 0.3 * loud[:, rows])
    windows = windows[:, rows]
    tones = _Tones(x[rows], since[rows], end[rows])
    # What is not even roughly explained by the strongest peaks needs no closer look.
    roughly = (_loudest(tones.left(), windows) < _ROUGHLY * most).all(0)
    if roughly.any():
        tones.refine()
        roughly &= (_loudest(tones.left(), windows) < most).all(0)
    goes_on[rows] = roughly
    return goes_on


def _hann(since: Floats, until: Floats) -> Floats:
    """A window between these places, [..., _LENGTH]."""
    turn = (_N - since[..., None]) * (2 * np.pi / np.maximum(until - since, 1.0))[..., None]
    window: Floats = 0.5 - 0.5 * np.cos(np.minimum(np.maximum(turn, 0.0), 2 * np.pi))
    return window


def _loudest(x: Floats, windows: Floats) -> Floats:
    """Amplitude of the strongest tone between 30 and 600 Hz in each window [windows, ports, _LENGTH]."""
    bins = np.fft.rfft(x * windows, _FFT)[..., slice(*_BINS)]
    loudest: Floats = np.abs(bins).max(-1) * 2.0 / np.maximum(windows.sum(-1), 1e-9)
    return loudest


class _Tones:
    """The four steady tones that stand out in pieces of sound, `x` [ports, _LENGTH]."""

    def __init__(self, x: Floats, since: Floats, end: Floats) -> None:
        self._x = x
        self._window = _hann(since, end)
        self._length = (end - since)[:, None, None]
        self._t = _N - ((since + end) / 2.0)[:, None, None]
        self._hz = _peaks_hz(np.abs(np.fft.rfft(x * self._window, _FINE_FFT)))

    def refine(self) -> None:
        """Fit each tone as (A + B t) exp(i w t): B / A then says how far w is off."""
        for _ in range(_ROUNDS):
            columns = _columns(self._hz, self._t)
            columns = np.concatenate([columns, columns * (self._t / self._length)], axis=1)
            c, s, ct, st = np.split(_fit(columns, self._window, self._x), 4, axis=1)
            # c cos - (-s) sin: the phasor is c - i s, its drift (ct - i st) per length.
            drift = ((ct - 1j * st) / (c - 1j * s + 1e-12)).imag / self._length[..., 0]
            self._hz = self._hz + np.clip(drift * _RATE_HZ / (2 * np.pi), -10.0, 10.0)

    def left(self) -> Floats:
        """What the tones do not explain."""
        columns = _columns(self._hz, self._t)
        left: Floats = self._x - np.vecmat(_fit(columns, self._window, self._x), columns)
        return left


def _peaks_hz(power: Floats) -> Floats:
    """Frequencies of the highest peaks of each spectrum between 30 and 600 Hz, [ports, tones]."""
    lowest, highest = (round(hz * _FINE_FFT / _RATE_HZ) for hz in (_LOWEST_HZ, _HIGHEST_HZ))
    here = power[:, lowest:highest]
    peak = (here > power[:, lowest - 1 : highest - 1]) & (here >= power[:, lowest + 1 : highest + 1])
    order = np.argsort(np.where(peak, here, 0.0), axis=1)[:, -_MOST_TONES:]
    return np.asarray((order + lowest) * (_RATE_HZ / _FINE_FFT), float)


def _columns(hz: Floats, t: Floats) -> Floats:
    """Cosines, then sines: [ports, 2 * tones, _LENGTH]."""
    radians = hz[..., None] * (2 * np.pi / _RATE_HZ) * t
    count = radians.shape[1]
    columns = np.empty((len(t), 2 * count, _LENGTH))
    np.cos(radians, out=columns[:, :count])
    np.sin(radians, out=columns[:, count:])
    return columns


def _fit(columns: Floats, window: Floats, x: Floats) -> Floats:
    """Amounts of the columns [ports, k, _LENGTH] that together come nearest to `x`, [ports, k]."""
    weighted = columns * window[:, None, :]
    gram = weighted @ columns.swapaxes(1, 2)
    k = np.arange(gram.shape[1])
    gram[:, k, k] *= 1.0 + 1e-6
    return np.asarray(np.linalg.solve(gram, np.matvec(weighted, x)[..., None])[..., 0], float)
