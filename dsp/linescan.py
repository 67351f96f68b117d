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
from functools import cache

import numpy as np
from numpy.typing import NDArray

from dsp.countries import ToneTable, tone_table

SAMPLE_RATE_HZ = 8000
HOP = 160
"""Samples from one frame to the next (20 ms)."""
WINDOW = 320
"""Samples that a frame looks at (40 ms): 25 Hz resolution at 10 ms edge accuracy."""
TOLERANCE = 0.022
"""Frequency tolerance of a tone: E.180 allows an exchange ±1 %, old ones do worse."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Signature:
    """Frequencies that sound together, and how far each may be off (a share of it)."""

    name: str
    lines_hz: tuple[float, ...]
    tolerance: float = TOLERANCE


def basis(lines_hz: tuple[float, ...], tolerance: float, window: int = WINDOW) -> Array:
    """Orthonormal columns `[window, d]` that hold every sinusoid within tolerance of the lines.

    A sinusoid anywhere in the band keeps at least 97 % of its power.
    """
    t = np.arange(window) / SAMPLE_RATE_HZ
    columns = []
    for line in lines_hz:
        for f in np.linspace(line * (1 - tolerance), line * (1 + tolerance), 9):
            columns += [np.cos(2 * np.pi * f * t), np.sin(2 * np.pi * f * t)]
    u, s, _ = np.linalg.svd(np.array(columns).T, full_matrices=False)
    keep = int(np.sum(s > 0.16 * s[0]))
    return np.ascontiguousarray(u[:, :keep], dtype=np.float32)


class Framer:
    """Cuts blocks of any length into 40 ms windows, one every 20 ms, for all ports at once."""

    def __init__(self, ports: int) -> None:
        self.ports = ports
        self.clock = 0
        """Samples taken in since the start."""
        self._buffer = np.zeros((ports, WINDOW), np.float32)
        self._fill = WINDOW - HOP

    def push(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None, start: int) -> tuple[int, bool]:
        """Take samples of `x` from column `start`; returns the next column and whether a frame is whole.

        A whole frame is read as `window` and must then be `step`ped away.
        """
        n = min(WINDOW - self._fill, x.shape[1] - start)
        part = self._buffer[:, self._fill : self._fill + n]
        np.copyto(part, x[:, start : start + n], casting="unsafe")
        if active is not None:
            part[~active] = 0.0
        if not np.isfinite(part).all():
            np.nan_to_num(part, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        self._fill += n
        self.clock += n
        return start + n, self._fill == WINDOW

    @property
    def window(self) -> Array:
        """The last 40 ms of every port, `[ports, WINDOW]`."""
        return self._buffer

    def step(self) -> None:
        """Make room for the next 20 ms."""
        self._buffer[:, : WINDOW - HOP] = self._buffer[:, HOP:]
        self._fill = WINDOW - HOP

    def reset(self, ports: NDArray[np.intp]) -> None:
        """Forget what these ports sounded like."""
        self._buffer[ports] = 0.0


class Bank:
    """The signatures of one network, ready to be measured on many ports at once."""

    def __init__(self, signatures: tuple[Signature, ...]) -> None:
        self.signatures = signatures
        parts = [basis(s.lines_hz, s.tolerance) for s in signatures]
        self._matrix = np.ascontiguousarray(np.hstack(parts))
        self._starts = np.cumsum([0] + [p.shape[1] for p in parts[:-1]])
        dims = np.array([p.shape[1] for p in parts], np.float32)
        self._free = dims / WINDOW
        """Share of white noise that falls into each signature."""

    def measure(self, window: Array) -> tuple[Array, Array]:
        """Mean power `[P]` of the windows without DC, and share `[P, signatures]` each signature explains."""
        x = window - window.mean(axis=1, keepdims=True)
        power: Array = np.einsum("pn,pn->p", x, x)
        projected = x @ self._matrix
        projected *= projected
        explained = np.add.reduceat(projected, self._starts, axis=1)
        explained /= np.maximum(power, 1.0)[:, None]
        explained -= self._free
        power /= WINDOW
        return power, explained


FULL_SCALE_DBM0_POWER = 0.5 * (32768.0 * 10 ** (-3.14 / 20)) ** 2
"""Mean square of a sine of 0 dBm0."""
LEAST_SHARE = 0.55
LEAST_DBM0 = -46.0

OFF = 0
"""Kind of a frame in which no tone of the network sounds; kinds from 1 are `Network.kinds`."""


class Network:
    """What one country's network may sound like, as signatures.

    Signatures that share a kind belong together: `kinds[0]` ("progress") holds
    all of the country's call-progress tones, then come the three tones of the
    special information tone and the two fax tones.
    """

    def __init__(self, country: str) -> None:
        self.table: ToneTable = tone_table(country)
        lines: list[tuple[float, ...]] = []
        self.signature_of: dict[str, int] = {}
        """Index of the signature of each call-progress tone."""
        for name in PROGRESS_TONES:
            tone = self.table.get(name)
            if tone is None:
                continue
            if tone.lines_hz not in lines:
                lines.append(tone.lines_hz)
            self.signature_of[name] = lines.index(tone.lines_hz)
        signatures = [Signature("progress", hz) for hz in lines]
        signatures += [Signature(n, hz, tol) for n, hz, tol in SPECIAL]
        self.kinds = ("progress", *(n for n, _, _ in SPECIAL))
        self.kind_of = np.array([1] * len(lines) + list(range(2, len(SPECIAL) + 2)), np.int8)
        self.bank = Bank(tuple(signatures))


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


@cache
def network(country: str) -> Network:
    """The network of a country, computed once. Raises `UnknownCountry`."""
    return Network(country)


@dataclass
class Run:
    """A stretch of one kind on a port: a burst of a tone (kind from 1), or a gap (`OFF`)."""

    kind: int
    start: int
    """Number of its first frame."""
    frames: int = 0
    share: Array | None = None
    """Mean share of each signature over the run, once it is closed."""
    level_dbm0: float = -99.0

    @property
    def ms(self) -> float:
        """How long it has lasted."""
        return self.frames * FRAME_MS


@dataclass(frozen=True)
class Frame:
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
    """Ports with a recent burst whose run has grown by another 200 ms."""


class LineScan:
    """Measures every port against the tones of its own country, 20 ms at a time.

    `runs[port]` are the last bursts and gaps of a port, the current one last.
    Several detectors may share one scan: give each frame to all of them.
    """

    def __init__(self, ports: int, country: str) -> None:
        self.ports = ports
        self.framer = Framer(ports)
        self.networks = [network(country)] * ports
        self._groups: list[tuple[Network, NDArray[np.intp] | None]] = [(network(country), None)]
        self.number = 0
        self.runs: list[list[Run]] = [[Run(OFF, 0)] for _ in range(ports)]
        self.kind = np.zeros(ports, np.int8)
        self._raw = np.zeros(ports, np.int8)
        self._since = np.zeros(ports, np.int64)
        self._interesting = np.zeros(ports, np.bool_)
        self._share: Array = np.zeros((ports, MOST_SIGNATURES), np.float32)
        self._power: Array = np.zeros(ports, np.float32)

    def set_country(self, ports: Sequence[int], country: str) -> None:
        """These ports belong to a network of this country. Raises `UnknownCountry`."""
        chosen = network(country)
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
        self._since[index] = self.number
        self._interesting[index] = False
        for port in index:
            self.runs[port] = [Run(OFF, self.number)]

    def process(self, x: NDArray[np.generic], active: NDArray[np.bool_] | None = None) -> Iterator[Frame]:
        """Take a block `[P, n]` (any n) and yield a `Frame` for each 20 ms completed."""
        if x.ndim != 2 or x.shape[0] != self.ports:
            raise ValueError(f"a block must be [{self.ports}, n], not {list(x.shape)}")
        start = 0
        while start < x.shape[1]:
            start, whole = self.framer.push(x, active, start)
            if whole:
                yield self._measure()
                self.framer.step()

    def _measure(self) -> Frame:
        window = self.framer.window
        if len(self._groups) == 1:
            net = self._groups[0][0]
            power, share = net.bank.measure(window)
            kind = _kinds(net, power, share)
        else:
            power = np.zeros(self.ports, np.float32)
            share = np.zeros((self.ports, MOST_SIGNATURES), np.float32)
            kind = np.zeros(self.ports, np.int8)
            for net, index in self._groups:
                part_power, part = net.bank.measure(window[index])
                power[index] = part_power
                share[index, : part.shape[1]] = part
                kind[index] = _kinds(net, part_power, part)
        level = 10 * np.log10(np.maximum(power, 1e-3) / FULL_SCALE_DBM0_POWER)
        new = np.flatnonzero((kind != self.kind) & (kind == self._raw))
        self._raw[:] = kind
        changed = [int(port) for port in new]
        for port in changed:
            self._turn(port, int(kind[port]))
        self._share[:, : share.shape[1]] += share
        self._power += power
        age = self.number - self._since
        due = [int(p) for p in np.flatnonzero(self._interesting & (age % 10 == 9))]
        for port in due:
            self._update(port)
            if self.runs[port][-1].kind == OFF and self.runs[port][-1].ms > FORGET_MS:
                self._interesting[port] = False
        frame = Frame(self.number, self.framer.clock, self.kind, level.astype(np.float32), changed, due)
        self.number += 1
        return frame

    def _update(self, port: int) -> None:
        run = self.runs[port][-1]
        run.frames = self.number - run.start
        count = max(run.frames - 1, 1)
        run.share = self._share[port] / count
        run.level_dbm0 = float(10 * np.log10(max(self._power[port] / count, 1e-3) / FULL_SCALE_DBM0_POWER))

    def _turn(self, port: int, kind: int) -> None:
        """A new run began one frame ago."""
        self._update(port)
        runs = self.runs[port]
        runs[-1].frames = self.number - 1 - runs[-1].start
        runs.append(Run(kind, self.number - 1))
        del runs[:-MOST_RUNS]
        self.kind[port] = kind
        self._since[port] = self.number - 1
        self._interesting[port] |= kind != OFF
        self._share[port] = 0.0
        self._power[port] = 0.0


MOST_RUNS = 40
MOST_SIGNATURES = 16
FORGET_MS = 12000.0
"""A gap longer than any cadence's: what was heard before it no longer matters."""
FRAME_MS = 1000.0 * HOP / SAMPLE_RATE_HZ

_LEAST_POWER = FULL_SCALE_DBM0_POWER * 10 ** (LEAST_DBM0 / 10)


def _kinds(net: Network, power: Array, share: Array) -> NDArray[np.int8]:
    best = share.argmax(axis=1)
    tone = (share[np.arange(len(best)), best] > LEAST_SHARE) & (power > _LEAST_POWER)
    out: NDArray[np.int8] = np.where(tone, net.kind_of[best], np.int8(OFF)).astype(np.int8)
    return out
