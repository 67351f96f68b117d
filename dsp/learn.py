"""Learning the disconnect tone of a line from the ends of ordinary calls.

When callers hang up, many exchanges play a tone that is in no table. It is the
last regular thing on the recording: bursts of one or two steady frequencies,
all of the same length, with equal gaps. What several calls agree on is the
tone; one call alone proves little, and a call that ends otherwise counts
against it.

Never learned: anything that could be ringback or a voice (a cycle over 2.5 s,
fewer than three bursts, or of a fast cycle fewer than five, for such are beeps;
bursts that differ in level or length), the key of a telephone (a pair of Q.23's
frequencies), and a continuous tone unless it lasts to the end of a call.

A wrong tone would hang up on people, so a line uses what it has learned only
when several calls agree, not all of one caller (whose machine may beep), and
when nobody was ever heard to speak on after it:

    call 1   talk talk  ▇_▇_▇_▇_▇_▇_|      the box hung up at last: the tone had lasted
    call 2   talk talk  ▇_▇_▇_|            the feed dropped: the far side had gone
    call 3   talk  ▇_▇_▇_  talk talk |     whatever that was, it is no disconnect tone
    call 4   talk  ▇_▇_▇_▇_▇_▇_▇_|         both sides recorded: the near side said "hello? hello?"
                  hello hello              while the tone went on, which says nothing

On a line, where only the far side is heard, a word after the tone is enough, and one
such call forbids the tone. A recording (`learn`) may hold the near side too: there it
takes most of a second of speech after the tone is over for good, whoever speaks, and
such a call takes one of those that agree away.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsp.afterwards import over_at, spoken_s
from dsp.cadence import FAST_MS, Heard
from dsp.dtmf_bank import PAIR_HZ
from dsp.levels import RMS_AT_0_DBM0, SAMPLE_RATE_HZ, rms_from_dbm0
from dsp.linescan import FRAME_MS, HOP, OFF, WINDOW, LearnedTone, LineScan, Run, network

LOOK_AT_S = 15.0
"""Only the end of a call is looked at: what comes before the line falls silent for good."""
SILENT_DBM0 = -50.0
SILENT_FRAMES = 5
"""Silent are frames (20 ms) weaker than any tone that is looked for; a click of one or two is no sound."""
AFTER_S = 0.5
"""So much of the silence is looked at with the call."""
FRAME = 512
STEP = 160
LOWEST_HZ = 290.0
HIGHEST_HZ = 2000.0
PURE_SHARE = 0.75
SECOND_LINE = 0.05
"""A second frequency has at least this share of the power of the first (13 dB down)."""
EDGE_FRAMES = 2
"""Frames that may still hold the edge of a burst."""
STEADY_DB = 1.5
LIKE_DB = 2.0
CALL_DB = 3.0
CALL_FRAMES = 10
"""Sound that differs so much in level from a continuous tone, for so long, is the call before it."""
LONGEST_CYCLE_MS = 2500.0
LEAST_FAST = 5
"""So many bursts of a fast cycle (FAST_MS) are no beeps."""
CONTINUOUS_MS = 3000.0
ANCHORS = 6
"""Bursts from which a tone is sought: the last ones may be somebody's voice."""
SAME_FREQUENCY = 0.015
SAME_TIME = 0.12
SAME_TIME_MS = 30.0
FINE_STEP = 16
"""Samples (2 ms) from one value of a tone's envelope to the next."""
EDGE_NEAR_MS = 50.0
"""So near to where the frames see it an edge is sought in the envelope."""
KEPT = 12
"""Calls that a line remembers."""
ENOUGH = 3
"""Calls that must agree before a line uses what it has learned."""
ENOUGH_OF_ONE = 5
"""The same where all of them may be of one caller."""
SURE = 0.4
"""Least confidence of a tone that is used."""
LASTED_S = 3.0
"""A tone that nothing else shows to be the end must have lasted so long, to the end."""
UNDER_TONE_DB = 20.0
QUIET_DBM0 = -45.0
"""What follows a tone is silence when it is weaker than this, or this much weaker than the tone."""
WORD_S = 0.2
"""Of a voice on the line so much shows that the call goes on."""
SPEECH_S = 0.9
"""The same where it may be the near side's, who says hello once or twice before hanging up."""
PIECE_MS = 200.0
KEY_TOLERANCE = 0.03


@dataclass(frozen=True)
class Observation:
    """What one call ended with."""

    frequencies_hz: tuple[float, ...]
    on_ms: float
    off_ms: float
    """0: continuous."""
    level_dbm0: float


@dataclass(frozen=True)
class Ending:
    """The tone at the end of a call, and how the call and the tone ended.

    lasted_s: how long the tone was there. followed: somebody spoke on after it.
    """

    tone: Observation
    lasted_s: float
    followed: bool


def ending(samples: NDArray[np.generic]) -> Ending | None:
    """The disconnect tone at the end of one call `[n]`, or None where there is none to be sure of.

    The samples are what the line says, without the near side.
    """
    return _last(samples, ANCHORS, WORD_S)


def _whole_call(samples: NDArray[np.generic]) -> Ending | None:
    """The same of a recording that may hold both sides, beginning with the call."""
    found = _last(samples, 1, SPEECH_S)
    if found is None or (
        found.tone.off_ms == 0.0 and not _is_call(np.nan_to_num(np.asarray(samples, float)))
    ):
        return None
    return found


def _last(samples: NDArray[np.generic], anchors: int, speech_s: float) -> Ending | None:
    """The last regular tone, sought from each of the last bursts of its frequencies.

    From one that is not among the last `anchors`, only where somebody speaks on (for `speech_s`) after it.
    """
    x = _end(np.nan_to_num(np.asarray(samples, np.float64)))
    lines = _lines(x)
    if lines is None or is_key(lines):
        return None
    scan = LineScan(1, "CN")
    scan.set_country([0], "CN", LearnedTone(lines, 500.0, 500.0))
    for _ in scan.process(np.concatenate([x, np.zeros(4 * STEP)])[None, :]):
        pass
    bursts = [run for run in scan.runs[0] if run.kind == 1 and scan.is_clear(0, run)]
    for back, anchor in enumerate(bursts[: -ANCHORS - 1 : -1]):
        found = _regular(x, lines, Heard(scan, 0, anchor), anchor, speech_s)
        if found is not None and (back < anchors or found.followed):
            return found
    return None


def _end(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The last `LOOK_AT_S` of a call `[n]`, without the silence after it."""
    frames = x[: len(x) // HOP * HOP].reshape(-1, HOP)
    if len(frames) >= SILENT_FRAMES:
        power = np.lib.stride_tricks.sliding_window_view((frames**2).mean(axis=1), SILENT_FRAMES)
        loud = np.flatnonzero(np.median(power, axis=1) > rms_from_dbm0(SILENT_DBM0) ** 2)
        if len(loud):
            x = x[: (int(loud[-1]) + SILENT_FRAMES) * HOP + int(AFTER_S * SAMPLE_RATE_HZ)]
    return x[-int(LOOK_AT_S * SAMPLE_RATE_HZ) :]


def is_key(lines_hz: tuple[float, ...]) -> bool:
    """Whether these frequencies are those of a telephone key (Q.23), which no exchange ends calls with."""
    return len(lines_hz) == 2 and bool((np.abs(PAIR_HZ / lines_hz - 1) < KEY_TOLERANCE).all(axis=1).any())


def _regular(
    x: NDArray[np.float64], lines: tuple[float, ...], heard: Heard, anchor: Run, speech_s: float
) -> Ending | None:
    """What the bursts up to the anchor say: continuous, or the longest regular row that ends there."""
    runs = [run for run in heard.runs if run.start < anchor.start + anchor.frames]
    if runs and runs[-1].kind != OFF:
        end = runs[-1].start + runs[-1].frames
        runs.append(Run(OFF, end, max(len(x) // HOP - end, 0)))
    if runs and runs[-2].ms >= CONTINUOUS_MS and heard.quality(runs[-2:-1]) <= 1.0:
        on_ms = min(runs[-2].ms, _lasted_ms(x, lines, runs[-2]))
        tone = Observation(lines, on_ms, 0.0, heard.level_dbm0)
        return Ending(tone, on_ms / 1000, _spoken_on_s(x, runs[-2:-1], tone) >= speech_s)
    whole = runs[:-1]
    for start in range(0, len(whole) - 4, 2):
        tail = whole[start:]
        on = np.array([run.ms for run in tail[0::2]])
        off = np.array([run.ms for run in tail[1::2]])
        on_ms, off_ms = float(np.median(on)), float(np.median(off))
        # the last burst may have been cut by the end of the recording
        if on_ms + off_ms <= FAST_MS and len(on) < LEAST_FAST:
            continue
        regular = _same(on[:-1], on_ms) and _same(off, off_ms) and on[-1] <= on_ms + SAME_TIME_MS
        judged = tail if on[-1] >= on_ms - SAME_TIME_MS else tail[:-1]
        if regular and on_ms + off_ms <= LONGEST_CYCLE_MS and heard.quality(judged) <= 1.0:
            tone = Observation(lines, *_exact(x, lines, tail), heard.level_dbm0)
            lasted_ms = (tail[-1].start + tail[-1].frames - tail[0].start) * FRAME_MS
            return Ending(tone, lasted_ms / 1000, _spoken_on_s(x, tail, tone) >= speech_s)
    return None


def _spoken_on_s(x: NDArray[np.float64], runs: Sequence[Run], tone: Observation) -> float:
    """For how long (s) somebody speaks in `[n]` after a tone, of which these runs are the last clear ones.

    Speech while the tone goes on, or before its next burst is overdue, says nothing: the near side wonders.
    Another tone (the howler) is no voice.
    """
    per_ms = SAMPLE_RATE_HZ / 1000
    on = tone.on_ms * per_ms
    cycle = on + tone.off_ms * per_ms
    bursts = np.array([run.start * HOP for run in runs[0::2]])
    burst = float(np.median(bursts - np.arange(len(bursts)) * cycle)) + (len(bursts) - 1) * cycle
    if not tone.off_ms:
        # without gaps it is looked at in pieces
        on = cycle = PIECE_MS * per_ms
        burst = (runs[-1].start + runs[-1].frames) * HOP - on
    over = over_at(x, tone.frequencies_hz, burst, on, cycle)
    overdue_ms = tone.off_ms * (1 + SAME_TIME) + SAME_TIME_MS + EDGE_FRAMES * FRAME_MS
    return spoken_s(x[over + round(overdue_ms * per_ms) :], max(QUIET_DBM0, tone.level_dbm0 - UNDER_TONE_DB))


def _exact(x: NDArray[np.float64], lines: tuple[float, ...], runs: Sequence[Run]) -> tuple[float, float]:
    """How long (ms) bursts and gaps last in a row that begins and ends with a burst, the last perhaps cut.

    Seen in the tone's envelope, which is finer than the frames in which the row was found.
    """
    envelope = _envelope(x, lines)
    bursts = [envelope[_fine(run.start) : _fine(run.start + run.frames)] for run in runs[0::2]]
    above = envelope - 0.5 * np.median(np.concatenate(bursts))
    edges_ms = np.array([_crossing(above if run.kind != OFF else -above, run.start) for run in runs])
    lengths_ms = np.diff(edges_ms)
    return float(np.median(lengths_ms[0::2])), float(np.median(lengths_ms[1::2]))


def _lasted_ms(x: NDArray[np.float64], lines: tuple[float, ...], run: Run) -> float:
    """How long (ms) a single burst in `[n]` lasts, seen as in `_exact`."""
    envelope = _envelope(x, lines)
    above = envelope - 0.5 * np.median(envelope[_fine(run.start) : _fine(run.start + run.frames)])
    sounding = _crossing(above, run.start), _crossing(-above, run.start + run.frames)
    return min(sounding[1], 1000.0 * len(x) / SAMPLE_RATE_HZ) - sounding[0]


def _is_call(x: NDArray[np.float64]) -> bool:
    """Whether a recording `[n]` has anything but a continuous tone and silence."""
    frames = x[: len(x) // HOP * HOP].reshape(-1, HOP)
    level_dbm0 = 20 * np.log10(np.sqrt((frames**2).mean(axis=1)) / RMS_AT_0_DBM0 + 1e-9)
    loud = level_dbm0[level_dbm0 > SILENT_DBM0]
    # at the level that most of it has: a tone of two frequencies beats
    return int((np.abs(loud - np.median(loud)) > CALL_DB).sum()) >= CALL_FRAMES


def _envelope(x: NDArray[np.float64], lines: tuple[float, ...]) -> NDArray[np.float64]:
    """Amplitude of a tone of these lines around every `FINE_STEP`th sample of `[n]`."""
    t = np.arange(WINDOW) / SAMPLE_RATE_HZ
    probe = np.hanning(WINDOW)[:, None] * np.exp(-2j * np.pi * t[:, None] * np.array(lines))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, WINDOW // 2), WINDOW)[::FINE_STEP]
    amplitude: NDArray[np.float64] = np.abs(windows @ probe).sum(axis=1)
    return amplitude


def _fine(frame: int) -> int:
    """The value of the envelope at the beginning of a frame."""
    return frame * HOP // FINE_STEP


def _crossing(rising: NDArray[np.float64], frame: int) -> float:
    """Where (ms) values of the envelope rise from under zero, nearest to the beginning of a frame."""
    step_ms = 1000.0 * FINE_STEP / SAMPLE_RATE_HZ
    first = max(_fine(frame) - round(EDGE_NEAR_MS / step_ms), 0)
    part = rising[first : _fine(frame) + round(EDGE_NEAR_MS / step_ms) + 1]
    before = np.flatnonzero((part[:-1] < 0.0) & (part[1:] >= 0.0))
    if not len(before):
        return frame * FRAME_MS
    exact_ms = (first + before + part[before] / (part[before] - part[before + 1])) * step_ms
    return float(exact_ms[np.abs(exact_ms - frame * FRAME_MS).argmin()])


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


def consensus(
    seen: Sequence[Observation | None], against: Sequence[Observation] = ()
) -> tuple[Observation | None, float]:
    """What most calls ended with, and how sure that is (0…1).

    seen: one for each call. against: tones after which somebody spoke on. Of m calls n agree and after k it
    was no end: (n − k) / m · (1 − 2^−n); as many against it as for it are none.
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
    net = len(best) - sum(agree(middle, other) for other in against)
    if net <= 0:
        return None, 0.0
    return middle, round(net / len(seen) * (1 - 0.5 ** len(best)), 3)


@dataclass(frozen=True)
class CallEnd:
    """How one call ended on a line: the tone and its length as in `Ending`.

    gone: something else, or the tone itself, had shown that the far side was gone.
    caller: who it was, in any form that tells two apart; "" where that is unknown.
    """

    tone: Observation
    lasted_s: float
    followed: bool = False
    gone: bool = False
    caller: str = ""

    def plain(self) -> dict[str, Any]:
        """For JSON; `from_plain` reads it back."""
        return asdict(self)

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> CallEnd:
        """The same again. Raises KeyError, TypeError or ValueError where it is not one."""
        tone = data["tone"]
        hz = tuple(float(f) for f in tone["frequencies_hz"])
        seen = Observation(hz, float(tone["on_ms"]), float(tone["off_ms"]), float(tone["level_dbm0"]))
        told = bool(data["followed"]), bool(data["gone"]), str(data["caller"])
        return cls(seen, float(data["lasted_s"]), *told)


@dataclass(frozen=True)
class Learned:
    """What a line has learned so far.

    confidence: 0…1; ends: calls that ended with it, of the last `KEPT`. trusted: enough for the line to
    listen for it.
    """

    tone: Observation
    confidence: float
    ends: int
    trusted: bool

    @property
    def to_hear(self) -> LearnedTone:
        """For a detector."""
        return LearnedTone(self.tone.frequencies_hz, self.tone.on_ms, self.tone.off_ms)


class ToneLearner:
    """The memory of one line: learns its tone, and forgets it when the exchange changes."""

    def __init__(self, ends: Iterable[CallEnd] = ()) -> None:
        self._ends: deque[CallEnd] = deque(
            (end for end in ends if not is_key(end.tone.frequencies_hz)), maxlen=KEPT
        )

    @property
    def ends(self) -> list[CallEnd]:
        """What is remembered, the oldest first."""
        return list(self._ends)

    def add(self, end: CallEnd) -> bool:
        """Take the end of a call; whether it says anything."""
        tells = (end.followed or end.gone or end.lasted_s >= LASTED_S) and not is_key(end.tone.frequencies_hz)
        if tells:
            self._ends.append(end)
        return tells

    def learned(self) -> Learned | None:
        """What most calls of late ended with.

        The newer of two that are as frequent is taken. It is trusted while enough calls agree, one of
        the last `ENOUGH` is among them, and no call went on after it.
        """
        spoken = [end for end in self._ends if not end.followed]
        recent = spoken[-2 * ENOUGH :]
        found, _ = consensus([end.tone for end in reversed(recent)])
        if found is None:
            return None
        like = [end for end in spoken if agree(found, end.tone)]
        lately = [end for end in recent if end in like]
        confidence = round(len(lately) / len(recent) * (1 - 0.5 ** len(like)), 3)
        vetoed = any(end.followed and agree(found, end.tone) for end in self._ends)
        one_caller = len({end.caller for end in like if end.caller}) < 2 and not any(e.gone for e in like)
        trusted = (
            not vetoed
            and confidence >= SURE
            and len(lately) >= ENOUGH
            and len(like) >= (ENOUGH_OF_ONE if one_caller else ENOUGH)
            and any(end in like for end in spoken[-ENOUGH:])
        )
        return Learned(found, 0.0 if vetoed else confidence, len(like), trusted)


def in_table(tone: Observation, country: str) -> str:
    """Name of the tone of a country's table that this is; "" for none. Raises `UnknownCountry`."""
    net = network(country)
    for name, cadence_ms, signature, _ in net.forms:
        on_off = (0.0, 0.0) if not cadence_ms else (float(cadence_ms[0]), float(cadence_ms[-1]))
        form = Observation(net.lines[signature], *on_off, tone.level_dbm0)
        if len(cadence_ms) <= 2 and agree(form, tone):
            return name
    return ""


def learn(recordings: Sequence[NDArray[np.generic]]) -> dict[str, list[float] | float | None]:
    """The disconnect tone that recordings `[n]` of whole calls end with.

    `confidence` is 0 and the rest empty where they end with none, with
    different ones, or where people speak on after it.
    """
    calls = [_whole_call(samples) for samples in recordings]
    ends = [None if call is None or call.followed else call.tone for call in calls]
    found, confidence = consensus(ends, [call.tone for call in calls if call and call.followed])
    if found is None:
        return {"frequencies_hz": [], "on_ms": None, "off_ms": None, "confidence": 0.0}
    return {
        "frequencies_hz": list(found.frequencies_hz),
        "on_ms": found.on_ms,
        "off_ms": found.off_ms,
        "confidence": confidence,
    }
