"""Did a person or an answering machine take the call?

A person says a word or two and waits; a machine goes on talking, or beeps. All
levels are relative to what this call sounds like: the same recording 30 dB
quieter gives the same answer.

    person   __hello?____________          quiet for 0.8 s after a short greeting
    machine  __you-have-reached-the-…      still talking after 1.8 s

Both are counted from the first word, which may come late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.levels import RMS_AT_0_DBM0, SAMPLE_RATE_HZ

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
WORD_FRAMES = 3
BELOW_PEAK_DB = 22.0
ABOVE_FLOOR_DB = 6.0
LEAST_RANGE_DB = 10.0
LEAST_DBM0 = -65.0
JUDGE_EVERY = 5
FRAMES_PER_S = SAMPLE_RATE_HZ // FRAME


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
    """Whether a frame `[160]` is a single tone above 600 Hz (a beep)."""
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)))) ** 2
    top = int(spectrum.argmax())
    near = float(spectrum[max(top - 2, 0) : top + 3].sum())
    return top * SAMPLE_RATE_HZ / len(x) > 600 and near > 0.9 * float(spectrum.sum())


def amd(samples: NDArray[np.generic]) -> dict[str, float | str]:
    """Person, machine or unknown on a recording `[n]` that begins with the answer; `at_s`: when clear."""
    x = np.asarray(samples, np.float32)[None, :]
    detector = MachineDetector(1)
    verdicts = detector.process(x)
    verdict = verdicts[0] if verdicts else detector.finish(0)
    return {"result": verdict.result, "at_s": round(verdict.at_samples / SAMPLE_RATE_HZ, 3)}
