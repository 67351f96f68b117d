"""The exchange's own DTMF receiver: one per line, running only while digits are collected."""

from __future__ import annotations

import numpy as np

from board.sim.dtmf import COLUMNS_HZ, KEYS, ROWS_HZ
from board.sim.levels import BLOCK, RATE_HZ, Float, Int16, peak_of

_HOP = 80
_WINDOW = 160
_ON_HOPS = 3
"""Hops of 10 ms that must agree before a key counts (a 40 ms tone gives at least three)."""
_OFF_HOPS = 2
_MIN_PEAK = peak_of(-38.0)
_TWIST = 10.0 ** (10.0 / 20.0)
_SHARE = 0.6
"""Least part of the energy in the window that the two tones must hold."""


def _basis() -> Float:
    n = np.arange(_WINDOW)
    window = np.hanning(_WINDOW + 2)[1:-1]
    columns = []
    for hz in (*ROWS_HZ, *COLUMNS_HZ):
        angle = 2 * np.pi * hz * n / RATE_HZ
        columns += [window * np.cos(angle), window * np.sin(angle)]
    basis: Float = (2.0 / window.sum() * np.array(columns).T).astype(np.float32)
    return basis


_BASIS = _basis()
_HANN2 = np.square(np.hanning(_WINDOW + 2)[1:-1]).astype(np.float32)


class DtmfReceiver:
    """Feed blocks, get keys. A key is reported once, when it has lasted about 30 ms."""

    def __init__(self) -> None:
        self._past = np.zeros(_HOP, dtype=np.float32)
        self._candidate = ""
        self._on = 0
        self._sounding = ""
        self._off = 0

    def hear(self, block: Int16) -> str:
        """One block int16 [BLOCK]; returns the keys recognised in it (mostly "")."""
        signal = np.concatenate([self._past, block.astype(np.float32)])
        self._past = signal[-_HOP:]
        keys = ""
        for at in range(0, BLOCK, _HOP):
            keys += self._hop(self._classify(signal[at : at + _WINDOW]))
        return keys

    def _classify(self, window: Float) -> str:
        """The key that sounds in this window, or ""."""
        parts = window @ _BASIS
        peaks = np.hypot(parts[0::2], parts[1::2])
        row, column = int(peaks[:4].argmax()), int(peaks[4:].argmax())
        low, high = float(peaks[row]), float(peaks[4 + column])
        if min(low, high) < _MIN_PEAK or not 1 / _TWIST < low / high < _TWIST:
            return ""
        # Windowed energy of two sines of these peaks, against all that is in the window.
        energy = float((np.square(window) * _HANN2).sum())
        if (low * low + high * high) / 2 * float(_HANN2.sum()) < _SHARE * energy:
            return ""
        return KEYS[row][column]

    def _hop(self, key: str) -> str:
        """Follow one hop of 10 ms; returns the key when it is first certain."""
        if key and key == self._candidate:
            self._on += 1
        else:
            self._candidate, self._on = key, 1
        if self._sounding:
            self._off = 0 if key == self._sounding else self._off + 1
            if self._off >= _OFF_HOPS:
                self._sounding = ""
        if not self._sounding and self._candidate and self._on >= _ON_HOPS:
            self._sounding, self._off = self._candidate, 0
            return self._candidate
        return ""
