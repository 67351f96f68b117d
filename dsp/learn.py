"""Learning the disconnect tone of a line from the ends of ordinary calls.

When callers hang up, many exchanges play a tone that is in no table. It is the
last regular thing on the recording: bursts of one or two steady frequencies,
all of the same length, with equal gaps. What several calls agree on is the
tone; one call alone proves little, and a call that ends otherwise counts
against it.

Never learned: anything that could be ringback or a voice (a cycle over 2.5 s,
fewer than three bursts, bursts that differ in level or length), and a
continuous tone unless it lasts to the end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.cadence import Heard
from dsp.levels import SAMPLE_RATE_HZ
from dsp.linescan import LearnedTone, LineScan

LOOK_AT_S = 15.0
"""Only the end of a call is looked at."""
FRAME = 512
STEP = 160
LOWEST_HZ = 290.0
HIGHEST_HZ = 2000.0
PURE_SHARE = 0.75
SECOND_LINE = 0.05
"""A second frequency has at least this share of the power of the first (13 dB down)."""
STEADY_DB = 1.5
LIKE_DB = 2.0
LONGEST_CYCLE_MS = 2500.0
CONTINUOUS_MS = 3000.0
SAME_FREQUENCY = 0.015
SAME_TIME = 0.12
SAME_TIME_MS = 30.0
KEPT = 12
"""Calls that a line remembers."""
ENOUGH = 3
"""Calls that must agree before a line uses what it has learned."""


@dataclass(frozen=True)
class Observation:
    """What one call ended with."""

    frequencies_hz: tuple[float, ...]
    on_ms: float
    off_ms: float
    """0: continuous."""
    level_dbm0: float


def observe(samples: NDArray[np.generic]) -> Observation | None:
    """The disconnect tone at the end of one call `[n]`, or None where there is none to be sure of."""
    x = np.nan_to_num(np.asarray(samples, np.float64)[-int(LOOK_AT_S * SAMPLE_RATE_HZ) :])
    lines = _lines(x)
    if lines is None:
        return None
    scan = LineScan(1, "CN")
    scan.set_country([0], "CN", LearnedTone(lines, 500.0, 500.0))
    for _ in scan.process(np.concatenate([x, np.zeros(4 * STEP)])[None, :]):
        pass
    bursts = [run for run in scan.runs[0] if run.kind == 1 and scan.is_clear(0, run)]
    if not bursts:
        return None
    heard = Heard(scan, 0, bursts[-1])
    runs = heard.runs
    if runs and len(runs) <= 2 and runs[0].ms >= CONTINUOUS_MS and heard.quality(runs[:1]) <= 1.0:
        return Observation(lines, runs[0].ms, 0.0, heard.level_dbm0)
    whole = runs[:-1]
    for start in range(0, len(whole) - 4, 2):
        tail = whole[start:]
        on = np.array([run.ms for run in tail[0::2]])
        off = np.array([run.ms for run in tail[1::2]])
        on_ms, off_ms = float(np.median(on)), float(np.median(off))
        # the last burst may have been cut by the end of the recording
        regular = _same(on[:-1], on_ms) and _same(off, off_ms) and on[-1] <= on_ms + SAME_TIME_MS
        judged = tail if on[-1] >= on_ms - SAME_TIME_MS else tail[:-1]
        if regular and on_ms + off_ms <= LONGEST_CYCLE_MS and heard.quality(judged) <= 1.0:
            on_ms, off_ms = _exact(on[:-1], off)
            return Observation(lines, on_ms, off_ms, heard.level_dbm0)
    return None


def _exact(on: NDArray[np.float64], off: NDArray[np.float64]) -> tuple[float, float]:
    """Means over whole cycles: finer than the frames they were seen in."""
    return float(np.mean(on)), float(np.mean(off))


def _same(times_ms: NDArray[np.float64], wanted_ms: float) -> bool:
    return bool(np.all(np.abs(times_ms - wanted_ms) <= SAME_TIME * wanted_ms + SAME_TIME_MS))


def _lines(x: NDArray[np.float64]) -> tuple[float, ...] | None:
    """The one or two frequencies that the purest sound of a recording consists of."""
    if len(x) < 4 * FRAME:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(x, FRAME)[::STEP]
    hann = np.hanning(FRAME)
    spectrum = np.abs(np.fft.rfft(windows * hann, axis=1)) ** 2
    hz: NDArray[np.float64] = np.fft.rfftfreq(FRAME, 1 / SAMPLE_RATE_HZ).astype(np.float64)
    spectrum[:, hz < 130] = 0.0
    total = spectrum.sum(axis=1)
    band = (hz >= LOWEST_HZ) & (hz <= HIGHEST_HZ)
    rest = np.where(band, spectrum, 0.0)
    share = np.zeros(len(spectrum))
    rows = np.arange(len(spectrum))
    for _ in range(2):
        top = rest.argmax(axis=1)
        for d in (-3, -2, -1, 0, 1, 2, 3):
            at = np.clip(top + d, 0, len(hz) - 1)
            share += rest[rows, at]
            rest[rows, at] = 0.0
    pure = (share > PURE_SHARE * np.maximum(total, 1.0)) & (total > 1e6)
    if pure.sum() < 12:
        return None
    # a tone, unlike a voice, keeps its level from frame to frame; two tones may beat
    level = 10 * np.log10(np.maximum(total, 1.0))
    steady = pure.copy()
    steady[1:] &= pure[:-1] & (np.abs(np.diff(level)) < STEADY_DB)
    top = np.where(band, spectrum, 0.0).argmax(axis=1)
    if steady.sum() < 12:
        return None
    common = int(np.bincount(top[steady]).argmax())
    near = spectrum[:, max(common - 1, 0) : common + 2].max(axis=1)
    has_it = steady & (near > SECOND_LINE * spectrum[rows, top])
    usual = float(np.median(level[has_it]))
    like = np.flatnonzero(has_it & (np.abs(level - usual) < LIKE_DB))
    return _peaks(x, like)


def _peaks(x: NDArray[np.float64], frames: NDArray[np.intp]) -> tuple[float, ...] | None:
    """Frequencies by a longer window over two frames that follow each other, to about 1 Hz."""
    starts = [int(a) for a, b in zip(frames, frames[4:], strict=False) if b - a == 4]
    length = FRAME + 4 * STEP
    size = 16384
    fine = np.zeros(size // 2 + 1)
    for start in starts:
        part = x[start * STEP : start * STEP + length]
        fine += np.abs(np.fft.rfft(part * np.hanning(len(part)), size)) ** 2
    if not starts:
        return None
    fine_hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    fine[(fine_hz < LOWEST_HZ) | (fine_hz > HIGHEST_HZ)] = 0.0
    lines: list[float] = []
    first = float(fine.max())
    for _ in range(2):
        top = int(fine.argmax())
        if fine[top] < SECOND_LINE * first:
            break
        lines.append(float(fine_hz[top]))
        fine[np.abs(fine_hz - fine_hz[top]) < 2.2 * SAMPLE_RATE_HZ / length] = 0.0
    return tuple(sorted(round(f, 1) for f in lines))


def agree(a: Observation, b: Observation) -> bool:
    """Whether two calls ended with the same tone."""
    if len(a.frequencies_hz) != len(b.frequencies_hz) or (a.off_ms == 0) != (b.off_ms == 0):
        return False
    for f, g in zip(a.frequencies_hz, b.frequencies_hz, strict=True):
        if abs(f - g) > SAME_FREQUENCY * f:
            return False
    if a.off_ms == 0:
        return True
    return _same(np.array([a.on_ms]), b.on_ms) and _same(np.array([a.off_ms]), b.off_ms)


def consensus(seen: Sequence[Observation | None]) -> tuple[Observation | None, float]:
    """What most calls ended with, and how sure that is (0…1).

    n calls that agree among m that were looked at: (n / m) · (1 − 2^−n).
    """
    best: list[Observation] = []
    for candidate in seen:
        if candidate is not None:
            like = [other for other in seen if other is not None and agree(candidate, other)]
            if len(like) > len(best):
                best = like
    if not best:
        return None, 0.0
    middle = Observation(
        tuple(
            round(float(np.median([o.frequencies_hz[i] for o in best])), 1)
            for i in range(len(best[0].frequencies_hz))
        ),
        round(float(np.median([o.on_ms for o in best])), 1),
        round(float(np.median([o.off_ms for o in best])), 1),
        round(float(np.median([o.level_dbm0 for o in best])), 1),
    )
    return middle, round(len(best) / len(seen) * (1 - 0.5 ** len(best)), 3)


class ToneLearner:
    """The memory of one line: learns its tone, and forgets it when the exchange changes."""

    def __init__(self) -> None:
        self._seen: deque[Observation | None] = deque(maxlen=KEPT)

    def add(self, samples: NDArray[np.generic]) -> Observation | None:
        """Take the recording `[n]` of a call that the far side ended; what it ended with."""
        seen = observe(samples)
        self._seen.append(seen)
        return seen

    def tone(self) -> LearnedTone | None:
        """What to listen for on this line, or None while too few calls agree.

        The last `ENOUGH` calls with a tone decide: when all of them disagree
        with what was learned before, that is forgotten.
        """
        heard = [o for o in self._seen if o is not None]
        found, confidence = consensus(heard[-2 * ENOUGH :])
        recent = heard[-ENOUGH:]
        if found is None or confidence < 0.4 or not any(agree(found, o) for o in recent):
            return None
        if sum(agree(found, o) for o in heard[-2 * ENOUGH :]) < ENOUGH:
            return None
        return LearnedTone(found.frequencies_hz, found.on_ms, found.off_ms)


def learn(recordings: Sequence[NDArray[np.generic]]) -> dict[str, list[float] | float | None]:
    """The disconnect tone that recordings `[n]` of whole calls end with.

    `confidence` is 0 and the rest empty where they end with none, or with
    different ones.
    """
    found, confidence = consensus([observe(samples) for samples in recordings])
    if found is None:
        return {"frequencies_hz": [], "on_ms": None, "off_ms": None, "confidence": 0.0}
    return {
        "frequencies_hz": list(found.frequencies_hz),
        "on_ms": found.on_ms,
        "off_ms": found.off_ms,
        "confidence": confidence,
    }
