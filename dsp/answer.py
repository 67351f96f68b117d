"""Was an outgoing call answered, on a line that does not reverse its polarity?

Ringback that was there stops, and

* somebody speaks: answered where the first word begins, in a recording also when it cuts the very first
  burst short; or
* a burst is cut short and nothing but quiet follows for `CUT_QUIET_MS`; or
* the next burst does not come: answered when it is overdue; or
* a fax machine, a modem or a beep answers: a tone that is none of the network's. One of the three of the
  special information tone is a beep as soon as it is too long for that, or the next does not follow.

Busy, congestion or special information tone say the opposite. Without any
ringback at all, a voice that goes on counts as an answer as well. All of these
are inferences and are marked so by whoever passes them on; nothing here is ever
"seen". Where the exchange plays music or an announcement in place of ringback
(common in China), that reads as an answer: singing and speech are not told apart
reliably, so only a line that reverses its polarity tells the true moment.

Clicks are no word, nor is noise that was there under the ringing as well; noise that begins where the ringing
ends is the room of whoever answered. Ringing before a special information tone does not come back by being
recognised once more after it.

What may be only the echo of what we send says nothing either way: an agent who says
"hello?" into the ringing answers no call, and hides nobody who is louder than that.

    ringback  ▇▇▇____▇▇▇____▇▇_h-e-l-l-o
                              ^ answered
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsp.cadence import error, hear
from dsp.keyframes import key_frames
from dsp.levels import RMS_AT_0_DBM0, SAMPLE_RATE_HZ
from dsp.linescan import FRAME_MS, HOP, HUM_HZ, OFF, SOUND_HISTORY, Frame, LineScan, Run
from dsp.progress import SIT_MS, ProgressDetector, ToneEvent

CUT_QUIET_MS = 1500.0
CUT_SHARE = 0.8
"""A burst shorter than this share of the shortest before it was cut."""
LONGEST_SHARE = 1.3
"""A burst longer than this share of the longest that a ringing tone has is another tone."""
OVERDUE_SHARE = 1.17
OVERDUE_MS = 300.0
WORD_FRAMES = 4
WORD_WITHIN = 10
"""A word is 80 ms of sound within 200 ms; a click is shorter."""
SPEECH_FRAMES = 30
SPEECH_WITHIN = 64
"""Without ringback a voice must be there for 0.6 s of 1.3 s."""
ABOVE_FLOOR_DB = 9.0
QUIETEST_DBM0 = -50.0
LOWEST_FLOOR_DBM0 = -70.0
UNKNOWN_FLOOR_DBM0 = -45.0
HIGHEST_FLOOR_DBM0 = -35.0
"""The floor never follows a voice further up than this; noise that is there under the ringing as well may be
louder."""
UNDER_FRAMES = 5
UNDER_LOOK = 50
"""Frames of a burst under which noise is looked for: a second tells as much as a long one."""
UNDER_BESIDE_HZ = 80.0
"""The noise under a burst is looked for in pieces of 0.1 s, away from its frequencies and their sidebands."""
CLICK_PARTS = 16
CLICK_PARTS_KEPT = 10
CLICK_ABOVE_FLOOR_DB = 4.0
"""A window of 40 ms holds no more than clicks if only the floor is left without its six loudest parts of
2.5 ms."""
MOVES_DB = 0.7
"""A voice changes by more than this from frame to frame, a keypad or exchange tone does not."""
EDGE_FRAMES = 2
"""Frames beside a burst that may hold its edge."""
CUT_LEAST_MS = 300.0
CUT_INTO_FRAMES = 8
CUT_AFTER_FRAMES = 40
CUT_MOVES = 4
"""A first burst of 0.3 s or more is cut by a word that begins within 160 ms, moves, and is followed by 0.8 s
of quiet."""


FOREIGN_FRAMES = 8
"""A tone that is no network's answers when it has lasted for 160 ms."""
LEAST_FOREIGN_DBM0 = -46.0
NO_BURST = -99.0
WAIT_FRAMES = 6
"""How long after one of the three tones of a special information tone the next may yet begin."""


@dataclass(frozen=True)
class Answer:
    """The far side answered on `port` at `answered_samples`; decided at `at_samples`.

    `by`: somebody spoke ("voice"), or the ringing tone stopped and nobody said anything ("ringback").
    `how`: "inferred".
    """

    port: int
    answered_samples: int
    at_samples: int
    by: Literal["voice", "ringback"]
    how: str = "inferred"


@dataclass
class _Call:
    rung: bool = False
    rung_at: int = 0
    """The first frame of its ringing."""
    refused: bool = False
    refused_at: int = 0
    """The frame in which a special information tone began: only what rings after it may be answered."""
    told: bool = False
    since: int = 0
    """The frame in which it began."""
    shortest_ms: float = 0.0
    longest_ms: float = 0.0
    longest_gap_ms: float = 0.0
    cut: int | None = None
    """The frame in which a burst ended that may have been the first of ringing, directly in other sound."""
    word: int | None = None
    """The first frame of the word in which it ended."""


class AnswerDetector:
    """Watches outgoing calls on all ports at once for the moment they are answered.

    All ports are watched until `watch` says otherwise. after_all: the call is over and recorded, so that a
    word after a first short ring may pass for the answer at once; in a call that goes on, the network's beep
    and announcement before the ringing would, and that cannot be taken back.
    """

    def __init__(
        self, ports: int, country: str, progress: ProgressDetector | None = None, after_all: bool = False
    ) -> None:
        self.ports = ports
        self._after_all = after_all
        self.progress = progress or ProgressDetector(ports, country)
        self.scan: LineScan = self.progress.scan
        self._watched = np.ones(ports, np.bool_)
        self.any = True
        """Whether any port is watched."""
        self._calls = [_Call() for _ in range(ports)]
        self._floor: NDArray[np.float32] = np.full(ports, UNKNOWN_FLOOR_DBM0, np.float32)
        self._highest: NDArray[np.float32] = np.full(ports, HIGHEST_FLOOR_DBM0, np.float32)
        self._under: NDArray[np.float32] = np.full(ports, NO_BURST, np.float32)
        """Noise under the burst that has just ended, until the gap after it is heard."""
        self._last: NDArray[np.float32] = np.full(ports, -99.0, np.float32)
        self._sound = np.zeros(ports, np.uint64)
        self._moving = np.zeros(ports, np.uint64)
        self._tone_ago = np.full(ports, 99, np.int32)
        self._own = np.zeros(ports, np.uint64)

    def reset(self, ports: Sequence[int]) -> None:
        """A new call begins on these ports."""
        self.progress.reset(ports)
        self._begin(ports)

    def watch(self, ports: Sequence[int], on: bool) -> None:
        """Look for an answer on these ports from now on, or no more; whoever begins, begins anew."""
        self._begin([port for port in ports if on and not self._watched[port]])
        self._watched[list(ports)] = on
        self.any = bool(self._watched.any())

    def _begin(self, ports: Sequence[int]) -> None:
        for port in ports:
            self._calls[port] = _Call(since=self.scan.number)
        index = list(ports)
        self._floor[index] = UNKNOWN_FLOOR_DBM0
        self._highest[index] = HIGHEST_FLOOR_DBM0
        self._under[index] = NO_BURST
        self._last[index] = -99.0
        self._sound[index] = 0
        self._moving[index] = 0
        self._own[index] = 0
        self._tone_ago[index] = 99

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> list[Answer]:
        """Take a block `[P, n]` of what the line says; answers decided in it, at most one per call."""
        found: list[Answer] = []
        for frame in self.scan.process(x, active):
            found += self.process_frame(frame)
        return found

    def process_frame(
        self,
        frame: Frame,
        events: Sequence[ToneEvent] | None = None,
        echo: NDArray[np.bool_] | None = None,
    ) -> list[Answer]:
        """The same, from a frame of a shared scan.

        events: what `progress` has said of this frame; None: it has not seen it yet and is asked here.
        echo: ports on which what is heard may be what was sent (`dsp.ownecho`), or is a key.
        """
        for event in self.progress.process_frame(frame) if events is None else events:
            call = self._calls[event.port]
            if event.phase == "start":
                if event.tone == "ringback":
                    self._ring(event.port, call, event.start_samples // HOP)
                elif event.tone in ("busy", "congestion", "sit"):
                    call.refused = True
                    if event.tone == "sit":
                        call.refused_at = event.start_samples // HOP
        for port in frame.changed:
            if self._watched[port]:
                self._note_noise(port)
        self._listen(frame, echo)
        for port in frame.changed if self._after_all else ():
            if self._watched[port]:
                self._note_cut(port, self._calls[port])
        found = []
        recent = np.uint64((1 << WORD_WITHIN) - 1)
        word = np.bitwise_count(self._sound & recent) >= WORD_FRAMES
        speech = np.bitwise_count(self._moving) >= SPEECH_FRAMES
        for port in np.flatnonzero(self._watched).tolist():
            call = self._calls[port]
            if call.told or call.refused:
                continue
            if call.cut is not None and call.word is None and word[port]:
                first = self._first(self._sound, port, WORD_WITHIN, frame.number)
                if first <= call.cut + CUT_INTO_FRAMES:
                    call.word = first
                else:
                    call.cut = None
            at = None
            by: Literal["voice", "ringback"] = "voice"
            if call.rung and word[port]:
                at = self._first(self._sound, port, WORD_WITHIN, frame.number)
            elif call.rung and (foreign := self._foreign(port, call)) is not None:
                at = foreign
            elif speech[port]:
                at = call.word or self._first(self._moving, port, SPEECH_WITHIN, frame.number)
            elif call.word is not None and not int(self._sound[port]) & ((1 << CUT_AFTER_FRAMES) - 1):
                at, call.word = self._word_that_cut(port, call), None
            elif call.rung:
                by = "ringback"
                at = self._ringing_stopped(port, call)
            if at is not None:
                call.told = True
                found.append(Answer(port, at * HOP, frame.end_samples, by))
        return found

    def dialled(self, port: int, frame: Frame) -> None:
        """A key is heard on a port, the number still being dialled: what seemed to ring was dial tone."""
        self.progress.interrupt(port, frame)
        if not self._calls[port].told:
            self._calls[port] = _Call(since=frame.number)

    def _ring(self, port: int, call: _Call, first: int) -> None:
        bursts = [run.start for run in self.scan.runs[port] if run.kind == 1]
        if bursts and bursts[-1] < call.refused_at:
            return  # what rang before the refusal has only been recognised once more
        call.rung = True
        call.rung_at = call.rung_at or first
        call.refused = False
        forms = self.scan.networks[port].table.variants["ringback"]
        cadences = [tone.cadence_ms for tone in forms if tone.cadence_ms]
        call.shortest_ms = min((min(c[0::2]) for c in cadences), default=400.0)
        call.longest_ms = max((max(c[0::2]) for c in cadences), default=2000.0)
        call.longest_gap_ms = max((max(c[1::2]) for c in cadences), default=4000.0)

    def _note_cut(self, port: int, call: _Call) -> None:
        """A burst that has just ended may have been the first of ringing, cut short by the answer."""
        runs = self.scan.runs[port]
        if len(runs) < 2 or runs[-1].kind != OFF or runs[-2].start < call.since:
            return
        burst = runs[-2]
        if burst.kind != 1 or burst.ms < CUT_LEAST_MS or not self.progress.is_tone(port, burst):
            return
        if hear(self.scan, port, burst).burst_fits("ringback", burst, cut=True):
            call.cut, call.word = runs[-1].start, None

    def _note_noise(self, port: int) -> None:
        """A burst has just ended: noise that was there under it is the line's own."""
        runs = self.scan.runs[port]
        if runs[-1].kind == OFF and len(runs) > 1 and runs[-2].kind == 1:
            self._under[port] = _noise_under(self.scan, port, runs[-2])

    def _word_that_cut(self, port: int, call: _Call) -> int | None:
        """Where the word began that was followed by quiet, unless the network had more to say."""
        later = [run for run in self.scan.runs[port] if run.kind == 1 and run.start > (call.cut or 0)]
        more = any(run.ms >= CUT_LEAST_MS and self.scan.is_clear(port, run) for run in later)
        return None if more or int(self._moving[port]).bit_count() < CUT_MOVES else call.word

    def _listen(self, frame: Frame, echo: NDArray[np.bool_] | None) -> None:
        tone = frame.kind != OFF
        self._tone_ago = np.where(tone, 0, self._tone_ago + 1).astype(np.int32)
        level = frame.level_dbm0
        quiet = ~tone & (self._tone_ago > EDGE_FRAMES)
        if echo is not None:
            quiet &= ~echo
        begins = quiet & (self._under > NO_BURST)
        if begins.any():
            noise = np.minimum(level, self._under)
            self._under[begins] = NO_BURST
            begins &= noise > UNKNOWN_FLOOR_DBM0  # a codec makes weaker noise of the tone itself
            self._highest[begins] = np.maximum(noise[begins], HIGHEST_FLOOR_DBM0)
            self._floor[begins] = np.maximum(noise, self._floor)[begins]
        step = np.where(level < self._floor, 0.3, 0.01)
        self._floor += np.where(quiet, step * (level - self._floor), 0.0).astype(np.float32)
        np.clip(self._floor, LOWEST_FLOOR_DBM0, self._highest, out=self._floor)
        sound = quiet & (level > self._floor + ABOVE_FLOOR_DB) & (level > QUIETEST_DBM0)
        loud = np.flatnonzero(sound & self._watched)
        if loud.size:
            heard = self.scan.sound(loud, frame.number - 1, frame.number + 1)
            beside = level[loud] + share_beside_clicks_db(heard)
            sound[loud] = beside > self._floor[loud] + CLICK_ABOVE_FLOOR_DB
        moving = sound & (np.abs(level - self._last) > MOVES_DB)
        one = np.uint64(1)
        self._own = (self._own << one) | (np.uint64(0) if echo is None else echo.astype(np.uint64))
        self._sound = (self._sound << one) | sound.astype(np.uint64)
        self._moving = (self._moving << one) | moving.astype(np.uint64)
        self._last[:] = level

    def _foreign(self, port: int, call: _Call) -> int | None:
        """Where a tone began that is none of the network's, though one of the frequencies it looks for.

        The three of a special information tone may still become one until the next is overdue.
        """
        runs = self.scan.runs[port]
        special = [run for run in runs[-4:] if run.kind > 1 and run.start >= max(call.since, call.rung_at)]
        if not special:
            return None
        last = special[-1]
        running = last is runs[-1]
        frames = self.scan.number - last.start if running else last.frames
        ended = last.start + frames
        if frames < FOREIGN_FRAMES or self._is_own(port, last.start, ended):
            return None
        if self.scan.loudest(port, last.start + 1, ended) < LEAST_FOREIGN_DBM0:
            return None
        kinds = self.scan.networks[port].kinds
        name = kinds[last.kind - 1]
        if name.startswith("fax"):
            return last.start if self.scan.is_level(port, Run(last.kind, last.start, frames)) else None
        whole = SIT_MS[0] <= frames * FRAME_MS <= SIT_MS[1] or (running and frames * FRAME_MS <= SIT_MS[1])
        before = special[-2] if len(special) > 1 else None
        led = name == "sit1" or (
            before is not None
            and kinds[before.kind - 1] == f"sit{int(name[-1]) - 1}"
            and last.start - before.start - before.frames <= WAIT_FRAMES
        )
        overdue = not running and self.scan.number - ended > WAIT_FRAMES
        return last.start if not (whole and led) or overdue else None

    def _is_own(self, port: int, first: int, stop: int) -> bool:
        """Whether what was heard in these frames may be what was sent, or is a key."""
        until = self.scan.number - 1
        bits = int(self._own[port]) >> max(until - stop + 1, 0)
        return bool(bits & ((1 << min(stop - first, 64)) - 1))

    def _first(self, bits: NDArray[np.uint64], port: int, within: int, now: int) -> int:
        """Number of the oldest frame that is set among the last `within`."""
        recent = int(bits[port]) & ((1 << within) - 1)
        return now - recent.bit_length() + 1

    def _ringing_stopped(self, port: int, call: _Call) -> int | None:
        runs = self.scan.runs[port]
        if runs[-1].kind != OFF or len(runs) < 2:
            return None
        gap_ms = (self.scan.number - runs[-1].start) * FRAME_MS
        longest_ms = call.longest_ms * LONGEST_SHARE  # dial tone may have the same frequency
        ringing = [
            run
            for run in runs[:-1]
            if run.kind == 1 and run.start >= call.since and run.frames > EDGE_FRAMES and run.ms < longest_ms
        ]
        if gap_ms > CUT_QUIET_MS and len(ringing) > 1:
            whole_ms = [run.ms for run in ringing[:-1] if run.ms > call.shortest_ms * CUT_SHARE]
            short = ringing[-1].ms < CUT_SHARE * min(whole_ms, default=call.shortest_ms)
            if short and not self._is_call_waiting(port, ringing[-2], ringing[-1]):
                return runs[-1].start
        due_ms = call.longest_gap_ms
        if gap_ms > due_ms * OVERDUE_SHARE + OVERDUE_MS:
            return runs[-1].start + round(due_ms / FRAME_MS)
        return None

    def _is_call_waiting(self, port: int, before: Run, burst: Run) -> bool:
        """Whether a burst is call waiting tone: not ringback's sound, or not when that was due."""
        heard = hear(self.scan, port, burst)
        if not heard.burst_fits("call_waiting", burst) or not self.progress.is_tone(port, burst):
            return False
        forms = self.scan.networks[port].table.variants["ringback"]
        gap_ms = (burst.start - before.start - before.frames) * FRAME_MS
        due = any(error(gap_ms, ms) <= 1.0 for tone in forms for ms in tone.cadence_ms[1::2])
        return not due or not heard.burst_fits("ringback", burst, cut=True)


def _noise_under(scan: LineScan, port: int, burst: Run) -> float:
    """Level (dBm0) of what is there all the time under a burst of a tone; `NO_BURST` if it is too short."""
    stop = burst.start + burst.frames - EDGE_FRAMES
    first = max(burst.start + EDGE_FRAMES, stop - UNDER_LOOK, scan.number - SOUND_HISTORY)
    parts = (stop - first) // UNDER_FRAMES
    if parts < 1:
        return NO_BURST
    x = scan.sound([port], stop - parts * UNDER_FRAMES, stop).reshape(parts, -1)
    hann = np.hanning(x.shape[1]).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(x * hann, axis=1)))
    hz = np.fft.rfftfreq(x.shape[1], 1 / SAMPLE_RATE_HZ)
    beside = hz > HUM_HZ
    for line in scan.networks[port].lines[scan.best_signature(port, burst)]:
        beside &= np.abs(hz - line) > UNDER_BESIDE_HZ
    least = float(power[:, beside].sum(axis=1).min())
    scale = 2.0 / (x.shape[1] * float(hann @ hann) * RMS_AT_0_DBM0**2)
    return 10 * float(np.log10(max(least * scale, 1e-9)))


def share_beside_clicks_db(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is left of the level of each window `[P, WINDOW]` without its loudest parts (dB, 0 or less)."""
    steps = np.diff(x, axis=1, prepend=x[:, :1])  # mains hum is no part of the level
    power = np.square(steps).reshape(len(x), CLICK_PARTS, -1).sum(axis=2)
    kept = np.sort(power, axis=1)[:, :CLICK_PARTS_KEPT].mean(axis=1)
    share: NDArray[np.float32] = np.minimum((kept + 1e-3) / (power.mean(axis=1) + 1e-3), 1.0)
    return 10 * np.log10(share)


def answer(samples: NDArray[np.generic], country: str) -> dict[str, float | str | None]:
    """When the far side of a recorded outgoing call `[n]` answered: seconds, and how that is known.

    `how` is "inferred", or "none" where nobody answered. The number may be dialled within the recording.
    """
    x = np.asarray(samples, np.float32)
    detector = AnswerDetector(1, country, after_all=True)
    keyed = key_frames(x)
    at: float | None = None
    for frame in detector.scan.process(x[None, :]):
        key = keyed[frame.number : frame.number + 1]
        for found in detector.process_frame(frame, echo=key):
            at = found.answered_samples / SAMPLE_RATE_HZ
        if key[0]:
            detector.dialled(0, frame)
    if at is None:
        return {"answered_s": None, "how": "none"}
    return {"answered_s": round(at, 3), "how": "inferred"}
