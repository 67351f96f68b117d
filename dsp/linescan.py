"""Which of a network's frequencies is sounding on each port, frame by frame.

The one front end that call progress, disconnect and fax detection share. Every
20 ms the last 40 ms of each port are projected onto a small orthonormal basis
per *signature* (a set of frequencies that sound together, each with its
tolerance). The share of the frame's power that a signature explains is the
cheap test; whatever is decided from it happens only on ports whose answer
changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dsp.countries import Step, Tone, ToneTable, tone_table
from dsp.levels import RMS_AT_0_DBM0, SAMPLE_RATE_HZ, clean

HOP = 160
"""Samples from one frame to the next (20 ms)."""
WINDOW = 320
"""Samples that a frame looks at (40 ms): 25 Hz resolution at 10 ms edge accuracy."""
SPARE_HOPS = 15
"""The window moves through a longer buffer, so that it is copied back only once in 16 frames."""
TOLERANCE = 0.022
"""Frequency tolerance of a tone: E.180 allows an exchange ±1 %, old ones do worse."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Signature:
    """Frequencies that sound together, and how far each may be off (a share of it)."""

    name: str
    lines_hz: tuple[float, ...]
    tolerance: float = TOLERANCE


def basis(lines_hz: tuple[float, ...], tolerance: float, window: int = WINDOW, least: float = 0.16) -> Array:
    """Orthonormal columns `[window, d]` that hold every sinusoid within tolerance of the lines.

    A sinusoid anywhere in the band keeps at least 97 % of its power; a smaller
    `least` (singular value, as a share of the largest) keeps more, with more columns.
    """
    t = np.arange(window) / SAMPLE_RATE_HZ
    columns = []
    for line in lines_hz:
        for f in np.linspace(line * (1 - tolerance), line * (1 + tolerance), 9):
            columns += [np.cos(2 * np.pi * f * t), np.sin(2 * np.pi * f * t)]
    return _span(np.array(columns).T, least)


def _span(columns: NDArray[np.floating], least: float) -> Array:
    u, s, _ = np.linalg.svd(columns, full_matrices=False)
    return np.ascontiguousarray(u[:, : int(np.sum(s > least * s[0]))], dtype=np.float32)


def _without(columns: Array, other: Array) -> Array:
    """The same columns without what they share with others, orthonormal again."""
    rest = columns.astype(np.float64) - other.astype(np.float64) @ (other.T @ columns)
    return _span(rest, 0.05)


@dataclass(frozen=True)
class Beat:
    """How far the level of a tone's frames strays (dB) because its frequencies beat with each other."""

    down_db: float
    up_db: float
    spread_db: float
    """Within a burst: half of its frames stray no further, nor one half of it from the other."""


def beat(lines_hz: tuple[float, ...]) -> Beat:
    """The worst beat of equally strong frequencies seen through 40 ms windows, 20 ms apart."""
    t = np.arange(200 * HOP) / SAMPLE_RATE_HZ
    worst = [0.0, 0.0, 0.0]
    for phase in (0.0, 0.7, 1.9, 2.6):
        x = sum((np.cos(2 * np.pi * f * t + phase * i * i) for i, f in enumerate(lines_hz)), np.zeros(len(t)))
        power = (x * x).reshape(-1, HOP).sum(axis=1)
        level = 10 * np.log10(np.maximum(power[1:] + power[:-1], 1e-3))
        middle = float(np.median(level))
        halves = np.median(sliding_window_view(level, BEAT_HALF), axis=1)
        slope = float(np.abs(halves[BEAT_HALF:] - halves[:-BEAT_HALF]).max())
        spread = max(float(np.median(np.abs(level - middle))), slope)
        found = (middle - float(level.min()), float(level.max()) - middle, spread)
        worst = [max(a, b) for a, b in zip(worst, found, strict=True)]
    return Beat(worst[0], worst[1], BEAT_MARGIN * worst[2])


BEAT_HALF = 10
"""Frames of half a short burst: 401 and 449 Hz beat once in nearly a frame, which looks like a slow swell."""
BEAT_MARGIN = 1.5
"""The phases and strengths of a real tone are none of those tried here."""


class Framer:
    """Cuts blocks of any length into 40 ms windows, one every 20 ms, for all ports at once."""

    def __init__(self, ports: int) -> None:
        self.ports = ports
        self.clock = 0
        """Samples taken in since the start."""
        self._buffer = np.zeros((ports, WINDOW + SPARE_HOPS * HOP), np.float32)
        self._begin = 0
        self._fill = WINDOW - HOP

    def push(self, x: Array, active: NDArray[np.bool_] | None, start: int) -> tuple[int, bool]:
        """Take samples of `x`, which `clean` has seen, from column `start`; returns the next column and
        whether a frame is whole.

        A whole frame is read as `window` and must then be `step`ped away.
        """
        n = min(WINDOW - self._fill, x.shape[1] - start)
        part = self.window[:, self._fill : self._fill + n]
        x = x[:, start : start + n]
        if active is None or np.count_nonzero(active) > MOSTLY * self.ports:
            part[:] = x
            if active is not None:
                part[~active] = 0.0
        else:
            rows = active.nonzero()[0]
            part[:] = 0.0
            part[rows] = x[rows]
        self._fill += n
        self.clock += n
        return start + n, self._fill == WINDOW

    @property
    def window(self) -> Array:
        """The last 40 ms of every port, `[ports, WINDOW]`."""
        return self._buffer[:, self._begin : self._begin + WINDOW]

    def step(self) -> None:
        """Make room for the next 20 ms."""
        self._begin += HOP
        self._fill = WINDOW - HOP
        if self._begin > SPARE_HOPS * HOP:
            self._buffer[:, : self._fill] = self._buffer[:, self._begin :]
            self._begin = 0

    def reset(self, ports: NDArray[np.intp]) -> None:
        """Forget what these ports sounded like."""
        self._buffer[ports] = 0.0


HUM_LEAST = 0.005
HUM_HZ = 130.0
"""Everything below is mains hum, DC or rumble and counts as no sound."""


class Bank:
    """The signatures of one network, ready to be measured on many ports at once.

    Call-progress tones lie close together and are seen through the whole
    window; the others stand alone and are seen through its newest half, which
    costs a quarter.
    """

    def __init__(self, progress: tuple[Signature, ...], special: tuple[Signature, ...]) -> None:
        hum = basis((HUM_HZ / 2,), 1.0, least=HUM_LEAST)
        parts = [hum, *(_without(basis(s.lines_hz, s.tolerance), hum) for s in progress)]
        self._matrix, starts, free = _join(parts)
        halves = [basis(s.lines_hz, s.tolerance, HOP) for s in special]
        self._half_matrix, half_starts, half_free = _join(halves)
        self._whole = self._matrix.shape[1]
        self._starts = np.concatenate([starts, self._whole + half_starts])
        self._free = np.concatenate([free[1:], half_free])
        """Share of white noise that falls into each signature."""
        self._count = len(progress)
        self.size = len(progress) + len(special)

    def measure(self, window: Array, share: Array) -> Array:
        """Power `[P]` of the windows without hum; fills `share` `[P, size]` with what each explains."""
        projected = np.empty((len(window), self._whole + self._half_matrix.shape[1]), np.float32)
        np.matmul(window, self._matrix, out=projected[:, : self._whole])
        np.matmul(window[:, HOP:], self._half_matrix, out=projected[:, self._whole :])
        projected *= projected
        explained = np.add.reduceat(projected, self._starts, axis=1)
        halves = window.reshape(len(window), 2, HOP)
        squares = np.vecdot(halves, halves)
        power: Array = np.add.reduce(squares, axis=1)
        power -= explained[:, 0]
        np.maximum(power, 1.0, out=power)
        np.maximum(squares, 1.0, out=squares)
        least = 1 + self._count
        explained[:, 1:least] /= power[:, None]
        explained[:, least:] /= squares[:, 1:]
        np.subtract(explained[:, 1:], self._free, out=share[:, : self.size])
        power /= WINDOW
        return power


def _join(parts: list[Array]) -> tuple[Array, NDArray[np.intp], Array]:
    dims = [part.shape[1] for part in parts]
    starts = np.array([0, *np.cumsum(dims[:-1])], np.intp)
    free = (np.array(dims) / parts[0].shape[0]).astype(np.float32)
    return np.ascontiguousarray(np.hstack(parts)), starts, free


FULL_SCALE_DBM0_POWER = np.float32(RMS_AT_0_DBM0**2)
"""Mean square of a sine of 0 dBm0."""
LEAST_SHARE = 0.55
LEAST_DBM0 = -46.0

OFF = 0
"""Kind of a frame in which no tone of the network sounds; kinds from 1 are `Network.kinds`."""


@dataclass(frozen=True)
class LearnedTone:
    """A disconnect tone that was heard on a line rather than read from a table."""

    frequencies_hz: tuple[float, ...]
    on_ms: float
    off_ms: float
    """0: continuous."""


class Network:
    """What one country's network may sound like, as signatures.

    Signatures that share a kind belong together: `kinds[0]` ("progress") holds
    all of the country's call-progress tones, then come the three tones of the
    special information tone and the two fax tones.
    """

    def __init__(self, country: str, learned: LearnedTone | None) -> None:
        self.table: ToneTable = tone_table(country)
        self.learned = learned
        lines: list[tuple[float, ...]] = []
        forms: list[tuple[Tone, int, int]] = []
        for name in PROGRESS_TONES:
            for rank, tone in enumerate(self.table.variants.get(name, ())):
                if tone.lines_hz not in lines:
                    lines.append(tone.lines_hz)
                forms.append((tone, lines.index(tone.lines_hz), rank))
        if learned is not None:
            if learned.frequencies_hz not in lines:
                lines.append(learned.frequencies_hz)
            on, off = round(learned.on_ms), round(learned.off_ms)
            steps = [Step(learned.frequencies_hz, on)] + ([Step((), off)] if off else [])
            forms.append((Tone("learned", tuple(steps)), lines.index(learned.frequencies_hz), 0))
        if len(lines) + len(SPECIAL) > MOST_SIGNATURES:
            raise ValueError(f"country {country}: more than {MOST_SIGNATURES} different tones")
        self.forms = [(tone.name, tone.cadence_ms, signature, rank) for tone, signature, rank in forms]
        """Every form of every call-progress tone: name, cadence, index of its signature, 0 for the usual."""
        self.ending = sorted({signature for name, _, signature, _ in self.forms if name in ENDING})
        """The signatures of tones that end a call."""
        self.lines = lines
        """The frequencies (Hz) of each call-progress signature."""
        self.progress = len(lines)
        """How many of the signatures are call-progress tones."""
        self.kinds = ("progress", *(n for n, _, _ in SPECIAL))
        self.kind_of = np.array([1] * len(lines) + list(range(2, len(SPECIAL) + 2)), np.int8)
        self.bank = Bank(
            tuple(Signature("progress", hz) for hz in lines),
            tuple(Signature(name, hz, tolerance) for name, hz, tolerance in SPECIAL),
        )
        self.beats = [beat(hz) for hz in lines]
        self.parts = [[i for i, fewer in enumerate(lines) if set(fewer) < set(hz)] for hz in lines]
        """For each call-progress signature, those that lack some of its frequencies and have no others."""


ENDING = ("busy", "congestion", "unobtainable", "learned")
PROGRESS_TONES = (
    "dial",
    "ringback",
    "busy",
    "congestion",
    "unobtainable",
    "special_dial",
    "call_waiting",
)
SPECIAL: tuple[tuple[str, tuple[float, ...], float], ...] = (
    ("sit1", (950.0,), 0.053),
    ("sit2", (1400.0,), 0.036),
    ("sit3", (1800.0,), 0.028),
    ("fax-cng", (1100.0,), 0.035),
    ("fax-ced", (2100.0,), 0.0075),
)
"""Name, frequencies, tolerance: E.180 (950/1400/1800 ± 50 Hz), T.30 (1100 ± 38 Hz, 2100 ± 15 Hz)."""


@lru_cache(maxsize=512)
def network(country: str, learned: LearnedTone | None = None) -> Network:
    """The network of a country, computed once. Raises `UnknownCountry`."""
    return Network(country, learned)


@dataclass
class Run:
    """A stretch of one kind on a port: a burst of a tone (kind from 1), or a gap (`OFF`)."""

    kind: int
    start: int
    """Number of its first frame."""
    frames: int = 0

    @property
    def ms(self) -> float:
        """How long it has lasted."""
        return self.frames * FRAME_MS


@dataclass(frozen=True)
class Sines:
    """The sines at a tone's frequencies in a stretch of sound, whatever is beside them."""

    level_db: float
    """All of them together; 0 is no fixed level. To be compared between stretches that are equally long: of a
    sine in twice as long a one it is 3 dB less, and beyond 1 s less still."""
    purity: float
    """Their share of what lies around the frequencies."""
    hz: tuple[float, ...]
    """Their frequencies, found to a small part of 1/(length of the stretch)."""
    missing: bool
    """One of them is not there."""


def _sine_level_db(power: float, frames: int) -> float:
    """The level of `Sines`."""
    return 10 * float(np.log10(max(power, 1e-9))) - 20 * float(np.log10(frames))


def _summit(power: NDArray[np.floating]) -> float:
    """Where between -0.5 and 0.5 the peak of three neighbouring bins of a spectrum lies."""
    if len(power) < 3:
        return 0.0
    before, at, after = np.log(power + 1e-9)
    bend = float(before - 2 * at + after)
    return float(np.clip(0.5 * float(before - after) / bend, -0.5, 0.5)) if bend < -1e-9 else 0.0


class Frame(NamedTuple):
    """What one 20 ms step showed on all ports; the arrays are reused for the next frame."""

    number: int
    end_samples: int
    """Sample count at the end of the frame's window."""
    kind: NDArray[np.int8]
    """Kind of each port now, glitches of a single frame removed."""
    level_dbm0: Array
    changed: list[int]
    """Ports on which a new run began."""
    due: list[int]
    """Ports with a recent burst whose run has grown by another 200 ms, or to half a second."""


class LineScan:
    """Measures every port against the tones of its own country, 20 ms at a time.

    `runs[port]` are the last bursts and gaps of a port, the current one last.
    Several detectors may share one scan: give each frame to all of them.

    A frame belongs to a burst when a signature explains most of it, or when a
    tone that has been clear before is still there at the same level under
    somebody's voice.
    """

    def __init__(self, ports: int, country: str) -> None:
        if ports < 1:
            raise ValueError(f"a scan needs at least one port, not {ports}")
        self.ports = ports
        self.framer = Framer(ports)
        self.networks = [network(country)] * ports
        self._groups: list[tuple[Network, NDArray[np.intp] | None]] = [(network(country), None)]
        self.number = 0
        self.runs: list[list[Run]] = [[Run(OFF, 0)] for _ in range(ports)]
        self.kind = np.zeros(ports, np.int8)
        self._raw = np.zeros(ports, np.int8)
        self._interesting = np.zeros(ports, np.bool_)
        """Ports on which a burst was heard of late."""
        self._since = np.zeros(ports, np.int64)
        """First frame of each port's current run."""
        self._turn_at = np.zeros(ports, np.int8)
        """The same, counted from 0 to `DUE_FRAMES`."""
        self._reference: Array = np.full(ports, NO_REFERENCE, np.float32)
        self._all = np.arange(ports)
        self._sounding = np.ones(ports, np.bool_)
        """Ports that were active at any moment of the window."""
        self.kept: dict[int, tuple[tuple[int, int, int | None], object]] = {}
        """What one detector has worked out about a port and the next may use: see `cadence.hear`."""
        self._born = [0] * ports
        self._strength: Array = np.zeros((HISTORY, ports), np.float32)
        self._level: Array = np.full((HISTORY, ports), -99.0, np.float32)
        self._share: Array = np.zeros((HISTORY, ports, MOST_SIGNATURES), np.float32)
        self._sound: Array = np.zeros((SOUND_HISTORY, ports, HOP), np.float32)

    def set_country(self, ports: Sequence[int], country: str, learned: LearnedTone | None = None) -> None:
        """These ports belong to a network of this country, and may have a tone of their own.

        Raises `UnknownCountry`.
        """
        chosen = network(country, learned)
        for port in ports:
            self.networks[port] = chosen
        self.reset(ports)
        kinds = list(dict.fromkeys(self.networks))
        if len(kinds) == 1:
            self._groups = [(kinds[0], None)]
            return
        self._groups = [
            (n, np.array([p for p in range(self.ports) if self.networks[p] is n], np.intp)) for n in kinds
        ]

    def reset(self, ports: Sequence[int]) -> None:
        """Forget what these ports sounded like."""
        index = np.array(list(ports), np.intp)
        self.framer.reset(index)
        self.kind[index] = OFF
        self._raw[index] = OFF
        self._reference[index] = NO_REFERENCE
        self._interesting[index] = False
        for port in index:
            self._born[port] = self.number
            self.runs[port] = [Run(OFF, self.number)]

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> Iterator[Frame]:
        """Take a block `[P, n]` (any n) and yield a `Frame` for each 20 ms completed."""
        if x.ndim != 2 or x.shape[0] != self.ports:
            raise ValueError(f"a block must be [{self.ports}, n], not {list(x.shape)}")
        return self.process_clean(clean(x), active)

    def process_clean(self, x: Array, active: NDArray[np.bool_] | None = None) -> Iterator[Frame]:
        """The same for samples that `dsp.levels.clean` has seen."""
        start = 0
        while start < x.shape[1]:
            start, whole = self.framer.push(x, active, start)
            if active is not None:
                self._sounding |= active
            if whole:
                yield self._measure()
                self.framer.step()
                # The window of a frame reaches into the one before it.
                self._sounding[:] = active is None or active

    def is_clear(self, port: int, run: Run) -> bool:
        """The cheap test of a burst: long enough, and mostly tone. What fails it is not looked at."""
        if run.frames < SHORTEST_FRAMES:
            return False
        rows = self._rows(run.start + 1, run.start + run.frames - 1)
        strength = self._strength[rows, port]
        return float(np.add.reduce(strength) / len(strength)) > CLEAR_SHARE

    def is_level(self, port: int, run: Run) -> bool:
        """Whether the sound of a run keeps its level, as a machine's tone does."""
        levels = self._level[self._rows(run.start + 1, run.start + max(run.frames - 1, 2)), port]
        return float(np.ptp(levels)) < LEVEL_PTP_DB

    def loudest(self, port: int, first: int, stop: int) -> float:
        """Highest level (dBm0) of the frames from `first` to before `stop`; -99 where none was heard."""
        first = max(first, self._born[port], self.number - HISTORY + 1)
        if stop <= first:
            return -99.0
        return float(self._level[np.arange(first, stop) % HISTORY, port].max())

    def best_signature(self, port: int, run: Run) -> int:
        """The call-progress signature that explains a burst best."""
        return int(self.shares(port, run).argmax())

    def shares(self, port: int, run: Run) -> Array:
        """Mean share of each call-progress signature over a burst, its edges left out."""
        rows = self._rows(run.start + 1, run.start + max(run.frames - 1, 2))
        share = self._share[rows, port, : self.networks[port].progress]
        mean: Array = np.add.reduce(share, axis=0) / len(share)
        return mean

    def rests(self, port: int, run: Run, signature: int) -> Array:
        """What a signature leaves of each frame of a burst, its edges left out: shares."""
        rows = self._rows(run.start + 1, run.start + max(run.frames - 1, 2))
        return np.asarray(1.0 - self._share[rows, port, signature])

    def track(self, port: int, signature: int, frames: int) -> tuple[int, Array]:
        """Level (dBm0) of one signature in the last frames of a port, and the number of the first of them."""
        first = max(self.number - frames, self._born[port], self.number - HISTORY + 1, 0)
        if first >= self.number:
            return first, np.zeros(0, np.float32)
        rows = self._rows(first, self.number)
        share = np.maximum(self._share[rows, port, signature], 0.001)
        return first, np.asarray(self._level[rows, port] + 10 * np.log10(share))

    def purity(self, port: int, run: Run, lines_hz: tuple[float, ...], tolerance: float = TOLERANCE) -> float:
        """How much of what lies around these lines is one unchanging sine in each: a share, 1 for a machine.

        Seen over up to 0.8 s of the burst, 0 where that is no longer kept or one of the lines is missing.
        A voice or an instrument that passes for a tone frame by frame glides or trembles by more than
        1/n s allows.
        """
        seen = self._look(port, run, lines_hz, tolerance)
        return 0.0 if seen is None or seen.missing else seen.purity

    def has_lines(self, port: int, run: Run, lines_hz: tuple[float, ...]) -> bool:
        """Whether none of these lines is missing from a burst; true where its sound is no longer kept."""
        seen = self._look(port, run, lines_hz, TOLERANCE)
        return seen is None or not seen.missing

    def _look(self, port: int, run: Run, lines_hz: tuple[float, ...], tolerance: float) -> Sines | None:
        stop = min(run.start + run.frames - 1, self.number)
        return self.sines(port, max(run.start + 1, stop - SOUND_LOOK), stop, lines_hz, tolerance)

    def sines(
        self, port: int, first: int, stop: int, lines_hz: tuple[float, ...], tolerance: float = TOLERANCE
    ) -> Sines | None:
        """The sines at these lines, frames `first` to before `stop`; None where that is no longer kept."""
        seen = self._spectrum(port, first, stop)
        if seen is None:
            return None
        spectrum, lobe = seen
        around = np.zeros(len(spectrum), np.bool_)
        inside = np.zeros(len(spectrum), np.bool_)
        peaks, found_hz = [], []
        for line in lines_hz:
            reach = line * tolerance
            least, most = round((line - reach) / SOUND_HZ), round((line + reach) / SOUND_HZ) + 1
            peak = least + int(spectrum[least:most].argmax())
            peaks.append(float(spectrum[peak]))
            found_hz.append((peak + _summit(spectrum[peak - 1 : peak + 2])) * SOUND_HZ)
            inside[max(peak - lobe, 0) : peak + lobe + 1] = True
            away = round((reach + PURITY_BESIDE_HZ) / SOUND_HZ)
            middle = round(line / SOUND_HZ)
            around[max(middle - away, 0) : middle + away + 1] = True
        around |= inside
        power = float(spectrum[inside].sum())
        return Sines(
            _sine_level_db(power, stop - first),
            power / max(float(spectrum[around].sum()), 1e-9),
            tuple(found_hz),
            min(peaks) < MISSING_LINE * max(peaks),
        )

    def note(self, port: int, first: int, stop: int) -> tuple[float, float] | None:
        """The strongest sine in frames `first` to before `stop`: its level, as that of `Sines`, and its share
        of all that sounds above the hum. None where the sound is no longer kept."""
        seen = self._spectrum(port, first, stop)
        if seen is None:
            return None
        spectrum, lobe = seen
        spectrum[: int(NOTE_FROM_HZ / SOUND_HZ)] = 0.0
        peak = int(spectrum.argmax())
        inside = float(spectrum[max(peak - lobe, 0) : peak + lobe + 1].sum())
        return _sine_level_db(inside, stop - first), inside / max(float(spectrum.sum()), 1e-9)

    def _spectrum(self, port: int, first: int, stop: int) -> tuple[NDArray[np.floating], int] | None:
        """Power by frequency, in steps of `SOUND_HZ`, of frames `first` to before `stop`, and how many steps
        a sine reaches to either side. None where the sound is no longer kept."""
        if first < self.number - SOUND_HISTORY or first < self._born[port] or stop - first < 2:
            return None
        x = self.sound([port], first, stop)[0]
        spectrum = np.abs(np.fft.rfft((x - x.mean()) * np.hanning(len(x)), SOUND_FFT)) ** 2
        return spectrum, int(2 * SAMPLE_RATE_HZ / len(x) / SOUND_HZ) + 2

    def sound(self, ports: Sequence[int] | NDArray[np.intp], first: int, stop: int) -> Array:
        """What these ports said in the frames from `first` to before `stop`, `[len(ports), n]`.

        The last `SOUND_HISTORY` frames are kept.
        """
        kept = self._sound[np.arange(first, stop) % SOUND_HISTORY, np.array(ports, np.intp)[:, None]]
        return kept.reshape(len(ports), -1)

    def _rows(self, first: int, stop: int) -> NDArray[np.intp] | slice:
        """Where frames `first` to before `stop` are kept; without a copy unless they go round the end."""
        stop = min(stop, self.number)
        first = min(max(first, stop - HISTORY), stop - 1)
        begin, end = first % HISTORY, (stop - 1) % HISTORY + 1
        return slice(begin, end) if begin < end else np.arange(first, stop) % HISTORY

    def _measure(self) -> Frame:
        window = self.framer.window
        row = self.number % HISTORY
        self._sound[self.number % SOUND_HISTORY] = window[:, WINDOW - HOP :]
        share = self._share[row]
        if len(self._groups) == 1:
            net = self._groups[0][0]
            power = self._measure_one(net, window, share)
            best = share[:, : net.bank.size].argmax(axis=1)
            kind = net.kind_of[best]
        else:
            power = np.zeros(self.ports, np.float32)
            kind = np.zeros(self.ports, np.int8)
            best = np.zeros(self.ports, np.intp)
            for net, index in self._groups:
                part = np.zeros(
                    (len(self.networks) if index is None else len(index), net.bank.size), np.float32
                )
                power[index] = net.bank.measure(window[index], part)
                share[index, : net.bank.size] = part
                best[index] = part.argmax(axis=1)
                kind[index] = net.kind_of[best[index]]
        strength = share[self._all, best]
        level: Array = 10 * np.log10(power / FULL_SCALE_DBM0_POWER)
        tone = level + 10 * np.log10(np.maximum(strength, 0.001))
        self._level[row] = level
        self._strength[row] = strength
        clear = strength > LEAST_SHARE
        on = np.abs(tone - self._reference) < SAME_LEVEL_DB
        on &= strength > BURIED_SHARE
        on |= clear
        on &= tone > LEAST_DBM0
        kind *= on
        clear &= on
        clear &= kind == self.kind
        np.copyto(self._reference, tone, where=clear)
        return self._advance(kind, level)

    def _measure_one(self, net: Network, window: Array, share: Array) -> Array:
        """`Bank.measure` of one network for all ports; silence need not be measured."""
        if np.count_nonzero(self._sounding) > MOSTLY * self.ports:
            return net.bank.measure(window, share)
        rows = self._sounding.nonzero()[0]
        power = np.full(self.ports, 1.0 / WINDOW, np.float32)
        part = np.empty((rows.size, share.shape[1]), np.float32)
        power[rows] = net.bank.measure(window[rows], part)
        share[:] = 0.0
        share[rows] = part
        return power

    def _advance(self, kind: NDArray[np.int8], level: Array) -> Frame:
        new = kind != self.kind
        new &= kind == self._raw
        self._raw = kind
        changed: list[int] = new.nonzero()[0].tolist()
        for port in changed:
            self._turn(port, int(kind[port]))
        grown = self._turn_at == (self.number + 1) % DUE_FRAMES
        grown |= self._since == self.number - FIRST_LOOK
        grown &= self._interesting
        due: list[int] = grown.nonzero()[0].tolist()
        for port in due:
            run = self.runs[port][-1]
            run.frames = self.number - run.start + 1
            if run.kind == OFF and run.ms > FORGET_MS:
                self._interesting[port] = False
                self._reference[port] = NO_REFERENCE
        frame = Frame(self.number, self.framer.clock, self.kind, level, changed, due)
        self.number += 1
        return frame

    def _begin(self, ports: int | NDArray[np.intp], frame: int) -> None:
        """The current run of these ports begins with this frame."""
        self._since[ports] = frame
        self._turn_at[ports] = frame % DUE_FRAMES

    def _turn(self, port: int, kind: int) -> None:
        """A new run began one frame ago."""
        runs = self.runs[port]
        runs[-1].frames = self.number - 1 - runs[-1].start
        runs.append(Run(kind, self.number - 1, 2))
        del runs[:-MOST_RUNS]
        self._begin(port, self.number - 1)
        self.kind[port] = kind
        if kind != OFF:
            self._interesting[port] = True


DUE_FRAMES = 10
FIRST_LOOK = 25
"""Frames after which a burst may be taken for dial tone (0.5 s), so that one of 0.6 s is not missed."""
MOSTLY = 0.8
"""Share of the ports above which all are measured."""
SHORTEST_FRAMES = 4
CLEAR_SHARE = 0.66
LEVEL_PTP_DB = 4.0
MOST_RUNS = 40
MOST_SIGNATURES = 18
HISTORY = 1024
"""Frames (20 s) whose levels are kept for decisions."""
SOUND_HISTORY = 384
"""Frames (7.7 s) whose sound is kept: the longest burst and gap of a ringing tone."""
SOUND_LOOK = 40
SOUND_FFT = 8192
"""Of longer sound (1.02 s) no more than the beginning is seen."""
SOUND_HZ = SAMPLE_RATE_HZ / SOUND_FFT
PURITY_BESIDE_HZ = 30.0
NOTE_FROM_HZ = 200.0
MISSING_LINE = 0.005
"""A frequency 23 dB under the others is not there; the sidebands of a modulated tone are no weaker."""
FORGET_MS = 12000.0
"""A gap longer than any cadence's: what was heard before it no longer matters."""
FRAME_MS = 1000.0 * HOP / SAMPLE_RATE_HZ
SAME_LEVEL_DB = 3.0
BURIED_SHARE = 0.15
"""A tone of known level is still seen when a voice over it is up to 7 dB louder."""
NO_REFERENCE = -200.0
