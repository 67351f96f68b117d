"""The two stages of the DTMF receiver as pure functions of samples.

`FrameBank` looks at single frames of 20 ms, `examine` at the last 120 ms of the few
ports whose frames look like a pair of tones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dsp.levels import SAMPLE_RATE_HZ, Samples, peak_from_dbm0

LOW_HZ = (697.0, 770.0, 852.0, 941.0)
HIGH_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
FRAME_SAMPLES = 160
HISTORY_SAMPLES = 960
STEP_SAMPLES = 16
STEPS = HISTORY_SAMPLES // STEP_SAMPLES

_FFT = 1024
_BIN_HZ = SAMPLE_RATE_HZ / _FFT
_SLICE = _FFT // STEP_SAMPLES
_FINE = 32
_HALF_WIDTH_HZ = 200.0
_BESIDE_HZ = (0.0, 50.0, 100.0, 150.0, 300.0, 350.0, 400.0, 450.0, 500.0, 550.0)
"""Offset, hum and dial tone: loud, but nothing to do with keys."""
_BESIDE_SHARE = np.array([1.0 / 3.0] + [1.0 / 1.5] * 9, np.float32)
"""What each of these filters counts, so that together they count a tone between two of them once."""

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


class FrameBank:
    """The cheap test: does a frame hold one low and one high tone?

    A Hann-windowed frame has lobes wide enough (±100 Hz) for one filter per tone,
    and side lobes low enough (-50 dB at 200 Hz) that a dial tone needs no filter
    in front. What offset, hum and dial tone hold is left out of the sum that the
    pair is compared with.
    """

    def __init__(self, lowest_dbm0: float) -> None:
        n = np.arange(FRAME_SAMPLES)
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / FRAME_SAMPLES)).astype(np.float32)

        def filters(freqs_hz: tuple[float, ...]) -> Samples:
            turn = 2 * np.pi / SAMPLE_RATE_HZ * n * np.array(freqs_hz)[:, None]
            return np.concatenate([np.cos(turn), np.sin(turn)]).astype(np.float32)

        self._tones = filters(LOW_HZ + HIGH_HZ) * self._window
        self._beside = filters(_BESIDE_HZ) * self._window
        # Half of the amplitude, because the edge of a tone may lie in the frame.
        self._least = (0.25 * 0.25 * FRAME_SAMPLES * peak_from_dbm0(lowest_dbm0)) ** 2

    def pairs(self, frames: Samples) -> tuple[Bools, Ints, Ints, Samples]:
        """Which of `frames` [n, 160] may hold a pair, indices of low and high tone, strength; each [n].

        The last three are told only where there may be a pair. Most frames fail one of the quick tests.
        """
        power = _powers(self._tones, frames)
        lows, highs = power[:4], power[4:]
        best_low, best_high = lows.max(0), highs.max(0)
        strength = np.minimum(best_low, best_high)
        alike: Bools = strength > self._least
        alike &= (best_low < 16.0 * best_high) & (best_high < 16.0 * best_low)
        alike &= (lows.sum(0) < 1.5 * best_low) & (highs.sum(0) < 1.5 * best_high)
        low: Ints = np.zeros(len(frames), np.intp)
        high: Ints = np.zeros(len(frames), np.intp)
        likely = np.flatnonzero(alike)
        if len(likely):
            frames = frames[likely]
            windowed = frames * self._window
            energy = np.einsum("fn,fn->f", windowed, windowed) * (FRAME_SAMPLES / 3.0)
            energy -= _BESIDE_SHARE @ _powers(self._beside, frames)
            alike[likely] = best_low[likely] + best_high[likely] > 0.58 * energy
            low[likely], high[likely] = lows[:, likely].argmax(0), highs[:, likely].argmax(0)
        return alike, low, high, strength


def _powers(bank: Samples, frames: Samples) -> Samples:
    """What each filter of a bank [2 * filters, 160] passes of each frame: its power, [filters, frames]."""
    parts = bank @ frames.T
    parts *= parts
    half = len(parts) // 2
    power: Samples = parts[:half] + parts[half:]
    return power


def _turns(hz: Floats, n: int, first: float = 0.0) -> NDArray[np.complex128]:
    """exp(2πi · hz · t) for `n` samples t from `first` on, [*hz.shape, n]; few of them by exponentials."""
    radians = np.asarray(hz, float)[..., None] * (2j * np.pi / SAMPLE_RATE_HZ)
    coarse = np.exp(radians * (np.arange(-(-n // _FINE)) * float(_FINE) + first))
    fine = np.exp(radians * np.arange(_FINE))
    product = coarse[..., :, None] * fine[..., None, :]
    turns: NDArray[np.complex128] = product.reshape(*product.shape[:-2], -1)[..., :n]
    return turns


@dataclass(frozen=True)
class Envelopes:
    """Complex envelopes of both tones over the history, [ports, STEPS], peak amplitude scale."""

    low: NDArray[np.complex64]
    high: NDArray[np.complex64]

    @cached_property
    def low_level(self) -> NDArray[np.float32]:
        """Amplitude of the low tone."""
        return np.abs(self.low)

    @cached_property
    def high_level(self) -> NDArray[np.float32]:
        """Amplitude of the high tone."""
        return np.abs(self.high)

    def of(self, rows: Ints) -> Envelopes:
        """Only these ports."""
        return Envelopes(self.low[rows], self.high[rows])


def _slice_table(freqs_hz: tuple[float, ...]) -> tuple[Ints, NDArray[np.float32], Floats]:
    centre: Ints = np.round(np.array(freqs_hz) / _BIN_HZ).astype(np.intp)
    offset = np.fft.fftfreq(_SLICE, 1.0 / _SLICE).astype(np.intp)
    bins: Ints = centre[:, None] + offset
    away_hz = np.abs(bins * _BIN_HZ - np.array(freqs_hz)[:, None])
    shape = np.where(away_hz < _HALF_WIDTH_HZ, np.cos(np.pi / 2 * away_hz / _HALF_WIDTH_HZ) ** 2, 0.0)
    return bins, (shape * 2.0 / STEP_SAMPLES).astype(np.float32), np.asarray(centre * _BIN_HZ, float)


TONE_HZ = np.array(LOW_HZ + HIGH_HZ)
_BINS, _SHAPE, CENTRE_HZ = _slice_table(LOW_HZ + HIGH_HZ)


def envelopes(history: Samples, low: Ints, high: Ints) -> Envelopes:
    """Envelopes of the given tones (indices) in `history` [ports, HISTORY_SAMPLES]."""
    spectrum = np.fft.rfft(history, _FFT)
    rows = np.arange(len(history))[:, None]

    def cut(tone: Ints) -> NDArray[np.complex64]:
        wave = np.fft.ifft(spectrum[rows, _BINS[tone]] * _SHAPE[tone])
        return wave[:, :STEPS].astype(np.complex64, copy=False)

    return Envelopes(cut(low), cut(high + 4))


def relative_level(env: Envelopes, low_peak: Floats, high_peak: Floats) -> Floats:
    """The weaker of the two envelopes, each relative to its peak, [ports, STEPS]."""
    return np.minimum(env.low_level / low_peak[:, None], env.high_level / high_peak[:, None]).astype(float)


def plateau(amplitude: NDArray[np.float32]) -> Floats:
    """Mean of the 16 loudest ms of the last 60 ms of each port, [ports]."""
    recent = np.sort(amplitude[:, -30:], axis=1)
    loud: Floats = np.maximum(recent[:, -8:].mean(1), 1e-6).astype(float)
    return loud


@dataclass(frozen=True)
class Runs:
    """The newest stretch of tone on each port, in samples of the history; all [ports]."""

    start: Floats
    end: Floats
    sounding: Floats

    def of(self, rows: Ints) -> Runs:
        """Only these ports."""
        return Runs(self.start[rows], self.end[rows], self.sounding[rows])


def newest_runs(level: Floats, bridge_samples: float) -> Runs:
    """The last stretch where `level` [ports, STEPS] is over a half, bridging short gaps."""
    on = level > 0.5
    steps = np.arange(STEPS)
    rows = np.arange(len(level))
    last = np.where(on, steps, -1).max(1)
    # Length of the silence that ends at each step, and the step where a long one ends last.
    quiet = steps - np.maximum.accumulate(np.where(on, steps, -1), axis=1)
    split = (quiet * STEP_SAMPLES > bridge_samples) & (steps <= last[:, None])
    before = np.where(split, steps, -1).max(1)
    later_on = on & (steps > before[:, None])
    first = np.where(later_on, steps, STEPS).min(1)
    first = np.minimum(first, np.maximum(last, 0))
    start = first - _fraction(level, rows, first, -1)
    end = last + _fraction(level, rows, last, 1)
    inside = (steps >= first[:, None]) & (steps <= last[:, None])
    holes = (inside & ~on).sum(1)
    found = last >= 0
    return Runs(
        np.where(found, start * STEP_SAMPLES, 0.0),
        np.where(found, np.minimum(end * STEP_SAMPLES, HISTORY_SAMPLES), 0.0),
        np.where(found, (np.minimum(end, STEPS) - start - holes) * STEP_SAMPLES, 0.0),
    )


def _fraction(level: Floats, rows: Ints, step: Ints, way: int) -> Floats:
    """How far (in steps) from `step` towards its neighbour the level crosses a half."""
    inner = level[rows, np.clip(step, 0, STEPS - 1)]
    beside = step + way
    outer = np.where((beside >= 0) & (beside < STEPS), level[rows, np.clip(beside, 0, STEPS - 1)], 0.0)
    return np.clip((inner - 0.5) / np.maximum(inner - outer, 1e-9), 0.0, 1.0)


def roughly_steady(env: Envelopes, level: Floats, low: Ints, high: Ints, runs: Runs) -> Bools:
    """Whether both tones of each run are near their frequencies and of even loudness: the quick look."""
    steps = np.arange(STEPS) * STEP_SAMPLES
    inside = (steps >= (runs.start + 32.0)[:, None]) & (steps <= (runs.end - 32.0)[:, None])
    inside &= level > 0.7
    count = np.maximum(inside.sum(1), 1)
    steady = np.ones(len(low), bool)
    for envelope, tone in ((env.low, low), (env.high, high + 4)):
        z = np.where(inside, envelope, 0)
        turn = np.angle((z[:, 1:] * z[:, :-1].conj()).sum(1)) * (SAMPLE_RATE_HZ / STEP_SAMPLES / (2 * np.pi))
        off_hz = turn + CENTRE_HZ[tone] - TONE_HZ[tone]
        amplitude = np.abs(z)
        mean = amplitude.sum(1) / count
        steady &= np.abs(off_hz) < 0.045 * TONE_HZ[tone]
        steady &= (amplitude**2).sum(1) / count < 1.2 * mean**2
    return steady


@dataclass(frozen=True)
class Fit:
    """What the inside of a run looks like; all [ports]. Powers are relative to the weaker tone's."""

    low_peak: Floats
    high_peak: Floats
    low_hz: Floats
    high_hz: Floats
    wobble_rad: Floats
    unevenness: Floats
    residue: Floats
    residue_peak: Floats
    residue_crest: Floats
    bass_peak: Floats
    lead: Floats
    """The louder tone shortly before the run, relative to itself; 0 when that was not heard."""

    @property
    def noise_to_weaker(self) -> Floats:
        """What `residue` would be if both tones were as weak as the weaker."""
        strong = np.maximum(self.low_peak, self.high_peak)
        weak = np.minimum(self.low_peak, self.high_peak)
        return self.residue * (1.0 + (strong / weak) ** 2) / 2.0


def fit(history: Samples, env: Envelopes, level: Floats, low: Ints, high: Ints, runs: Runs) -> Fit:
    """Fit two steady tones to the inside of each run and describe what is left over."""
    steps = np.arange(STEPS) * STEP_SAMPLES
    margin = 40.0
    inside = (steps >= (runs.start + margin)[:, None]) & (steps <= (runs.end - margin)[:, None])
    inside &= _away_from_holes(level, runs)
    low_hz, low_wobble = _frequency(env.low, inside)
    high_hz, high_wobble = _frequency(env.high, inside)
    low_hz = low_hz + CENTRE_HZ[low]
    high_hz = high_hz + CENTRE_HZ[high + 4]
    n = np.arange(HISTORY_SAMPLES)
    length = np.maximum(runs.end - runs.start - 48.0, 16.0)
    place = (n - (runs.start + 24.0)[:, None]) / length[:, None]
    window = np.where((place > 0) & (place < 1), 0.5 - 0.5 * np.cos(2 * np.pi * place), 0.0)
    window *= _open(inside, runs)
    weight = np.maximum(window.sum(1), 1.0)
    rest = np.multiply(history, window, dtype=float)
    peaks = []
    for hz in (low_hz, high_hz):
        turn = _turns(-hz, HISTORY_SAMPLES)
        cosine, sine = turn.real.copy(), turn.imag.copy()  # apart: real products are cheaper
        even = 2.0 * np.einsum("pn,pn->p", rest, cosine) / weight
        odd = 2.0 * np.einsum("pn,pn->p", rest, sine) / weight
        peaks.append(np.hypot(even, odd))
        cosine *= even[:, None]
        sine *= odd[:, None]
        cosine += sine
        cosine *= window
        rest = rest - cosine
    low_peak, high_peak = np.maximum(peaks[0], 1e-6), np.maximum(peaks[1], 1e-6)
    left = np.abs(np.fft.rfft(rest, _FFT)) ** 2
    weaker = (np.minimum(low_peak, high_peak) * weight / 2.0) ** 2
    bass = int(600 / _BIN_HZ)
    above = left[:, bass:]
    tone_energy = (low_peak**2 + high_peak**2) / 2.0 * (window**2).sum(1)
    uneven = np.zeros(len(history))
    count = np.maximum(inside.sum(1), 1)
    for amplitude in (env.low_level, env.high_level):
        mean = (amplitude * inside).sum(1) / count
        spread = np.sqrt((((amplitude - mean[:, None]) ** 2) * inside).sum(1) / count)
        uneven = np.maximum(uneven, spread / np.maximum(mean, 1e-6))
    return Fit(
        low_peak,
        high_peak,
        low_hz,
        high_hz,
        np.maximum(low_wobble, high_wobble),
        uneven,
        above.sum(1) * 2.0 / _FFT / np.maximum(tone_energy, 1e-6),
        above.max(1) / weaker,
        above.max(1) / np.maximum(above.mean(1), 1e-9),
        left[:, 4:bass].max(1) / weaker,
        np.maximum(_lead(env.low_level, low_peak, runs), _lead(env.high_level, high_peak, runs)),
    )


def _lead(amplitude: NDArray[np.float32], tone_peak: Floats, runs: Runs) -> Floats:
    """Mean amplitude from 16 to 7 ms before each run, relative to the tone's; 0 when not heard."""
    steps = np.arange(STEPS) * STEP_SAMPLES
    before = (steps > (runs.start - 128.0)[:, None]) & (steps < (runs.start - 56.0)[:, None])
    mean = (amplitude * before).sum(1) / np.maximum(before.sum(1), 1)
    return np.where(runs.start < 160.0, 0.0, mean / tone_peak)


def _away_from_holes(level: Floats, runs: Runs) -> Bools:
    """Steps that an interruption (and the 5 ms that a filter smears it) does not touch."""
    steps = np.arange(STEPS) * STEP_SAMPLES
    hole = (level < 0.5) & (steps > runs.start[:, None]) & (steps < runs.end[:, None])
    near = hole.copy()
    for reach in (1, 2):
        near[:, reach:] |= hole[:, :-reach]
        near[:, :-reach] |= hole[:, reach:]
    return ~near


def _open(inside: Bools, runs: Runs) -> Floats:
    """1 for the samples of a run, with soft edges 0 where a hole was left out, [ports, HISTORY_SAMPLES]."""
    steps = np.arange(STEPS) * STEP_SAMPLES
    apart = (steps > (runs.start + 40.0)[:, None]) & (steps < (runs.end - 40.0)[:, None])
    closed = apart & ~inside
    if not closed.any():
        return np.ones((1, 1))
    n = np.arange(HISTORY_SAMPLES)
    return np.stack([np.interp(n, steps, row) for row in (~closed).astype(float)])


def _frequency(envelope: NDArray[np.complex64], inside: Bools) -> tuple[Floats, Floats]:
    """Frequency of each envelope [Hz from its centre] over `inside`, and the rms phase error [rad]."""
    z = np.where(inside, envelope, 0).astype(np.complex128)
    steps = np.arange(STEPS)
    rough = np.angle((z[:, 1:] * z[:, :-1].conj()).sum(1))
    for _ in range(2):
        flat = z * np.exp(-1j * rough[:, None] * steps)
        mean = np.angle(flat.sum(1))
        error = np.where(inside, np.angle(flat * np.exp(-1j * mean)[:, None]), 0.0)
        weight = np.abs(z)
        total = np.maximum(weight.sum(1), 1e-9)
        centre = (weight * steps).sum(1) / total
        away = (steps - centre[:, None]) * (weight > 0)
        slope = (weight * away * error).sum(1) / np.maximum((weight * away**2).sum(1), 1e-9)
        rough = rough + slope
    wobble = np.sqrt((weight * error**2).sum(1) / total)
    return rough / (2 * np.pi) * SAMPLE_RATE_HZ / STEP_SAMPLES, wobble


def first_pauses(level: Floats, heard_until: Floats, pause_samples: float) -> tuple[Floats, Bools]:
    """Follow tones in `level` [ports, STEPS] from where they were last heard [ports].

    Answers, per port, where the tone was last heard before a pause of the given length,
    or last of all, and whether there was such a pause; in samples of the history.
    """
    steps = np.arange(STEPS)
    on = (level > 0.5) & (steps >= heard_until[:, None] // STEP_SAMPLES)
    after = np.concatenate([level[:, 1:], np.zeros((len(level), 1))], axis=1)
    part = np.where(after > 0.5, 1.0, (level - 0.5) / np.maximum(level - after, 1e-9))
    edge = np.minimum((steps + part) * STEP_SAMPLES, HISTORY_SAMPLES)
    last = np.maximum.accumulate(np.where(on, steps, -1), axis=1)
    until = np.where(last >= 0, np.take_along_axis(edge, np.maximum(last, 0), axis=1), heard_until[:, None])
    at_end = np.full((len(level), 1), float(HISTORY_SAMPLES))
    moment = np.concatenate([np.broadcast_to(steps * float(STEP_SAMPLES), level.shape), at_end], axis=1)
    until = np.concatenate([until, until[:, -1:]], axis=1)
    over = moment - until >= pause_samples
    place = np.where(over.any(1), over.argmax(1), STEPS)
    seen: Bools = np.asarray(over.any(axis=1), bool)
    return until[np.arange(len(level)), place], seen


_MOST_BASS_TONES = 4
_BASS_FFT = 4096
_BASS_CHANGE = 2.5
"""The strongest of two dial tones' frequencies, seen before and during a key, differs by less than this."""
_BASS_LOWEST_HZ = 30.0
_BASS_HIGHEST_HZ = 600.0


def bass_is_steady(x: Samples, start: float, end: float, weaker_peak: float) -> bool:
    """Whether what one port hears under 600 Hz is up to four tones that go on unchanged.

    `x` [HISTORY_SAMPLES]; the key sounds from `start` to `end`. Dial tone and hum were
    there before the key and stay as they are; the pitch of a voice does neither.
    """
    # A dial tone that began shortly before the key is judged by what there was of it.
    return any(_is_steady(x, start - reach, start, end, weaker_peak) for reach in (480.0, 240.0))


def _is_steady(x: Samples, since: float, start: float, end: float, weaker_peak: float) -> bool:
    first, last = int(max(since, 0.0)), int(end - 16.0)
    if start - first < 160.0:
        return False
    piece = x[first:last] - x[first:last].mean(dtype=float)
    before = slice(0, int(start - first) - 24)
    during = slice(int(start - first) + 24, len(piece))
    loud = _bass_peak(piece[before]), _bass_peak(piece[during])
    if max(loud) > _BASS_CHANGE * min(loud):
        return False
    n = np.arange(len(piece))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / len(n))
    rest = piece.copy()
    found: list[float] = []
    grid = np.arange(_BASS_FFT // 2 + 1) * SAMPLE_RATE_HZ / _BASS_FFT
    bass = (grid > _BASS_LOWEST_HZ) & (grid < _BASS_HIGHEST_HZ)
    for count in range(1, _MOST_BASS_TONES + 1):
        spectrum = np.abs(np.fft.rfft(rest * window, _BASS_FFT))
        found.append(float(grid[int((spectrum * bass).argmax())]))
        rest = _without_tones(piece, window, found, 3 if count == _MOST_BASS_TONES else 1)
    return all(
        left < 0.5 * weaker_peak and left < 0.3 * whole
        for left, whole in zip((_bass_peak(rest[before]), _bass_peak(rest[during])), loud, strict=True)
    )


def _without_tones(x: Floats, window: Floats, freqs_hz: list[float], rounds: int) -> Floats:
    """`x` less its best steady tones near these frequencies, which are refined in place.

    Each tone is fitted as (A + B t) exp(i w t); B / A then says how far w is off.
    """
    ramp = np.arange(len(x)) / len(x) - 0.5
    for _ in range(rounds):
        turns = _turns(np.array(freqs_hz), len(x), -len(x) / 2.0)
        columns = np.stack([turns.real, turns.imag, turns.real * ramp, turns.imag * ramp], axis=1)
        columns = columns.reshape(-1, len(x))
        weighted = columns * window
        gram = weighted @ columns.T
        gram[np.diag_indices_from(gram)] *= 1.0 + 1e-6
        amount = np.linalg.solve(gram, weighted @ x)
        for index in range(len(freqs_hz)):
            c, s, ct, st = amount[4 * index : 4 * index + 4]
            # c cos - (-s) sin: the phasor is c - i s, its drift (ct - i st) per len(x).
            drift = ((ct - 1j * st) / (c - 1j * s + 1e-12)).imag / len(x)
            freqs_hz[index] += float(np.clip(drift * SAMPLE_RATE_HZ / (2 * np.pi), -10.0, 10.0))
    turns = _turns(np.array(freqs_hz), len(x), -len(x) / 2.0)
    columns = np.stack([turns.real, turns.imag], axis=1).reshape(-1, len(x))
    weighted = columns * window
    gram = weighted @ columns.T
    gram[np.diag_indices_from(gram)] *= 1.0 + 1e-6
    rest: Floats = x - np.linalg.solve(gram, weighted @ x) @ columns
    return rest


def _bass_peak(x: Floats) -> float:
    """Amplitude of the strongest tone between 30 and 600 Hz in a piece [n]."""
    if len(x) < 16:
        return float("inf")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(len(x)) + 0.5) / len(x))
    spectrum = np.abs(np.fft.rfft(x * window, _FFT)) * 2.0 / window.sum()
    return float(spectrum[int(_BASS_LOWEST_HZ / _BIN_HZ) : int(_BASS_HIGHEST_HZ / _BIN_HZ)].max())
