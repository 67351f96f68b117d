"""The second stage of the DTMF receiver: pure functions of the last 120 ms of a few ports.

Each is asked for one pair of tones per port. An axis of two is always low tone, high tone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from dsp.dtmf_bank import PAIR_HZ, Bools, Floats, Ints
from dsp.fft import forward
from dsp.levels import SAMPLE_RATE_HZ, Samples

HISTORY_SAMPLES = 960
STEP_SAMPLES = 16
STEPS = HISTORY_SAMPLES // STEP_SAMPLES
FFT = 1024
BIN_HZ = SAMPLE_RATE_HZ / FFT

Spectrum = NDArray[np.complex64]

_SLICE = FFT // STEP_SAMPLES
_HALF_WIDTH_HZ = 200.0
_STEP = np.arange(STEPS, dtype=np.float32)
_PLACE = _STEP * STEP_SAMPLES
_COUNT = np.arange(1, STEPS + 1, dtype=np.int16)
_EDGE_SAMPLES = 40.0
"""So far from an edge a filter no longer smears it."""
_LEAD_STEPS = np.arange(-7, -3)
_BOTH = np.array([[0], [1]])
_OUTWARD = np.array([-1, 1])
_RIM_SAMPLES = 24.0
"""So far from the edges of a run its samples are counted."""
_SHORT_FFT = 512
_MOST_BASS_HZ = 600.0


def _slices() -> tuple[Ints, Samples, Samples]:
    """Per pair and tone: the bins of its band, the band's shape, the frequency in its middle."""
    centre: Ints = np.round(PAIR_HZ / BIN_HZ).astype(np.intp)
    bins: Ints = centre[..., None] + np.fft.fftfreq(_SLICE, 1.0 / _SLICE).astype(np.intp)
    away_hz = np.abs(bins * BIN_HZ - PAIR_HZ[..., None])
    shape = np.where(away_hz < _HALF_WIDTH_HZ, np.cos(np.pi / 2 * away_hz / _HALF_WIDTH_HZ) ** 2, 0.0)
    return bins, (shape * 2.0 / STEP_SAMPLES**0.5).astype(np.float32), (centre * BIN_HZ).astype(np.float32)


_BINS, _SHAPE, _CENTRE_HZ = _slices()


def spectrum(history: Samples) -> Spectrum:
    """Spectrum of `history` [ports, HISTORY_SAMPLES], every BIN_HZ, scaled as `dsp.fft` does."""
    padded = np.zeros((len(history), FFT), np.float32)
    padded[:, :HISTORY_SAMPLES] = history
    return forward(padded)


def envelopes(bins: Spectrum, pair: Ints) -> Spectrum:
    """Complex envelopes of both tones over the history, peak amplitude scale, [ports, 2, STEPS]."""
    rows = np.arange(len(pair))[:, None, None]
    wave = np.fft.ifft(bins[rows, _BINS[pair]] * _SHAPE[pair], norm="ortho")
    return cast(Spectrum, wave[..., :STEPS])


def plateau(amplitude: Samples) -> Samples:
    """Mean of the 16 loudest ms of the last 60 ms, [ports, 2]."""
    recent = np.sort(amplitude[..., -30:], axis=-1)
    loud: Samples = np.maximum(recent[..., -8:].mean(-1), np.float32(1e-6))
    return loud


@dataclass(frozen=True)
class Runs:
    """The newest stretch of tone on each port, in samples of the history; all [ports].

    `holes`: silent steps inside it.
    """

    start: Floats
    end: Floats
    sounding: Floats
    holes: Ints

    def of(self, rows: Ints) -> Runs:
        """Only these ports."""
        return Runs(self.start[rows], self.end[rows], self.sounding[rows], self.holes[rows])


def newest_runs(amplitude: Samples, peak: Samples, bridge_samples: float) -> Runs:
    """The last stretch where both tones are over half of their peak [ports, 2], bridging short gaps."""
    level = np.zeros((len(amplitude), STEPS + 2), np.float32)
    inner = level[:, 1:-1]
    share = amplitude * (np.float32(1.0) / peak)[..., None]
    np.minimum(share[:, 0], share[:, 1], out=inner)
    on = inner > 0.5
    last = STEPS - 1 - on[:, ::-1].argmax(1)
    # Length of the silence that ends at each step; the run begins after the last long one before its end.
    quiet = _COUNT - np.maximum.accumulate(np.where(on, _COUNT, 0), axis=1)
    long = (quiet > bridge_samples / STEP_SAMPLES) & (last[:, None] >= _COUNT)
    first = np.maximum((long * _COUNT).max(1), on.argmax(1))
    sounding = (on & (first[:, None] < _COUNT)).sum(1)
    holes = last - first + 1 - sounding
    # Where the level crosses a half between a step of the run and its neighbour.
    rows = np.arange(len(level))[:, None]
    edges = np.stack([first + 1, last + 1], axis=1)
    loud, beside = level[rows, edges], level[rows, edges + _OUTWARD]
    part = (loud - 0.5) / np.maximum(loud - beside, np.float32(1e-9))
    start = first - part[:, 0].astype(float)
    end = np.minimum(last + part[:, 1].astype(float), STEPS)
    lasts = np.where(sounding > 0, end - start - holes, 0.0)
    return Runs(start * STEP_SAMPLES, end * STEP_SAMPLES, lasts * STEP_SAMPLES, holes)


def first_pauses(
    amplitude: Samples, peak: Floats, heard_until: Floats, pause_samples: float
) -> tuple[Floats, Bools]:
    """Follow both tones from where they were last heard [ports].

    Answers, per port, where they were last heard before a pause of the given length, or last
    of all, and whether there was such a pause; in samples of the history.
    """
    level = np.zeros((len(amplitude), STEPS + 1))
    level[:, :-1] = (amplitude / peak[..., None]).min(1)
    steps = np.arange(STEPS)
    here, after = level[:, :-1], level[:, 1:]
    on = (here > 0.5) & (steps >= heard_until[:, None] // STEP_SAMPLES)
    part = np.where(after > 0.5, 1.0, (here - 0.5) / np.maximum(here - after, 1e-9))
    edge = np.minimum((steps + part) * STEP_SAMPLES, HISTORY_SAMPLES)
    last = np.maximum.accumulate(np.where(on, steps, -1), axis=1)
    until = np.where(last >= 0, np.take_along_axis(edge, np.maximum(last, 0), axis=1), heard_until[:, None])
    # The pause as it is at each next step, the last of which is the end of the history.
    over = (steps + 1.0) * STEP_SAMPLES - until >= pause_samples
    seen = np.asarray(over.any(1), bool)
    place = np.where(seen, over.argmax(1), STEPS - 1)
    return until[np.arange(len(level)), place], seen


def insides(amplitude: Samples, peak: Samples, runs: Runs) -> Bools:
    """Steps of each run that neither its edges nor an interruption (smeared 5 ms by a filter) touch."""
    place, start, end = _PLACE, runs.start[:, None], runs.end[:, None]
    inside: Bools = (place >= start + _EDGE_SAMPLES) & (place <= end - _EDGE_SAMPLES)
    if runs.holes.any():
        level = (amplitude / peak[..., None]).min(1)
        hole = (level < 0.5) & (place > start) & (place < end)
        near = hole.copy()
        for reach in (1, 2):
            near[:, reach:] |= hole[:, :-reach]
            near[:, :-reach] |= hole[:, reach:]
        inside &= ~near
    return inside


@dataclass(frozen=True)
class Course:
    """How the two tones of a run go on: frequencies, the worse rms phase error and unevenness."""

    hz: Samples
    wobble_rad: Samples
    unevenness: Samples

    def of(self, rows: Ints) -> Course:
        """Only these ports."""
        return Course(self.hz[rows], self.wobble_rad[rows], self.unevenness[rows])


def course(wave: Spectrum, amplitude: Samples, inside: Bools, pair: Ints) -> Course:
    """Follow phase and amplitude of both tones [ports, 2, STEPS] over the inside of each run."""
    counted = inside[:, None, :].astype(np.float32)
    count = np.maximum(counted.sum(-1), 1.0)
    weight = amplitude * counted
    total = np.maximum(weight.sum(-1), np.float32(1e-9))
    mean = total / count
    uneven = (amplitude - mean[..., None]) * counted
    spread = np.sqrt(np.vecdot(uneven, uneven) / count)
    z = wave * counted
    turn = np.angle(np.vecdot(z[..., :-1], z[..., 1:]))
    flat = z * _phasor(-turn[..., None] * _STEP)
    flat *= _phasor(-np.angle(flat.sum(-1)))[..., None]
    error = np.arctan2(flat.imag, flat.real)
    away = _STEP - (np.vecdot(weight, _STEP) / total)[..., None]
    weighted_away = weight * away
    slope = np.vecdot(weighted_away, error) / np.maximum(np.vecdot(weighted_away, away), np.float32(1e-9))
    error -= slope[..., None] * away
    error -= (np.vecdot(weight, error) / total)[..., None]
    wobble = np.sqrt(np.vecdot(weight * error, error) / total)
    per_turn = SAMPLE_RATE_HZ / STEP_SAMPLES / (2 * np.pi)
    hz = (turn + slope) * np.float32(per_turn) + _CENTRE_HZ[pair]
    return Course(hz, wobble.max(1), (spread / mean).max(1))


def _phasor(radians: Samples) -> Spectrum:
    out = np.empty(radians.shape, np.complex64)
    np.cos(radians, out=out.real)
    np.sin(radians, out=out.imag)
    return out


def leads(amplitude: Samples, peak: Samples, runs: Runs) -> Samples:
    """Mean amplitude from 16 to 7 ms before each run, relative to the tone's, of the louder tone, [ports].

    0 when that was not heard.
    """
    first = np.floor(runs.start / STEP_SAMPLES).astype(np.intp)
    at = np.maximum(first[:, None] + _LEAD_STEPS, 0)
    rows = np.arange(len(at))[:, None, None]
    mean = amplitude[rows, _BOTH, at[:, None]].mean(-1) / peak
    lead: Samples = np.where(runs.start < 160.0, np.float32(0.0), mean.max(1))
    return lead


@dataclass(frozen=True)
class Rest:
    """What is left of a run without its two tones; all [ports]. Powers are relative to the weaker tone's.

    `peak` is that of the tones, [ports, 2]; `noise` what `residue` would be if both were as
    weak as the weaker.
    """

    peak: Samples
    residue: Samples
    residue_peak: Samples
    residue_crest: Samples
    bass_peak: Samples
    noise: Samples


def rest(history: Samples, hz: Samples, inside: Bools, runs: Runs) -> Rest:
    """Fit two tones of these frequencies to each run and describe what they leave."""
    short = runs.end - runs.start - 2 * _RIM_SAMPLES <= _SHORT_FFT
    if short.all():
        found = _rest(history, hz, inside, runs, _SHORT_FFT)
    else:
        found = np.empty((6, len(history)), np.float32)
        for rows, size in ((np.flatnonzero(short), _SHORT_FFT), (np.flatnonzero(~short), FFT)):
            found[:, rows] = _rest(history[rows], hz[rows], inside[rows], runs.of(rows), size)
    peak = found[:2].T
    noise = found[2] * (1.0 + (peak.max(1) / peak.min(1)) ** 2) / 2.0
    return Rest(peak, found[2], found[3], found[4], found[5], noise)


def _rest(history: Samples, hz: Samples, inside: Bools, runs: Runs, size: int) -> Samples:
    begin = runs.start + _RIM_SAMPLES
    length = np.maximum(runs.end - runs.start - 2 * _RIM_SAMPLES, 16.0)
    first = begin.astype(np.intp)
    n = np.arange(size)
    place = np.clip((n + (first - begin)[:, None]) / length[:, None], 0.0, 1.0).astype(np.float32)
    window = np.float32(0.5) - np.float32(0.5) * np.cos(np.float32(2 * np.pi) * place)
    if runs.holes.any():
        window *= _open(inside, runs, first, n)
    weight = np.maximum(window.sum(1), np.float32(1.0))
    # Beyond the history there is no run either: whatever is read there counts nothing.
    at = (np.arange(len(history)) * HISTORY_SAMPLES + first)[:, None] + n
    left = history.reshape(-1).take(at, mode="clip") * window
    waves = np.empty((len(history), 4, size), np.float32)
    radians = (hz * np.float32(2 * np.pi / SAMPLE_RATE_HZ))[..., None] * n.astype(np.float32)
    np.cos(radians, out=waves[:, :2])
    np.sin(radians, out=waves[:, 2:])
    amount = (waves @ left[..., None])[..., 0] * (np.float32(2.0) / weight)[:, None]
    peak = np.maximum(np.hypot(amount[:, :2], amount[:, 2:]), np.float32(1e-6))
    left -= (amount[:, None, :] @ waves)[:, 0] * window
    bins = forward(left)
    power = bins.real**2 + bins.imag**2
    bass = int(_MOST_BASS_HZ * size / SAMPLE_RATE_HZ)
    above = power[:, bass:]
    residue, loudest = above.sum(1), above.max(1)
    low_peak, high_peak = peak.T
    weaker = (np.minimum(low_peak, high_peak) * weight / 2.0) ** 2 / np.float32(size)
    tones = (low_peak**2 + high_peak**2) / 2.0 * np.vecdot(window, window)
    found = (
        low_peak,
        high_peak,
        residue * np.float32(2.0) / tones,
        loudest / weaker,
        loudest * above.shape[1] / np.maximum(residue, np.float32(1e-9)),
        power[:, 4 * size // FFT : bass].max(1) / weaker,
    )
    return np.array(found, np.float32)


def _open(inside: Bools, runs: Runs, first: Ints, n: Ints) -> Samples:
    """1 for the samples of a run, with soft edges 0 where a hole was left out, [ports, samples]."""
    start, end = runs.start[:, None] + _EDGE_SAMPLES, runs.end[:, None] - _EDGE_SAMPLES
    place = _PLACE
    closed = (place > start) & (place < end) & ~inside
    rows = zip((~closed).astype(float), first, strict=True)
    return np.stack([np.interp(n + begin, place, row) for row, begin in rows]).astype(np.float32)
