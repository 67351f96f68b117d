"""What the DTMF receiver measures: a glance at four frames, a look at the last 120 ms of a few ports.

The numbers come from C (`dsp/native/keys.c`): in numpy a key cost 0.35 ms, most of it for calls on a few
numbers each. An axis of two is always low tone, high tone.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from dsp.dtmf_bank import (
    GAIN_SERIES,
    HIGH_HZ,
    LOW_HZ,
    OFFSET_SERIES,
    PAIR_HZ,
    Bools,
    Floats,
    Ints,
)
from dsp.fft import forward
from dsp.levels import SAMPLE_RATE_HZ, Samples
from dsp.native import address, library, memory

HISTORY_SAMPLES = 960
STEP_SAMPLES = 16
STEPS = HISTORY_SAMPLES // STEP_SAMPLES
FFT = 1024
BIN_HZ = SAMPLE_RATE_HZ / FFT
CENTRE_HZ: Floats = np.round(PAIR_HZ / BIN_HZ) * BIN_HZ
"""The frequencies that envelopes are relative to, [16, 2]."""

GLANCE_FRAMES = 4
"""How many frames a glance takes."""

Spectrum = NDArray[np.complex64]

LEAST_BEFORE = 160.0
"""So much must have been heard before a run to tell how it begins."""
_HALF_WIDTH_HZ = 200.0
_REACH = 80
"""So far from where a tone begins its envelope is that of the tone again."""
_HELD = 0.9
_BACK = 0.2
"""A tone that was gone is back in a frame that holds this share of its amplitude."""


def _step_response() -> Floats:
    """Envelope of a tone that begins in the middle, sample by sample."""
    hz = np.abs(np.fft.fftfreq(FFT, 1.0 / SAMPLE_RATE_HZ))
    shape = np.where(hz < _HALF_WIDTH_HZ, np.cos(np.pi / 2 * hz / _HALF_WIDTH_HZ) ** 2, 0.0)
    pulse: Floats = np.fft.fftshift(np.fft.ifft(shape).real)[FFT // 2 - _REACH : FFT // 2 + _REACH + 1]
    response: Floats = np.cumsum(pulse) / pulse.sum()
    return response


_STEP_RESPONSE = _step_response()


def step_response(since: Floats) -> Floats:
    """What the envelope of a tone has become so many samples after the tone began, as a share."""
    response: Floats = np.interp(since, np.arange(-_REACH, _REACH + 1), _STEP_RESPONSE)
    return response


def spectrum(history: Samples) -> Spectrum:
    """Spectrum of `history` [ports, HISTORY_SAMPLES], every BIN_HZ, scaled as `dsp.fft` does."""
    padded = np.zeros((len(history), FFT), np.float32)
    padded[:, :HISTORY_SAMPLES] = history
    return forward(padded)


class Limits(NamedTuple):
    """What an undisturbed key keeps.

    `most_off_hz` [16, 2]: off each tone of each pair; `most_high`, `most_low`: the one tone's peak over the
    other's. `lowest_peak` is that of any key's weaker tone, disturbed or not.
    """

    most_off_hz: Floats
    least_samples: float
    least_peak: float
    most_high: float
    most_low: float
    lowest_peak: float


class Ports(NamedTuple):
    """What is kept of all ports, each written in place and never replaced.

    `active` [ports]: whether it is heard. Of the key that is down: `down` [ports]: whether there is one;
    `pair` [ports]; `full` [ports, 2]: what its tones give in the bank; `clean` [ports]: whether nothing
    disturbed it; `end` [ports]: where it was heard last.
    """

    active: Bools
    down: Bools
    pair: Ints
    full: Floats
    clean: Bools
    end: Floats


class Passed(NamedTuple):
    """What the bank of filters has of frames: the power that each of the eight passes [8, n], where there may
    be a pair, which, and the power of its weaker tone, all [n]."""

    power: Samples
    alike: Bools
    pair: Ints
    strength: Samples

    def of(self, frames: slice) -> Passed:
        """Only these frames."""
        return Passed(
            np.ascontiguousarray(self.power[:, frames]),
            self.alike[frames],
            self.pair[frames],
            self.strength[frames],
        )


class Glimpses(NamedTuple):
    """Undisturbed keys: their ports, where they sound in samples of the four frames, the peaks of their tones
    [n, 2] and the power of those in the frame bank [n, 2]."""

    ports: Ints
    start: Floats
    end: Floats
    peak: Floats
    full: Floats


class Runs(NamedTuple):
    """The newest stretch of tone on each port, in samples of the history; all [ports].

    `holes`: silent steps inside it.
    """

    start: Floats
    end: Floats
    sounding: Floats
    holes: Floats

    def of(self, rows: Ints) -> Runs:
        """Only these ports."""
        return Runs(self.start[rows], self.end[rows], self.sounding[rows], self.holes[rows])


class Heard(NamedTuple):
    """Histories [ports, HISTORY_SAMPLES] and their pairs, with the envelopes of both tones, complex and as
    amplitudes [ports, 2, STEPS], and their peaks [ports, 2] and newest runs [ports, 4], as `Runs`."""

    history: Samples
    pair: Ints
    wave: Spectrum
    amplitude: Samples
    peak: Floats
    stretch: Floats

    @property
    def runs(self) -> Runs:
        """The newest runs."""
        return Runs(*self.stretch.T)


class Course(NamedTuple):
    """How the two tones of a run go on; all [ports].

    `hz`: their frequencies [ports, 2]; `off`: how far the worse one is from its own, as a share of it;
    then the worse rms phase error and unevenness.
    """

    hz: Floats
    off: Floats
    wobble_rad: Floats
    unevenness: Floats

    def of(self, rows: Ints) -> Course:
        """Only these ports."""
        return Course(self.hz[rows], self.off[rows], self.wobble_rad[rows], self.unevenness[rows])


class Onset(NamedTuple):
    """How a run begins. `lead`: mean amplitude of each tone from 16 to 7 ms before it, as a share of what the
    tone has then; `apart`: samples between the moments at which the two tones reach half of that.
    """

    lead: tuple[float, float]
    apart: float


class Rest(NamedTuple):
    """What is left of a run without its two tones. Powers are relative to the weaker tone's.

    `peak` is that of the tones; `residue_peak` and `bass_peak` what stands out most, `residue_crest` how far
    it stands out of the mean; `noise` what `residue` would be if both were as weak as the weaker; `unclipped`
    what `residue` would be without what a limiter adds to the two tones; `rugged_db` how far the mean level
    of what is left lies under its mean power, bin by bin along a straight slope: that of noise, whatever its
    colour, 2.5 dB; 0 where little is left. `grown_db`: how much louder that is than what was there before the
    run; 0 where it is hardly anything, or before was not heard. `onset`: None when it was not heard.
    """

    peak: tuple[float, float]
    residue: float
    residue_peak: float
    residue_crest: float
    bass_peak: float
    noise: float
    unclipped: float
    rugged_db: float = 0.0
    grown_db: float = 0.0
    onset: Onset | None = None


class Look:
    """Measures for one receiver. What it answers of a frame is good until the next."""

    def __init__(self, limits: Limits, ports: Ports) -> None:
        self._c = library()
        self._memory = memory(self._c.keys_bytes())
        self._state = address(self._memory)
        constants = [np.array(LOW_HZ + HIGH_HZ), OFFSET_SERIES, GAIN_SERIES, _reals(limits.most_off_hz)]
        constants.append(np.array(limits[1:], float))
        self._c.keys_begin(self._state, *map(address, constants))
        count = len(ports.down)
        self._passed = _passed(count)
        self._gone, self._unsure = np.empty((2, count), np.int64), np.zeros(1, np.intc)
        self._ports = ports  # kept where they are
        active, *key, end = map(address, ports)
        self._bank = (count, active, key[0], *map(address, self._passed))
        self._after = (*key, _HELD, _BACK, end, *map(address, (*self._gone, self._unsure)))

    def bank(self, frame: Samples) -> Passed:
        """Put the newest frame [ports, FRAME_SAMPLES] through a filter for each tone.

        That of ports that are not active counts as silent, and silence is not filtered unless a key is down.
        """
        self._c.keys_bank(self._state, address(frame), *self._bank)
        return self._passed

    def bank_all(self, frames: Samples) -> Passed:
        """The same for any `frames` [n, FRAME_SAMPLES], and all of them."""
        passed = _passed(len(frames))
        self._c.keys_bank(self._state, address(frames), len(frames), None, None, *map(address, passed))
        return passed

    def glance(
        self, store: Samples, newest: int, ports: Ints, pair: Ints, heard_until: Floats, origin: int
    ) -> tuple[Glimpses, Ints]:
        """Look for undisturbed keys on some ports; the others are those where something disturbs them.

        `store` [frames, all ports, FRAME_SAMPLES] is a ring with frame number `newest` in its place; `pair`
        and `heard_until` are of all ports, the latter in samples since the receiver began, as is `origin`,
        where the newest four frames begin.
        """
        order, seen = np.empty(len(ports), np.int64), np.empty((len(ports), 8))
        count = self._c.keys_glance(
            self._state,
            address(store),
            store.shape[0],
            store.shape[1],
            newest,
            address(ports),
            len(ports),
            address(pair),
            address(heard_until),
            origin,
            address(order),
            address(seen),
        )
        seen = seen[:count]
        return Glimpses(order[:count], seen[:, 0], seen[:, 1], seen[:, 2:4], seen[:, 4:6]), order[count:]

    def follow(self, power: Samples, now: int, pause_samples: float) -> tuple[Ints, Ints]:
        """Where the newest frame, which ends at `now`, ends the pause of an undisturbed key, and where it may
        end that of another one.

        `power` [8, ports] is what the frame bank has of it. Moves the ends of the keys that go on.
        """
        count = self._c.keys_follow(
            self._state, len(self._ports.down), address(power), now, pause_samples, *self._after
        )
        gone, asked = self._gone
        return gone[:count], asked[: int(self._unsure[0])]

    def hear(self, history: Samples, pair: Ints, bridge_samples: float) -> Heard:
        """The last stretches where both tones of some ports are over half of their peak; short gaps are
        bridged."""
        wave, amplitude = self._envelopes(history, pair)
        peak, stretch = np.empty((len(pair), 2)), np.empty((len(pair), 4))
        bridged = bridge_samples / STEP_SAMPLES
        self._c.keys_runs(address(amplitude), len(pair), bridged, address(peak), address(stretch))
        return Heard(history, pair, wave, amplitude, peak, stretch)

    def first_pauses(
        self, history: Samples, pair: Ints, peak: Floats, heard_until: Floats, pause_samples: float
    ) -> tuple[Floats, Bools]:
        """Follow both tones from where they were last heard [ports], their peaks being known [ports, 2].

        Answers, per port, where they were last heard before a pause of the given length, or last
        of all, and whether there was such a pause; in samples of the history.
        """
        _, amplitude = self._envelopes(history, pair)
        until, over = _reals(heard_until).copy(), np.empty(len(pair), bool)
        known = _reals(peak)
        self._c.keys_pauses(
            address(amplitude), len(pair), address(known), pause_samples, address(until), address(over)
        )
        return until, over

    def courses(self, heard: Heard, rows: Ints) -> tuple[Course, Bools]:
        """Follow phase and amplitude of both tones of some runs, and the steps [rows, STEPS] in which that is
        done: those that neither the edges of a run nor an interruption touch."""
        inside, found = np.empty((len(rows), STEPS), bool), np.empty((len(rows), 5))
        self._c.keys_courses(
            self._state,
            address(rows),
            len(rows),
            address(heard.pair),
            address(heard.wave),
            address(heard.amplitude),
            address(heard.peak),
            address(heard.stretch),
            address(inside),
            address(found),
        )
        return Course(found[:, :2], found[:, 2], found[:, 3], found[:, 4]), inside

    def rests(self, heard: Heard, rows: Ints, hz: Floats, inside: Bools) -> list[Rest]:
        """Fit two tones of these frequencies to some runs; describe what they leave, and how they begin."""
        found, hz = np.empty((len(rows), 13)), _reals(hz)
        self._c.keys_rests(
            self._state,
            address(rows),
            len(rows),
            address(heard.history),
            address(heard.amplitude),
            address(heard.stretch),
            address(hz),
            address(inside),
            address(found),
        )
        return [_rest(row) for row in found.tolist()]

    def _envelopes(self, history: Samples, pair: Ints) -> tuple[Spectrum, Samples]:
        shape = (len(pair), 2, STEPS)
        wave, amplitude = np.empty(shape, np.complex64), np.empty(shape, np.float32)
        places = address(history), address(pair), len(pair), address(wave), address(amplitude)
        self._c.keys_envelopes(self._state, *places)
        return wave, amplitude


def _passed(n: int) -> Passed:
    return Passed(
        np.empty((8, n), np.float32), np.empty(n, bool), np.empty(n, np.int64), np.empty(n, np.float32)
    )


def _rest(row: list[float]) -> Rest:
    low, high, *others, low_lead, high_lead, apart = row
    residue, residue_peak, crest, bass_peak, noise, unclipped, rugged_db, grown_db = others
    onset = None if apart < 0 else Onset((low_lead, high_lead), apart)
    return Rest(
        (low, high), residue, residue_peak, crest, bass_peak, noise, unclipped, rugged_db, grown_db, onset
    )


def _reals(values: Samples | Floats) -> Floats:
    return cast(Floats, np.ascontiguousarray(values, float))
