"""The second stage of the DTMF receiver: pure functions of the last 120 ms of a few ports.

Each is asked for one pair of tones per port. An axis of two is always low tone, high tone.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

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
_EIGHTHS = np.full(8, 1 / 8, np.float32)
_EDGE_SAMPLES = 40.0
"""So far from an edge a filter no longer smears it."""
_RIM_SAMPLES = 24.0
"""So far from the edges of a run its samples are counted."""
LEAST_BEFORE = 160.0
"""So much must have been heard before a run to tell how it begins."""
_REACH = 80
"""So far from where a tone begins its envelope is that of the tone again."""
_SHORT_FFT = 512
_WHOLE_N = np.arange(FFT)
_N = _WHOLE_N.astype(np.float32)
_ONES = np.ones(FFT, np.float32)
_MOST_BASS_HZ = 600.0
_CLIPPED_RESIDUE = 0.03
_CLIPPED_CREST = 14.0
_PRODUCTS: Floats = np.array(
    [
        (order - high, sign * high)
        for order in (3, 5)
        for high in range(order + 1)
        for sign in (1, -1)
        if sign > 0 or 0 < high < order
    ],
    float,
)
"""What a clipped signal holds beside its two tones: sums and differences of so many times the low and the
high tone's frequency, [16, 2]. A limit that is alike both ways gives those of odd order."""


def _slices() -> tuple[Ints, Samples, Samples]:
    """Per pair and tone: the bins of its band, the band's shape, the frequency in its middle."""
    centre: Ints = np.round(PAIR_HZ / BIN_HZ).astype(np.intp)
    bins: Ints = centre[..., None] + np.fft.fftfreq(_SLICE, 1.0 / _SLICE).astype(np.intp)
    away_hz = np.abs(bins * BIN_HZ - PAIR_HZ[..., None])
    shape = np.where(away_hz < _HALF_WIDTH_HZ, np.cos(np.pi / 2 * away_hz / _HALF_WIDTH_HZ) ** 2, 0.0)
    return bins, (shape * 2.0 / STEP_SAMPLES**0.5).astype(np.float32), (centre * BIN_HZ).astype(np.float32)


_BINS, _SHAPE, CENTRE_HZ = _slices()


def _step_response() -> Floats:
    """Envelope of a tone that begins in the middle, sample by sample."""
    hz = np.abs(np.fft.fftfreq(FFT, 1.0 / SAMPLE_RATE_HZ))
    shape = np.where(hz < _HALF_WIDTH_HZ, np.cos(np.pi / 2 * hz / _HALF_WIDTH_HZ) ** 2, 0.0)
    pulse: Floats = np.fft.fftshift(np.fft.ifft(shape).real)[FFT // 2 - _REACH : FFT // 2 + _REACH + 1]
    response: Floats = np.cumsum(pulse) / pulse.sum()
    return response


_STEP_RESPONSE = _step_response()


def step_response(since: Floats) -> Floats:
    """What the envelope of a tone has become so many samples after the tone began, as a share."""
    response: Floats = np.interp(since, np.arange(-_REACH, _REACH + 1), _STEP_RESPONSE)
    return response


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
    recent = amplitude[..., -30:].copy()
    recent.sort()
    loud: Samples = np.maximum(np.vecdot(recent[..., -8:], _EIGHTHS), np.float32(1e-6))
    return loud


class Runs(NamedTuple):
    """The newest stretch of tone on each port, in samples of the history; all [ports].

    `holes`: silent steps inside it.
    """

    start: Floats
    end: Floats
    sounding: Floats
    holes: Floats

    def of(self, rows: Ints) -> Runs:
        """Only these ports."""
        return Runs(self.start[rows], self.end[rows], self.sounding[rows], self.holes[rows])


def newest_runs(amplitude: Samples, peak: Samples, bridge_samples: float) -> Runs:
    """The last stretch where both tones are over half of their peak [ports, 2], bridging short gaps."""
    most_silent = bridge_samples / STEP_SAMPLES
    runs = [_newest_run(level, most_silent) for level in _levels(amplitude, peak)]
    columns = np.array(runs).T
    columns[:3] *= STEP_SAMPLES
    return Runs(*columns)


def _levels(amplitude: Samples, peak: Samples | Floats) -> list[list[float]]:
    """For each port and step the share of its peak that the weaker tone has."""
    share = amplitude / peak[..., None]
    levels: list[list[float]] = np.minimum(share[:, 0], share[:, 1]).tolist()
    return levels


def _newest_run(level: list[float], most_silent: float) -> tuple[float, float, float, int]:
    """Start, end, what of it sounds, and the silent steps inside: all in steps."""
    last = STEPS - 1
    while level[last] <= 0.5:
        last -= 1
        if last < 0:
            return 0.0, 0.0, 0.0, 0
    first, silent, holes = last, 0, 0
    for step in range(last - 1, -1, -1):
        if level[step] > 0.5:
            first, holes, silent = step, holes + silent, 0
        else:
            silent += 1
            if silent > most_silent:
                break
    # Where the level crosses a half between a step of the run and its neighbour.
    before = level[first - 1] if first else 0.0
    after = level[last + 1] if last + 1 < STEPS else 0.0
    start = first - (level[first] - 0.5) / max(level[first] - before, 1e-9)
    end = min(last + (level[last] - 0.5) / max(level[last] - after, 1e-9), STEPS)
    return start, end, end - start - holes, holes


def first_pauses(
    amplitude: Samples, peak: Floats, heard_until: Floats, pause_samples: float
) -> tuple[Floats, Bools]:
    """Follow both tones from where they were last heard [ports].

    Answers, per port, where they were last heard before a pause of the given length, or last
    of all, and whether there was such a pause; in samples of the history.
    """
    levels = zip(_levels(amplitude, peak), heard_until.tolist(), strict=True)
    until, seen = zip(*(_first_pause(level, since, pause_samples) for level, since in levels), strict=True)
    return np.array(until), np.array(seen)


def _first_pause(level: list[float], until: float, pause_samples: float) -> tuple[float, bool]:
    for step in range(max(int(until // STEP_SAMPLES), 0), STEPS):
        here = level[step]
        if here > 0.5:
            after = level[step + 1] if step + 1 < STEPS else 0.0
            part = 1.0 if after > 0.5 else (here - 0.5) / max(here - after, 1e-9)
            until = min((step + part) * STEP_SAMPLES, HISTORY_SAMPLES)
        if (step + 1) * STEP_SAMPLES - until >= pause_samples:
            return until, True
    return until, False


def insides(amplitude: Samples, peak: Samples, runs: Runs) -> Bools:
    """Steps of each run that neither its edges nor an interruption (smeared 5 ms by a filter) touch."""
    place, start, end = _PLACE, runs.start[:, None], runs.end[:, None]
    inside: Bools = (place >= start + _EDGE_SAMPLES) & (place <= end - _EDGE_SAMPLES)
    if np.count_nonzero(runs.holes):
        level = (amplitude / peak[..., None]).min(1)
        hole = (level < 0.5) & (place > start) & (place < end)
        near = hole.copy()
        for reach in (1, 2):
            near[:, reach:] |= hole[:, :-reach]
            near[:, :-reach] |= hole[:, reach:]
        inside &= ~near
    return inside


class Course(NamedTuple):
    """How the two tones of a run go on; all [ports].

    `hz`: their frequencies [ports, 2]; `off`: how far the worse one is from its own, as a share of it;
    then the worse rms phase error and unevenness.
    """

    hz: Samples
    off: Floats
    wobble_rad: Samples
    unevenness: Samples

    def of(self, rows: Ints) -> Course:
        """Only these ports."""
        return Course(self.hz[rows], self.off[rows], self.wobble_rad[rows], self.unevenness[rows])


def course(wave: Spectrum, amplitude: Samples, inside: Bools, pair: Ints) -> Course:
    """Follow phase and amplitude of both tones [ports, 2, STEPS] over the inside of each run."""
    counted = inside[:, None, :].astype(np.float32)
    count = np.maximum(np.add.reduce(counted, axis=-1), 1.0)
    weight = amplitude * counted
    total = np.maximum(np.add.reduce(weight, axis=-1), np.float32(1e-9))
    mean = total / count
    uneven = (amplitude - mean[..., None]) * counted
    spread = np.sqrt(np.vecdot(uneven, uneven) / count)
    z = wave * counted
    turn = _angle(np.vecdot(z[..., :-1], z[..., 1:]))
    flat = z * _phasor(-turn[..., None] * _STEP)
    flat *= _phasor(-_angle(np.add.reduce(flat, axis=-1)))[..., None]
    error = _angle(flat)
    away = _STEP - (np.vecdot(weight, _STEP) / total)[..., None]
    weighted_away = weight * away
    slope = np.vecdot(weighted_away, error) / np.maximum(np.vecdot(weighted_away, away), np.float32(1e-9))
    error -= slope[..., None] * away
    error -= (np.vecdot(weight, error) / total)[..., None]
    wobble = np.sqrt(np.vecdot(weight * error, error) / total)
    per_turn = SAMPLE_RATE_HZ / STEP_SAMPLES / (2 * np.pi)
    hz = (turn + slope) * np.float32(per_turn) + CENTRE_HZ[pair]
    off = np.abs(hz / PAIR_HZ[pair] - 1.0)
    spread /= mean
    return Course(hz, *(np.maximum(tones[:, 0], tones[:, 1]) for tones in (off, wobble, spread)))


def _angle(z: Spectrum) -> Samples:
    """`np.angle` without its preparations."""
    return np.arctan2(z.imag, z.real)


def _phasor(radians: Samples) -> Spectrum:
    out = np.empty(radians.shape, np.complex64)
    np.cos(radians, out=out.real)
    np.sin(radians, out=out.imag)
    return out


class Rest(NamedTuple):
    """What is left of a run without its two tones. Powers are relative to the weaker tone's.

    `peak` is that of the tones; `noise` what `residue` would be if both were as weak as the weaker;
    `unclipped` what `residue` would be without what a limiter adds to the two tones.
    """

    peak: tuple[float, float]
    residue: float
    residue_peak: float
    residue_crest: float
    bass_peak: float
    noise: float
    unclipped: float


class Onset(NamedTuple):
    """How a run begins. `lead`: mean amplitude of each tone from 16 to 7 ms before it, as a share of what the
    tone has then; `apart`: samples between the moments at which the two tones reach half of that.
    """

    lead: tuple[float, float]
    apart: float


def onset(amplitude: Samples, start: float, peak: tuple[float, float]) -> Onset | None:
    """How a run of one port begins; None when that was not heard."""
    if start < LEAST_BEFORE:
        return None
    first = int(start / STEP_SAMPLES)
    last = min(math.ceil(start / STEP_SAMPLES) + 1, STEPS - 1)
    shares: list[list[float]] = (amplitude / np.array(peak)[:, None]).tolist()
    low, high = (sum(tone[first - 7 : first - 3]) / 4 for tone in shares)
    return Onset((low, high), abs(_half(shares[0], last) - _half(shares[1], last)))


def _half(share: list[float], step: int) -> float:
    """Where the half of a tone was reached that is heard at a step, or is reached next; in samples of the
    history."""
    while step < STEPS - 1 and share[step] <= 0.5:
        step += 1
    while step > 0 and share[step] > 0.5:
        step -= 1
    after = share[min(step + 1, STEPS - 1)]
    return (step + min((0.5 - share[step]) / max(after - share[step], 1e-6), 1.0)) * STEP_SAMPLES


def rest(history: Samples, hz: Samples, inside: Bools, runs: Runs) -> list[Rest]:
    """Fit two tones of these frequencies to each run and describe what they leave."""
    short = runs.end - runs.start - 2 * _RIM_SAMPLES <= _SHORT_FFT
    if np.count_nonzero(short) == len(short):
        return _rest(history, hz, inside, runs, _SHORT_FFT)
    found: list[Rest | None] = [None] * len(history)
    for rows, size in ((np.flatnonzero(short), _SHORT_FFT), (np.flatnonzero(~short), FFT)):
        some = _rest(history[rows], hz[rows], inside[rows], runs.of(rows), size)
        for row, one in zip(rows.tolist(), some, strict=True):
            found[row] = one
    return [one for one in found if one is not None]


def _rest(history: Samples, hz: Samples, inside: Bools, runs: Runs, size: int) -> list[Rest]:
    begin = runs.start + _RIM_SAMPLES
    length = np.maximum(runs.end - runs.start - 2 * _RIM_SAMPLES, 16.0)
    first = begin.astype(np.intp)
    place = _N[:size] / length[:, None].astype(np.float32)
    place += ((first - begin) / length).astype(np.float32)[:, None]
    np.maximum(place, 0.0, out=place)
    np.minimum(place, 1.0, out=place)
    place *= np.float32(2 * np.pi)
    window = np.cos(place, out=place)
    window *= -0.5
    window += 0.5
    if np.count_nonzero(runs.holes):
        window *= _open(inside, runs, first, np.arange(size))
    weight = np.maximum(np.vecdot(window, _ONES[:size]), np.float32(1.0))
    # Beyond the history there is no run either: whatever is read there counts nothing.
    at = (np.arange(len(history)) * HISTORY_SAMPLES + first)[:, None] + _WHOLE_N[:size]
    left = history.reshape(-1).take(at, mode="clip")
    left *= window
    waves = np.empty((len(history), 4, size), np.float32)
    radians = (hz * np.float32(2 * np.pi / SAMPLE_RATE_HZ))[..., None] * _N[:size]
    np.cos(radians, out=waves[:, :2])
    np.sin(radians, out=waves[:, 2:])
    amount = np.vecdot(waves, left[:, None])
    amount *= (np.float32(2.0) / weight)[:, None]
    window_power = np.vecdot(window, window)
    window *= np.vecmat(amount, waves)
    left -= window
    parts = forward(left).view(np.float32)
    parts *= parts
    power = parts[:, ::2] + parts[:, 1::2]
    bass = int(_MOST_BASS_HZ * size / SAMPLE_RATE_HZ)
    above = power[:, bass:]
    columns = (
        weight,
        window_power,
        np.add.reduce(above, axis=1),
        np.maximum.reduce(above, axis=1),
        np.maximum.reduce(power[:, 4 * size // FFT : bass], axis=1),
    )
    rows = zip(amount.tolist(), *(column.tolist() for column in columns), strict=True)
    found = [_rest_of(row, above.shape[1], size) for row in rows]
    for row, one in enumerate(found):
        if one.residue > _CLIPPED_RESIDUE and one.residue_crest > _CLIPPED_CREST:
            apart = _apart_from_products(hz[row], float(length[row]), size)
            share = float(power[row] @ apart / (above[row].sum() * apart.mean()))
            found[row] = one._replace(unclipped=one.residue * share)
    return found


def _apart_from_products(hz: Samples, length: float, size: int) -> Samples:
    """1 for the bins that hold nothing of what a limiter makes of two tones heard for `length` samples."""
    turn = _PRODUCTS @ hz % SAMPLE_RATE_HZ
    products = (np.minimum(turn, SAMPLE_RATE_HZ - turn) * (size / SAMPLE_RATE_HZ))[:, None]
    reach = 2.0 * size / length
    bins = _N[: size // 2 + 1]
    near = (bins >= products - reach) & (bins <= products + reach)
    apart: Samples = (~np.logical_or.reduce(near, axis=0)).astype(np.float32)
    return apart


def _rest_of(row: tuple[list[float], float, float, float, float, float], bins: int, size: int) -> Rest:
    """From the amounts of the four waves, weight and power of the window, and what is left: all of it, its
    loudest bin, and the loudest under 600 Hz."""
    amount, weight, window_power, left, loudest, bass = row
    low = max(math.hypot(amount[0], amount[2]), 1e-6)
    high = max(math.hypot(amount[1], amount[3]), 1e-6)
    weaker = (min(low, high) * weight / 2.0) ** 2 / size
    residue = left * 4.0 / ((low**2 + high**2) * window_power)
    crest = loudest * bins / max(left, 1e-9)
    noise = residue * (1.0 + (max(low, high) / min(low, high)) ** 2) / 2.0
    return Rest((low, high), residue, loudest / weaker, crest, bass / weaker, noise, residue)


def _open(inside: Bools, runs: Runs, first: Ints, n: Ints) -> Samples:
    """1 for the samples of a run, with soft edges 0 where a hole was left out, [ports, samples]."""
    start, end = runs.start[:, None] + _EDGE_SAMPLES, runs.end[:, None] - _EDGE_SAMPLES
    place = _PLACE
    closed = (place > start) & (place < end) & ~inside
    rows = zip((~closed).astype(float), first, strict=True)
    return np.stack([np.interp(n + begin, place, row) for row, begin in rows]).astype(np.float32)
