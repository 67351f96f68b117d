"""FSK data at 1200 bit/s as caller identification uses it: modulator and demodulator.

Bell 202: mark 1200 Hz, space 2200 Hz (GR-30). V.23: mark 1300 Hz, space 2100 Hz
(EN 300 659-1). A character is a start bit (space), eight bits, least significant
first, and a stop bit (mark); marks may stand between characters.

The demodulator is given the whole recording of a message, so it need not follow
the bits as they come: it correlates with both frequencies over exactly one bit at
any fraction of a sample, weighs each with the level that its tone has in this very
message (twist), and places every character where start bit, stop bit and data
together are most likely, whatever the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsp.levels import SAMPLE_RATE_HZ, Samples, peak_from_dbm0

Standard = Literal["bell202", "v23"]

MARK_SPACE_HZ: dict[Standard, tuple[float, float]] = {"bell202": (1200.0, 2200.0), "v23": (1300.0, 2100.0)}
BAUD = 1200.0
BIT_SAMPLES = SAMPLE_RATE_HZ / BAUD
SEIZURE_BITS = 300
MARK_BITS = 180
_LONGEST_GAP_BITS = 20.0
"""Marks that may stand between two characters (GR-30 allows 10)."""

Floats = NDArray[np.float64]


def modulate(bits: NDArray[np.bool_], standard: Standard, level_dbm0: float) -> Samples:
    """Bits (True is mark) as sound with continuous phase, float32 [n]."""
    mark_hz, space_hz = MARK_SPACE_HZ[standard]
    n = int(np.ceil(len(bits) * BIT_SAMPLES))
    if n == 0:
        return np.zeros(0, np.float32)
    # The phase is linear within a bit: interpolate between the phases at bit edges.
    advance = np.where(bits, mark_hz, space_hz) * (2 * np.pi / BAUD)
    edges = np.concatenate([[0.0], np.cumsum(advance)])
    phase = np.interp(np.arange(n), np.arange(len(edges)) * BIT_SAMPLES, edges)
    wave: Samples = (peak_from_dbm0(level_dbm0) * np.sin(phase)).astype(np.float32)
    return wave


def frame_bits(
    octets: bytes, seizure_bits: int = SEIZURE_BITS, mark_bits: int = MARK_BITS
) -> NDArray[np.bool_]:
    """Seizure, mark and the characters of a frame as bits, with a few marks after them."""
    seizure = np.arange(seizure_bits) % 2 == 1
    characters = np.unpackbits(np.frombuffer(octets, np.uint8)[:, None], axis=1, bitorder="little")
    framed = np.concatenate(
        [np.zeros((len(octets), 1), bool), characters.astype(bool), np.ones((len(octets), 1), bool)], axis=1
    )
    return np.concatenate([seizure, np.ones(mark_bits, bool), framed.ravel(), np.ones(4, bool)])


@dataclass(frozen=True)
class Characters:
    """Octets read from a recording, how many of their start and stop bits fitted (`framing`),
    and which part of the sound was mark or space (`purity`).

    `start` and `end` are samples of the recording; `end` beyond the recording means
    that the frame goes on: give more.
    """

    octets: bytes
    start: float
    end: float
    framing: float
    purity: float
    complete: bool


_CHARACTERS = np.concatenate(
    [
        np.zeros((256, 1), bool),
        np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(bool),
        np.ones((256, 1), bool),
    ],
    axis=1,
)
"""Every character as its ten bits, [256, 10]."""


def likely_standard(mark: Samples) -> Standard:
    """Whose mark tone a piece [n] of pure mark is."""
    n = np.arange(len(mark))
    windowed = mark * (0.5 - 0.5 * np.cos(2 * np.pi * (n + 0.5) / max(len(mark), 1)))
    turn = -2j * np.pi / SAMPLE_RATE_HZ * n

    def power(standard: Standard) -> float:
        return float(np.abs(windowed @ np.exp(turn * MARK_SPACE_HZ[standard][0])))

    return max(MARK_SPACE_HZ, key=power)


_TICKS = np.arange(11)
_STEPS = np.arange(-1.5, 1.51, 0.25)
"""Samples by which a character is looked for beside where it should be."""
_CLOCKS = (1.0, 0.95, 0.975, 1.025)
"""The standards allow 1 %; a sender whose bits are seven whole samples is 5 % slow."""
_CLOCK_CHARACTERS = 3
_CLOCK_BETTER = 1.08


def _fit(bits: Floats) -> Floats:
    """How well the ten bits [..., 10] (see `Demodulator._spaceness`) make a character."""
    fit: Floats = bits[..., 0] - bits[..., 9] + np.abs(bits[..., 1:9]).sum(-1)
    return fit


class Demodulator:
    """Reads one recording `x` [n] that holds a mark tone and characters after it."""

    def __init__(self, x: Samples, standard: Standard) -> None:
        self._n = len(x)
        x = x - x.mean() if len(x) else x
        turn = np.arange(self._n) * (-2j * np.pi / SAMPLE_RATE_HZ)
        zero = np.zeros(1, complex)
        mark_hz, space_hz = MARK_SPACE_HZ[standard]
        self._apart_rad = 2 * np.pi / SAMPLE_RATE_HZ * (mark_hz - space_hz)
        self._mark = np.concatenate([zero, np.cumsum(x * np.exp(turn * mark_hz))])
        self._space = np.concatenate([zero, np.cumsum(x * np.exp(turn * space_hz))])
        self._energy = np.concatenate([np.zeros(1), np.cumsum(np.square(x, dtype=float))])
        self._mark_level = self._space_level = 1.0

    def _integral(self, total: NDArray[np.complex128], at: Floats) -> NDArray[np.complex128]:
        at = np.clip(at, 0.0, self._n - 1e-6)
        whole = at.astype(np.intp)
        return total[whole] + (total[whole + 1] - total[whole]) * (at - whole)

    def _strength(self, edges: Floats) -> tuple[Floats, Floats]:
        """Amplitude of mark and of space between neighbouring `edges` [..., bits + 1]."""
        width = np.maximum(np.diff(edges, axis=-1), 1e-9) / 2.0
        mark = np.abs(np.diff(self._integral(self._mark, edges), axis=-1)) / width
        space = np.abs(np.diff(self._integral(self._space, edges), axis=-1)) / width
        return mark, space

    def _spaceness(self, edges: Floats) -> Floats:
        """How much likelier space is than mark in each bit; a clean bit is about ±1."""
        mark, space = self._strength(edges)
        a, b = self._mark_level, self._space_level
        return (b * (space - b / 2.0) - a * (mark - a / 2.0)) / (0.5 * (a * a + b * b))

    def find_header(self, first: int, last: int, types: tuple[int, ...]) -> float | None:
        """Where a message type of `types` follows marks, between two samples; None if nowhere."""
        at = np.arange(max(first, 0), min(last, int(self._n - 10 * BIT_SAMPLES)), 1.0)
        before = 12
        at = at[at > before * BIT_SAMPLES]
        if not len(at):
            return None
        mark, space = self._strength(at[:, None] + np.array([0.0, BIT_SAMPLES]))
        self._mark_level = max(float(np.quantile(mark, 0.9)), 1e-3)
        self._space_level = max(float(np.quantile(space, 0.95)), 1e-3)
        bits = self._spaceness(at[:, None] + np.arange(-before, 11) * BIT_SAMPLES)
        total = np.abs(bits).sum(1)
        best, best_at = 0.0, None
        for kind in types:
            data = [1.0 - 2.0 * (kind >> i & 1) for i in range(8)]
            pattern = np.array([-1.0] * before + [1.0, *data, -1.0])
            match = bits @ pattern
            wrong = ((bits * pattern) < 0).sum(1)
            match = np.where((wrong <= 1) & (match > 0.85 * total), match, 0.0)
            place = int(match.argmax())
            if match[place] > best:
                best, best_at = float(match[place]), float(at[place])
        return best_at

    def _likeliest(self, edges: Floats) -> int:
        """The character between eleven `edges` that fits best as one wave of continuous phase.

        Where mark turns to space, the phase that both are measured against jumps by their
        difference in frequency times the moment; with that undone, the ten bits add up
        coherently for the right character only.
        """
        mark = np.diff(self._integral(self._mark, edges))
        space = np.diff(self._integral(self._space, edges))
        a, b = self._mark_level, self._space_level
        parts = np.where(_CHARACTERS, a * mark, b * space)
        turns = np.diff(_CHARACTERS.astype(float), axis=1) * (-self._apart_rad * edges[1:-1])
        parts[:, 1:] *= np.exp(-1j * np.cumsum(turns, axis=1))
        energy = np.where(_CHARACTERS, a * a, b * b).sum(1) * (BIT_SAMPLES / 4.0)
        return int((np.abs(parts.sum(1)) - energy).argmax())

    def _bit_samples(self, start: float) -> float:
        """How long the sender's bits are, by its first characters; nominal unless far from it."""

        def fit(clock: float) -> float:
            bit, at, total = BIT_SAMPLES / clock, start, 0.0
            for _ in range(_CLOCK_CHARACTERS):
                at, bits = self._next_character(at, bit)
                score = _fit(bits)
                best = int(score.argmax())
                total += float(score[best])
                at += _STEPS[best] + 10.0 * bit
            return total

        if start + _CLOCK_CHARACTERS * 10.5 * BIT_SAMPLES / min(_CLOCKS) > self._n:
            return BIT_SAMPLES
        clock = max(_CLOCKS, key=fit)
        return BIT_SAMPLES / clock if fit(clock) > _CLOCK_BETTER * fit(1.0) else BIT_SAMPLES

    def _next_character(self, at: float, bit: float) -> tuple[float, Floats]:
        """Where the next character begins, about `at` or after some marks; its bits at every step there."""
        bits = self._spaceness(at + _STEPS[:, None] + _TICKS * bit)
        best = int(_fit(bits).argmax())
        if bits[best, 0] > 0 and bits[best, 9] < 0:
            return at, bits
        shifted = self._after_marks(at, bit)
        if shifted is None:
            return at, bits
        return shifted, self._spaceness(shifted + _STEPS[:, None] + _TICKS * bit)

    def read(self, start: float, count: int | None, coherent: bool = False) -> Characters:
        """Read `count` characters from `start`, or as many as the second one says plus three.

        `coherent` weighs each character as a whole: slower, and about 3 dB better in noise.
        """
        octets = bytearray()
        fitted = 0
        pure = 0.0
        bit = nominal = self._bit_samples(start)
        at = start
        end = start
        step, ticks = _STEPS, np.arange(11)
        while count is None or len(octets) < count:
            need = (2 if count is None else count) - len(octets)
            if at + 10.0 * bit > self._n:
                return Characters(bytes(octets), start, at + need * 10.0 * bit, 0.0, 0.0, False)
            bits = self._spaceness(at + step[:, None] + ticks * bit)
            score = _fit(bits)
            best = int(score.argmax())
            good = bits[best, 0] > 0 and bits[best, 9] < 0
            if not good:
                if at + (_LONGEST_GAP_BITS + 11.0) * bit > self._n:
                    further = at + need * 10.0 * bit + (_LONGEST_GAP_BITS + 2.0) * bit
                    return Characters(bytes(octets), start, further, 0.0, 0.0, False)
                shifted = self._after_marks(at, bit)
                if shifted is not None:
                    at = shifted
                    bits = self._spaceness(at + step[:, None] + ticks * bit)
                    best, good = int(_fit(bits).argmax()), True
            fitted += good
            if coherent:
                octets.append(self._likeliest(at + step[best] + ticks * bit))
            else:
                octets.append(sum(int(bits[best, 1 + i] < 0) << i for i in range(8)))
            end = at + step[best] + 10.0 * bit
            mark, space = self._strength(at + step[best] + ticks * bit)
            heard = self._energy[min(int(end), self._n)] - self._energy[max(int(end - 10.0 * bit), 0)]
            pure += float((np.maximum(mark, space) ** 2).sum() * bit / 2.0 / max(heard, 1e-9))
            at += 0.6 * step[best]
            bit = float(np.clip(bit + 0.015 * step[best], 0.98 * nominal, 1.02 * nominal))
            at += 10.0 * bit
            if count is None and len(octets) == 2:
                count = octets[1] + 3
        return Characters(bytes(octets), start, end, fitted / len(octets), pure / len(octets), True)

    def _after_marks(self, at: float, bit: float) -> float | None:
        """The next start bit, when marks stand between two characters."""
        places = at + np.arange(0.0, _LONGEST_GAP_BITS * bit, 1.0)
        bits = self._spaceness(places[:, None] + np.arange(-1, 11) * bit)
        fits = (bits[:, 0] < -0.2) & (bits[:, 1] > 0.2) & (bits[:, 10] < -0.2)
        if not fits.any():
            return None
        first = int(fits.argmax())
        near = slice(first, first + 7)
        score = np.where(fits, -bits[:, 0] + bits[:, 1] - bits[:, 10], -np.inf)[near]
        return float(places[first + int(score.argmax())])
