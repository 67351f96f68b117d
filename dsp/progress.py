"""Call progress: dial, ringback, busy, congestion, special information, fax, voice, silence.

A tone is known by its frequencies *and* its cadence together. The frame scan
says when a tone of the network begins and ends on a port; from these bursts and
gaps the tones of the country that no longer fit are struck out, and a tone is
reported as soon as one is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dsp.cadence import SHARE_NEAR, Heard, error, hear, stretches, turn_short
from dsp.keyframes import key_frames
from dsp.levels import SAMPLE_RATE_HZ
from dsp.linescan import FRAME_MS, HISTORY, HOP, OFF, SPECIAL, Frame, LineScan, Run
from dsp.noise import noise, square, words

REPORTED_AS = {"special_dial": "dial", "unobtainable": "congestion"}
LEAST_DIAL_MS = 500.0
FAX_MS = 400.0
SIT_MS = (230.0, 450.0)
SIT_GAP_MS = 80.0
"""E.180: each of the three tones lasts 330 ± 70 ms, with at most 30 ms between; as seen in 20 ms steps."""
LEAST_RUNS = {
    "busy": 3,
    "congestion": 3,
    "unobtainable": 3,
    "call_waiting": 3,
    "learned": 3,
}
"""Tones that are only believed when a second burst has begun: the first may be a cut ringback."""
LEAST_CONTINUOUS_MS = 2000.0
"""One of them without gaps is believed by then."""
RUNS_WHILE_CALL_WAITING = 5
"""A call waiting tone begins like busy or congestion in some countries, and stops where they go on."""
SHORT_GAP_MS = 60.0
DIP_DB = 3.0
LEAST_DIPS = 3
"""Gaps up to 60 ms in a dial tone are too short for runs of their own, but seen in its level."""
LEAST_STUTTER_RUNS = 5
"""An interrupted dial tone has bursts as short as syllables, so it needs three."""
PURE = 0.985
PURE_IN_RHYTHM = 0.9
"""Least `LineScan.purity`. Measured with noise 8 dB under the tone: all above 0.994; notes of music and
voices that pass every other test: 0.06 to 0.98. A cadence that has been kept twice proves something
itself and may have a voice over it."""
BEFORE_FRAMES = 6
BEFORE_DB = 15.0
UNPREPARED_MS = 1500.0
"""A tone that begins out of something else than quiet (120 ms, 15 dB) must last longer: music goes on."""
BARRIER_FRAMES = 3
"""So much later a burst may seem to end when it is looked at more closely."""
MOST_JUDGED = 10
"""Bursts and gaps that are looked at together."""


@dataclass(frozen=True)
class ToneEvent:
    """A tone was recognised ("start") or has ended ("end") on a port.

    `start_samples`: where the tone began; `at_samples`: when this was decided;
    only with "end": `sounded_samples`, where its last burst ended, and
    `end_samples`, the same with the gap that belongs to it. All count from the
    first sample the detector was given.
    """

    port: int
    tone: str
    phase: str
    start_samples: int
    at_samples: int
    end_samples: int | None = None
    sounded_samples: int | None = None


@dataclass
class _Port:
    tone: str | None = None
    """Name of the tone in the country's table (or sit, fax-cng, fax-ced) that is on now."""
    start: int = 0
    """Its first frame."""
    barrier: int = 0
    """Bursts that ended before this frame belong to a tone that is over."""


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

    def process_frame(self, frame: Frame, wanted: NDArray[np.bool_] | None = None) -> list[ToneEvent]:
        """The same, from a frame of a scan that several detectors share.

        wanted: ports to look at. Whoever begins to look at a port resets it.
        """
        events: list[ToneEvent] = []
        for port in (*frame.changed, *frame.due):
            if wanted is None or wanted[port]:
                self._judge(port, frame, events)
        return events

    def interrupt(self, port: int, frame: Frame) -> list[ToneEvent]:
        """A key was heard on a port: whatever sounded before it is over, and its gap no part of a cadence.

        A tone that goes on under the key is not.
        """
        state = self._state[port]
        run = self.scan.runs[port][-1]
        if run.kind == 1:
            return []
        events = [] if state.tone is None else [self._event(port, state, "end", frame)]
        state.tone, state.barrier = None, run.start
        return events

    def finish(self, port: int, frame: Frame) -> list[ToneEvent]:
        """Nothing comes after this frame: a tone that is on ends here, or with its last burst and gap."""
        state = self._state[port]
        if state.tone is None:
            return []
        event = self._event(port, state, "end", frame)
        if self.scan.runs[port][-1].kind == 1:
            event = replace(event, end_samples=frame.end_samples, sounded_samples=frame.end_samples)
        return [event]

    def _judge(self, port: int, frame: Frame, events: list[ToneEvent]) -> None:
        state = self._state[port]
        runs = self.scan.runs[port]
        found = self._find(port, runs)
        if state.tone is not None and (found is None or found[0] != state.tone):
            if found is None and self._may_continue(port, state.tone, runs):
                return
            ended = self._event(port, state, "end", frame)
            events.append(ended)
            state.tone = None
            if found is None and ended.sounded_samples is not None:
                state.barrier = ended.sounded_samples // HOP
        if state.tone is None and found is not None and self._is_pure(port, *found):
            state.tone, state.start = found
            events.append(self._event(port, state, "start", frame))

    def _is_pure(self, port: int, name: str, start: int) -> bool:
        """Whether the sound since frame `start` is as unchanging as only machines are."""
        special = {tone: (hz, off) for tone, hz, off in SPECIAL}
        bursts = [run for run in self.scan.runs[port] if run.kind != OFF and run.start + run.frames > start]
        if name == "fax-ced":  # T.30 and V.8 let it reverse its phase, which is no pure tone
            return True
        if name in special:
            return self.scan.purity(port, bursts[-1], *special[name]) > PURE
        if name == "sit":
            three = zip(bursts[-3:], ("sit1", "sit2", "sit3"), strict=True)
            return all(self.scan.purity(port, run, *special[tone]) > PURE for run, tone in three)
        return self._is_pure_progress(port, [run for run in bursts if run.kind == 1])

    def _is_pure_progress(self, port: int, bursts: list[Run]) -> bool:
        if not bursts:  # a tone so weak that only its gaps and edges were seen for what they are
            return False
        alone = len(bursts) < 2
        if alone and bursts[-1].ms < UNPREPARED_MS and not self._out_of_quiet(port, bursts[-1]):
            return False
        least = PURE if alone else PURE_IN_RHYTHM
        pure = all(self._purity(port, run) > least for run in bursts[-2:])
        return pure or (alone and self._is_pure_between_dips(port, bursts[-1]))

    def _is_pure_between_dips(self, port: int, burst: Run) -> bool:
        """Whether a burst is one of the network's dial tones with short gaps, pure between them."""
        signature = self.scan.best_signature(port, burst)
        short = [
            form[1]
            for form in self.scan.networks[port].forms
            if form[2] == signature and len(form[1]) == 2 and form[1][1] <= SHORT_GAP_MS
        ]
        if not short:
            return False
        first, level = self.scan.track(port, signature, HISTORY)
        inside = level[max(burst.start - first, 0) :][: burst.frames]
        full = stretches(inside > float(np.median(inside)) - DIP_DB)
        pieces = [Run(burst.kind, first + max(burst.start - first, 0) + a, b - a) for a, b in full]
        if len(pieces) <= LEAST_DIPS:
            return False
        cycles_ms = [(b.start - a.start) * FRAME_MS for a, b in pairwise(pieces[-LEAST_DIPS:])]
        steady = any(error(ms, sum(cadence_ms), False) <= 1.0 for cadence_ms in short for ms in cycles_ms)
        return steady and all(self._purity(port, run) > PURE for run in pieces[-LEAST_DIPS:-1])

    def _purity(self, port: int, run: Run) -> float:
        """Purity as the tone that suits best, of those whose frequencies cannot be told apart by shares."""
        lines = self.scan.networks[port].lines
        shares = self.scan.shares(port, run)
        near = np.flatnonzero(shares >= shares.max() - SHARE_NEAR)
        return max(self.scan.purity(port, run, lines[signature]) for signature in near)

    def short_dial_tones(self, port: int, keyed: bool = False) -> list[Run]:
        """The burst that has just ended on a port, if by itself it can only be dial tone.

        Every other tone but ringback would go on; ringback may be answered in its first burst.
        `keyed`: a key follows it, so ringback it is not.
        """
        runs = self.scan.runs[port]
        if len(runs) < 2 or runs[-1].kind != OFF or runs[-2].kind != 1 or runs[-2].ms < LEAST_DIAL_MS:
            return []
        burst = runs[-2]
        if not self.is_tone(port, burst):
            return []
        heard = hear(self.scan, port, burst)
        names = {name for name, *_ in heard.net.forms if heard.burst_fits(name, burst)}
        continuous = any(name == "dial" and not cadence_ms for name, cadence_ms, *_ in heard.net.forms)
        return [burst] if continuous and "dial" in names and (keyed or "ringback" not in names) else []

    def is_tone(self, port: int, burst: Run) -> bool:
        """Whether a burst by itself is a tone of the network: clear, out of quiet and unchanging."""
        return self.scan.is_clear(port, burst) and self._is_pure_progress(port, [burst])

    def _out_of_quiet(self, port: int, run: Run) -> bool:
        before = self.scan.loudest(port, run.start - 1 - BEFORE_FRAMES, run.start - 1)
        return before < self.scan.loudest(port, run.start + 1, run.start + 4) - BEFORE_DB

    def _event(self, port: int, state: _Port, phase: str, frame: Frame) -> ToneEvent:
        name = REPORTED_AS.get(state.tone or "", state.tone or "")
        start = state.start * HOP
        if phase == "start" or state.tone is None:
            return ToneEvent(port, name, phase, start, frame.end_samples)
        sounded, end = self._end_of(port, state.tone, self.scan.runs[port])
        return ToneEvent(
            port,
            name,
            phase,
            start,
            frame.end_samples,
            min(end * HOP, frame.end_samples),
            min(sounded * HOP, frame.end_samples),
        )

    def _find(self, port: int, runs: list[Run]) -> tuple[str, int] | None:
        """The one tone that the latest bursts can be, and its first frame."""
        net = self.scan.networks[port]
        last = runs[-1]
        if last.kind > 1:
            special = net.kinds[last.kind - 1]
            if special.startswith("fax"):
                steady = last.ms >= FAX_MS and self.scan.is_level(port, last)
                return (special, last.start) if steady else None
            three = [run for run in runs[-6:] if run.kind][-3:]
            if [net.kinds[run.kind - 1] for run in three] == ["sit1", "sit2", "sit3"] and _is_sit(three):
                return "sit", three[0].start
        anchor = next((run for run in reversed(runs) if run.kind == 1), None)
        if anchor is None or not self.scan.is_clear(port, anchor):
            return None
        heard = hear(self.scan, port, anchor)
        tail = heard.runs[-MOST_JUDGED:]
        state = self._state[port]
        tail = [run for run in tail if run.start + run.frames > state.barrier + BARRIER_FRAMES]
        tail = tail[1:] if tail and tail[0].kind == OFF else tail
        if not tail or heard.quality(tail[-2:]) > 1.0:
            return None
        tail = tail[1:] if tail and tail[0].kind == OFF else tail
        while tail:
            found = heard.best(tail)
            if found:
                name = self._choose(heard, found, tail)
                if name is None or self._is_old(state.tone, name, heard, tail):
                    return None
                return name, tail[0].start
            tail = tail[2:]
        return None

    def _is_old(self, old: str | None, new: str, heard: Heard, tail: list[Run]) -> bool:
        """Whether bursts that make another tone are all those of the tone that is on: its last ones."""
        if old is None or new == old or len(tail) == 1:
            return False
        gaps_ms = [
            gap_ms for name, cadence_ms, *_ in heard.net.forms if name == old for gap_ms in cadence_ms[1::2]
        ]
        for run in tail[1:-1:2]:  # between bursts, so whole
            if not any(error(run.ms, gap_ms, False) <= 1.0 for gap_ms in gaps_ms):
                return False
        bursts = [run for run in tail if run.kind != OFF]
        return all(heard.burst_fits(old, run, cut=run is bursts[-1]) for run in bursts)

    def _choose(self, heard: Heard, found: dict[str, float], tail: list[Run]) -> str | None:
        # A call waiting tone is heard beside a call: what may be another tone, is that.
        names = [name for name in found if name != "call_waiting" or len(found) == 1]
        if not names or (len(tail) == 1 and tail[0].ms < LEAST_DIAL_MS) or heard.quality(tail) > 1.0:
            return None
        if len(tail) < LEAST_RUNS.get(names[0], 1) and not self._goes_on(heard, names[0], tail):
            return None
        if "call_waiting" in found and names[0] in LEAST_RUNS and len(tail) < RUNS_WHILE_CALL_WAITING:
            return None
        if names[0] in ("dial", "special_dial") and 1 < len(tail) < LEAST_STUTTER_RUNS:
            return None
        alone = len({REPORTED_AS.get(name, name) for name in names}) == 1
        return names[0] if alone or len(tail) >= 4 else None

    @staticmethod
    def _goes_on(heard: Heard, name: str, tail: list[Run]) -> bool:
        """Whether a tone sounds that has no gaps, and has for long."""
        gapless = any(form[0] == name and not form[1] for form in heard.net.forms)
        return gapless and len(tail) == 1 and tail[0].ms >= LEAST_CONTINUOUS_MS

    def _may_continue(self, port: int, name: str, runs: list[Run]) -> bool:
        net = self.scan.networks[port]
        forms = [(form[1], form[2]) for form in net.forms if form[0] == name]
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

    def _end_of(self, port: int, name: str, runs: list[Run]) -> tuple[int, int]:
        """Frame at which the last burst of a tone that no longer fits ended, and that of its gap's end."""
        net = self.scan.networks[port]
        gaps_ms = [max(cadence_ms[1::2], default=0) for known, cadence_ms, *_ in net.forms if known == name]
        longest_ms, last_ms = max(gaps_ms, default=0), 0.0
        oldest = max(self._state[port].start, self.scan.number - HISTORY + 2)
        sounded = None
        whole: Run | None = None
        for run in runs:
            if run.kind == OFF or run.start < oldest:
                continue
            gap_ms = 0.0 if sounded is None else (run.start - sounded) * FRAME_MS
            if error(gap_ms, longest_ms, True) > 1.0:
                break
            if not longest_ms or self._fits_one_burst(port, name, run):
                sounded, last_ms = run.start + run.frames, max(last_ms, gap_ms)
                whole = run
            elif whole is not None and self._is_rest(port, name, whole, run):
                return run.start + run.frames, run.start + run.frames
        if sounded is None:
            return runs[-1].start, runs[-1].start
        # The gap of the form that was heard; where it was not heard, of the usual one.
        gap_ms = min(gaps_ms, key=lambda ms: abs(ms - last_ms)) if last_ms else next(iter(gaps_ms), 0)
        return sounded, sounded + round(gap_ms / FRAME_MS)

    def _is_rest(self, port: int, name: str, whole: Run, run: Run) -> bool:
        """Whether a burst is the last of a tone, cut short: the same sound as a `whole` one before it."""
        if run.kind != 1 or not self.scan.is_clear(port, run):
            return False
        heard = hear(self.scan, port, run)
        return heard.burst_fits(name, run, cut=True) and heard.quality([whole, run]) <= 1.0

    def _fits_one_burst(self, port: int, name: str, run: Run) -> bool:
        """Whether a burst alone may belong to a tone of that name."""
        if run.kind != 1 or not self.scan.is_clear(port, run):
            return False
        return hear(self.scan, port, run).burst_fits(name, run)


def _is_sit(three: list[Run]) -> bool:
    """Whether three bursts, the last one still sounding, last and follow each other as E.180 says."""
    return (
        all(SIT_MS[0] <= run.ms <= SIT_MS[1] for run in three[:2])
        and three[2].ms <= SIT_MS[1]
        and three[2].ms >= SIT_MS[0] - 2 * FRAME_MS
        and all((b.start - a.start - a.frames) * FRAME_MS <= SIT_GAP_MS for a, b in pairwise(three))
    )


VOICE_ABOVE_FLOOR_DB = 9.0
VOICE_LEAST_DBM0 = -50.0
VOICE_SHORTEST = 3
VOICE_GAP = 12
"""Frames: what is shorter than 60 ms is no voice, a pause under 240 ms ends none."""
SILENCE_SHORTEST = 5
"""Frames: less quiet than 100 ms between a tone and a voice is nothing that anybody hears."""
REST_FRAMES = 8
"""Up to 120 ms of sound (140 ms as seen) between a tone and silence is the rest of a burst, or a click."""
EDGE_FRAMES = 2
HALF_EMPTY_DB = 3.0


def segments(samples: NDArray[np.generic], country: str) -> list[dict[str, float | str]]:
    """What a recording `[n]` consists of: tone, start_s, end_s; contiguous, in order.

    A cadenced tone is one segment from its first burst to the end of its last
    gap, or to the voice that comes into it. A single burst between two silences
    that fits no other tone of the country, or after which a key is the next to be
    heard, is its dial tone, cut short by the first digit. Keys count as voice.
    Noise, hum, clicks and square waves, however loud, are silence: nobody speaks. Call waiting tone is heard
    beside a call and is not told apart from it here.
    """
    x = np.asarray(samples, np.float32)[None, :]
    length = x.shape[1]
    if not length:
        return []
    detector = ProgressDetector(1, country)
    events: list[ToneEvent] = []
    levels: list[float] = []
    short: list[tuple[Run, slice]] = []  # and where it must be quiet after it
    opening: list[Run] = []  # the first burst and gap
    keyed = key_frames(x[0])
    for frame in detector.scan.process(np.pad(x, ((0, 0), (0, -length % HOP)))):
        events += [event for event in detector.process_frame(frame) if event.tone != "call_waiting"]
        levels.append(float(frame.level_dbm0[0]))
        key = bool(keyed[frame.number])
        if frame.changed or (key and not keyed[max(frame.number - 1, 0)]):
            for run in detector.short_dial_tones(0, key):
                stop = run.start + run.frames + EDGE_FRAMES
                short.append((run, slice(stop, frame.number if key else stop + BEFORE_FRAMES)))
        if key:
            events += detector.interrupt(0, frame)
        if frame.changed:
            runs = detector.scan.runs[0]
            if not opening and len(runs) > 2 and runs[0].kind == OFF and runs[0].frames <= EDGE_FRAMES:
                runs = runs[1:]
            if not opening and len(runs) > 2:
                opening = list(runs[:2])
    dials = [
        run
        for run, after in short
        if max(levels[after], default=-99.0) < levels[run.start + EDGE_FRAMES] - BEFORE_DB
    ]
    events = [event for event in events if not any(_is_first_ring(event, run) for run in dials)]
    events += detector.finish(0, frame)
    level = np.array(levels)
    loud = _loud(level) & ~noise(x[0], level) & ~square(x[0], level)
    turn_short(loud, VOICE_SHORTEST, True)
    label = np.full(len(loud), "", "<U16")
    begun: ToneEvent | None = None
    for event in events:
        if event.phase == "start":
            begun = event
            continue
        if begun is not None and event.end_samples is not None and event.sounded_samples is not None:
            first, end = begun.start_samples // HOP, -(-event.end_samples // HOP)
            sounded = event.sounded_samples // HOP + EDGE_FRAMES
            speaking = np.flatnonzero(loud[sounded:end])
            label[first : sounded + int(speaking[0]) if len(speaking) else end] = begun.tone
            if _opens(opening, begun.tone, first, detector):
                label[:first] = begun.tone
            begun = None
    voice = loud & (label == "")
    turn_short(voice, VOICE_GAP, False)
    silent = label == ""
    label[silent] = np.where(voice[silent], "voice", "silence")
    for run in dials:
        tone = slice(run.start, run.start + run.frames)
        if set(label[tone]) <= {"voice", "silence"}:
            label[tone] = "dial"
            label[tone.stop : tone.stop + EDGE_FRAMES] = "silence"
    for stop in (np.flatnonzero((label[:-1] == "dial") & (label[1:] != "dial")) + 1).tolist():
        # A frame that the tone fills by less than half still holds nothing else.
        while label[stop - 1] == "dial" and levels[stop - 1] < levels[max(stop - 5, 0)] - HALF_EMPTY_DB:
            stop -= 1
            label[stop] = "silence"
    _drop_slivers(label)
    voice = label == "voice"
    label[voice & ~words(x[0], voice)] = "silence"
    edges = _edges(label)
    return [
        {
            "tone": str(label[a]),
            "start_s": round(a * HOP / SAMPLE_RATE_HZ, 3),
            "end_s": round(min(b * HOP, length) / SAMPLE_RATE_HZ, 3),
        }
        for a, b in pairwise(edges)
    ]


def _is_first_ring(event: ToneEvent, burst: Run) -> bool:
    """Whether a burst was at first taken for the beginning of ringback."""
    rings = event.tone == "ringback" and event.phase == "start"
    return rings and abs(event.start_samples // HOP - burst.start) <= EDGE_FRAMES


def _opens(opening: list[Run], tone: str, first: int, detector: ProgressDetector) -> bool:
    """Whether a recording opens within a burst of the tone whose next burst is at frame `first`."""
    if not opening or opening[0].kind != 1 or opening[0].start > EDGE_FRAMES:
        return False
    gap = opening[1]
    forms = [f for f in detector.scan.networks[0].forms if REPORTED_AS.get(f[0], f[0]) == tone]
    fits = any(error(gap.ms, gap_ms, False) <= 1.0 for form in forms for gap_ms in form[1][1::2])
    return fits and abs(gap.start + gap.frames - first) <= EDGE_FRAMES


def _edges(label: NDArray[np.str_]) -> list[int]:
    """First frames of the segments, and the end of the last."""
    return [0, *(int(i) + 1 for i in np.flatnonzero(label[1:] != label[:-1])), len(label)]


def _drop_slivers(label: NDArray[np.str_]) -> None:
    """Give the frames at the edges of tones, part tone and part not, to one of the neighbours.

    A filter or a click leaves a frame of sound before or after a tone: it is no voice.
    """
    for name, shortest in (("voice", VOICE_SHORTEST), ("silence", SILENCE_SHORTEST)):
        edges = _edges(label)
        for a, b in pairwise(edges):
            before = str(label[a - 1]) if a else ""
            after = str(label[b]) if b < len(label) else ""
            rest = name == "voice" and before not in ("", "silence") and after in ("", "silence")
            if label[a] != name or b - a >= (REST_FRAMES if rest else shortest) or not (before or after):
                continue
            if name == "voice":
                label[a:b] = "silence" if "silence" in (before, after) else after or before
            elif "voice" in (before, after) and before and after:
                label[a:b] = "voice"


def _loud(levels_dbm0: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Frames in which there is sound above the recording's own noise."""
    floor = float(np.percentile(levels_dbm0, 5))
    least = min(max(floor + VOICE_ABOVE_FLOOR_DB, VOICE_LEAST_DBM0), -30.0)
    return levels_dbm0 > least
