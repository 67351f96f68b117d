"""Did a person or an answering machine take the call?

A person says a word or two and waits; a machine goes on talking, or beeps. All
levels are relative to what this call sounds like: the same recording 30 dB
quieter gives the same answer.

    person   __hello?____________          quiet for 0.8 s after a short greeting
    machine  __you-have-reached-the-…      still talking after 1.8 s

Both are counted from the first word, which may come late. A recording of an outgoing call begins with
the network's tones: counting begins after the last ringing tone, no tone of the network is anybody's word,
and what speaks after a special information tone is the network.

    nobody    __▇▇▇____▇▇▇____▇▇▇____      ringing, busy or congestion tone and nothing else: unknown

In a recording clicks, hiss, hum and tones that are no beep are nobody's words, and make no greeting longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dsp.answer import CLICK_ABOVE_FLOOR_DB, share_beside_clicks_db
from dsp.cadence import stretches, turn_short
from dsp.keyframes import key_frames
from dsp.levels import RMS_AT_0_DBM0, SAMPLE_RATE_HZ
from dsp.linescan import WINDOW
from dsp.nettones import Burst, NetworkTones, network_tones
from dsp.noise import CONSONANT_FRAMES, noise, words
from dsp.tonality import tonal

FRAME = 160
GREETING_S = 1.8
"""A person's greeting is shorter than this."""
QUIET_S = 0.8
"""Quiet after the greeting: somebody waits for us to speak."""
FIRST_WORD_S = 5.0
"""Whoever says nothing for so long is neither."""
LONGEST_S = 10.0
"""A call on which nothing is sure by then stays unknown."""
BEEP_FRAMES = 10
BEEP_HZ = (600.0, 3400.0)
WORD_FRAMES = 3
BELOW_PEAK_DB = 22.0
ABOVE_FLOOR_DB = 6.0
LEAST_RANGE_DB = 10.0
LEAST_DBM0 = -65.0
JUDGE_EVERY = 5
FRAMES_PER_S = SAMPLE_RATE_HZ // FRAME
TONE_EDGE_FRAMES = 1
"""Frames beside a network tone's burst that hold some of it."""
RING_GAP_S = (1.4, 6.0)
"""Between two bursts of one tone that are ringing: busy tone has shorter gaps (E.180)."""
RING_PITCH_HZ = 6.0
USUAL_RING_GAP_S = 4.0
RING_QUIET_SHARE = 0.6
"""So much of the gap between two rings is quiet; a call waiting tone has a conversation beside it."""
SIT_LONGEST_FRAMES = 75
"""Three tones of up to 400 ms, the gaps between them, and what they stir up at their edges."""
TONE_SHARE = 0.8
"""Of the frames of a sound so many are one tone, or two together: nobody said it. Of 1174 words and sentences
of six voices none has more than 0.7."""
HOARSE_FRAMES = 8
HOARSE_MOVES_DB = 3.5
HOARSE_SHARE = 0.8
LEAD_S = 1.0
"""So much of the quiet before the first word is heard, to know the line's own noise."""


@dataclass(frozen=True)
class Verdict:
    """`result` is "person", "machine" or "unknown", decided `at_samples` after the answer."""

    port: int
    result: str
    at_samples: int


def judge(levels_dbm0: NDArray[np.float64], over: bool) -> str | None:
    """The verdict on the frame levels `[n]` so far; None: not yet. `over`: nothing more will come."""
    n = len(levels_dbm0)
    unsaid = "unknown" if over or n >= FIRST_WORD_S * FRAMES_PER_S else None
    peak = float(np.percentile(levels_dbm0, 97))
    floor = float(np.percentile(levels_dbm0, 10))
    if peak - floor < LEAST_RANGE_DB or peak < LEAST_DBM0:
        return unsaid
    speech = levels_dbm0 > max(floor + ABOVE_FLOOR_DB, peak - BELOW_PEAK_DB)
    run = np.convolve(speech, np.ones(5), mode="same") >= WORD_FRAMES
    spoken = np.flatnonzero(run & speech)
    if not len(spoken):
        return unsaid
    gaps = np.flatnonzero(np.diff(spoken) > QUIET_S * FRAMES_PER_S)
    last = int(spoken[gaps[0]]) if len(gaps) else int(spoken[-1])
    greeting_s = (last - int(spoken[0]) + 1) / FRAMES_PER_S
    if greeting_s > GREETING_S:
        return "machine"
    if over or n - last > QUIET_S * FRAMES_PER_S:
        return "person"
    return "unknown" if n >= LONGEST_S * FRAMES_PER_S else None


class MachineDetector:
    """Person or machine on all ports at once; each port is judged once after `reset`."""

    def __init__(self, ports: int) -> None:
        self.ports = ports
        most = int(LONGEST_S * FRAMES_PER_S) + JUDGE_EVERY + 1
        self._levels = np.zeros((most, ports))
        self._frames = np.zeros(ports, np.int64)
        self._told = np.zeros(ports, np.bool_)
        self._part = np.zeros((ports, FRAME), np.float32)
        self._fill = 0
        self._steady = np.zeros(ports, np.int64)

    def reset(self, ports: Sequence[int]) -> None:
        """The call on these ports has just been answered. Counting starts with the next whole frame."""
        index = list(ports)
        self._frames[index] = 0
        self._told[index] = False
        self._steady[index] = 0

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> list[Verdict]:
        """Take a block `[P, n]`; verdicts reached in it. Inactive ports stand still."""
        found: list[Verdict] = []
        start = 0
        while start < x.shape[1]:
            n = min(FRAME - self._fill, x.shape[1] - start)
            np.copyto(self._part[:, self._fill : self._fill + n], x[:, start : start + n], casting="unsafe")
            self._fill += n
            start += n
            if self._fill == FRAME:
                self._fill = 0
                found += self._frame(active)
        return found

    def finish(self, port: int) -> Verdict:
        """The call is over or nothing more will be heard: what is known of a port that has no verdict yet."""
        n = int(self._frames[port])
        result = judge(self._levels[:n, port], True) if n else "unknown"
        self._told[port] = True
        return Verdict(port, result or "unknown", n * FRAME)

    def _frame(self, active: NDArray[np.bool_] | None) -> list[Verdict]:
        x = np.nan_to_num(self._part, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
        x -= x.mean(axis=1, keepdims=True)
        power = np.maximum((x * x).mean(axis=1) / RMS_AT_0_DBM0**2, 1e-9)
        level = 10 * np.log10(power)
        open_ = ~self._told if active is None else ~self._told & active
        found = []
        for port in np.flatnonzero(open_).tolist():
            n = int(self._frames[port])
            before = self._levels[n - 1, port] if n else -99.0
            self._levels[n, port] = level[port]
            self._frames[port] = n + 1
            steady = abs(level[port] - before) < 0.5 and level[port] > LEAST_DBM0
            self._steady[port] = self._steady[port] + 1 if steady else 0
            result: str | None = None
            if self._steady[port] == BEEP_FRAMES and _is_pure(x[port]):
                result = "machine"
            elif (n + 1) % JUDGE_EVERY == 0:
                result = judge(self._levels[: n + 1, port], over=False)
            if result is not None:
                self._told[port] = True
                found.append(Verdict(port, result, (n + 1) * FRAME))
        return found


def _is_pure(x: NDArray[np.float64]) -> bool:
    """Whether a frame `[160]` is a single tone of `BEEP_HZ`."""
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
    top = int(spectrum.argmax())
    near = float(spectrum[max(top - 2, 0) : top + 3].sum())
    hz = top * SAMPLE_RATE_HZ / len(x)
    return BEEP_HZ[0] < hz < BEEP_HZ[1] and near > 0.9 * float(spectrum.sum())


def amd(samples: NDArray[np.generic]) -> dict[str, float | str]:
    """Person, machine or unknown on a recording `[n]` of an outgoing or answered call; `at_s`: when clear."""
    x = np.nan_to_num(np.asarray(samples, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if len(x) < FRAME:
        return {"result": "unknown", "at_s": 0.0}
    tones = network_tones(x)
    tone = _tone_frames(x, tones.bursts)
    frames = np.pad(x, (0, -len(x) % FRAME)).reshape(-1, FRAME)
    sound = _sound(frames, tone)
    spoken = np.flatnonzero(sound)
    if tones.sit is not None and not (len(spoken) and _first_word(spoken, tones) < tones.sit):
        return {"result": "unknown", "at_s": round(tones.sit * FRAME / SAMPLE_RATE_HZ, 3)}
    begin = _answered(tones.bursts, sound)
    heard = begin + np.flatnonzero(~tone[begin:])
    whole = heard[heard < len(x) // FRAME]
    detector = MachineDetector(1)
    verdicts = detector.process(_hushed(frames, sound, tone)[whole].reshape(1, -1))
    if not verdicts:
        result, at = detector.finish(0).result, len(x) // FRAME
    else:
        result, at = verdicts[0].result, int(whole[verdicts[0].at_samples // FRAME - 1]) + 1
    return {"result": result, "at_s": round(at * FRAME / SAMPLE_RATE_HZ, 3)}


def _tone_frames(x: NDArray[np.float32], bursts: Sequence[Burst]) -> NDArray[np.bool_]:
    """Whether each 20 ms frame of a recording `[n]` is the network's tone, or a key."""
    tone = key_frames(x)
    for burst in bursts:
        tone[max(burst.first - TONE_EDGE_FRAMES, 0) : burst.stop + TONE_EDGE_FRAMES] = True
    return tone


def _levels(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level (dBm0) of each frame `[frames, 160]` without its direct current."""
    ac = frames - frames.mean(axis=1, keepdims=True, dtype=np.float64)
    level: NDArray[np.float64] = 10 * np.log10(np.maximum((ac**2).mean(axis=1) / RMS_AT_0_DBM0**2, 1e-9))
    return level


def _floor(levels_dbm0: NDArray[np.float64], tone: NDArray[np.bool_]) -> float:
    rest = levels_dbm0[~tone]
    return float(np.percentile(rest, 10)) if len(rest) else 0.0


def _sound(frames: NDArray[np.float32], tone: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which frames `[frames, 160]` of a recording are somebody's words, or a beep."""
    level = _levels(frames)
    floor = max(_floor(level, tone), LEAST_DBM0 - ABOVE_FLOOR_DB)
    found: NDArray[np.bool_] = (level > floor + ABOVE_FLOOR_DB) & ~tone
    turn_short(found, WORD_FRAMES, True)
    x = frames.ravel()
    found &= ~noise(x, level)
    said = words(x, found)
    edge = (WINDOW - FRAME) // 2
    windows = sliding_window_view(np.pad(x, (edge, edge)), WINDOW)[::FRAME]
    for first, stop in stretches(found):
        if tonal(windows[first:stop]).mean() > TONE_SHARE:
            beep = sum(_is_pure(frame) for frame in frames[first:stop].astype(np.float64))
            found[first:stop] = beep >= BEEP_FRAMES
            said[first:stop] = False
        else:
            part = slice(first, stop)
            said[part] |= _moves(level[part], windows[part], floor)
            beside = slice(max(first - CONSONANT_FRAMES, 0), stop + CONSONANT_FRAMES)
            found[part] = said[beside].any()
    return found


def _moves(level: NDArray[np.float64], windows: NDArray[np.float32], floor: float) -> bool:
    """Whether a sound goes up and down like a hoarse voice, which may have no pitch, and is no clicks."""
    if len(level) < HOARSE_FRAMES or level[1:-1].std() < HOARSE_MOVES_DB:
        return False
    beside = level + share_beside_clicks_db(windows)
    return bool(np.mean(beside > floor + CLICK_ABOVE_FLOOR_DB) > HOARSE_SHARE)


def _hushed(
    frames: NDArray[np.float32], sound: NDArray[np.bool_], tone: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The frames `[frames, 160]` of a recording; what is louder than its floor but no `sound` is as quiet."""
    level = _levels(frames)
    floor = _floor(level, tone)
    down_db = np.where(sound | tone, 0.0, np.minimum(floor - level, 0.0))
    return frames * (10 ** (down_db / 20)).astype(np.float32)[:, None]


def _first_word(spoken: NDArray[np.intp], tones: NetworkTones) -> int:
    """The first frame of sound that is not the special information tone itself."""
    sit = tones.sit or 0
    before = spoken[spoken < sit - SIT_LONGEST_FRAMES]
    return int(before[0]) if len(before) else sit


def _answered(bursts: Sequence[Burst], sound: NDArray[np.bool_]) -> int:
    """The frame from which to count: after the last ringing, not long before the first word.

    bursts: of the network's tones, in order; sound: `[frames]`. Tones after the first word only move the
    beginning when they are ringing; busy tone after a word is how that call ended.
    """
    begin, gap = 0, round(USUAL_RING_GAP_S * FRAMES_PER_S)
    for i, burst in enumerate(bursts):
        rings = i > 0 and not _is_quick(bursts[i : i + 3]) and _is_next_ring(bursts[i - 1], burst, sound)
        if rings:
            gap = burst.first - bursts[i - 1].stop
        if rings or not sound[begin : burst.first].any():
            begin = burst.stop + TONE_EDGE_FRAMES
    if not begin:
        return 0
    first = np.flatnonzero(sound[begin:])
    late = int(first[0]) - round(LEAD_S * FRAMES_PER_S) if len(first) else 0
    return min(begin + min(max(late, 0), gap), len(sound))


def _is_quick(three: Sequence[Burst]) -> bool:
    """Whether three bursts follow each other faster than ringing does: busy tone that ends a call."""
    longest = RING_GAP_S[0] * FRAMES_PER_S
    return len(three) == 3 and all(b.first - a.stop < longest for a, b in pairwise(three))


def _is_next_ring(before: Burst, burst: Burst, sound: NDArray[np.bool_]) -> bool:
    """Whether a burst follows another as one ring follows the other."""
    gap_s = (burst.first - before.stop) / FRAMES_PER_S
    quiet = 1.0 - float(sound[before.stop : burst.first].mean()) if gap_s > 0 else 0.0
    same = abs(burst.hz - before.hz) < RING_PITCH_HZ
    return same and RING_GAP_S[0] <= gap_s <= RING_GAP_S[1] and quiet >= RING_QUIET_SHARE
