"""A person's ear: what was heard, measured without any code of the box.

Known sounds are recognised by correlation with their reference, tones by their spectrum and
cadence, keys by the eight frequencies of Q.23. Everything works on a `Tape`, the sound at a
receiver with its absolute sample count, so that "the same audio" can also be asked of a recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.scenario.sounds import RATE_HZ, Samples, level_dbm0

Floats = NDArray[np.float64]

SILENCE_DBM0 = -38.0
"""What a person calls silence: line noise is below, speech and tones are above."""
PIECE_SAMPLES = 3200
"""Prompts are compared in pieces of 0.4 s, so that drifting clocks cannot spoil a long comparison."""
KNOWN_AT = 0.40
"""Normalised correlation (after pre-emphasis) above which a piece counts as the same sound.
Different speech stays below 0.25 over 0.4 s; the same speech at 6 dB signal-to-noise is at 0.9."""
KNOWN_BY_ONE_PIECE_AT = 0.58
"""The same for sounds so short that a single piece has to tell."""
PERSON_DELAY_S = 0.4
"""A voice is looked for up to this long after it was spoken."""


class Tape:
    """Sound with absolute sample positions, of which the last `keep_s` seconds are kept."""

    def __init__(self, keep_s: float = 90.0) -> None:
        self._keep_samples = round(keep_s * RATE_HZ)
        self._data = np.zeros(2 * self._keep_samples, dtype=np.int16)
        self._first = 0
        self._length = 0

    @property
    def start(self) -> int:
        """Oldest sample position still kept."""
        return self._first

    @property
    def end(self) -> int:
        """Position after the newest sample."""
        return self._first + self._length

    def append(self, block: Samples) -> None:
        """Add samples at the end."""
        if len(block) > len(self._data) - self._length:
            drop = self._length - self._keep_samples + len(block)
            self._data[: self._length - drop] = self._data[drop : self._length].copy()
            self._first += drop
            self._length -= drop
        self._data[self._length : self._length + len(block)] = block
        self._length += len(block)

    def cut(self, begin: int, end: int) -> Floats:
        """Samples [begin, end) as float64; what is not kept or not yet there reads as silence."""
        out = np.zeros(max(0, end - begin))
        low, high = max(begin, self.start), min(end, self.end)
        if high > low:
            out[low - begin : high - begin] = self._data[low - self._first : high - self._first]
        return out


def sharpen(audio: Floats) -> Floats:
    """Pre-emphasis: evens out the spectrum of speech, which makes correlation peaks narrow."""
    out = np.array(audio, dtype=np.float64)
    out[1:] -= 0.9 * audio[:-1]
    return out


def correlate(heard: Floats, wanted: Floats) -> Floats:
    """Normalised correlation of `wanted` at every position of `heard` where it fits, −1 … 1."""
    count = len(heard) - len(wanted) + 1
    if count < 1:
        return np.zeros(0)
    size = 1 << (len(heard) + len(wanted) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size)), size)[:count]
    power = np.concatenate(([0.0], np.cumsum(np.square(heard))))
    local = np.sqrt(np.maximum(power[len(wanted) :] - power[: -len(wanted)], 0.0))
    norm = float(np.sqrt(np.sum(np.square(wanted))))
    floor = np.sqrt(len(wanted)) * 4.0  # below about −75 dBm0 there is nothing to recognise
    return np.asarray(product / (np.maximum(local, floor) * max(norm, floor)), dtype=np.float64)


def pieces(sound: Samples) -> list[tuple[int, Floats]]:
    """The pieces of a reference that carry sound, as (offset, sharpened samples)."""
    audio = sound.astype(np.float64)
    limit = max(level_dbm0(audio) - 12.0, -50.0)
    out: list[tuple[int, Floats]] = []
    offset = 0
    while offset < len(audio):
        piece = audio[offset : offset + PIECE_SAMPLES]
        if level_dbm0(piece) < limit and len(audio) > PIECE_SAMPLES:
            offset += PIECE_SAMPLES // 4
            continue
        if len(piece) >= 800 or not out:
            out.append((offset, sharpen(piece)))
        offset += PIECE_SAMPLES
    return out


@dataclass(frozen=True)
class Found:
    """Where a sound was: its beginning, the end of what was compared, and how alike they are (0 … 1)."""

    begin: int
    end: int
    likeness: float


class SoundListener:
    """Waits for a known sound from its beginning on a tape.

    `whole` asks for it to its end; otherwise the first 1.6 s suffice.
    """

    def __init__(self, sound: Samples, begin: int, whole: bool = False) -> None:
        self._pieces = pieces(sound)
        if not whole:
            self._pieces = [p for p in self._pieces if p[0] < 1.6 * RATE_HZ] or self._pieces[:1]
        self.needed = KNOWN_AT if len(self._pieces) > 1 else KNOWN_BY_ONE_PIECE_AT
        self._from = begin
        self._candidates: list[int] = []
        self.best = 0.0
        """Likeness of the nearest thing so far, for the message when nothing comes."""

    def listen(self, tape: Tape) -> Found | None:
        """Look at what has arrived since the last time."""
        offset, first = self._pieces[0]
        usable = tape.end - len(first) + 1
        if usable - self._from >= 1600:
            alike = correlate(sharpen(tape.cut(self._from, tape.end)), first)
            for position in _peaks(alike, KNOWN_AT):
                self._candidates.append(self._from + position - offset)
            if len(alike):
                self.best = max(self.best, float(alike.max()))
            self._from = usable
        for candidate in list(self._candidates):
            last_offset, last = self._pieces[-1]
            if tape.end < candidate + last_offset + len(last) + 80:
                continue
            self._candidates.remove(candidate)
            likeness = self._compare(tape, candidate)
            if likeness >= self.needed:
                return Found(candidate, candidate + last_offset + len(last), likeness)
        return None

    def _compare(self, tape: Tape, begin: int) -> float:
        scores: list[float] = []
        for offset, piece in self._pieces:
            slack = 80 + len(scores) * 8
            heard = tape.cut(begin + offset - slack, begin + offset + len(piece) + slack)
            scores.append(float(correlate(sharpen(heard), piece).max()))
        return float(np.median(scores)) if min(scores) > 0.15 else min(scores)


def _peaks(values: Floats, limit: float) -> list[int]:
    """Positions of local maxima above `limit`, at least 400 samples apart."""
    out: list[int] = []
    for position in np.flatnonzero(values > limit):
        if out and position - out[-1] < 400:
            if values[position] > values[out[-1]]:
                out[-1] = int(position)
        else:
            out.append(int(position))
    return out


class LoopListener:
    """Recognises a looped sound (music) at any place of it.

    The loop is cut into overlapping blocks whose spectra are made once; a look then costs one
    transform of the newest sound and one backwards per block.
    """

    BLOCK_SAMPLES = 32768

    def __init__(self, sound: Samples, window_s: float = 1.2) -> None:
        self._window = round(window_s * RATE_HZ)
        size, step = self.BLOCK_SAMPLES, self.BLOCK_SAMPLES - self._window
        repeats = -(-(len(sound) + self._window) // len(sound))
        looped = sharpen(np.tile(sound, repeats)[: len(sound) + self._window].astype(np.float64))
        count = max(1, -(-(len(looped) - self._window + 1) // step))
        padded = np.zeros(count * step + self._window)
        padded[: len(looped)] = looped[: len(padded)]
        blocks = (
            np.lib.stride_tricks.sliding_window_view(padded, size)[::step] if len(padded) >= size else None
        )
        if blocks is None:
            blocks = np.zeros((1, size))
            blocks[0, : len(padded)] = padded
        self._spectra = np.fft.rfft(blocks)
        power = np.concatenate((np.zeros((len(blocks), 1)), np.cumsum(np.square(blocks), axis=1)), axis=1)
        local = np.sqrt(np.maximum(power[:, self._window :] - power[:, : -self._window], 0.0))
        self._local = np.maximum(local, np.sqrt(self._window) * 4.0)

    def likeness(self, tape: Tape) -> float:
        """How alike the newest second is to any place of the loop, 0 … 1."""
        return self.likeness_of(tape.cut(tape.end - self._window, tape.end))

    def likeness_of(self, heard: Floats) -> float:
        """The same for a stretch of `window_s`."""
        if len(heard) != self._window or level_dbm0(heard) < SILENCE_DBM0 - 10.0:
            return 0.0
        sharp = sharpen(heard)
        spectrum = np.conj(np.fft.rfft(sharp, self.BLOCK_SAMPLES))
        found = np.fft.irfft(self._spectra * spectrum, self.BLOCK_SAMPLES)[:, : self._local.shape[1]]
        return float((found / self._local).max() / max(float(np.sqrt(np.sum(np.square(sharp)))), 1e-9))


VOICE_WINDOW_S = 0.8


def hears_voice(mine: Tape, theirs: Tape, since: int = 0) -> float | None:
    """How alike the newest sound at my ear is to what the other has just said, 0 … 1.

    since: nothing older than this position counts. None: the other has not spoken loudly enough to tell.
    """
    window = round(VOICE_WINDOW_S * RATE_HZ)
    delay = round(PERSON_DELAY_S * RATE_HZ)
    begin = theirs.end - window - delay
    if begin < since:
        return None
    said = theirs.cut(begin, theirs.end - delay)
    if level_dbm0(said) < -32.0:
        return None
    heard = mine.cut(mine.end - window - delay, mine.end)
    return float(correlate(sharpen(heard), sharpen(said)).max())


# ----------------------------------------------------------------------- tones
@dataclass(frozen=True)
class Cadence:
    """A supervisory tone: frequencies and on, off, on, off … in seconds; () is continuous."""

    name: str
    frequencies_hz: tuple[float, ...]
    pattern_s: tuple[float, ...] = ()


FRAME_SAMPLES = 480
HOP_SAMPLES = 160
_WINDOW = np.hanning(FRAME_SAMPLES)
_BINS_HZ = np.fft.rfftfreq(1024, 1.0 / RATE_HZ)


def tone_frames(audio: Floats, frequencies_hz: tuple[float, ...]) -> NDArray[np.bool_]:
    """For every 20 ms: is this tone, and nothing much else, there? Frames of 60 ms, bool [frames]."""
    count = (len(audio) - FRAME_SAMPLES) // HOP_SAMPLES + 1
    if count < 1:
        return np.zeros(0, dtype=np.bool_)
    frames = np.lib.stride_tricks.sliding_window_view(audio, FRAME_SAMPLES)[::HOP_SAMPLES][:count]
    spectrum = np.square(np.abs(np.fft.rfft(frames * _WINDOW, 1024)))
    voice = (_BINS_HZ > 150.0) & (_BINS_HZ < 3600.0)
    total = spectrum[:, voice].sum(axis=1)
    near = np.zeros(len(_BINS_HZ), dtype=np.bool_)
    parts = []
    for frequency in frequencies_hz:
        mine = np.abs(_BINS_HZ - frequency) < 40.0
        near |= mine
        parts.append(np.where(mine, spectrum, 0.0).max(axis=1))
    inside = spectrum[:, near].sum(axis=1)
    loud = np.sqrt(np.mean(np.square(frames), axis=1)) > 22827.0 / np.sqrt(2.0) * 10.0 ** (-42.0 / 20.0)
    balanced = np.min(parts, axis=0) > 0.02 * np.max(parts, axis=0)
    return np.asarray(loud & (inside > 0.7 * total) & balanced)


def runs(frames: NDArray[np.bool_]) -> list[tuple[bool, float]]:
    """Run lengths of on and off in seconds; gaps and blips of one frame are ignored."""
    out: list[tuple[bool, float]] = []
    step_s = HOP_SAMPLES / RATE_HZ
    for value in frames:
        if out and out[-1][0] == bool(value):
            out[-1] = (out[-1][0], out[-1][1] + step_s)
        else:
            if len(out) > 1 and out[-1][1] < 1.5 * step_s:
                blip = out.pop()
                out[-1] = (out[-1][0], out[-1][1] + blip[1] + step_s)
                continue
            out.append((bool(value), step_s))
    return out


def hears_tone(audio: Floats, wanted: Cadence, others: tuple[Cadence, ...] = ()) -> bool:
    """Is `wanted` to be heard in this stretch of sound? `others`: tones it must not be mistaken for."""
    found = runs(tone_frames(audio, wanted.frequencies_hz))
    if not wanted.pattern_s:
        longest = max(
            (o.pattern_s[0] for o in others if o.pattern_s and o.frequencies_hz == wanted.frequencies_hz),
            default=0.0,
        )
        need_s = max(1.0, longest + 0.4)
        return any(on and length >= need_s for on, length in found)
    return _has_cadence(found, wanted.pattern_s)


def _has_cadence(found: list[tuple[bool, float]], pattern_s: tuple[float, ...]) -> bool:
    """Two full periods of short cadences, one and a begun pause of long ones (ringback)."""
    period_s = sum(pattern_s)
    steps = len(pattern_s) * (1 if period_s > 2.5 else 2)
    for start in range(len(found)):
        if not found[start][0] or (start == 0 and len(found) > 1 and steps > 2):
            continue
        good = 0
        for k in range(steps):
            if start + k >= len(found):
                break
            want = pattern_s[k % len(pattern_s)]
            on, length = found[start + k]
            last = start + k == len(found) - 1
            slack = max(0.08, 0.15 * want)
            # the pause that is still going on only has to be long enough to tell it from shorter ones
            long_enough = not on and last and length >= min(want - slack, 1.5)
            if abs(length - want) > slack and not long_enough:
                break
            if last and on and length < want - slack:
                break
            good += 1
        if good == steps:
            return True
    return False


# ------------------------------------------------------------------------ keys
ROWS_HZ = (697.0, 770.0, 852.0, 941.0)
COLUMNS_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
KEYS = "123A456B789C*0#D"


def keys_heard(audio: Floats) -> str:
    """The DTMF keys (Q.23) in a stretch of sound; a key must last at least 40 ms."""
    frame, hop = 240, 80
    count = (len(audio) - frame) // hop + 1
    if count < 1:
        return ""
    frames = np.lib.stride_tricks.sliding_window_view(audio, frame)[::hop][:count]
    t = np.arange(frame) / RATE_HZ
    window = np.hanning(frame)
    bank = np.stack([np.exp(-2j * np.pi * f * t) * window for f in ROWS_HZ + COLUMNS_HZ])
    power = np.square(np.abs(frames @ bank.T)) / np.square(window.sum() / 2.0)
    total = 2.0 * np.mean(np.square(frames) * window, axis=1) / window.mean()
    row, column = power[:, :4].argmax(axis=1), power[:, 4:].argmax(axis=1)
    pair = power[:, :4].max(axis=1) + power[:, 4:].max(axis=1)
    weak = np.minimum(power[:, :4].max(axis=1), power[:, 4:].max(axis=1))
    present = (
        (pair > 0.6 * total) & (weak > np.square(22827.0 * 10.0 ** (-40.0 / 20.0))) & (weak > 0.02 * pair)
    )
    out = ""
    held, length = -1, 0
    for here, r, c in zip(present, row, column, strict=True):
        key = int(r) * 4 + int(c) if here else -1
        length = length + 1 if key == held else 1
        held = key
        if key >= 0 and length == 2:
            out += KEYS[key]
    return out
