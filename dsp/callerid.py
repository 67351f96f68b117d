"""Caller identification on any number of ports: FSK frames and DTMF forms.

A bank over every port's newest 20 ms finds the mark tone in front of an FSK frame.
Only then is the port's recent past demodulated, first for the header, and once more
when as many characters have passed as the header promises:

    seizure 0101…  | mark      | type len body…           sum |
                       ^ seen     ^ header read               ^ message

DTMF forms are spelled by the DTMF receiver: `A…#`, `D…C`, `A…D…B…C`, and bare `…#`.
Sources: GR-30, EN 300 659-1 (FSK and annex on DTMF), YD/T 1277.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsp import callerid_frames as frames
from dsp import fsk
from dsp.callerid_frames import Contents, Format, Reason
from dsp.dtmf import DtmfReceiver
from dsp.levels import SAMPLE_RATE_HZ, TICK_SAMPLES, Samples, clean, rms_from_dbm0

HISTORY_SAMPLES = 176 * TICK_SAMPLES
LOWEST_DBM0 = -50.0
"""FSK under this level is not looked at."""

_MARK_FRAMES = 2
_PATIENCE_FRAMES = 4
_DTMF_PAUSE_S = 1.0
_LEAST_FRAMING = 0.9
_LEAST_PURITY = 0.75
"""What a frame must be like to be reported although its checksum is wrong."""


@dataclass(frozen=True)
class CallerIdMessage:
    """One message. A frame whose checksum is wrong has `valid` False and no contents.

    `start_samples` and `end_samples` count from the receiver's first sample; an FSK
    message starts with its mark tone, a DTMF form with its first key.
    """

    port: int
    standard: Literal["bell202", "v23", "dtmf"]
    format: Literal["sdmf", "mdmf", "dtmf"]
    number: str
    name: str
    time: str
    reason: Reason
    valid: bool
    start_samples: int
    end_samples: int


class MarkBank:
    """The cheap test: which frames [n, 160] are hardly anything but a mark tone."""

    def __init__(self) -> None:
        n = np.arange(TICK_SAMPLES)
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / TICK_SAMPLES)).astype(np.float32)
        # Hum and its harmonics do not count against the mark.
        freqs_hz = np.array([1200.0, 1250.0, 1300.0, 50.0, 100.0, 150.0, 200.0, 250.0])
        turn = 2 * np.pi / SAMPLE_RATE_HZ * n[:, None] * freqs_hz
        self._bank = np.concatenate([np.cos(turn), np.sin(turn)], axis=1).astype(np.float32)
        self._least = (TICK_SAMPLES * 0.25 * 2.0**0.5 * rms_from_dbm0(LOWEST_DBM0)) ** 2

    def pure(self, x: Samples) -> NDArray[np.bool_]:
        """Whether each frame is pure mark."""
        windowed = (x - x.mean(1, keepdims=True)) * self._window
        parts = windowed @ self._bank
        parts *= parts
        half = parts.shape[1] // 2
        power = parts[:, :half] + parts[:, half:]
        mark = power[:, :3].max(1)
        energy = np.einsum("fn,fn->f", windowed, windowed) * (TICK_SAMPLES / 3.0)
        energy -= power[:, 3:].sum(1) / 1.5
        found: NDArray[np.bool_] = (mark > self._least) & (mark > 0.6 * energy)
        return found


@dataclass
class _Capture:
    """A port on which a mark tone was heard; all in samples since the first."""

    mark_start: int
    mark_frames: int
    last_mark: int
    decode_at: int | None = None
    since: int | None = None
    """Where the header is looked for from."""
    header_at: float = 0.0
    likely: fsk.Standard = "bell202"
    """By the mark tone; what is reported, for noise may let the other's receiver succeed."""
    standard: fsk.Standard = "bell202"


@dataclass
class _Spelling:
    """DTMF keys heard on a port so far."""

    keys: str
    start: int
    last: int


class CallerIdReceiver:
    """Listens for caller identification on `ports` ports, each independently."""

    def __init__(self, ports: int) -> None:
        self.ports = ports
        self._dtmf = DtmfReceiver(ports)
        self._bank = MarkBank()
        self._history = np.zeros((ports, HISTORY_SAMPLES), np.float32)
        self._partial = np.zeros((ports, TICK_SAMPLES), np.float32)
        self._filled = 0
        self._frame = 0
        self._active = np.ones(ports, bool)
        self._captures: dict[int, _Capture] = {}
        self._spellings: dict[int, _Spelling] = {}

    def reset(self, ports: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> None:
        """Forget everything heard on these ports."""
        self._dtmf.reset(ports)
        self._history[ports] = 0.0
        self._partial[ports] = 0.0
        for port in np.arange(self.ports)[ports]:
            self._captures.pop(int(port), None)
            self._spellings.pop(int(port), None)

    def process(
        self, x: NDArray[np.float32] | NDArray[np.int16], active: NDArray[np.bool_] | None = None
    ) -> list[CallerIdMessage]:
        """Take samples [ports, n], n any; answer the messages that became complete.

        Ports that are not `active` are reset and cost nothing.
        """
        if x.ndim != 2 or x.shape[0] != self.ports:
            raise ValueError(f"samples must be [{self.ports}, n], not {list(x.shape)}")
        now_active = np.ones(self.ports, bool) if active is None else np.asarray(active, bool)
        if (now_active != self._active).any():
            self.reset(np.flatnonzero(self._active & ~now_active))
            self._active = now_active.copy()
        messages: list[CallerIdMessage] = []
        if not now_active.any():
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
            self._partial[:, self._filled : self._filled + take] = clean(piece)
            self._filled += take
            if self._filled == TICK_SAMPLES:
                self._filled = 0
                messages += self._tick(self._partial)
        return messages

    def _skip(self, x: NDArray[np.float32] | NDArray[np.int16]) -> None:
        self._dtmf.process(x, self._active)
        self._frame += (self._filled + x.shape[1]) // TICK_SAMPLES
        self._filled = (self._filled + x.shape[1]) % TICK_SAMPLES

    @property
    def _now(self) -> int:
        return self._frame * TICK_SAMPLES

    def _tick(self, x: NDArray[np.float32] | NDArray[np.int16]) -> list[CallerIdMessage]:
        messages = self._hear_keys(x)
        rows = np.flatnonzero(self._active)
        frame = clean(x)
        at = self._frame % (HISTORY_SAMPLES // TICK_SAMPLES) * TICK_SAMPLES
        self._history[:, at : at + TICK_SAMPLES] = frame
        self._frame += 1
        if not len(rows):
            return messages
        pure = self._bank.pure(frame if len(rows) == self.ports else frame[rows])
        for port in rows[pure]:
            self._hear_mark(int(port))
        for port in tuple(self._captures):
            message = self._follow(port)
            if message is not None:
                messages.append(message)
        return messages

    # ------------------------------------------------------------------ FSK
    def _hear_mark(self, port: int) -> None:
        capture = self._captures.get(port)
        if capture is None:
            self._captures[port] = _Capture(self._now - TICK_SAMPLES, 1, self._now)
        elif capture.decode_at is None:
            capture.mark_frames += 1
            capture.last_mark = self._now

    def _follow(self, port: int) -> CallerIdMessage | None:
        capture = self._captures[port]
        if capture.decode_at is None:
            quiet = self._now - capture.last_mark
            if quiet == 0:
                return None
            if capture.mark_frames < _MARK_FRAMES or quiet > _PATIENCE_FRAMES * TICK_SAMPLES:
                del self._captures[port]
                return None
            capture.decode_at = self._find_header(port, capture)
        if capture.decode_at is None or capture.decode_at > self._now:
            return None
        return self._decode(port, capture)

    def _past(self, port: int, since: int) -> tuple[int, Samples]:
        """A port's samples since then, as far as they are kept, and the number of the first."""
        length = min(self._now - since, HISTORY_SAMPLES)
        index = np.arange(self._now - length, self._now) % HISTORY_SAMPLES
        return self._now - length, self._history[port, index]

    def _find_header(self, port: int, capture: _Capture) -> int | None:
        """When the frame after a mark will have ended; None if no header follows it."""
        if (
            capture.since is None
        ):  # later frames may be nearly pure mark too, when marks stand between characters
            capture.since = max(capture.mark_start, capture.last_mark - 2 * TICK_SAMPLES)
        origin, x = self._past(port, capture.since)
        likely = fsk.likely_standard(
            self._past(port, capture.mark_start)[1][: capture.last_mark - self._now or None]
        )
        capture.likely = likely
        for standard in _likely_first(likely):
            demodulator = fsk.Demodulator(x, standard)
            at = demodulator.find_header(0, len(x), frames.TYPES)
            if at is None:
                continue
            header = demodulator.read(at, 2)
            if not header.complete:
                continue
            capture.standard = standard
            capture.header_at = origin + at
            count = header.octets[1] + 3
            return int(capture.header_at + (count + 1) * 10.0 * fsk.BIT_SAMPLES)
        return None

    def _decode(self, port: int, capture: _Capture) -> CallerIdMessage | None:
        origin, x = self._past(port, int(capture.header_at) - 4 * TICK_SAMPLES)
        best: CallerIdMessage | None = None
        likely, other = _likely_first(capture.standard)
        for standard, coherent in ((likely, False), (likely, True), (other, False)):
            demodulator = fsk.Demodulator(x, standard)
            near = capture.header_at - origin
            at = demodulator.find_header(int(near - 40), int(near + 40), frames.TYPES)
            if at is None:
                continue
            heard = demodulator.read(at, None, coherent)
            if not heard.complete:
                needed = origin + heard.end
                if best is None and needed - capture.header_at < HISTORY_SAMPLES - 8 * TICK_SAMPLES:
                    capture.decode_at = int(needed) + 1
                    return None
                continue
            form, contents = frames.decode(heard.octets)
            if heard.framing < 1.0:  # a frame with a broken character says nothing, whatever its sum
                contents = None
            doubtful = heard.framing < _LEAST_FRAMING or heard.purity < _LEAST_PURITY
            if contents is None and (doubtful or best is not None):
                continue
            best = CallerIdMessage(
                port,
                capture.likely,
                form,
                *(("", "", "", "") if contents is None else contents),
                contents is not None,
                capture.mark_start,
                round(origin + heard.end),
            )
            if best.valid:
                break
        del self._captures[port]
        return best

    # ----------------------------------------------------------------- DTMF
    def _hear_keys(self, x: NDArray[np.float32] | NDArray[np.int16]) -> list[CallerIdMessage]:
        messages = []
        for event in self._dtmf.process(x, self._active):
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


def _likely_first(likely: fsk.Standard) -> tuple[fsk.Standard, ...]:
    return (likely, *(standard for standard in fsk.MARK_SPACE_HZ if standard != likely))


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
