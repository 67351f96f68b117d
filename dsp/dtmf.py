"""DTMF: a receiver over any number of ports, and a sender.

The receiver works in three stages, all on a grid of 20 ms frames, each asked only where
the one before it found something.

1. A bank of eight filters over every port's newest frame; ports with no pair of
   tones stop here. A tone of 40 ms fills at least one frame of the grid.
2. A glance at the last four frames: silence, a frame that two steady tones fill and
   explain to 99.6 %, and beside it the edges of the same tones. That is a key, or
   too short for one; most keys on most lines are decided here (dtmf_glance).
3. What noise, dial tone or a voice makes unclear is examined over the last 120 ms: the
   spectrum is cut around each of the two tones and turned back into a complex envelope
   every 2 ms. The envelopes' amplitudes give the edges of the digit, their phase the
   frequencies, and what remains of the signal tells a key press from speech (dtmf_look,
   dtmf_bass).

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

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp import dtmf_bank as bank
from dsp import dtmf_look as look
from dsp.dtmf_bank import FRAME_SAMPLES, HIGH_HZ, LOW_HZ, PAIR_HZ, TONES_OF_PAIR, Bools, Floats, Ints
from dsp.dtmf_bass import is_steady
from dsp.dtmf_change import without_first
from dsp.dtmf_echo import without_echo
from dsp.dtmf_glance import FRAMES, Glance, glance
from dsp.dtmf_look import HISTORY_SAMPLES
from dsp.levels import RMS_AT_0_DBM0, SAMPLE_RATE_HZ, Samples, clean, peak_from_dbm0

KEYS = ("123A", "456B", "789C", "*0#D")
_DIGITS = "".join(KEYS)


@dataclass(frozen=True)
class DtmfPlan:
    """What a national plan asks of a receiver (Q.24, ES 201 235-3).

    A tone within `accept_deviation` of its frequency must be accepted, one outside
    `reject_deviation` must not; likewise the durations. Levels are per tone.
    """

    accept_deviation: float
    reject_deviation: float
    accept_tone_ms: float
    reject_tone_ms: float
    accept_pause_ms: float
    bridge_pause_ms: float
    high_above_low_db: float
    low_above_high_db: float
    lowest_dbm0: float


PLANS: dict[str, DtmfPlan] = {
    "china": DtmfPlan(0.018, 0.030, 40, 20, 40, 10, 8, 8, -36),
    "att": DtmfPlan(0.018, 0.035, 40, 23, 40, 10, 8, 8, -36),
    "ntt": DtmfPlan(0.018, 0.030, 40, 24, 30, 10, 8, 8, -36),
    "brazil": DtmfPlan(0.018, 0.030, 40, 20, 30, 10, 9, 9, -36),
    "etsi": DtmfPlan(0.018, 0.035, 40, 20, 40, 20, 8, 8, -36),
}
"""Limits per plan. Where a country asks less than the others (AT&T: 4 dB of high
twist), the wider limit stands: accepting more key presses harms nobody."""

PLANS["denmark"] = PLANS["etsi"]

_PLAN_COUNTRIES = {
    "att": "US CA PR VI GU AG AI AS BB BM BS DM DO GD JM KN KY LC MP MS SX TC TT VC VG",
    "ntt": "JP",
    "brazil": "BR",
    "etsi": "AD AL AT BA BE BG CH CY CZ DE DK EE ES FI FO FR GB GI GL GR HR HU IE IS IT LI LT LU LV MC MD ME"
    " MK MT NL NO PL PT RO RS SE SI SK SM VA XK",
}
"""Countries (ISO 3166-1) of the plans: the North American numbering plan, and the area of ETSI in Europe."""


def plan_of(country: str) -> str:
    """The plan whose limits a country's receivers keep: China's where none of the others is in use."""
    return next(
        (plan for plan, codes in _PLAN_COUNTRIES.items() if country.upper() in codes.split()), "china"
    )


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


_MOST_BASS = 0.25
_LEAST_SPREAD = 0.2
_MOST_STIR_WHERE_FLAT = 0.1
_MOST_RESIDUE_WHERE_FLAT = 0.07
_MOST_RESIDUE_PEAK_WHERE_FLAT = 0.05
_MOST_BASS_WHERE_FLAT = 0.8
_MOST_LEAD_WHERE_FLAT = 0.17
"""Chosen between keys over speech and the noise of a car, whose tones lead by up to 0.16, and the 20 h of
speech and music of docs/dsp-report.md, heard at several speeds."""
_MOST_RESIDUE_WITHOUT_BASS = 0.15
"""What stands out beside two tones is no harmonic up to this where no pitch is heard under them."""
_LEAD_OF_NOISE = 0.55
"""What is there before a tone, in units of the noise beside the weaker one; that of keys is up to 0.5."""
_MOST_APART_SAMPLES = 20.0
_MOST_APART_OF_NOISE_SAMPLES = 36.0
"""So far apart both tones of a key seem to begin, the second in units of the noise beside the weaker one: of
33,000 keys in noise of 5 dB and more, over speech, music and dial tone and with echoes two were farther
apart, whose one tone was 8 dB under the other and no louder than the noise."""
_MOST_PEAKS = ((0.2, 0.13), (0.15, 0.16))
"""Where more than the first is left beside two tones, no part of it stands out more than the second: of
33,000 keys in noise of 5 dB and more, over speech, music and dial tone four do."""
_MOST_CREST_OF_NOISE = 14.0
"""Noise 6 to 14 dB under 4,000 keys has up to 12.7; beside two partials of a struck string that lie 2 % off
the tones of a key another one has 25."""
_MOST_OFF_OF_DIVIDERS = 0.008
"""Telephones divide the 3.58 MHz of a crystal: their worst tone is 0.74 % off. A key that is farther off must
be accepted, but not where it is disturbed just as a chord would be."""
_MOST_RESIDUE_OF_LATE = 0.26
"""Noise 7 dB under a key leaves less of its power, once 100 ms of it are heard."""
_MOST_RESIDUE_OF_LATE_THIRD = 0.08
_MOST_CREST_OF_LATE_THIRD = 25.0
"""Beside chords that were taken for keys so late stands a third tone of 0.1 to 0.14 and 60 to 120; of keys
over speech, music and noise 2 to 12 dB under them, those that are taken late, 2.4 in 100 are over both."""
_MOST_OF_BOTH_BEFORE = 0.33
_MOST_OF_ONE_BEFORE = 0.8
"""Two tones with a third, of both or one of which so much was there before they seemed to begin, are a chord
that swells, however long they go on. Of the same keys five in 1000 are like that; of keys whose beginning
noise drowns none, for noise has no third tone. The price are keys over a chord of their own two tones."""
_LEAST_RESIDUE_OF_THIRD = 0.03
_LEAST_CREST_OF_THIRD = 12.0
_LEAST_STIR_OF_ECHO = 0.08
_MOST_RESIDUE_OF_ECHO = 0.1
_TWIST_MARGIN_DB = 1.0
_SLAB_FRAMES = 64
_FEW = 0.5
"""Up to this share of the ports, the active ones alone are put through the bank."""
_STORE_FRAMES = HISTORY_SAMPLES // FRAME_SAMPLES
_MOST_FOLLOWING = 8
"""Keys right after other keys that are examined in one frame: each costs about 0.4 ms."""
_MOST_ECHOING = 24
"""Keys that an echo is looked for in one frame: each costs about 0.3 ms."""
_FOLLOWS_SAMPLES = HISTORY_SAMPLES - 560
"""A key that ended later than this in the history may still be heard where the next one begins."""
_HELD = 0.9
_BACK = 0.2
"""A tone that was gone is back in a frame that holds this share of its amplitude."""


class _Seen(NamedTuple):
    """Keys in the histories of some ports: which of them, where, and their tones."""

    rows: Ints
    start: Floats
    end: Floats
    peak: Floats
    hz: Samples

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
_NOTHING_SEEN = _Seen(_NONE, np.zeros(0), np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2), np.float32))


class DtmfReceiver:
    """Hears keys on `ports` ports, each independently."""

    def __init__(self, ports: int, plan: str = "china") -> None:
        if plan not in PLANS:
            raise ValueError(f"unknown DTMF plan {plan!r}; there are {', '.join(sorted(PLANS))}")
        self.ports = ports
        self.plan = PLANS[plan]
        self._bank = bank.FrameBank(self.plan.lowest_dbm0 - 3.0)
        self._middle_deviation = 0.5 * (self.plan.accept_deviation + self.plan.reject_deviation)
        self._least_samples = _samples((self.plan.accept_tone_ms + self.plan.reject_tone_ms) / 2)
        self._pause_samples = _samples((self.plan.bridge_pause_ms + self.plan.accept_pause_ms) / 2)
        self._least_peak = peak_from_dbm0(self.plan.lowest_dbm0 - 2.0)
        # Limits of undisturbed keys: off each tone of each pair, and the one tone's peak over the other's.
        self._most_off_hz: list[list[float]] = (self._deviation(_LEAST_SPREAD) * PAIR_HZ).tolist()
        self._most_high = _amplitude(self.plan.high_above_low_db + _TWIST_MARGIN_DB)
        self._most_low = _amplitude(self.plan.low_above_high_db + _TWIST_MARGIN_DB)
        # A ring of frames: frame number n is at n modulo its size.
        self._store = np.zeros((_STORE_FRAMES, ports, FRAME_SAMPLES), np.float32)
        self._partial = np.zeros((ports, FRAME_SAMPLES), np.float32)
        self._filled = 0
        self._frames = 0
        self._active = np.ones(ports, bool)
        self._active_bytes = self._active.tobytes()
        self._rows: Ints | None = None
        """The active ports, where they are few; None: all are looked at."""
        self._everywhere, self._somewhere = True, ports > 0
        # The pair to examine and how strong it was, told by the frame before.
        self._pair = np.zeros(ports, np.intp)
        self._waiting = np.zeros(ports, bool)
        self._strength = np.zeros(ports, np.float32)
        self._stirred = False
        """Whether a pair may be waited for, or a key be down, anywhere."""
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
        now = active.tobytes()  # compared more cheaply than the arrays
        if now != self._active_bytes:
            self._somewhere = bool(active.any())
            # Where nobody is, no sound is taken: what was before would pass for what came just before a key.
            self.reset(self._active & ~active if self._somewhere else ~active)
            self._active, self._active_bytes = active.copy(), now
            self._everywhere = bool(active.all())
            rows = active.nonzero()[0]
            self._rows = rows if len(rows) <= _FEW * self.ports else None

    def _skip(self, n: int) -> None:
        self._frames += (self._filled + n) // FRAME_SAMPLES
        self._filled = (self._filled + n) % FRAME_SAMPLES
        self._partial[:] = 0.0

    def _slab(self, slab: Samples, count: int) -> list[DtmfEvent]:
        if count == 1:
            return self._one_frame(slab)
        events: list[DtmfEvent] = []
        frames = slab.reshape(-1, FRAME_SAMPLES)
        power = self._bank.powers(frames)
        alike, pair, strength = self._bank.pairs(frames, power)
        if not self._everywhere:
            alike &= np.repeat(self._active, count)
        for k in range(count):
            self._remember(slab[:, k * FRAME_SAMPLES : (k + 1) * FRAME_SAMPLES])
            one = slice(k, None, count)
            events += self._frame(power[:, one], alike[one], pair[one], strength[one])
        return events

    def _one_frame(self, frame: Samples) -> list[DtmfEvent]:
        self._remember(frame)
        rows = self._rows
        if rows is None:
            power = self._bank.powers(frame)
            alike, pair, strength = self._bank.pairs(frame, power)
            if not self._everywhere:
                alike &= self._active
            return self._frame(power, alike, pair, strength)
        some = frame[rows]
        if self._stirred:
            self._stirred = bool(self._waiting.any() or self._down.any())
        if not (self._stirred or self._bank.is_loud(some)):
            return []
        power = np.zeros((8, self.ports), np.float32)
        alike, pair = np.zeros(self.ports, bool), np.zeros(self.ports, np.intp)
        strength = np.zeros(self.ports, np.float32)
        power[:, rows] = passed = self._bank.powers(some)
        alike[rows], pair[rows], strength[rows] = self._bank.pairs(some, passed)
        return self._frame(power, alike, pair, strength)

    def _remember(self, frame: Samples) -> None:
        self._store[self._frames % _STORE_FRAMES] = frame
        self._frames += 1

    def _newest(self, ports: Ints, frames: int = _STORE_FRAMES) -> Samples:
        """The last frames of some ports, [ports, frames, FRAME_SAMPLES]."""
        places = np.arange(self._frames - frames, self._frames) % _STORE_FRAMES
        newest: Samples = self._store[places, ports[:, None]]
        return newest

    def _history(self, ports: Ints) -> Samples:
        """The last 120 ms of some ports, [ports, HISTORY_SAMPLES]."""
        return self._newest(ports).reshape(-1, HISTORY_SAMPLES)

    def _frame(self, power: Samples, alike: Bools, pair: Ints, strength: Samples) -> list[DtmfEvent]:
        """Decide what the newest frame has made certain."""
        self._stirred = True
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
        self._waiting = alike
        due = (waiting & ~down).nonzero()[0]
        if len(due):
            due = self._glance(due, events)
        return events + self._examine(due) if len(due) else events

    def _glance(self, ports: Ints, events: list[DtmfEvent]) -> Ints:
        """Report the keys that went down undisturbed; answer the ports that need to be examined."""
        pair = self._pair[ports]
        frames = self._newest(ports, FRAMES)
        power = self._bank.powers(frames.reshape(-1, FRAME_SAMPLES)).reshape(8, -1, FRAMES)
        power = power[TONES_OF_PAIR[pair], np.arange(len(ports))[:, None]].swapaxes(1, 2)
        origin = (self._frames - FRAMES) * FRAME_SAMPLES
        unclear, found, press = [], [], []
        for port, which, seen in zip(
            ports.tolist(),
            pair.tolist(),
            glance(frames, power, pair),
            strict=True,
        ):
            if seen is None or not self._is_undisturbed_key(seen, which, origin - self._heard_until[port]):
                unclear.append(port)
            else:
                found.append((port, which))
                press.append((origin + seen.start, origin + seen.end, *seen.peak, *seen.full))
        if found:
            (down, which_pair), values = np.array(found).T, np.array(press)
            self._clean[down] = True
            events += self._press(down, which_pair, values[:, 0], values[:, 1], values[:, 2:4], values[:, 4:])
        return np.array(unclear, np.intp)

    def _is_undisturbed_key(self, seen: Glance, pair: int, silent_samples: float) -> bool:
        most_low_hz, most_high_hz = self._most_off_hz[pair]
        low, high = seen.peak
        return (
            seen.end - seen.start >= self._least_samples
            and seen.start + silent_samples > -40.0
            and abs(seen.off_hz[0]) < most_low_hz
            and abs(seen.off_hz[1]) < most_high_hz
            and high < low * self._most_high
            and low < high * self._most_low
            and min(low, high) > self._least_peak
        )

    def _press(
        self, ports: Ints, pair: Ints, start: Floats, end: Floats, peak: Floats | Samples, full: Samples
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
        ports = self._down.nonzero()[0]
        both = power[TONES_OF_PAIR[self._down_pair[ports]], ports[:, None]]
        both /= self._full[ports]
        share = np.sqrt(np.minimum(both[:, 0], both[:, 1]))
        clean = self._clean[ports]
        count = np.count_nonzero(clean)
        if count == len(ports):
            gone = self._follow_clean(ports, share)
        elif not count:
            gone = self._follow_disturbed(ports, share)
        else:
            clean_gone = self._follow_clean(ports[clean], share[clean])
            gone = np.concatenate([clean_gone, self._follow_disturbed(ports[~clean], share[~clean])])
        if not len(gone):
            return []
        self._waiting[gone] &= self._pair[gone] != self._down_pair[gone]
        return self._release(gone)

    def _release(self, ports: Ints) -> list[DtmfEvent]:
        self._down[ports] = False
        self._heard_until[ports] = self._end[ports]
        return self._events(ports, "up")

    def _follow_clean(self, ports: Ints, share: Samples) -> Ints:
        """Where the newest frame ends the pause of an undisturbed key.

        The share of its amplitude that a tone has in a frame tells how much of the frame it
        fills. Where it was heard up to the frame, that is the frame's beginning, else its end.
        """
        filled = bank.sounding_samples(share)
        now = self._frames * FRAME_SAMPLES
        end = self._end[ports]
        missing = now - FRAME_SAMPLES - end
        goes_on = filled > missing
        back = ~goes_on & (share > _BACK)
        over = ~goes_on & (missing + FRAME_SAMPLES - np.where(back, filled, 0.0) >= self._pause_samples)
        heard = np.where(back, now, now - FRAME_SAMPLES + filled)
        self._end[ports] = np.where((goes_on | back) & ~over, heard, end)
        return ports[over]

    def _follow_disturbed(self, ports: Ints, share: Samples) -> Ints:
        """The same of other keys. Noise moves the share of a frame too far: where it says that the
        key may be gone, its envelopes tell."""
        now = self._frames * FRAME_SAMPLES
        # A window weighs its last 6 ms too little to tell whether they sound.
        held = ports[share > _HELD]
        self._end[held] = np.maximum(self._end[held], now - 48)
        asked = ports[now - self._end[ports] >= self._pause_samples]
        if not len(asked):
            return asked
        bins = look.spectrum(self._history(asked))
        amplitude = np.abs(look.envelopes(bins, self._down_pair[asked]))
        origin = now - HISTORY_SAMPLES
        until, over = look.first_pauses(
            amplitude, self._peak[asked], self._end[asked] - origin, self._pause_samples
        )
        self._end[asked] = origin + until
        return asked[over]

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
        bins = look.spectrum(history)
        wave = look.envelopes(bins, pair)
        amplitude = np.abs(wave)
        peak = look.plateau(amplitude)
        runs = look.newest_runs(amplitude, peak, _samples(self.plan.bridge_pause_ms + 5))
        fresh = runs.start > heard_until - 40
        goes_on = (runs.start < look.LEAST_BEFORE) & (runs.start < there)
        np.copyto(there, runs.end, where=goes_on)
        rows = ((runs.sounding >= self._least_samples) & fresh & ~goes_on).nonzero()[0]
        if not len(rows):
            return _NOTHING_SEEN, _NONE
        inside = look.insides(amplitude[rows], peak[rows], runs.of(rows))
        course = look.course(wave[rows], amplitude[rows], inside, pair[rows])
        likely = self._is_even(course).nonzero()[0]
        if not len(likely):
            return _NOTHING_SEEN, _NONE
        rows, inside, course = rows[likely], inside[likely], course.of(likely)
        rests = look.rest(history[rows], course.hz, inside, runs.of(rows))
        key, bass, swell = self._are_keys(rows, amplitude, runs, course, rests)
        there[rows[swell]] = runs.end[rows[swell]]
        tones_peak = np.array([rest.peak for rest in rests])
        stir = np.maximum(course.wobble_rad, course.unevenness)
        may_echo = [k for k in (~key).nonzero()[0].tolist() if _may_echo(rests[k], float(stir[k]))]
        if len(may_echo) > _MOST_ECHOING:  # by turns: the others' comes with the next frames of their tones
            turn = self._frames % len(may_echo)
            may_echo = (may_echo[turn:] + may_echo[:turn])[:_MOST_ECHOING]
        echoing = []
        for k in may_echo:
            row = int(rows[k])
            run = float(runs.start[row]), float(runs.end[row])
            without = without_echo(history[row], wave[row], inside[k], int(pair[row]), course.hz[k], run)
            if without is not None:
                history[row] = without
                echoing.append(row)
        asked = bass.nonzero()[0]
        if len(asked):
            key[asked] = is_steady(bins[rows[asked]], runs.of(rows[asked]), tones_peak[asked].min(1))
        found, rows = key.nonzero()[0], rows[key]
        seen = _Seen(rows, runs.start[rows], runs.end[rows], tones_peak[found], course.hz[found])
        return seen, np.array(echoing, np.intp)

    def _deviation(self, spread: float) -> float:
        """The largest deviation of a key; `spread`: how far from what must be accepted to the middle."""
        return self.plan.accept_deviation + spread * (self._middle_deviation - self.plan.accept_deviation)

    def _is_even(self, course: look.Course) -> Bools:
        """Whether both tones are near their frequencies and go on evenly enough for any key."""
        verdict: Bools = course.off < self._deviation(1.0)
        verdict &= (course.wobble_rad < 0.3) & (course.unevenness < 0.26)
        return verdict

    def _are_keys(
        self, rows: Ints, amplitude: Samples, runs: look.Runs, course: look.Course, rests: list[look.Rest]
    ) -> tuple[Bools, Bools, Bools]:
        """Whether what two tones leave of a run may be what a line adds to a key; where it may, whether there
        is bass beside it; where it may not, whether the tones swell. All [ports]."""
        key, bass, swell = [], [], []
        columns = (rows, course.wobble_rad, course.unevenness, course.off)
        for rest, row, wobble_rad, unevenness, off in zip(
            rests, *(column.tolist() for column in columns), strict=True
        ):
            onset = look.onset(amplitude[row], float(runs.start[row]), rest.peak)
            flat = onset is not None and _is_flat(rest, wobble_rad, unevenness)
            most_bass = _MOST_BASS_WHERE_FLAT if flat else min(_MOST_BASS, 0.08 + 0.2 * rest.noise)
            has_bass = rest.bass_peak > most_bass
            may_be = self._is_key(rest, wobble_rad, unevenness, onset, off, flat, has_bass)
            may_be &= not (has_bass and rest.residue > 0.03 and rest.residue_crest > 12.0)
            key.append(may_be)
            bass.append(may_be and has_bass)
            swell.append(not may_be and onset is not None and _swells(rest, onset))
        return np.array(key, bool), np.array(bass, bool), np.array(swell, bool)

    def _is_key(
        self,
        rest: look.Rest,
        wobble_rad: float,
        unevenness: float,
        onset: look.Onset | None,
        off: float,
        flat: bool,
        has_bass: bool,
    ) -> bool:
        residue = rest.residue
        low_peak, high_peak = rest.peak
        if residue > 0.42 or rest.residue_peak > 0.25 or min(low_peak, high_peak) < self._least_peak:
            return False
        if _stands_out(rest):
            return False
        # Noise moves amplitude and phase of the weaker tone as far as it is loud. A residue
        # that moves them less is made of steady tones; one that moves them more is none of
        # noise; one that stands out of its spectrum is a harmonic.
        noise = math.sqrt(rest.noise)
        least_stir, most_stir = sorted((wobble_rad, unevenness))
        lifeless = least_stir < 0.025 * noise or math.hypot(least_stir, most_stir) < 0.09 * noise
        if lifeless and residue > 0.004 and rest.residue_crest < 14.0:
            return False
        if not flat and (
            most_stir > 0.05 + 0.38 * noise
            or (_is_harmonic(rest, most_stir) and (has_bass or residue > _MOST_RESIDUE_WITHOUT_BASS))
        ):
            return False
        # The quieter the noise, the surer are twist and frequency. What is loud in the bass is no noise, nor
        # is a third tone.
        margin_db = _TWIST_MARGIN_DB + 2.0 * noise
        no_noise = has_bass or rest.residue_crest > _MOST_CREST_OF_NOISE
        spread = _LEAST_SPREAD if no_noise else min(max(0.05 + 1.45 * noise, _LEAST_SPREAD), 1.0)
        twist_db = 20.0 * math.log10(high_peak / low_peak)
        return (
            (_begins(rest, onset, off, flat) if onset else _is_late_key(rest, off, most_stir))
            and off < self._deviation(spread)
            and -self.plan.low_above_high_db - margin_db < twist_db < self.plan.high_above_low_db + margin_db
        )

    def _events(self, ports: Ints, phase: Literal["down", "up"]) -> list[DtmfEvent]:
        """What happened on these ports."""
        if not len(ports):
            return []
        start, end = self._start[ports], self._end[ports]
        told = (self._down_pair, self._level_dbm0, self._twist_db)
        columns = (ports, np.rint(start), np.rint(end - start), *(values[ports] for values in told))
        return [
            DtmfEvent(port, _DIGITS[pair], phase, int(since), int(lasts), level, twist)
            for port, since, lasts, pair, level, twist in zip(*(c.tolist() for c in columns), strict=True)
        ]


def _stands_out(rest: look.Rest) -> bool:
    """Whether of much that two tones leave a part stands out as it does beside no key."""
    return any(rest.residue > much and rest.residue_peak > peak for much, peak in _MOST_PEAKS)


def _is_flat(rest: look.Rest, wobble_rad: float, unevenness: float) -> bool:
    """Whether two tones are so even, with so little beside them above the bass, that there may be bass too.

    No voice and no music holds two tones of a key like that; all of them are far from one limit or another.
    """
    return (
        max(wobble_rad, unevenness) < _MOST_STIR_WHERE_FLAT
        and rest.residue < _MOST_RESIDUE_WHERE_FLAT
        and rest.residue_peak < _MOST_RESIDUE_PEAK_WHERE_FLAT
    )


def _begins(rest: look.Rest, onset: look.Onset, off: float, flat: bool) -> bool:
    """Whether both tones begin as those of a key: not there before, and at once.

    Noise that hides in the weaker of them is no excuse for the louder one.
    """
    noise = math.sqrt(rest.noise)
    weaker = min(rest.peak)
    for lead, peak in zip(onset.lead, rest.peak, strict=True):
        most_lead = 0.07 + noise * min(0.5, _LEAD_OF_NOISE * weaker / peak)
        if lead >= (max(most_lead, _MOST_LEAD_WHERE_FLAT) if flat else most_lead):
            return False
    if onset.apart > _MOST_APART_SAMPLES + _MOST_APART_OF_NOISE_SAMPLES * noise:
        return False
    over_bass = flat and rest.bass_peak > _MOST_BASS
    return not over_bass or off < _MOST_OFF_OF_DIVIDERS or onset.apart < 3.0 + 30.0 * noise


def _swells(rest: look.Rest, onset: look.Onset) -> bool:
    """Whether two tones with a third were there before they seemed to begin."""
    third = rest.residue > _LEAST_RESIDUE_OF_THIRD and rest.residue_crest > _LEAST_CREST_OF_THIRD
    return third and (min(onset.lead) > _MOST_OF_BOTH_BEFORE or max(onset.lead) > _MOST_OF_ONE_BEFORE)


def _is_late_key(rest: look.Rest, off: float, most_stir: float) -> bool:
    """Whether two tones that were taken for no key while their beginning was heard may be one after all.

    The longer they are heard, the less noise is left to explain what disturbs them.
    """
    third = rest.residue > _MOST_RESIDUE_OF_LATE_THIRD and rest.residue_crest > _MOST_CREST_OF_LATE_THIRD
    if rest.residue > _MOST_RESIDUE_OF_LATE or (third and _is_harmonic(rest, most_stir)):
        return False
    return off < _MOST_OFF_OF_DIVIDERS or _is_flat(rest, most_stir, most_stir)


def _may_echo(rest: look.Rest, most_stir: float) -> bool:
    """Whether two tones are no key because they move, which may be an echo, and little else disturbs them."""
    little_else = rest.residue < _MOST_RESIDUE_OF_ECHO and rest.bass_peak < _MOST_BASS_WHERE_FLAT
    return little_else and most_stir > _LEAST_STIR_OF_ECHO


def _is_harmonic(rest: look.Rest, most_stir: float) -> bool:
    """Whether what two tones leave is a third one; what clipping adds stands out as well.

    The more there is left, the less of it may stand out: two of 33,000 disturbed keys are over the last two.
    """
    residue, crest = rest.residue, rest.residue_crest
    clipped = most_stir < 0.02 + 0.35 * residue and rest.unclipped < 0.025
    third = (residue > 0.03 and crest > 20.0) or (residue > 0.08 and crest > 14.0)
    return not clipped and (third or (residue > 0.25 and crest > 13.0))


def _amplitude(level_db: float) -> float:
    return float(10.0 ** (level_db / 20.0))


def _samples(duration_ms: float) -> float:
    return duration_ms * SAMPLE_RATE_HZ / 1000.0


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
    on, off = round(_samples(on_ms)), round(_samples(off_ms))
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
