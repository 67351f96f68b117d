"""DTMF: a receiver over any number of ports, and a sender.

The receiver works in three stages, all on a grid of 20 ms frames, each asked only where
the one before it found something.

1. A bank of eight filters over every port's newest frame; ports with no pair of
   tones stop here. A tone of 40 ms fills at least one frame of the grid.
2. A glance at the last four frames: silence, a frame that two steady tones fill and
   explain to 99.6 %, and beside it the edges of the same tones. That is a key, or
   too short for one; most keys on most lines are decided here.
3. What noise, dial tone or a voice makes unclear is examined over the last 120 ms: the
   spectrum is cut around each of the two tones and turned back into a complex envelope
   every 2 ms. The envelopes' amplitudes give the edges of the digit, their phase the
   frequencies, and what remains of the signal tells a key press from speech (dtmf_rules,
   dtmf_bass). What both of these measure comes from dtmf_look.

    tone      ____/~~~~~~~~~~~~~~~~~~~~\\____/~~~~~~~\\_______________
    a gap shorter than the plan's pause is part    ^^^^             |
    of the digit                   "down" as soon as it is          "up" when the
                                   longer than the plan's minimum    pause is over

A key pressed while its own sender speaks is heard as far as both tones stay even: a voice
that moves them looks like the voices that must not become keys, and those are heard all day.
Prompts do not matter as far as their echo is taken out first. A key that follows another
without a pause is examined in what is left without the first (dtmf_change), one that the line
sends back late in what is left without its echo (dtmf_echo).

Sources: ITU-T Q.23 (frequencies), Q.24 (national limits), ETSI ES 201 235-3.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp import dtmf_bank as bank
from dsp import dtmf_look as look
from dsp.dtmf_bank import FRAME_SAMPLES, HIGH_HZ, LOW_HZ, PAIR_HZ, Bools, Floats, Ints
from dsp.dtmf_bass import is_steady
from dsp.dtmf_change import without_first
from dsp.dtmf_echo import without_echo
from dsp.dtmf_look import HISTORY_SAMPLES
from dsp.dtmf_plans import PLANS
from dsp.dtmf_rules import LEAST_SPREAD, TWIST_MARGIN_DB, KeyRules, may_echo, samples
from dsp.levels import RMS_AT_0_DBM0, SAMPLE_RATE_HZ, Samples, clean, peak_from_dbm0

KEYS = ("123A", "456B", "789C", "*0#D")
_DIGITS = "".join(KEYS)


class DtmfEvent(NamedTuple):
    """A key going down or up on a port.

    `start_samples` counts from the receiver's first sample. `duration_samples` is
    final with "up", and the time heard so far with "down". `level_dbm0` is the mean
    power of the two tones, `twist_db` the high tone's level less the low tone's.
    """

    port: int
    digit: str
    phase: Literal["down", "up"]
    start_samples: int
    duration_samples: int
    level_dbm0: float
    twist_db: float


_SLAB_FRAMES = 64
_STORE_FRAMES = HISTORY_SAMPLES // FRAME_SAMPLES
_MOST_FOLLOWING = 8
"""Keys right after other keys that are examined in one frame: each costs about 0.4 ms."""
_MOST_ECHOING = 24
"""Keys that an echo is looked for in one frame: each costs about 0.3 ms."""
_FOLLOWS_SAMPLES = HISTORY_SAMPLES - 560
"""A key that ended later than this in the history may still be heard where the next one begins."""


class _Seen(NamedTuple):
    """Keys in the histories of some ports: which of them, where, and their tones."""

    rows: Ints
    start: Floats
    end: Floats
    peak: Floats
    hz: Floats

    def and_those(self, other: _Seen, rows: Ints) -> _Seen:
        """With the keys that were seen in the histories `rows` alone."""
        return _Seen(
            np.concatenate([self.rows, rows[other.rows]]),
            np.concatenate([self.start, other.start]),
            np.concatenate([self.end, other.end]),
            np.concatenate([self.peak, other.peak]),
            np.concatenate([self.hz, other.hz]),
        )


_NONE: Ints = np.zeros(0, np.intp)
_NOTHING_SEEN = _Seen(_NONE, np.zeros(0), np.zeros(0), *np.zeros((2, 0, 2)))


class DtmfReceiver:
    """Hears keys on `ports` ports, each independently."""

    def __init__(self, ports: int, plan: str = "china") -> None:
        if plan not in PLANS:
            raise ValueError(f"unknown DTMF plan {plan!r}; there are {', '.join(sorted(PLANS))}")
        self.ports = ports
        self.plan = PLANS[plan]
        self._rules = KeyRules(self.plan)
        self._pause_samples = samples((self.plan.bridge_pause_ms + self.plan.accept_pause_ms) / 2)
        self._bridge_samples = samples(self.plan.bridge_pause_ms + 5)
        undisturbed = look.Limits(
            self._rules.deviation(LEAST_SPREAD) * PAIR_HZ,
            self._rules.least_samples,
            self._rules.least_peak,
            _amplitude(self.plan.high_above_low_db + TWIST_MARGIN_DB),
            _amplitude(self.plan.low_above_high_db + TWIST_MARGIN_DB),
            peak_from_dbm0(self.plan.lowest_dbm0 - 3.0),
        )
        # A ring of frames: frame number n is at n modulo its size.
        self._store = np.zeros((_STORE_FRAMES, ports, FRAME_SAMPLES), np.float32)
        self._partial = np.zeros((ports, FRAME_SAMPLES), np.float32)
        self._filled = 0
        self._frames = 0
        self._active = np.ones(ports, bool)
        self._somewhere = ports > 0
        # The pair to examine and how strong it was, told by the frame before.
        self._pair = np.zeros(ports, np.intp)
        self._waiting = np.zeros(ports, bool)
        self._strength = np.zeros(ports, np.float32)
        # The key that is down: its pair, its peaks and what they give in the frame bank.
        self._down = np.zeros(ports, bool)
        self._down_pair = np.zeros(ports, np.intp)
        self._peak = np.ones((ports, 2))
        self._full = np.ones((ports, 2))
        self._level_dbm0, self._twist_db = np.zeros((2, ports))
        self._clean = np.zeros(ports, bool)
        self._start = np.zeros(ports)
        self._end = np.zeros(ports)
        self._heard_until = np.zeros(ports)
        kept = look.Ports(self._active, self._down, self._down_pair, self._full, self._clean, self._end)
        self._look = look.Look(undisturbed, kept)
        # Two tones that were there before they seemed to begin: which, and until when they were heard.
        self._there_pair = np.zeros(ports, np.intp)
        self._there_until = np.zeros(ports)

    def reset(self, ports: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> None:
        """Forget everything heard on these ports."""
        self._store[:, ports] = 0.0
        self._partial[ports] = 0.0
        self._waiting[ports] = False
        self._down[ports] = False
        self._heard_until[ports] = self._frames * FRAME_SAMPLES
        self._there_until[ports] = 0.0

    def process(
        self, x: NDArray[np.float32] | NDArray[np.int16], active: NDArray[np.bool_] | None = None
    ) -> list[DtmfEvent]:
        """Take samples [ports, n], n any; answer the events that became certain.

        Ports that are not `active` are reset and cost nothing. Samples that are not
        finite count as silence.
        """
        if x.ndim != 2 or x.shape[0] != self.ports:
            raise ValueError(f"samples must be [{self.ports}, n], not {list(x.shape)}")
        return self.process_clean(clean(x), active)

    def process_clean(self, x: Samples, active: NDArray[np.bool_] | None = None) -> list[DtmfEvent]:
        """The same for samples that `dsp.levels.clean` has seen."""
        self._take_active(np.ones(self.ports, bool) if active is None else np.asarray(active, bool))
        events: list[DtmfEvent] = []
        if not self._somewhere:
            self._skip(x.shape[1])
            return events
        done = 0
        while done < x.shape[1]:
            if self._filled == 0 and x.shape[1] - done >= FRAME_SAMPLES:
                count = min((x.shape[1] - done) // FRAME_SAMPLES, _SLAB_FRAMES)
                events += self._slab(x[:, done : done + count * FRAME_SAMPLES], count)
                done += count * FRAME_SAMPLES
                continue
            take = min(FRAME_SAMPLES - self._filled, x.shape[1] - done)
            self._partial[:, self._filled : self._filled + take] = x[:, done : done + take]
            self._filled += take
            done += take
            if self._filled == FRAME_SAMPLES:
                self._filled = 0
                events += self._slab(self._partial, 1)
        return events

    def _take_active(self, active: Bools) -> None:
        """Forget the ports that are not active any more."""
        if not np.array_equal(active, self._active):
            self._somewhere = bool(active.any())
            # Where nobody is, no sound is taken: what was before would pass for what came just before a key.
            self.reset(self._active & ~active if self._somewhere else ~active)
            self._active[:] = active

    def _skip(self, n: int) -> None:
        self._frames += (self._filled + n) // FRAME_SAMPLES
        self._filled = (self._filled + n) % FRAME_SAMPLES
        self._partial[:] = 0.0

    def _slab(self, slab: Samples, count: int) -> list[DtmfEvent]:
        if count == 1:
            return self._one_frame(slab)
        events: list[DtmfEvent] = []
        frames = np.array(slab, np.float32, order="C")  # C takes none but its own kind of numbers
        passed = self._look.bank_all(frames.reshape(-1, FRAME_SAMPLES))
        passed.alike[:] &= np.repeat(self._active, count)
        for k in range(count):
            self._remember(slab[:, k * FRAME_SAMPLES : (k + 1) * FRAME_SAMPLES])
            events += self._frame(passed.of(slice(k, None, count)))
        return events

    def _one_frame(self, frame: Samples) -> list[DtmfEvent]:
        return self._frame(self._look.bank(self._remember(frame)))

    def _remember(self, frame: Samples) -> Samples:
        """Take the newest frame; answer it as it is kept."""
        kept: Samples = self._store[self._frames % _STORE_FRAMES]
        kept[:] = frame
        self._frames += 1
        return kept

    def _history(self, ports: Ints) -> Samples:
        """The last 120 ms of some ports, [ports, HISTORY_SAMPLES]."""
        places = np.arange(self._frames - _STORE_FRAMES, self._frames) % _STORE_FRAMES
        history: Samples = self._store[places, ports[:, None]].reshape(-1, HISTORY_SAMPLES)
        return history

    def _frame(self, passed: look.Passed) -> list[DtmfEvent]:
        """Decide what the newest frame has made certain."""
        power, alike, pair, strength = passed
        down = self._down
        somewhere_down = np.count_nonzero(down) > 0
        waiting = self._waiting
        events: list[DtmfEvent] = []
        if not (np.count_nonzero(alike) or np.count_nonzero(waiting)):
            return self._follow(power) if somewhere_down else events
        # A pair is examined one frame after it was seen, when it may be long enough. The click at
        # a tone's end may look like another pair, but a weaker one.
        better = alike & (~waiting | down | (strength > 0.5 * self._strength))
        np.copyto(self._pair, pair, where=better)
        np.copyto(self._strength, strength, where=better)
        if somewhere_down:
            changed = (waiting & down & (self._pair != self._down_pair)).nonzero()[0]
            if len(changed):
                events += self._examine(changed)
            events += self._follow(power)
        due = (waiting & ~down).nonzero()[0]
        waiting[:] = alike
        if len(due):
            due = self._glance(due, events)
        return events + self._examine(due) if len(due) else events

    def _glance(self, ports: Ints, events: list[DtmfEvent]) -> Ints:
        """Report the keys that went down undisturbed; answer the ports that need to be examined."""
        origin = (self._frames - look.GLANCE_FRAMES) * FRAME_SAMPLES
        seen, unclear = self._look.glance(
            self._store, self._frames - 1, ports, self._pair, self._heard_until, origin
        )
        if len(seen.ports):
            self._clean[seen.ports] = True
            pair = self._pair[seen.ports]
            events += self._press(
                seen.ports, pair, origin + seen.start, origin + seen.end, seen.peak, seen.full
            )
        return unclear

    def _press(
        self, ports: Ints, pair: Ints, start: Floats, end: Floats, peak: Floats, full: Floats | Samples
    ) -> list[DtmfEvent]:
        self._down[ports] = True
        self._down_pair[ports] = pair
        # An edge is told to a sample or two, but nothing is heard before the first.
        self._start[ports], self._end[ports] = np.maximum(start, 0.0), end
        self._peak[ports], self._full[ports] = peak, full
        self._level_dbm0[ports] = 10.0 * np.log10(np.vecdot(peak, peak) / 4.0 / RMS_AT_0_DBM0**2)
        self._twist_db[ports] = 20.0 * np.log10(peak[:, 1] / peak[:, 0])
        return self._events(ports, "down")

    def _follow(self, power: Samples) -> list[DtmfEvent]:
        """Report the keys that went up: their pause is over."""
        now = self._frames * FRAME_SAMPLES
        gone, asked = self._look.follow(power, now, self._pause_samples)
        if len(asked):
            gone = np.concatenate([gone, self._ended(asked)])
        if not len(gone):
            return []
        self._waiting[gone] &= self._pair[gone] != self._down_pair[gone]
        return self._release(gone)

    def _release(self, ports: Ints) -> list[DtmfEvent]:
        self._down[ports] = False
        self._heard_until[ports] = self._end[ports]
        return self._events(ports, "up")

    def _ended(self, ports: Ints) -> Ints:
        """Which keys of these ports are over: something disturbs them, so their envelopes tell."""
        origin = self._frames * FRAME_SAMPLES - HISTORY_SAMPLES
        until, over = self._look.first_pauses(
            self._history(ports),
            self._down_pair[ports],
            self._peak[ports],
            self._end[ports] - origin,
            self._pause_samples,
        )
        self._end[ports] = origin + until
        return ports[over]

    def _examine(self, ports: Ints) -> list[DtmfEvent]:
        """Report the keys that went down on ports where a pair was seen, and those that they ended."""
        history = self._history(ports)
        pair = self._pair[ports]
        origin = self._frames * FRAME_SAMPLES - HISTORY_SAMPLES
        heard_until = self._heard_until[ports]
        down = self._down[ports]
        follows = down | (heard_until > origin + _FOLLOWS_SAMPLES)
        follows &= pair != self._down_pair[ports]
        rows = follows.nonzero()[0]
        if len(rows) > _MOST_FOLLOWING:  # the others' turn comes with the next frame of their tones
            return self._examine(np.delete(ports, rows[_MOST_FOLLOWING:]))
        if len(rows):
            history[rows], until = without_first(history[rows], self._down_pair[ports[rows]], pair[rows])
            heard_until[rows] = origin + until
        there = np.where(self._there_pair[ports] == pair, self._there_until[ports] - origin, -1.0)
        seen, echoing = self._judge(history, pair, heard_until - origin, there)
        self._there_pair[ports], self._there_until[ports] = pair, origin + there
        if len(echoing):
            since = heard_until[echoing] - origin
            found, _ = self._judge(history[echoing], pair[echoing], since, there[echoing])
            seen = seen.and_those(found, echoing)
        rows = seen.rows
        if not len(rows):
            return []
        full = bank.full_power(seen.peak, seen.hz - PAIR_HZ[pair[rows]])
        self._clean[ports[rows]] = False
        ended = rows[down[rows]]
        self._end[ports[ended]] = np.maximum(heard_until[ended], self._start[ports[ended]])
        events = self._release(ports[ended])
        return events + self._press(
            ports[rows], pair[rows], origin + seen.start, origin + seen.end, seen.peak, full
        )

    def _judge(self, history: Samples, pair: Ints, heard_until: Floats, there: Floats) -> tuple[_Seen, Ints]:
        """The keys in the histories of some ports, and the ports out of whose history an echo was taken.

        `heard_until` [ports] counts in the history, and so does `there`: until when tones were heard that had
        been there before they seemed to begin. It is brought up to date in place; what shows only once an
        echo is gone is not kept.
        """
        heard = self._look.hear(history, pair, self._bridge_samples)
        runs = heard.runs
        fresh = runs.start > heard_until - 40
        goes_on = (runs.start < look.LEAST_BEFORE) & (runs.start < there)
        np.copyto(there, runs.end, where=goes_on)
        rows = ((runs.sounding >= self._rules.least_samples) & fresh & ~goes_on).nonzero()[0]
        if not len(rows):
            return _NOTHING_SEEN, _NONE
        course, inside = self._look.courses(heard, rows)
        likely = self._rules.is_even(course).nonzero()[0]
        if not len(likely):
            return _NOTHING_SEEN, _NONE
        rows, inside, course = rows[likely], inside[likely], course.of(likely)
        rests = self._look.rests(heard, rows, course.hz, inside)
        key, bass, swell = np.array(list(self._rules.judge(rests, course)), bool).T
        there[rows[swell]] = runs.end[rows[swell]]
        others = (~key).nonzero()[0]
        echoing = self._take_echoes_out(
            heard, rows[others], course.of(others), inside[others], [rests[k] for k in others.tolist()]
        )
        tones_peak = np.array([rest.peak for rest in rests])
        asked = bass.nonzero()[0]
        if len(asked):
            at = rows[asked]
            key[asked] = is_steady(look.spectrum(history[at]), runs.of(at), tones_peak[asked].min(1))
        found, rows = key.nonzero()[0], rows[key]
        seen = _Seen(rows, runs.start[rows], runs.end[rows], tones_peak[found], course.hz[found])
        return seen, np.array(echoing, np.intp)

    def _take_echoes_out(
        self, heard: look.Heard, rows: Ints, course: look.Course, inside: Bools, rests: list[look.Rest]
    ) -> list[int]:
        """Take out of some histories what the line sends back of a key; answer which they were."""
        stir = np.maximum(course.wobble_rad, course.unevenness).tolist()
        may = [k for k, rest in enumerate(rests) if may_echo(rest, stir[k])]
        if len(may) > _MOST_ECHOING:  # by turns: the others' comes with the next frames of their tones
            turn = self._frames % len(may)
            may = (may[turn:] + may[:turn])[:_MOST_ECHOING]
        echoing = []
        for k in may:
            row = int(rows[k])
            start, end, *_ = heard.stretch[row].tolist()
            pair = int(heard.pair[row])
            without = without_echo(
                heard.history[row], heard.wave[row], inside[k], pair, course.hz[k], (start, end)
            )
            if without is not None:
                heard.history[row] = without
                echoing.append(row)
        return echoing

    def _events(self, ports: Ints, phase: Literal["down", "up"]) -> list[DtmfEvent]:
        """What happened on these ports."""
        if not len(ports):
            return []
        start, end = self._start[ports], self._end[ports]
        columns = (
            ports.tolist(),
            [_DIGITS[pair] for pair in self._down_pair[ports].tolist()],
            repeat(phase),
            np.rint(start).astype(np.intp).tolist(),
            np.rint(end - start).astype(np.intp).tolist(),
            self._level_dbm0[ports].tolist(),
            self._twist_db[ports].tolist(),
        )
        return list(map(DtmfEvent, *columns))


def _amplitude(level_db: float) -> float:
    return float(10.0 ** (level_db / 20.0))


def dtmf_samples(
    digits: str, on_ms: float = 70.0, off_ms: float = 70.0, level_dbm0: float = -10.0, twist_db: float = 0.0
) -> Samples:
    """Keys as sound, float32 [n]: each `on_ms` of tone, then `off_ms` of silence.

    `level_dbm0` is the mean power of the two tones, `twist_db` the high tone's level
    less the low tone's. An unknown key is a ValueError.
    """
    if on_ms <= 0 or off_ms < 0:
        raise ValueError("a key needs a positive duration and a pause that is not negative")
    share = 10.0 ** (twist_db / 10.0)
    low_peak = peak_from_dbm0(level_dbm0) * (2.0 / (1.0 + share)) ** 0.5
    high_peak = low_peak * share**0.5
    on, off = round(samples(on_ms)), round(samples(off_ms))
    t = 2.0 * np.pi / SAMPLE_RATE_HZ * np.arange(on)
    edge = np.minimum(np.minimum(np.arange(on), np.arange(on)[::-1]) / 4.0, 1.0)
    out = np.zeros(len(digits) * (on + off), np.float32)
    for index, digit in enumerate(digits.upper()):
        row = next((r for r, keys in enumerate(KEYS) if digit in keys), None)
        if row is None:
            raise ValueError(f"{digit!r} is not a key; there are 0-9 * # A-D")
        low_hz, high_hz = LOW_HZ[row], HIGH_HZ[KEYS[row].index(digit)]
        at = index * (on + off)
        out[at : at + on] = edge * (low_peak * np.sin(low_hz * t) + high_peak * np.sin(high_hz * t))
    return out
