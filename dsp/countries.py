"""What each country's telephone network sounds like.

The facts live in `data/tones.toml`, one section per country (ISO 3166-1
alpha-2), each naming where it comes from. A tone is written the way a
technician says it:

    "450 350/350"                      450 Hz, 350 ms on, 350 ms off, for ever
    "440+480 2000/4000"                two frequencies at once
    "400*25 400/200/400/2000"          400 Hz modulated by 25 Hz; on/off/on/off
    "350+440"                          without durations: continuous
    "950 330, 1400 330, 1800 330, - 1000"   one after the other; `-` is silence

    "425 500/500 | 450 500/500"        the usual form first, then others that are in use

`ring_ms` is the cadence of the ringing voltage at a telephone. Where no source
gives one of the four tones that every network needs, the table has E.180's
recommendation on the country's own frequency and names it in `assumed`; the
special information tone is E.180's everywhere.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

TONE_NAMES = (
    "dial",
    "special_dial",
    "ringback",
    "busy",
    "congestion",
    "unobtainable",
    "call_waiting",
    "sit",
)
"""Every tone a table may hold; `dial`, `ringback`, `busy` and `congestion` are always there."""

SIT = "950 330, 1400 330, 1800 330, - 1000"
"""Special information tone, E.180: 950/1400/1800 ± 50 Hz, 330 ± 70 ms each, then 1 s."""

REQUIRED = ("dial", "ringback", "busy", "congestion")

OTHER_CODES = {"UK": "GB"}
"""Codes of other tables (DAHDI, Asterisk) that ISO 3166-1 reserves for the same country."""


class UnknownCountry(KeyError):
    """No tone table for this country; the text says what to do."""

    def __str__(self) -> str:
        return str(self.args[0])


class BadToneText(ValueError):
    """A tone is not written as the notation wants it."""


@dataclass(frozen=True)
class Step:
    """One stretch of a tone: these frequencies together for `duration_ms` (0: for ever).

    No frequencies: silence. `modulation_hz` > 0: each frequency's amplitude is
    modulated by that one (its sidebands lie at ± `modulation_hz`).
    """

    frequencies_hz: tuple[float, ...]
    duration_ms: int
    modulation_hz: float = 0.0

    @property
    def lines_hz(self) -> tuple[float, ...]:
        """The spectral lines of the step, sidebands of a modulated tone included."""
        if not self.modulation_hz:
            return self.frequencies_hz
        spread = (-self.modulation_hz, 0.0, self.modulation_hz)
        return tuple(sorted(f + d for f in self.frequencies_hz for d in spread))


@dataclass(frozen=True)
class Tone:
    """A tone of the network: its steps are repeated for ever."""

    name: str
    steps: tuple[Step, ...]

    @property
    def continuous(self) -> bool:
        """True when the tone has no silent step: it simply lasts."""
        return all(step.frequencies_hz for step in self.steps)

    @property
    def frequencies_hz(self) -> tuple[float, ...]:
        """All frequencies of the tone, ascending, each once, without sidebands."""
        return tuple(sorted({f for step in self.steps for f in step.frequencies_hz}))

    @property
    def lines_hz(self) -> tuple[float, ...]:
        """All spectral lines of the tone, ascending, sidebands included."""
        return tuple(sorted({f for step in self.steps for f in step.lines_hz}))

    @property
    def cadence_ms(self) -> tuple[int, ...]:
        """On, off, on, off …; steps of sound that follow each other count as one. Empty: continuous."""
        if self.continuous:
            return ()
        out: list[int] = []
        was_on = False
        for step in self.steps:
            on = bool(step.frequencies_hz)
            if out and on == was_on:
                out[-1] += step.duration_ms
            else:
                out.append(step.duration_ms)
            was_on = on
        return tuple(out)


@dataclass(frozen=True)
class ToneTable:
    """The tones of one country and the cadence of its ringing."""

    country: str
    name: str
    tones: dict[str, Tone]
    """The usual form of each tone: what a generator makes."""
    variants: dict[str, tuple[Tone, ...]]
    """Every form of each tone that is in use, the usual one first: what a detector must know."""
    ring_ms: tuple[int, ...]
    assumed: tuple[str, ...]
    """Tones that no source gives for this country."""
    source: str

    def __getitem__(self, tone: str) -> Tone:
        return self.tones[tone]

    def get(self, tone: str) -> Tone | None:
        """The tone of that name, or None where the country is not known to have it."""
        return self.tones.get(tone)

    def __hash__(self) -> int:
        return hash(self.country)


def parse_tone(name: str, text: str) -> Tone:
    """Read a tone from the notation above. Raises `BadToneText`."""
    steps: list[Step] = []
    for part in text.split(","):
        words = part.split()
        if not words or len(words) > 2:
            raise BadToneText(f"tone {name!r}: {part.strip()!r} must be frequencies and durations")
        frequencies, modulation = _frequencies(name, words[0])
        if len(words) == 1:
            steps.append(Step(frequencies, 0, modulation))
            continue
        for i, word in enumerate(words[1].split("/")):
            if not word.isdigit() or int(word) == 0:
                raise BadToneText(f"tone {name!r}: duration {word!r} must be whole milliseconds above 0")
            steps.append(Step(() if i % 2 else frequencies, int(word), 0.0 if i % 2 else modulation))
    if any(step.duration_ms == 0 for step in steps) and len(steps) > 1:
        raise BadToneText(f"tone {name!r}: only a tone of a single step may go without a duration")
    if not any(step.frequencies_hz for step in steps):
        raise BadToneText(f"tone {name!r} has no sound at all")
    return Tone(name, tuple(steps))


def _frequencies(name: str, text: str) -> tuple[tuple[float, ...], float]:
    if text == "-":
        return (), 0.0
    carrier, star, modulation = text.partition("*")
    try:
        frequencies = tuple(float(word) for word in carrier.split("+"))
        depth = float(modulation) if star else 0.0
    except ValueError:
        raise BadToneText(f"tone {name!r}: {text!r} is not a frequency, a+b or a*modulation") from None
    if any(not 10 <= f < 4000 for f in frequencies) or (star and not 1 <= depth < 400):
        raise BadToneText(f"tone {name!r}: {text!r} lies outside the telephone band")
    return frequencies, depth


def tone_table(country: str) -> ToneTable:
    """The tones of `country` (ISO 3166-1 alpha-2, either case). Raises `UnknownCountry`."""
    code = country.upper() if isinstance(country, str) else ""
    table = _tables().get(OTHER_CODES.get(code, code))
    if table is None:
        raise UnknownCountry(
            f"no tone table for country {country!r}: give a two-letter ISO code, "
            f"one of {', '.join(COUNTRIES)}"
        )
    return table


@cache
def _tables() -> dict[str, ToneTable]:
    text = resources.files("dsp").joinpath("data/tones.toml").read_text(encoding="utf-8")
    tables: dict[str, ToneTable] = {}
    for code, row in sorted(tomllib.loads(text).items()):
        ring = tuple(int(word) for word in row["ring"].split("/"))
        row.setdefault("sit", SIT)
        unknown = set(row) - {"name", "ring", "source", "assumed", *TONE_NAMES}
        missing = set(REQUIRED) - set(row)
        if unknown or missing:
            raise BadToneText(f"country {code}: unknown {sorted(unknown)}, missing {sorted(missing)}")
        variants = {
            name: tuple(parse_tone(name, form) for form in row[name].split("|"))
            for name in TONE_NAMES
            if name in row
        }
        tables[code] = ToneTable(
            code,
            row["name"],
            {name: forms[0] for name, forms in variants.items()},
            variants,
            ring,
            tuple(row.get("assumed", ())),
            row["source"],
        )
    return tables


COUNTRIES: tuple[str, ...] = tuple(_tables())
"""Every country that has a table, in alphabetical order of its code."""
