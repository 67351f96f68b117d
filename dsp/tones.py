"""Tone generator: cadenced tones on any number of ports.

Every tone is a pure function of the number of samples since it was started, so
a tone is the same sample for sample however the time is cut into ticks, and a
frequency that goes on from one segment to the next keeps its phase.

Edges are raised cosines of 2.5 ms, so that neither a cadence nor a stop clicks:

    segment   |<-- on -->|<- off ->|<-- on -->|
    envelope  /~~~~~~~~~~\\_________/~~~~~~~~~~\\
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dsp.levels import SAMPLE_RATE_HZ, TICK_SAMPLES, Samples, peak_from_dbm0

RAMP_SAMPLES = 20
_RAMP = (0.5 - 0.5 * np.cos(np.pi * (np.arange(RAMP_SAMPLES) + 0.5) / RAMP_SAMPLES)).astype(np.float32)

Segment = tuple[tuple[float, ...], float, float | None]


@dataclass(frozen=True)
class ToneSpec:
    """A sequence of tones.

    Each segment is (frequencies in Hz, level of each frequency in dBm0,
    duration in ms or None for endless). No frequencies means silence. With
    `modulated`, a segment's two frequencies are carrier and modulator,
    "f1*f2" in E.180: the carrier's peak has the level given and its amplitude
    is moved by `modulation_depth`. `repeat` starts again after the last segment.
    """

    segments: tuple[Segment, ...]
    repeat: bool = False
    modulated: bool = False
    modulation_depth: float = 0.9

    def __post_init__(self) -> None:
        if not self.segments:
            raise ValueError("a tone needs at least one segment")
        for index, (freqs_hz, level_dbm0, duration_ms) in enumerate(self.segments):
            where = f"segment {index + 1}"
            if any(not 0.0 < f < SAMPLE_RATE_HZ / 2 for f in freqs_hz):
                raise ValueError(f"{where}: frequencies must lie between 0 and {SAMPLE_RATE_HZ // 2} Hz")
            if self.modulated and len(freqs_hz) not in (0, 2):
                raise ValueError(f"{where}: a modulated tone needs carrier and modulator")
            if not -100.0 <= level_dbm0 <= 3.14:
                raise ValueError(f"{where}: level must lie between -100 and 3.14 dBm0")
            if duration_ms is None:
                if index + 1 < len(self.segments):
                    raise ValueError(f"{where}: only the last segment may be endless")
            elif not 0.0 < duration_ms <= 3_600_000.0:
                raise ValueError(f"{where}: duration must be positive and at most an hour")


@dataclass(frozen=True)
class _Plan:
    """A spec in samples: where each segment starts and ends, which edges are ramped."""

    spec: ToneSpec
    starts_samples: tuple[int, ...]
    total_samples: int | None
    ramp_in: tuple[bool, ...]
    ramp_out: tuple[bool, ...]


@lru_cache(maxsize=256)
def _plan(spec: ToneSpec) -> _Plan:
    starts = [0]
    for _, _, duration_ms in spec.segments:
        if duration_ms is not None:
            starts.append(starts[-1] + max(1, round(duration_ms * SAMPLE_RATE_HZ / 1000)))
    endless = spec.segments[-1][2] is None
    count = len(spec.segments)
    sound = [segment[:2] for segment in spec.segments]
    follows = [sound[i] == sound[i - 1] and (i > 0 or (spec.repeat and not endless)) for i in range(count)]
    return _Plan(
        spec,
        tuple(starts[:count]),
        None if endless else starts[-1],
        tuple(not f for f in follows),
        tuple(not follows[(i + 1) % count] for i in range(count)),
    )


def _render(plan: _Plan, at_samples: int, n: int) -> Samples:
    """Samples [n] of a tone from `at_samples` after its start; silence past its end."""
    out = np.zeros(n, np.float32)
    spec, done, first_round = plan.spec, 0, True
    while done < n:
        now = at_samples + done
        if plan.total_samples is not None:
            if now >= plan.total_samples and not spec.repeat:
                break
            first_round = now < plan.total_samples
        place = now if plan.total_samples is None else now % plan.total_samples
        index = bisect_right(plan.starts_samples, place) - 1
        last = index + 1 == len(plan.starts_samples)
        end = plan.total_samples if last else plan.starts_samples[index + 1]
        count = n - done if end is None else min(n - done, end - place)
        freqs_hz, level_dbm0, _ = spec.segments[index]
        if freqs_hz:
            piece = _sound(freqs_hz, level_dbm0, spec, now, count)
            into = place - plan.starts_samples[index]
            ramp_in = plan.ramp_in[index] or (index == 0 and first_round)
            if ramp_in and into < RAMP_SAMPLES:
                m = min(count, RAMP_SAMPLES - into)
                piece[:m] *= _RAMP[into : into + m]
            if end is not None and plan.ramp_out[index] and place + count > end - RAMP_SAMPLES:
                left = np.minimum(end - 1 - (place + np.arange(count)), RAMP_SAMPLES)
                near = left < RAMP_SAMPLES
                piece[near] *= _RAMP[left[near]]
            out[done : done + count] = piece
        done += count
    return out


def _sound(freqs_hz: tuple[float, ...], level_dbm0: float, spec: ToneSpec, at: int, n: int) -> Samples:
    """A steady tone from `at` samples after its start; whole hertz come out of a table of a second."""
    shape = (freqs_hz, level_dbm0, spec.modulation_depth if spec.modulated else None)
    if not all(float(hz).is_integer() for hz in freqs_hz):
        return _wave(*shape, np.arange(at, at + n))
    table = _second(*shape)
    first = at % SAMPLE_RATE_HZ
    if first + n <= len(table):
        return table[first : first + n].copy()
    return table[(first + np.arange(n)) % SAMPLE_RATE_HZ]


@lru_cache(maxsize=256)
def _second(freqs_hz: tuple[float, ...], level_dbm0: float, depth: float | None) -> Samples:
    """A second and a tick of the tone, so that a tick never wraps around."""
    return _wave(freqs_hz, level_dbm0, depth, np.arange(SAMPLE_RATE_HZ + TICK_SAMPLES) % SAMPLE_RATE_HZ)


def _wave(
    freqs_hz: tuple[float, ...], level_dbm0: float, depth: float | None, at_samples: NDArray[np.intp]
) -> Samples:
    t = at_samples * (2.0 * np.pi / SAMPLE_RATE_HZ)
    peak = peak_from_dbm0(level_dbm0)
    if depth is not None:
        carrier_hz, modulator_hz = freqs_hz
        wave = (1.0 + depth * np.sin(modulator_hz * t)) / (1.0 + depth) * np.sin(carrier_hz * t)
    else:
        wave = np.sin(np.asarray(freqs_hz)[:, None] * t).sum(0)
    sound: Samples = (peak * wave).astype(np.float32)
    return sound


class ToneGenerator:
    """One cadenced tone at a time on each of `ports` ports."""

    def __init__(self, ports: int) -> None:
        if ports < 0:
            raise ValueError("ports must not be negative")
        self.ports = ports
        self._plans: dict[int, _Plan] = {}
        self._at = np.zeros(ports, np.int64)
        self._tails: dict[int, Samples] = {}

    def start(self, port: int, spec: ToneSpec) -> None:
        """Begin a tone with the next sample; a tone that plays is faded out under it."""
        self.stop(port)
        self._plans[port] = _plan(spec)
        self._at[port] = 0

    def stop(self, port: int) -> None:
        """Fade the port's tone out over the next 2.5 ms."""
        if not 0 <= port < self.ports:
            raise IndexError(f"no port {port}; there are {self.ports}")
        plan = self._plans.pop(port, None)
        if plan is not None and self._at[port] > 0:
            self._tails[port] = _render(plan, int(self._at[port]), RAMP_SAMPLES) * _RAMP[::-1]

    def is_playing(self, port: int) -> bool:
        """Whether the port's tone has still something to play."""
        return port in self._plans

    def render(self, n: int) -> Samples:
        """The next `n` samples of every port, float32 [ports, n]."""
        out = np.zeros((self.ports, n), np.float32)
        for port, plan in tuple(self._plans.items()):
            at = int(self._at[port])
            out[port] = _render(plan, at, n)
            self._at[port] = at + n
            if plan.total_samples is not None and not plan.spec.repeat and at + n >= plan.total_samples:
                del self._plans[port]
        for port, tail in tuple(self._tails.items()):
            m = min(n, len(tail))
            out[port, :m] += tail[:m]
            if m == len(tail):
                del self._tails[port]
            else:
                self._tails[port] = tail[m:]
        return out


def sequence_samples(spec: ToneSpec, duration_ms: float) -> Samples:
    """The first `duration_ms` of a tone, float32 [n]; silence after its end."""
    if duration_ms < 0:
        raise ValueError("duration must not be negative")
    return _render(_plan(spec), 0, round(duration_ms * SAMPLE_RATE_HZ / 1000))
