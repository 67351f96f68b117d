"""The sound path of all ports at once: loss, tilt, hybrid echo, noise, hum, A-law.

For every port there are two directions:

    far side (exchange or microphone) ─ loss, tilt ─► + noise + hum + echo of own sound ─► box
    far side (caller's or set's ear)  ◄─ loss, tilt ─────────────────────────────────────── box

Filters are applied by overlap-save over 256 points (96 samples of history + one block),
for the active ports only, so that idle ports cost nothing. Both ways of a transform are scaled alike
("ortho"): numpy computes an unscaled one forward in double precision, which takes longer.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from board.sim import alaw
from board.sim.config import LineConfig, PhoneConfig
from board.sim.levels import BLOCK, RATE_HZ, Float, Int16, gain_of, rms_of, samples_of_ms, to_int16

FFT = 256
HISTORY = FFT - BLOCK
"""Longest impulse response of a port's filters, in samples (12 ms)."""

_NOISE_SAMPLES = 1 << 17
_HUM_SAMPLES = 800
"""A whole number of cycles of 50, 60, 100, 120, 150 and 180 Hz."""


def _loop_taps(loss_db: float, tilt_db: float) -> NDArray[np.float64]:
    """Two taps [1, a]/norm: the loss holds at 1020 Hz, `tilt_db` from 300 to 3400 Hz."""

    def magnitude(a: float, hz: float) -> float:
        return float(abs(1.0 + a * np.exp(-2j * np.pi * hz / RATE_HZ)))

    low, high = 0.0, 0.999
    for _ in range(40):
        middle = (low + high) / 2
        got_db = 20 * np.log10(magnitude(middle, 300) / magnitude(middle, 3400))
        low, high = (middle, high) if got_db < tilt_db else (low, middle)
    a = high if tilt_db > 0 else 0.0
    return np.array([1.0, a]) * gain_of(-loss_db) / magnitude(a, 1020)


def _echo_taps(erl_db: float, delay_ms: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Hybrid: a delayed main reflection and 3 ms of decaying dispersion; energy = −`erl_db`."""
    delay = samples_of_ms(delay_ms)
    tail = np.arange(24)
    taps = rng.standard_normal(24) * np.exp(-tail / 5.0) * 0.35
    taps[0] = 1.0
    taps *= gain_of(-erl_db) / np.sqrt(np.sum(taps**2))
    return np.concatenate([np.zeros(delay), taps])


def _response(taps: NDArray[np.float64]) -> NDArray[np.complex64]:
    return np.fft.rfft(taps, FFT).astype(np.complex64)


def _samples_of(spectrum: NDArray[np.complex64]) -> Float:
    """The valid block [rows, BLOCK] of an overlap-save spectrum; stays in single precision."""
    return np.asarray(np.fft.irfft(spectrum, FFT, axis=1, norm="ortho")[:, HISTORY:], dtype=np.float32)


class SoundPath:
    """Impairments and filters of `lines` (rows 0..L-1) and `phones` (the rows after)."""

    def __init__(
        self, lines: tuple[LineConfig, ...], phones: tuple[PhoneConfig, ...], seed: int, hum_hz: int
    ) -> None:
        self.line_count = len(lines)
        ports = len(lines) + len(phones)
        rng = np.random.default_rng([seed, 1])
        noise = rng.standard_normal(_NOISE_SAMPLES).astype(np.float32)
        noise /= np.float32(np.sqrt(np.mean(noise.astype(np.float64) ** 2)))
        self._noise = sliding_window_view(np.concatenate([noise, noise[:BLOCK]]), BLOCK)
        seconds = np.arange(_HUM_SAMPLES + BLOCK) / RATE_HZ
        hum = sum(
            gain * np.sin(2 * np.pi * hum_hz * harmonic * seconds)
            for harmonic, gain in ((1, 1.0), (2, 0.5), (3, 0.3))
        )
        hum = np.asarray(hum / np.sqrt(np.mean(np.square(hum))), dtype=np.float32)
        self._hum = sliding_window_view(hum, BLOCK)
        self._noise_offset = rng.integers(0, _NOISE_SAMPLES, ports)
        self._hum_offset = rng.integers(0, _HUM_SAMPLES, ports)
        self._noise_rms = np.zeros((ports, 1), dtype=np.float32)
        self._hum_rms = np.zeros((ports, 1), dtype=np.float32)
        self._loop = np.zeros((ports, FFT // 2 + 1), dtype=np.complex64)
        self._echo = np.zeros((ports, FFT // 2 + 1), dtype=np.complex64)
        self._seed = seed
        everything: tuple[LineConfig | PhoneConfig, ...] = (*lines, *phones)
        for row, config in enumerate(everything):
            self.set_impairments(row, config)
        self._far_past: Float = np.zeros((ports, FFT), dtype=np.float32)
        self._own_past: Float = np.zeros((ports, FFT), dtype=np.float32)
        self._rows: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        self._lines_in_rows = 0

    def set_impairments(self, row: int, config: LineConfig | PhoneConfig) -> None:
        """Use the impairments of `config` on port `row` from the next block on."""
        rng = np.random.default_rng([self._seed, 2, row])
        self._noise_rms[row] = rms_of(config.noise_dbm0)
        self._hum_rms[row] = rms_of(config.hum_dbm0)
        self._loop[row] = _response(_loop_taps(config.loss_db, config.tilt_db))
        self._echo[row] = _response(_echo_taps(config.erl_db, config.echo_delay_ms, rng))

    def set_active(self, rows: list[int]) -> None:
        """Ports that carry sound from now on, ascending. Newly active ones start from silence."""
        new = np.asarray(rows, dtype=np.intp)
        fresh = np.setdiff1d(new, self._rows)
        self._far_past[fresh] = 0.0
        self._own_past[fresh] = 0.0
        self._rows = new
        self._lines_in_rows = int(np.searchsorted(new, self.line_count))

    def carry(self, clock: int, far: Float, own: Int16) -> tuple[NDArray[np.intp], Int16, Int16]:
        """One block through all active ports.

        far: float32 [ports, BLOCK], what the far side sends. own: int16 [ports, BLOCK], what
        the box plays. Returns (rows, to_box, to_far): row numbers of the active ports and
        two int16 [len(rows), BLOCK] in that order.
        """
        rows = self._rows
        if rows.size == 0:
            nothing = np.zeros((0, BLOCK), dtype=np.int16)
            return rows, nothing, nothing
        lines = self._lines_in_rows
        fresh = far[rows]
        fresh[:lines] = alaw.cross(fresh[:lines])
        spectrum = self._transform(self._far_past, rows, fresh)
        own_spectrum = self._transform(self._own_past, rows, own[rows])
        loop = self._loop[rows]
        spectrum *= loop
        spectrum += own_spectrum * self._echo[rows]
        own_spectrum *= loop
        to_box = _samples_of(spectrum)
        to_far = _samples_of(own_spectrum)
        to_box += self._noise[(self._noise_offset[rows] + clock) % _NOISE_SAMPLES] * self._noise_rms[rows]
        to_box += self._hum[(self._hum_offset[rows] + clock) % _HUM_SAMPLES] * self._hum_rms[rows]
        to_far[:lines] = alaw.cross(to_far[:lines])
        return rows, to_int16(to_box), to_int16(to_far)

    @staticmethod
    def _transform(past: Float, rows: NDArray[np.intp], fresh: Float | Int16) -> NDArray[np.complex64]:
        """Spectrum [rows, FFT/2+1] of history and fresh block; keeps the history up to date."""
        window = np.empty((rows.size, FFT), dtype=np.float32)
        window[:, :HISTORY] = past[rows, BLOCK:]
        window[:, HISTORY:] = fresh
        past[rows] = window
        return np.asarray(np.fft.rfft(window, axis=1, norm="ortho"), dtype=np.complex64)
