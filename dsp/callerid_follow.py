"""What follows a mark tone on one port: the search for a header, and the message behind it.

    seizure 0101…  | mark      | type len body…           sum |
                       ^ seen     ^ header found, characters read as they come

Some senders have next to no mark, or send it as characters FFh. Where there is a carrier that is neither mark
nor seizure a header is looked for all the same; then only a message that is sound in all is told.

Everything is done in small steps, and a follower may be given its steps
late: it has a time of its own, and does at each frame what it would have done had it
been there. What it finds depends on the sound alone, not on how many steps a tick has.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsp import callerid_frames as frames
from dsp import fsk
from dsp.callerid_frames import Reason
from dsp.levels import TICK_SAMPLES, Samples

MOST_BEHIND = 72
"""Frames: whoever is further behind is given up, for its past is soon forgotten."""
LONGEST_SAMPLES = 168 * TICK_SAMPLES
"""From the header of a message to its end; 258 characters with a second stop bit take 2.4 s."""
HISTORY_FRAMES = 256

_SEIZURE_REACH = 50 * TICK_SAMPLES
"""A seizure is 0.25 s long, and its end may be taken for no mark yet."""
_MARK_FRAMES = 2
_MOST_MARK_FRAMES = 30
"""Longer is no mark of the standards; so much of it tells which one it is."""
_PATIENCE_FRAMES = 4
_SEARCH_FRAMES = 16
_DATA_FRAMES = 3
_MOST_DATA_FRAMES = 30
"""Frames of a carrier without mark from which, and up to which, a header is looked for."""
_DATA_SEARCH_FRAMES = 7
_PIECE = 8 * TICK_SAMPLES
"""Samples that are demodulated in one step."""
_CHARACTER = 4
_CLOCK = 30
_SEARCH = 20
_FEED = 2
_SEIZURE = 5
"""What the parts cost, in hundredths of a millisecond on a desktop's core of 2020 or so."""
_LEAST_FRAMING = 0.9
_LEAST_PURITY = 0.75
"""What a frame must be like to be reported although its checksum is wrong."""

Work = Generator[int, None, None]
"""Yields what was done since, in the units above; 0: nothing left to do before the next frame."""


@dataclass(frozen=True)
class CallerIdMessage:
    """One message. A frame whose checksum is wrong has `valid` False and no contents.

    `start_samples` and `end_samples` count from the receiver's first sample; an FSK
    message starts with its channel seizure or, without one, with its mark tone, a DTMF
    form with its first key.
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


class Past:
    """The newest sound of all ports, and which of its frames hold hardly anything but mark, or data."""

    def __init__(self, ports: int) -> None:
        self.frames = 0
        """Taken in since the start."""
        self._sound = np.zeros((HISTORY_FRAMES, ports, TICK_SAMPLES), np.float32)
        self._pure = np.zeros((HISTORY_FRAMES, ports), bool)
        self._data = np.zeros((HISTORY_FRAMES, ports), bool)

    def reset(self, ports: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> None:
        """Forget these ports."""
        self._sound[:, ports] = 0.0
        self._pure[:, ports] = False
        self._data[:, ports] = False

    def take(self, frame: Samples, pure: NDArray[np.bool_] | bool, data: NDArray[np.bool_] | bool) -> None:
        """The next frame [ports, 160], and which ports' is pure mark, which a carrier with data."""
        at = self.frames % HISTORY_FRAMES
        self._sound[at] = frame
        self._pure[at] = pure
        self._data[at] = data
        self.frames += 1

    def pure(self, port: int, frame: int) -> bool:
        """Whether a frame is pure mark."""
        return bool(self._pure[frame % HISTORY_FRAMES, port])

    def marked(self, port: int) -> bool:
        """Whether a mark tone is among what is kept of a port, no single frame that looks like one."""
        return int(np.count_nonzero(self._pure[:, port])) >= _MARK_FRAMES

    def data(self, port: int, frame: int) -> bool:
        """Whether a frame is a carrier with data."""
        return bool(self._data[frame % HISTORY_FRAMES, port])

    def sound(self, port: int, since: int, stop: int) -> Samples:
        """A port's samples between two moments."""
        first = since // TICK_SAMPLES
        frames = np.arange(first, -(-stop // TICK_SAMPLES)) % HISTORY_FRAMES
        begin = since - first * TICK_SAMPLES
        sound: Samples = self._sound[frames, port].reshape(-1)[begin : begin + stop - since]
        return sound


@dataclass
class _Mark:
    """A mark tone; in samples since the first."""

    start: int
    last: int
    frames: int = 1
    search_from: int | None = None


@dataclass(frozen=True)
class _Header:
    likely: fsk.Standard
    """By the mark tone; what is reported, for noise may let the other's receiver succeed."""
    standard: fsk.Standard
    at: float
    marks: int = fsk.MARKS_BEFORE
    """In front of it, by which it was found."""


class Follower:
    """Follows one port, beginning with the newest frame, until there is nothing left to follow.

    `work` is resumed for every step. A message that was found is left in `found`.
    """

    def __init__(self, past: Past, port: int) -> None:
        self.port = port
        self.found: CallerIdMessage | None = None
        self.work = self._run()
        self._past = past
        self._frame = past.frames - 1
        self._told = 0
        """Where the last message ended: what is before it is not read again."""

    @property
    def behind(self) -> int:
        """Frames that are there and were not looked at yet."""
        return self._past.frames - self._frame

    @property
    def _now(self) -> int:
        return self._frame * TICK_SAMPLES

    def _next_frame(self) -> Work:
        while self._frame == self._past.frames:
            yield 0
        self._frame += 1

    def _run(self) -> Work:
        mark: _Mark | None = None
        data = 0  # frames of a carrier without mark
        while mark is not None or data or self.behind:
            yield from self._next_frame()
            if self._past.pure(self.port, self._frame - 1):
                if mark is None:
                    mark = _Mark(self._now - TICK_SAMPLES, self._now)
                else:
                    mark.frames += 1
                    mark.last = self._now
                continue
            data = data + 1 if self._past.data(self.port, self._frame - 1) else 0
            if mark is not None and (
                mark.frames < _MARK_FRAMES or self._now - mark.last > _PATIENCE_FRAMES * TICK_SAMPLES
            ):
                mark = None
            if mark is not None:
                header = yield from self._find_header(mark)
                if header is not None:
                    mark.start = self._seizure_start(mark)
                    yield _SEIZURE
                    message, _ = yield from self._read(mark, header, _first(header.standard))
                    self._tell(message)
                    mark, data = None, 0
            elif _DATA_FRAMES <= data <= _MOST_DATA_FRAMES:
                yield from self._read_unmarked(data)

    def _read_unmarked(self, data: int) -> Work:
        """Read the message that begins in the last `data` frames, if one does."""
        since = max(self._now - _DATA_SEARCH_FRAMES * TICK_SAMPLES, self._told)
        if self._now - since < TICK_SAMPLES:
            return
        demodulator = fsk.Demodulator(self._past.sound(self.port, since, self._now), "bell202")
        at = demodulator.find_header(0, demodulator.samples, frames.TYPES, fsk.FEW_MARKS)
        yield _SEARCH
        if at is None or at + 20.0 * fsk.BIT_SAMPLES > demodulator.samples:
            return
        mark = _Mark(max(self._now - (data + 1) * TICK_SAMPLES, 0), self._now)
        mark.start = self._seizure_start(mark)
        yield _SEIZURE
        best, most = None, 0.0
        # Without a mark tone only the whole message tells the standards apart.
        for standard in fsk.MARK_SPACE_HZ:
            header = _Header(standard, standard, since + at, fsk.FEW_MARKS)
            message, purity = yield from self._read(mark, header, (standard,))
            if message is not None and message.valid and purity > most:
                best, most = message, purity
        self._tell(best)

    def _tell(self, message: CallerIdMessage | None) -> None:
        self.found = message
        if message is not None:
            self._told = message.end_samples

    def _find_header(self, mark: _Mark) -> Generator[int, None, _Header | None]:
        if mark.search_from is None:
            # later frames may be nearly pure mark too, when marks stand between characters
            mark.search_from = max(mark.start, mark.last - 2 * TICK_SAMPLES)
        since = max(mark.search_from, self._now - _SEARCH_FRAMES * TICK_SAMPLES)
        begin = max(mark.start, mark.last - _MOST_MARK_FRAMES * TICK_SAMPLES)
        x = self._past.sound(self.port, since, self._now)
        likely = fsk.likely_standard(self._past.sound(self.port, begin, mark.last))
        for standard in _first(likely):
            demodulator = fsk.Demodulator(x, standard)
            at = demodulator.find_header(0, len(x), frames.TYPES)
            yield _SEARCH
            if at is not None and at + 20.0 * fsk.BIT_SAMPLES <= len(x):
                return _Header(likely, standard, since + at)
        return None

    def _seizure_start(self, mark: _Mark) -> int:
        """Where the alternating bits in front of a mark begin; where there are none, the mark's beginning."""
        since = max(mark.start - _SEIZURE_REACH, (self._past.frames - HISTORY_FRAMES) * TICK_SAMPLES, 0)
        x = self._past.sound(self.port, since, mark.start + TICK_SAMPLES)
        seizure = fsk.seizure_samples(x)
        return mark.start if seizure is None else since + seizure

    def _read(
        self, mark: _Mark, header: _Header, standards: tuple[fsk.Standard, ...]
    ) -> Generator[int, None, tuple[CallerIdMessage | None, float]]:
        """The message behind a header, read bit by bit, by whole characters, then as the next standard.

        And which part of its sound was mark or space.
        """
        origin = max(int(header.at) - 4 * TICK_SAMPLES, 0)
        best: CallerIdMessage | None = None
        purity = 0.0
        for standard in standards:
            stop = min(self._now, origin + _PIECE)
            demodulator = fsk.Demodulator(self._past.sound(self.port, origin, stop), standard)
            near = header.at - origin
            yield from self._feed(demodulator, origin, near + 40.0 + 11.0 * fsk.BIT_SAMPLES)
            at = demodulator.find_header(int(near - 40), int(near + 40), frames.TYPES, header.marks)
            yield _SEARCH
            if at is None:
                continue
            reader = fsk.Reader(demodulator, at)
            yield from self._read_all(reader, demodulator, origin, header.marks < fsk.MARKS_BEFORE)
            if not reader.complete:
                continue
            purity = reader.plain().purity
            if _is_other(reader.plain()):
                return None, purity
            best = self._judge(reader.plain(), mark, header, origin, best)
            if best is None or not best.valid:
                count = yield from self._weigh(reader)
                if best is None and not reader.has(count):
                    reader.count = count
                    yield from self._read_all(reader, demodulator, origin)
                    yield from self._weigh(reader)
                if len(reader.weighed().octets) == count:
                    if _is_other(reader.weighed()):
                        return None, purity
                    best = self._judge(reader.weighed(), mark, header, origin, best)
            if best is not None and best.valid:
                break
        return best, purity

    def _weigh(self, reader: fsk.Reader) -> Generator[int, None, int]:
        """Weigh all characters that were read; returns how many there should be by that."""
        while reader.weigh():
            yield _CHARACTER
        return reader.weighed().octets[1] + 3

    def _read_all(
        self, reader: fsk.Reader, demodulator: fsk.Demodulator, origin: int, sound: bool = False
    ) -> Work:
        """Read up to the last character; a message that must be `sound` only up to the first broken one."""
        while not reader.complete and not (sound and reader.broken):
            if reader.needs - reader.start > LONGEST_SAMPLES:
                return
            yield from self._feed(demodulator, origin, reader.needs)
            clocked = reader.clocked
            reader.step()
            yield _CHARACTER if clocked else _CLOCK

    def _feed(self, demodulator: fsk.Demodulator, origin: int, needed: float) -> Work:
        """Give the demodulator so many samples, and wait for those that were not heard yet."""
        while demodulator.samples < needed:
            first = origin + demodulator.samples
            if first == self._now:
                yield from self._next_frame()
            stop = min(self._now, first + _PIECE)
            demodulator.extend(self._past.sound(self.port, first, stop))
            yield _FEED

    def _judge(
        self,
        heard: fsk.Characters,
        mark: _Mark,
        header: _Header,
        origin: int,
        best: CallerIdMessage | None,
    ) -> CallerIdMessage | None:
        """The better of what was heard now and what had been heard before."""
        form, contents = frames.decode(heard.octets)
        if heard.framing < 1.0:  # a frame with a broken character says nothing, whatever its sum
            contents = None
        doubtful = heard.framing < _LEAST_FRAMING or heard.purity < _LEAST_PURITY
        if contents is None and (doubtful or best is not None):
            return best
        return CallerIdMessage(
            self.port,
            header.likely,
            form,
            *(("", "", "", "") if contents is None else contents),
            contents is not None,
            mark.start,
            round(origin + heard.end),
        )


def _first(likely: fsk.Standard) -> tuple[fsk.Standard, ...]:
    """Both standards, the likely one first."""
    return (likely, *(standard for standard in fsk.MARK_SPACE_HZ if standard != likely))


def _is_other(heard: fsk.Characters) -> bool:
    return heard.framing == 1.0 and frames.is_other(heard.octets)
