"""Supervisory tones and dialled digits as the tone generator wants them."""

from __future__ import annotations

from functools import cache

from dsp.countries import Tone, tone_table
from dsp.dtmf import KEYS
from dsp.dtmf_bank import HIGH_HZ, LOW_HZ
from dsp.levels import SAMPLE_RATE_HZ
from dsp.tones import Segment, ToneSpec

TONE_DBM0 = -10.0
"""Power of a supervisory tone as a whole (GB/T 3380: -10 ± 3 dBm0)."""

DIGIT_DBM0 = -7.0
"""Level of each of a digit's two tones."""

DIGIT_ON_MS = 90.0
DIGIT_OFF_MS = 90.0
DIGIT_PAUSE_MS = 500.0

_TWO_TONES_DB = 3.01
_ALIASES = {"error": "congestion"}


class UnknownTone(ValueError):
    """The core asked for a tone that no table holds: a defect."""


@cache
def tone_spec(country: str, name: str) -> ToneSpec:
    """Tone `name` ("dial", "ringback", "busy", "congestion", "howler", "confirm", "error") of a country.

    Raises UnknownTone.
    """
    table = tone_table(country)
    if name == "howler":
        # Bellcore GR-506 receiver off-hook tone: heard across a room on any telephone.
        howl = (1400.0, 2060.0, 2450.0, 2600.0)
        return ToneSpec(((howl, -6.0, 100.0), ((), 0.0, 100.0)), repeat=True)
    if name == "confirm":
        frequencies_hz = table["dial"].frequencies_hz
        beep: tuple[Segment, ...] = ((frequencies_hz, _each(frequencies_hz), 100.0), ((), 0.0, 100.0))
        return ToneSpec(beep * 3)
    tone = table.get(_ALIASES.get(name, name))
    if tone is None:
        raise UnknownTone(f"there is no tone {name!r} for country {country}")
    return _spec(tone)


def _each(frequencies_hz: tuple[float, ...]) -> float:
    return TONE_DBM0 - (_TWO_TONES_DB if len(frequencies_hz) > 1 else 0.0)


def _spec(tone: Tone) -> ToneSpec:
    modulated = any(step.modulation_hz for step in tone.steps)
    segments: list[Segment] = []
    for step in tone.steps:
        if not step.frequencies_hz:
            segments.append(((), 0.0, float(step.duration_ms)))
            continue
        frequencies_hz = step.frequencies_hz
        if modulated:
            frequencies_hz = (frequencies_hz[0], step.modulation_hz)
        level_dbm0 = TONE_DBM0 if modulated else _each(frequencies_hz)
        segments.append((frequencies_hz, level_dbm0, float(step.duration_ms) if step.duration_ms else None))
    return ToneSpec(tuple(segments), repeat=not tone.continuous, modulated=modulated)


@cache
def _pair(key: str) -> tuple[float, float]:
    for row, keys in enumerate(KEYS):
        if key in keys:
            return LOW_HZ[row], HIGH_HZ[keys.index(key)]
    raise UnknownTone(f"{key!r} is not a key of a telephone")


def digits_spec(digits: str) -> ToneSpec:
    """DTMF of a number; "," is a pause. Raises UnknownTone for what is no key."""
    segments: list[Segment] = []
    for key in digits.upper():
        if key == ",":
            segments.append(((), 0.0, DIGIT_PAUSE_MS))
        else:
            segments.append((_pair(key), DIGIT_DBM0, DIGIT_ON_MS))
            segments.append(((), 0.0, DIGIT_OFF_MS))
    if not segments:
        segments.append(((), 0.0, 1000.0 / SAMPLE_RATE_HZ))
    return ToneSpec(tuple(segments))
