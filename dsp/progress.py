"""Call progress: dial, ringback, busy, congestion, special information, fax, voice, silence.

A tone is known by its frequencies *and* its cadence together. The frame scan
says when a tone of the network begins and ends on a port; from these bursts and
gaps the tones of the country that no longer fit are struck out, and a tone is
reported as soon as one is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dsp.cadence import Heard, hear
from dsp.levels import SAMPLE_RATE_HZ
from dsp.linescan import FRAME_MS, HOP, OFF, Frame, LineScan, Run
from dsp.voice import VoiceActivity

REPORTED_AS = {"special_dial": "dial", "unobtainable": "congestion"}
LEAST_DIAL_MS = 400.0
FAX_MS = 400.0
LEAST_RUNS = {"busy": 3, "congestion": 3, "unobtainable": 3, "call_waiting": 3, "learned": 3}
"""Tones that are only believed when a second burst has begun: the first may be a cut ringback."""
MOST_JUDGED = 10
"""Bursts and gaps that are looked at together."""


@dataclass(frozen=True)
class ToneEvent:
    """A tone was recognised ("start") or has ended ("end") on a port.

    `start_samples`: where the tone began; `end_samples`: where it ended (only
    with "end"); `at_samples`: when this was decided. All count from the first
    sample the detector was given.
    """

    port: int
    tone: str
    phase: str
    start_samples: int
    at_samples: int
    end_samples: int | None = None


@dataclass
class _Port:
    tone: str | None = None
    """Name of the tone in the country's table (or sit, fax-cng, fax-ced) that is on now."""
    start: int = 0
    """Its first frame."""


class ProgressDetector:
    """Call-progress tones on all ports at once."""

    def __init__(self, ports: int, country: str) -> None:
        self.ports = ports
        self.scan = LineScan(ports, country)
        self._state = [_Port() for _ in range(ports)]

    def set_country(self, ports: Sequence[int], country: str) -> None:
        """These ports belong to a network of this country. Raises `UnknownCountry`."""
        self.scan.set_country(ports, country)
        self.reset(ports)

    def reset(self, ports: Sequence[int]) -> None:
        """Forget what these ports sounded like."""
        self.scan.reset(ports)
        for port in ports:
            self._state[port] = _Port()

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> list[ToneEvent]:
        """Take a block `[P, n]` of samples on the 16-bit scale; what was recognised in it."""
        events: list[ToneEvent] = []
        for frame in self.scan.process(x, active):
            events += self.process_frame(frame)
        return events

    def process_frame(self, frame: Frame) -> list[ToneEvent]:
        """The same, from a frame of a scan that several detectors share."""
        events: list[ToneEvent] = []
        for port in (*frame.changed, *frame.due):
            self._judge(port, frame, events)
        return events

    def _judge(self, port: int, frame: Frame, events: list[ToneEvent]) -> None:
        state = self._state[port]
        runs = self.scan.runs[port]
        found = self._find(port, runs)
        if state.tone is not None and (found is None or found[0] != state.tone):
            if found is None and self._may_continue(port, state.tone, runs):
                return
            end = self._end_of(port, state.tone, runs)
            events.append(self._event(port, state, "end", frame, end))
            state.tone = None
        if state.tone is None and found is not None:
            state.tone, state.start = found
            events.append(self._event(port, state, "start", frame, None))

    def _event(self, port: int, state: _Port, phase: str, frame: Frame, end: int | None) -> ToneEvent:
        name = REPORTED_AS.get(state.tone or "", state.tone or "")
        end_samples = None if end is None else min(end * HOP, frame.end_samples)
        return ToneEvent(port, name, phase, state.start * HOP, frame.end_samples, end_samples)

    def _find(self, port: int, runs: list[Run]) -> tuple[str, int] | None:
        """The one tone that the latest bursts can be, and its first frame."""
        net = self.scan.networks[port]
        kinds = [net.kinds[run.kind - 1] if run.kind else "" for run in runs]
        if kinds[-1].startswith("fax"):
            return (kinds[-1], runs[-1].start) if runs[-1].ms >= FAX_MS else None
        heard_kinds = [k for k in kinds if k]
        if heard_kinds[-3:] == ["sit1", "sit2", "sit3"]:
            return "sit", runs[len(kinds) - 1 - kinds[::-1].index("sit1")].start
        anchor = next((run for run in reversed(runs) if run.kind == 1), None)
        if anchor is None or not self.scan.is_clear(port, anchor):
            return None
        heard = hear(self.scan, port, anchor)
        tail = heard.runs[-MOST_JUDGED:]
        if heard.quality(tail[-2:]) > 1.0:
            return None
        tail = tail[1:] if tail and tail[0].kind == OFF else tail
        while tail:
            found = heard.best(tail)
            if found:
                name = self._choose(heard, found, tail)
                return None if name is None else (name, tail[0].start)
            tail = tail[2:]
        return None

    def _choose(self, heard: Heard, found: dict[str, float], tail: list[Run]) -> str | None:
        names = list(found)
        if not names or (len(tail) == 1 and tail[0].ms < LEAST_DIAL_MS) or heard.quality(tail) > 1.0:
            return None
        if len(tail) < LEAST_RUNS.get(names[0], 1):
            return None
        alone = len({REPORTED_AS.get(name, name) for name in names}) == 1
        return names[0] if alone or len(tail) >= 4 else None

    def _may_continue(self, port: int, name: str, runs: list[Run]) -> bool:
        net = self.scan.networks[port]
        forms = [(cadence_ms, signature) for known, cadence_ms, signature in net.forms if known == name]
        if not forms:
            return bool(runs[-1].kind) and net.kinds[runs[-1].kind - 1] == name
        anchor = next((run for run in reversed(runs) if run.kind == 1), None)
        if anchor is None:
            return False
        heard = hear(self.scan, port, anchor)
        if not heard.runs:
            return False
        part = heard.runs[-2:] if heard.runs[-1].kind == OFF else heard.runs[-1:]
        return any(heard.error(cadence_ms, s, part, cut=True) <= 1.0 for cadence_ms, s in forms)

    def _end_of(self, port: int, name: str, runs: list[Run]) -> int:
        """Frame at which a tone that no longer fits has ended, the gap of its last burst included."""
        tone = self.scan.networks[port].table.get(name)
        last = runs[-1]
        if last.kind != OFF or tone is None or not tone.cadence_ms:
            return last.start
        return last.start + min(last.frames, round(max(tone.cadence_ms[1::2]) / FRAME_MS))


def segments(samples: NDArray[np.generic], country: str) -> list[dict[str, float | str]]:
    """What a recording `[n]` consists of: tone, start_s, end_s; contiguous, in order."""
    x = np.asarray(samples, np.float32)[None, :]
    detector = ProgressDetector(1, country)
    voice = VoiceActivity(1)
    spoken = np.zeros(max(1, -(-x.shape[1] // HOP)), np.bool_)
    events: list[ToneEvent] = []
    for i, start in enumerate(range(0, x.shape[1], HOP)):
        block = x[:, start : start + HOP]
        events += detector.process(block)
        spoken[i] = voice.process(block)[0]
    length = x.shape[1]
    label = np.where(spoken, "voice", "silence").astype("<U16")
    open_: ToneEvent | None = None
    for event in [*events, ToneEvent(0, "", "end", 0, length, length)]:
        if event.phase == "start":
            open_ = event
        elif open_ is not None:
            end = min(length if event.end_samples is None else event.end_samples, length)
            label[open_.start_samples // HOP : -(-end // HOP)] = open_.tone
            open_ = None
    edges = [0, *(int(i) + 1 for i in np.flatnonzero(label[1:] != label[:-1])), len(label)]
    return [
        {
            "tone": str(label[a]),
            "start_s": round(a * HOP / SAMPLE_RATE_HZ, 3),
            "end_s": round(min(b * HOP, length) / SAMPLE_RATE_HZ, 3),
        }
        for a, b in pairwise(edges)
        if length
    ]
