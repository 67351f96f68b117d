"""DTMF: a receiver over any number of ports, and a sender.

The receiver works in two stages, both on a grid of 20 ms frames.

1. A bank of eight filters over every port's newest frame; ports with no pair of
   tones stop here. A tone of 40 ms fills at least one frame of the grid.
2. The ports that pass are examined over the last 128 ms: the spectrum is cut
   around each of the two tones and turned back into a complex envelope every
   2 ms. The envelopes' amplitudes give the edges of the digit, their phase the
   frequencies, and what remains of the signal tells a key press from speech.

    tone      ____/~~~~~~~~~~~~~~~~~~~~\\____/~~~~~~~\\_______________
    a gap shorter than the plan's pause is part    ^^^^             |
    of the digit                   "down" as soon as it is          "up" when the
                                   longer than the plan's minimum    pause is over

A key pressed while its own sender speaks is not heard: it looks like the voices that
must not become keys, and those are heard all day. Prompts do not matter as far as
their echo is taken out first.

Sources: ITU-T Q.23 (frequencies), Q.24 (national limits), ETSI ES 201 235-3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsp import dtmf_bank as bank
from dsp.dtmf_bank import FRAME_SAMPLES, HIGH_HZ, HISTORY_SAMPLES, LOW_HZ
from dsp.levels import SAMPLE_RATE_HZ, Samples, clean, dbm0_from_rms, peak_from_dbm0

KEYS = ("123A", "456B", "789C", "*0#D")


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


@dataclass(frozen=True)
class DtmfEvent:
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
_SLAB_FRAMES = 64


class DtmfReceiver:
    """Hears keys on `ports` ports, each independently."""

    def __init__(self, ports: int, plan: str = "china") -> None:
        if plan not in PLANS:
            raise ValueError(f"unknown DTMF plan {plan!r}; there are {', '.join(sorted(PLANS))}")
        self.ports = ports
        self.plan = PLANS[plan]
        self._bank = bank.FrameBank(self.plan.lowest_dbm0 - 3.0)
        self._history = np.zeros((ports, HISTORY_SAMPLES), np.float32)
        self._partial = np.zeros((ports, FRAME_SAMPLES), np.float32)
        self._filled = 0
        self._frames = 0
        self._active = np.ones(ports, bool)
        # The pair to examine and for how many more frames; the pair that is down.
        self._low = np.zeros(ports, np.intp)
        self._high = np.zeros(ports, np.intp)
        self._waiting = np.zeros(ports, bool)
        self._strength = np.zeros(ports, np.float32)
        self._down = np.zeros(ports, bool)
        self._down_low = np.zeros(ports, np.intp)
        self._down_high = np.zeros(ports, np.intp)
        self._down_strength = np.zeros(ports, np.float32)
        self._start = np.zeros(ports)
        self._end = np.zeros(ports)
        self._heard_until = np.zeros(ports)
        self._low_peak = np.ones(ports)
        self._high_peak = np.ones(ports)

    def reset(self, ports: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> None:
        """Forget everything heard on these ports."""
        self._history[ports] = 0.0
        self._partial[ports] = 0.0
        self._waiting[ports] = False
        self._down[ports] = False
        self._heard_until[ports] = self._frames * FRAME_SAMPLES

    def process(
        self, x: NDArray[np.float32] | NDArray[np.int16], active: NDArray[np.bool_] | None = None
    ) -> list[DtmfEvent]:
        """Take samples [ports, n], n any; answer the events that became certain.

        Ports that are not `active` are reset and cost nothing. Samples that are not
        finite count as silence.
        """
        if x.ndim != 2 or x.shape[0] != self.ports:
            raise ValueError(f"samples must be [{self.ports}, n], not {list(x.shape)}")
        now_active = np.ones(self.ports, bool) if active is None else np.asarray(active, bool)
        if (now_active != self._active).any():
            self.reset(self._active & ~now_active)
            self._active = now_active.copy()
        events: list[DtmfEvent] = []
        if not now_active.any():
            self._skip(x.shape[1])
            return events
        done = 0
        while done < x.shape[1]:
            if self._filled == 0 and x.shape[1] - done >= FRAME_SAMPLES:
                count = min((x.shape[1] - done) // FRAME_SAMPLES, _SLAB_FRAMES)
                slab = clean(x[:, done : done + count * FRAME_SAMPLES])
                events += self._slab(slab, count)
                done += count * FRAME_SAMPLES
                continue
            take = min(FRAME_SAMPLES - self._filled, x.shape[1] - done)
            self._partial[:, self._filled : self._filled + take] = clean(x[:, done : done + take])
            self._filled += take
            done += take
            if self._filled == FRAME_SAMPLES:
                self._filled = 0
                events += self._slab(self._partial, 1)
        return events

    def _skip(self, n: int) -> None:
        self._frames += (self._filled + n) // FRAME_SAMPLES
        self._filled = (self._filled + n) % FRAME_SAMPLES
        self._partial[:] = 0.0

    def _slab(self, slab: Samples, count: int) -> list[DtmfEvent]:
        events: list[DtmfEvent] = []
        rows = np.flatnonzero(self._active)
        frames = slab if len(rows) == self.ports else slab[rows]
        alike, low, high, strength = self._bank.pairs(frames.reshape(-1, FRAME_SAMPLES))
        shape = (len(rows), count)
        alike, low, high = alike.reshape(shape), low.reshape(shape), high.reshape(shape)
        strength = strength.reshape(shape)
        for k in range(count):
            at = self._frames % (HISTORY_SAMPLES // FRAME_SAMPLES) * FRAME_SAMPLES
            self._history[:, at : at + FRAME_SAMPLES] = slab[:, k * FRAME_SAMPLES : (k + 1) * FRAME_SAMPLES]
            self._frames += 1
            waiting = self._waiting
            if alike[:, k].any() or waiting.any():
                # A pair is examined one frame after it was seen, when it may be long enough. The
                # click at a tone's end may look like another pair, but a weaker one.
                seen = rows[alike[:, k]]
                better = ~waiting[seen] | (strength[alike[:, k], k] > 0.5 * self._strength[seen])
                hit, chosen = seen[better], np.flatnonzero(alike[:, k])[better]
                self._low[hit], self._high[hit] = low[chosen, k], high[chosen, k]
                self._strength[hit] = strength[chosen, k]
                self._waiting = np.zeros(self.ports, bool)
                self._waiting[seen] = True
                # Where the whole frame holds the key that is down there is nothing to follow.
                same = (low[:, k] == self._down_low[rows]) & (high[:, k] == self._down_high[rows])
                full = self._down[rows] & same & (strength[:, k] > 0.8 * self._down_strength[rows])
                held = rows[full & alike[:, k]]
                # A window weighs its last 6 ms too little to tell whether they sound.
                self._end[held] = np.maximum(self._end[held], self._frames * FRAME_SAMPLES - 48)
            follow = self._down & (self._end < self._frames * FRAME_SAMPLES - 48)
            if follow.any():
                events += self._follow(np.flatnonzero(follow))
            waiting = np.flatnonzero(waiting & ~self._down)
            if len(waiting):
                events += self._examine(waiting)
        return events

    def _window(self, ports: NDArray[np.intp]) -> Samples:
        at = self._frames % (HISTORY_SAMPLES // FRAME_SAMPLES) * FRAME_SAMPLES
        return np.roll(self._history[ports], -at, axis=1)

    def _examine(self, ports: NDArray[np.intp]) -> list[DtmfEvent]:
        low, high = self._low[ports], self._high[ports]
        history = self._window(ports)
        origin = self._frames * FRAME_SAMPLES - HISTORY_SAMPLES
        env = bank.envelopes(history, low, high)
        low_peak, high_peak = bank.plateau(env.low_level), bank.plateau(env.high_level)
        level = bank.relative_level(env, low_peak, high_peak)
        runs = bank.newest_runs(level, _samples(self.plan.bridge_pause_ms + 5))
        least = _samples((self.plan.accept_tone_ms + self.plan.reject_tone_ms) / 2)
        fresh = origin + runs.start > self._heard_until[ports] - 40
        keep = np.flatnonzero(
            (runs.sounding >= least) & fresh & bank.roughly_steady(env, level, low, high, runs)
        )
        if not len(keep):
            return []
        found = bank.fit(history[keep], env.of(keep), level[keep], low[keep], high[keep], runs.of(keep))
        events = []
        for index in np.flatnonzero(self._is_key(found, low[keep], high[keep])):
            row = keep[index]
            noise = found.noise_to_weaker[index]
            if found.bass_peak[index] > min(_MOST_BASS, 0.08 + 0.2 * noise):
                voiced = found.residue[index] > 0.03 and found.residue_crest[index] > 12.0
                weaker = min(found.low_peak[index], found.high_peak[index])
                if voiced or not bank.bass_is_steady(history[row], runs.start[row], runs.end[row], weaker):
                    continue
            port = int(ports[row])
            self._down[port] = True
            self._down_low[port], self._down_high[port] = low[row], high[row]
            self._down_strength[port] = self._strength[port]
            self._start[port] = origin + runs.start[row]
            self._end[port] = origin + runs.end[row]
            self._low_peak[port], self._high_peak[port] = low_peak[row], high_peak[row]
            events.append(self._event(port, "down"))
        return events

    def _is_key(self, found: bank.Fit, low: NDArray[np.intp], high: NDArray[np.intp]) -> NDArray[np.bool_]:
        plan = self.plan
        middle = 0.5 * (plan.accept_deviation + plan.reject_deviation)
        low_off = found.low_hz / np.array(LOW_HZ)[low] - 1.0
        high_off = found.high_hz / np.array(HIGH_HZ)[high] - 1.0
        low_peak, high_peak = found.low_peak, found.high_peak
        twist_db = 20.0 * np.log10(high_peak / low_peak)
        least = peak_from_dbm0(plan.lowest_dbm0 - 2.0)
        # Noise moves amplitude and phase of the weaker tone as far as it is loud. A residue
        # that moves them less is made of steady tones; one that moves them more is none of
        # noise; one that stands out of its spectrum is a harmonic.
        noise = np.sqrt(found.noise_to_weaker)
        least_stir = np.minimum(found.wobble_rad, found.unevenness)
        most_stir = np.maximum(found.wobble_rad, found.unevenness)
        both_stir = np.hypot(least_stir, most_stir)
        lifeless = (least_stir < 0.025 * noise) | (both_stir < 0.09 * noise)
        organ = lifeless & (found.residue > 0.004) & (found.residue_crest < 14.0)
        restless = most_stir > 0.05 + 0.38 * noise
        harmonic = ((found.residue > 0.08) & (found.residue_crest > 14.0)) | (
            (found.residue > 0.03) & (found.residue_crest > 20.0)
        )
        # The quieter the noise, the surer are twist and frequency.
        margin_db = 1.0 + 2.0 * noise
        spread = np.clip(0.05 + 1.45 * noise, 0.2, 1.0)
        limit = plan.accept_deviation + (middle - plan.accept_deviation) * spread
        verdict: NDArray[np.bool_] = (
            ~(organ | restless | harmonic)
            & (found.lead < 0.07 + 0.5 * noise)
            & (np.abs(low_off) < limit)
            & (np.abs(high_off) < limit)
            & (twist_db < plan.high_above_low_db + margin_db)
            & (twist_db > -plan.low_above_high_db - margin_db)
            & (np.minimum(low_peak, high_peak) > least)
            & (found.wobble_rad < 0.3)
            & (found.unevenness < 0.26)
            & (found.residue < 0.42)
            & (found.residue_peak < 0.25)
        )
        return verdict

    def _follow(self, ports: NDArray[np.intp]) -> list[DtmfEvent]:
        """Report the keys that went up: a pause longer than the plan's bridge has been seen."""
        history = self._window(ports)
        origin = self._frames * FRAME_SAMPLES - HISTORY_SAMPLES
        env = bank.envelopes(history, self._down_low[ports], self._down_high[ports])
        level = bank.relative_level(env, self._low_peak[ports], self._high_peak[ports])
        pause = _samples((self.plan.bridge_pause_ms + self.plan.accept_pause_ms) / 2)
        until, over = bank.first_pauses(level, self._end[ports] - origin, pause)
        self._end[ports] = origin + until
        gone = ports[over]
        self._down[gone] = False
        self._heard_until[gone] = self._end[gone]
        return [self._event(int(port), "up") for port in gone]

    def _event(self, port: int, phase: Literal["down", "up"]) -> DtmfEvent:
        low_peak, high_peak = self._low_peak[port], self._high_peak[port]
        return DtmfEvent(
            port,
            KEYS[self._down_low[port]][self._down_high[port]],
            phase,
            round(self._start[port]),
            round(self._end[port] - self._start[port]),
            dbm0_from_rms(float(np.sqrt((low_peak**2 + high_peak**2) / 4.0))),
            float(20.0 * np.log10(high_peak / low_peak)),
        )


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
