"""Caller identification on any number of ports: FSK frames and DTMF forms.

A bank over every port's newest 20 ms finds the mark tone in front of an FSK frame, or its carrier.
Only such a port is followed (`dsp.callerid_follow`): its characters are read as they
come. However many ports are followed, a tick costs no more than is allowed.

DTMF forms are spelled by the DTMF receiver: `A…#`, `D…C`, `A…D…B…C`, and bare `…#`.
Sources: GR-30, EN 300 659-1 (FSK and annex on DTMF), YD/T 1277.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp import callerid_frames as frames
from dsp import fsk
from dsp.callerid_follow import MOST_BEHIND, CallerIdMessage, Follower, Past
from dsp.callerid_frames import Contents, Format, Reason
from dsp.dtmf import DtmfReceiver
from dsp.levels import SAMPLE_RATE_HZ, TICK_SAMPLES, Samples, clean, rms_from_dbm0

LOWEST_DBM0 = -50.0
"""FSK under this level is not looked at."""

_MARKS_HZ = np.array([1200.0, 1250.0, 1300.0])
_HUM_HZ = np.array([50.0, 100.0, 150.0, 200.0, 250.0])
_CARRIER_HZ = np.arange(1000.0, 2401.0, 100.0)
_CARRIER_SHARE = 0.57
"""Of a frame's energy as a steady tone would show it; FSK 10 dB over noise has more in nearly every frame, of
the frames of speech one in a hundred."""
_SEIZURE_LINES = slice(1, None, 6)
"""1100, 1700 and 2300 Hz: what alternating bits of either standard are made of."""
_SEIZURE_SHARE = 0.75

_DTMF_PAUSE_S = 1.0


class MarkBank:
    """The cheap test: which frames [n, 160] are hardly anything but a mark tone, or FSK of other bits."""

    def __init__(self) -> None:
        n = np.arange(TICK_SAMPLES)
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / TICK_SAMPLES)).astype(np.float32)
        # Hum and its harmonics do not count against the mark.
        freqs_hz = np.concatenate([_MARKS_HZ, _HUM_HZ, _CARRIER_HZ])
        turn = 2 * np.pi / SAMPLE_RATE_HZ * n[:, None] * freqs_hz
        self._bank = np.concatenate([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)
        self._least = (TICK_SAMPLES * 0.25 * 2.0**0.5 * rms_from_dbm0(LOWEST_DBM0)) ** 2
        self._least_energy = np.float32(0.99 * self._least / float(np.linalg.norm(self._bank, 2)) ** 2)

    def loud(self, x: Samples) -> NDArray[np.intp]:
        """Which frames may be mark or FSK by their energy alone."""
        loud: NDArray[np.bool_] = np.vecdot(x, x) > self._least_energy
        return loud.nonzero()[0]

    def look(self, x: Samples) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each frame is pure mark, and whether it is FSK that is neither mark nor seizure."""
        windowed = x - (np.add.reduce(x, axis=1, keepdims=True) / TICK_SAMPLES)
        windowed *= self._window
        parts = windowed @ self._bank
        parts *= parts
        half = parts.shape[1] // 2
        power = parts[:, :half] + parts[:, half:]
        marks, others = len(_MARKS_HZ), len(_MARKS_HZ) + len(_HUM_HZ)
        mark = np.maximum.reduce(power[:, :marks], axis=1)
        energy = np.vecdot(windowed, windowed) * (TICK_SAMPLES / 3.0)
        energy -= np.add.reduce(power[:, marks:others], axis=1) / 1.5
        pure: NDArray[np.bool_] = (mark > self._least) & (mark > 0.6 * energy)
        carrier = power[:, others:]
        data = np.add.reduce(carrier, axis=1) > np.maximum(_CARRIER_SHARE * energy, self._least)
        data &= ~pure
        data &= np.add.reduce(carrier[:, _SEIZURE_LINES], axis=1) < _SEIZURE_SHARE * energy
        return pure, data


@dataclass
class _Spelling:
    """DTMF keys heard on a port so far."""

    keys: str
    start: int
    last: int


class CallerIdReceiver:
    """Listens for caller identification on `ports` ports, each independently.

    work_per_tick: how much may be done about FSK on all ports together in 20 ms of sound, in about
    0.01 ms of a core; what is left is done later, with the same result. A message costs about 350,
    spread over its length. None: no limit.
    """

    def __init__(self, ports: int, work_per_tick: int | None = None) -> None:
        if work_per_tick is not None and work_per_tick < 1:
            raise ValueError(f"the work on FSK in a tick must be at least 1, not {work_per_tick}")
        self.ports = ports
        self._most_work = work_per_tick
        self._dtmf = DtmfReceiver(ports)
        self._bank = MarkBank()
        self._past = Past(ports)
        self._partial = np.zeros((ports, TICK_SAMPLES), np.float32)
        self._filled = 0
        self._active = np.ones(ports, bool)
        self._active_bytes = self._active.tobytes()
        self._rows = np.arange(ports)
        """The active ports."""
        self._followers: dict[int, Follower] = {}
        self.spent = 0
        """Work on FSK in the last tick, in the same unit."""
        self._spellings: dict[int, _Spelling] = {}

    def reset(self, ports: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> None:
        """Forget everything heard on these ports."""
        self._dtmf.reset(ports)
        self._past.reset(ports)
        self._partial[ports] = 0.0
        for port in np.arange(self.ports)[ports]:
            self._followers.pop(int(port), None)
            self._spellings.pop(int(port), None)

    def process(
        self, x: NDArray[np.float32] | NDArray[np.int16], active: NDArray[np.bool_] | None = None
    ) -> list[CallerIdMessage]:
        """Take samples [ports, n], n any; answer the messages that became complete.

        Ports that are not `active` are reset and cost nothing.
        """
        if x.ndim != 2 or x.shape[0] != self.ports:
            raise ValueError(f"samples must be [{self.ports}, n], not {list(x.shape)}")
        return self.process_clean(clean(x), active)

    def process_clean(self, x: Samples, active: NDArray[np.bool_] | None = None) -> list[CallerIdMessage]:
        """The same for samples that `dsp.levels.clean` has seen."""
        now_active = np.ones(self.ports, bool) if active is None else np.asarray(active, bool)
        active_bytes = now_active.tobytes()  # compared more cheaply than the arrays
        if active_bytes != self._active_bytes:
            self.reset(np.flatnonzero(self._active & ~now_active))
            self._active, self._active_bytes = now_active.copy(), active_bytes
            self._rows = now_active.nonzero()[0]
        messages: list[CallerIdMessage] = []
        if not len(self._rows):
            self._skip(x)
            return messages
        done = 0
        while done < x.shape[1]:
            take = min(TICK_SAMPLES - self._filled, x.shape[1] - done)
            piece = x[:, done : done + take]
            done += take
            if self._filled == 0 and take == TICK_SAMPLES:
                messages += self._tick(piece)
                continue
            self._partial[:, self._filled : self._filled + take] = piece
            self._filled += take
            if self._filled == TICK_SAMPLES:
                self._filled = 0
                messages += self._tick(self._partial)
        return messages

    def _skip(self, x: Samples) -> None:
        self._dtmf.process_clean(x, self._active)
        self._past.frames += (self._filled + x.shape[1]) // TICK_SAMPLES
        self._filled = (self._filled + x.shape[1]) % TICK_SAMPLES

    def _tick(self, frame: Samples) -> list[CallerIdMessage]:
        self.spent = 0
        messages = self._hear_keys(frame)
        sound = frame if len(self._rows) == self.ports else frame[self._rows]
        loud = self._bank.loud(sound)
        if len(loud):
            rows = self._rows[loud]
            pure, data = np.zeros((2, self.ports), bool)
            pure[rows], data[rows] = self._bank.look(sound[loud])
            self._past.take(frame, pure, data)
            for port in rows[pure[rows] | data[rows]].tolist():
                if port not in self._followers:
                    self._followers[port] = Follower(self._past, port)
        else:
            self._past.take(frame, False, False)
        return messages + self._follow() if self._followers else messages

    # ------------------------------------------------------------------ FSK
    def _follow(self) -> list[CallerIdMessage]:
        """A share of the work on every port that is followed: those with a mark tone before others, which are
        mostly data, and the first heard first."""
        messages: list[CallerIdMessage] = []
        for follower in sorted(self._followers.values(), key=lambda one: not self._past.marked(one.port)):
            done: int | None = 1
            while done and (self._most_work is None or self.spent < self._most_work):
                done = next(follower.work, None)
                self.spent += done or 0
                if follower.found is not None:
                    messages.append(follower.found)
                    follower.found = None
            if done is None or follower.behind > MOST_BEHIND:
                del self._followers[follower.port]
        return messages

    # ----------------------------------------------------------------- DTMF
    def _hear_keys(self, x: Samples) -> list[CallerIdMessage]:
        messages = []
        for event in self._dtmf.process_clean(x, self._active):
            end = event.start_samples + event.duration_samples
            if event.phase == "up":
                if event.port in self._spellings:
                    self._spellings[event.port].last = end
                continue
            spelling = self._spellings.setdefault(event.port, _Spelling("", event.start_samples, end))
            if event.start_samples - spelling.last > _DTMF_PAUSE_S * SAMPLE_RATE_HZ:
                spelling = self._spellings[event.port] = _Spelling("", event.start_samples, end)
            spelling.keys += event.digit
            spelling.last = end
            if event.digit in "#C":
                del self._spellings[event.port]
                contents = frames.decode_keys(spelling.keys)
                if contents is not None:
                    messages.append(
                        CallerIdMessage(event.port, "dtmf", "dtmf", *contents, True, spelling.start, end)
                    )
        return messages


def fsk_samples(
    number: str = "",
    name: str = "",
    time: str = "",
    reason: Reason = "",
    standard: fsk.Standard = "bell202",
    form: Format = "mdmf",
    level_dbm0: float = -13.5,
) -> Samples:
    """A whole FSK message, seizure and mark included, float32 [n].

    ValueError when the format cannot carry the contents.
    """
    frame = frames.encode(Contents(number, name, time, reason), form)
    return fsk.modulate(fsk.frame_bits(frame), standard, level_dbm0)
