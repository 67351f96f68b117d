"""What differs between countries: tones, ringing, caller ID, timing.

Tones after ITU-T E.180 Supplement 2 (various tones used in national networks)
and, for China, GB/T 3380 and YD/T 1277. A new country is one more entry in
`COUNTRIES`; nothing else has to change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Segment:
    """One piece of a tone: the sum of sines at `freqs_hz` (none: silence) for `ms`."""

    freqs_hz: tuple[float, ...]
    ms: int


@dataclass(frozen=True)
class ToneSpec:
    """A tone: segments repeated for ever. `level_dbm0` is that of each frequency."""

    segments: tuple[Segment, ...]
    level_dbm0: float = -10.0

    @property
    def continuous(self) -> bool:
        """True when it has no gaps and no changes."""
        return len(self.segments) == 1


def steady(*freqs_hz: float, level_dbm0: float = -10.0) -> ToneSpec:
    """A tone without cadence."""
    return ToneSpec((Segment(freqs_hz, 1000),), level_dbm0)


def pulsed(*freqs_hz: float, cadence_ms: tuple[int, ...], level_dbm0: float = -10.0) -> ToneSpec:
    """A tone with a cadence on, off, on, off …"""
    segments = tuple(Segment(freqs_hz if i % 2 == 0 else (), ms) for i, ms in enumerate(cadence_ms))
    return ToneSpec(segments, level_dbm0)


_IN_WORDS = re.compile(
    r"(?P<hz>\d+(?:\.\d+)?(?:\s*\+\s*\d+(?:\.\d+)?)*)\s*Hz\s+(?P<ms>\d+(?:/\d+)+)\s*ms", re.I
)
IN_WORDS = "a tone of its own such as `620 Hz 300/300 ms` or `480+620 Hz 250/250 ms`"


def in_words(text: str) -> ToneSpec | None:
    """A tone written as frequencies and cadence, which no country has; None where it is not written so."""
    found = _IN_WORDS.fullmatch(text.strip())
    if found is None:
        return None
    freqs_hz = tuple(float(part) for part in found["hz"].split("+"))
    cadence_ms = tuple(int(part) for part in found["ms"].split("/"))
    usable = all(100.0 <= hz <= 3400.0 for hz in freqs_hz) and all(20 <= ms <= 10000 for ms in cadence_ms)
    return pulsed(*freqs_hz, cadence_ms=cadence_ms) if usable and len(cadence_ms) % 2 == 0 else None


def information(level_dbm0: float = -14.0, pause_ms: int = 1000) -> ToneSpec:
    """Special information tone: 950, 1400, 1800 Hz, 330 ms each (ITU-T E.180 §6)."""
    segments = (*(Segment((freq_hz,), 330) for freq_hz in (950.0, 1400.0, 1800.0)), Segment((), pause_ms))
    return ToneSpec(segments, level_dbm0)


@dataclass(frozen=True)
class FskSpec:
    """Frequencies of the caller-ID modem. Bell 202 (GR-30) or ITU-T V.23."""

    mark_hz: float
    space_hz: float
    level_dbm0: float = -13.5


BELL_202 = FskSpec(1200.0, 2200.0)
V23 = FskSpec(1300.0, 2100.0)


@dataclass(frozen=True)
class Country:
    """One country's exchange.

    tones: "dial", "ringback", "busy", "congestion", "unobtainable", "howler".
    ring_cadence_ms: on, off, … of the ringing current, repeated.
    release_ms: an open loop longer than this is a hang-up, a shorter one a flash.
    numbering: regular expressions; digits that match one in full are a complete number.
    """

    code: str
    tones: dict[str, ToneSpec]
    ring_cadence_ms: tuple[int, ...]
    fsk: FskSpec = BELL_202
    fsk_before_ring: bool = False
    release_ms: int = 600
    hum_hz: int = 50
    first_digit_timeout_s: float = 15.0
    digit_timeout_s: float = 4.0
    no_answer_s: float = 90.0
    tone_limit_s: float = 40.0
    """After this long on busy or congestion tone the howler comes."""
    howler_limit_s: float = 60.0
    """After this long on the howler the line is parked in silence."""
    numbering: tuple[str, ...] = field(default=())


_CN = Country(
    code="CN",
    tones={
        "dial": steady(450),
        "ringback": pulsed(450, cadence_ms=(1000, 4000)),
        "busy": pulsed(450, cadence_ms=(350, 350)),
        "congestion": pulsed(450, cadence_ms=(700, 700)),
        "unobtainable": pulsed(450, cadence_ms=(100, 100, 100, 100, 100, 100, 400, 400)),
        "howler": steady(950, level_dbm0=0.0),
    },
    ring_cadence_ms=(1000, 4000),
    numbering=(r"11[09]|12[02]", r"1[3-9]\d{9}", r"0(10|2\d)\d{8}", r"0[3-9]\d{2}\d{8}", r"[48]00\d{7}"),
)

_US = Country(
    code="US",
    tones={
        "dial": steady(350, 440, level_dbm0=-13),
        "ringback": pulsed(440, 480, cadence_ms=(2000, 4000), level_dbm0=-19),
        "busy": pulsed(480, 620, cadence_ms=(500, 500), level_dbm0=-24),
        "congestion": pulsed(480, 620, cadence_ms=(250, 250), level_dbm0=-24),
        "unobtainable": information(),
        "howler": pulsed(1400, 2060, 2450, 2600, cadence_ms=(100, 100), level_dbm0=-6),
    },
    ring_cadence_ms=(2000, 4000),
    release_ms=1100,
    hum_hz=60,
    numbering=(r"[2-9]11", r"1[2-9]\d{9}", r"[2-9]\d{9}"),
)

_GB = Country(
    code="GB",
    tones={
        "dial": steady(350, 440, level_dbm0=-13),
        "ringback": pulsed(400, 450, cadence_ms=(400, 200, 400, 2000), level_dbm0=-16),
        "busy": pulsed(400, cadence_ms=(375, 375)),
        "congestion": pulsed(400, cadence_ms=(400, 350, 225, 525)),
        "unobtainable": steady(400),
        "howler": pulsed(1400, 2060, 2450, 2600, cadence_ms=(100, 100), level_dbm0=-6),
    },
    ring_cadence_ms=(400, 200, 400, 2000),
    fsk=V23,
    fsk_before_ring=True,
    numbering=(r"999|112", r"0\d{10}"),
)

_DE = Country(
    code="DE",
    tones={
        "dial": steady(425),
        "ringback": pulsed(425, cadence_ms=(1000, 4000)),
        "busy": pulsed(425, cadence_ms=(480, 480)),
        "congestion": pulsed(425, cadence_ms=(240, 240)),
        "unobtainable": information(),
        "howler": steady(425, level_dbm0=0.0),
    },
    ring_cadence_ms=(1000, 4000),
    fsk=V23,
    numbering=(r"110|112",),
)

_HK = Country(
    code="HK",
    tones={
        "dial": steady(350, 440, level_dbm0=-13),
        "ringback": pulsed(440, 480, cadence_ms=(400, 200, 400, 3000), level_dbm0=-16),
        "busy": pulsed(480, 620, cadence_ms=(500, 500), level_dbm0=-16),
        "congestion": pulsed(480, 620, cadence_ms=(250, 250), level_dbm0=-16),
        "unobtainable": steady(480, 620, level_dbm0=-16),
        "howler": steady(950, level_dbm0=0.0),
    },
    ring_cadence_ms=(400, 200, 400, 3000),
    release_ms=1000,
    numbering=(r"999|112", r"[2-9]\d{7}"),
)

COUNTRIES: dict[str, Country] = {country.code: country for country in (_CN, _US, _GB, _DE, _HK)}
