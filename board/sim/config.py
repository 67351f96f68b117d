"""Settings of a simulated office, from plain data, with clear errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, TypeVar

from board.api import BoardError
from board.sim.country import COUNTRIES, IN_WORDS, Country, in_words


class OfficeError(BoardError, ValueError):
    """A setting or a use of the simulated office that makes no sense; the text says what to do."""


DISCONNECT_TONES = ("busy", "congestion", "dial", "none")
CALLERID_METHODS = ("fsk", "dtmf", "none")

_RANGES: dict[str, tuple[float, float]] = {
    "loss_db": (0.0, 30.0),
    "tilt_db": (0.0, 10.0),
    "noise_dbm0": (-120.0, -20.0),
    "hum_dbm0": (-120.0, -20.0),
    "erl_db": (0.0, 60.0),
    "echo_delay_ms": (0.0, 6.0),
    "far_echo_ms": (20.0, 500.0),
    "battery_drop_ms": (0, 5000),
    "disconnect_delay_ms": (0, 60000),
    "dial_tone_delay_ms": (0, 60000),
    "ring_delay_ms": (0, 10000),
    "answer_reversal_ms": (0, 1000),
    "tone_freq_error_percent": (-10.0, 10.0),
    "tone_cadence_error_percent": (-30.0, 30.0),
    "callerid_level_db": (-40.0, 10.0),
    "flash_max_ms": (100, 2000),
    "ring_trip_ms": (20, 200),
}


def _check_value(where: str, name: str, value: object, like: object) -> None:
    """Type and range of one setting, judged by the type of its default."""
    if isinstance(like, bool):
        ok, need = isinstance(value, bool), "true or false"
    elif isinstance(like, str):
        ok, need = isinstance(value, str), "a text"
    elif isinstance(like, int):
        ok, need = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    else:
        ok, need = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    if not ok:
        raise OfficeError(f"{where}: {name} is {value!r}, but must be {need}")
    if name in _RANGES and isinstance(value, int | float):
        low, high = _RANGES[name]
        if not low <= value <= high:
            raise OfficeError(f"{where}: {name} is {value!r}, but must lie between {low} and {high}")


def _choice(where: str, name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise OfficeError(f"{where}: {name} is {value!r}; choose one of {', '.join(choices)}")


def _known(where: str, data: Mapping[str, Any], cls: type) -> None:
    names = [f.name for f in fields(cls)]
    for key in data:
        if key not in names:
            raise OfficeError(f"{where}: unknown setting {key!r}; known are {', '.join(sorted(names))}")


@dataclass(frozen=True)
class LineConfig:
    """One phone-company line and the hybrid of the FXO port it is plugged into.

    number: its public number; the box reaches the line when it dials this on another one.
    far_echo_db: level of what returns of the box's sound from the other end of the
    call after `far_echo_ms`; 0 means none, otherwise negative.
    polarity_reversal: the exchange reverses on answer and turns back on hang-up.
    disconnect_tone: one of `DISCONNECT_TONES`, or a tone that no country's table has (`country.in_words`).
    battery_drop_ms: calling-party control, feed removed for so long at hang-up; 0: none.
    callerid_polarity: reverse polarity before DTMF caller ID.
    callerid_frame: start and stop key of DTMF caller ID.
    ring_delay_ms: from the call's arrival (the line is taken) to the first ring, or to
    caller ID before it; a box that seizes meanwhile meets the caller (glare).
    glare: a call may also arrive while the box has seized and waits for dial tone.
    """

    number: str = ""
    loss_db: float = 3.0
    tilt_db: float = 0.0
    noise_dbm0: float = -70.0
    hum_dbm0: float = -60.0
    erl_db: float = 14.0
    echo_delay_ms: float = 1.0
    far_echo_db: float = 0.0
    far_echo_ms: float = 40.0
    polarity_reversal: bool = False
    answer_reversal_ms: int = 60
    battery_drop_ms: int = 0
    disconnect_tone: str = "busy"
    disconnect_delay_ms: int = 400
    callerid: str = "fsk"
    callerid_polarity: bool = False
    callerid_frame: str = "DC"
    callerid_level_db: float = 0.0
    dial_tone_delay_ms: int = 300
    ring_delay_ms: int = 200
    glare: bool = False

    def check(self, where: str) -> None:
        """Raise OfficeError naming `where` and the setting that cannot be."""
        for f in fields(self):
            _check_value(where, f.name, getattr(self, f.name), f.default)
        if in_words(self.disconnect_tone) is None and self.disconnect_tone not in DISCONNECT_TONES:
            known = ", ".join(DISCONNECT_TONES)
            raise OfficeError(
                f"{where}: disconnect_tone is {self.disconnect_tone!r}; "
                f"choose one of {known}, or write {IN_WORDS}"
            )
        _choice(where, "callerid", self.callerid, CALLERID_METHODS)
        if self.number and not (self.number.isascii() and self.number.isdigit()):
            raise OfficeError(f"{where}: number is {self.number!r}; write digits only")
        if len(self.callerid_frame) != 2 or any(key not in "ABCD#" for key in self.callerid_frame):
            raise OfficeError(f"{where}: callerid_frame is {self.callerid_frame!r}; write two of A B C D #")
        if self.far_echo_db > 0:
            raise OfficeError(f"{where}: far_echo_db is {self.far_echo_db!r}; use 0 for none or below 0")


@dataclass(frozen=True)
class PhoneConfig:
    """One telephone set and the FXS port it is plugged into.

    A loop break of 80 ms to `flash_max_ms` is a flash, a longer one is hanging up.
    """

    loss_db: float = 0.0
    tilt_db: float = 0.0
    noise_dbm0: float = -75.0
    hum_dbm0: float = -75.0
    erl_db: float = 18.0
    echo_delay_ms: float = 0.0
    flash_max_ms: int = 1000
    ring_trip_ms: int = 120

    def check(self, where: str) -> None:
        """Raise OfficeError naming `where` and the setting that cannot be."""
        for f in fields(self):
            _check_value(where, f.name, getattr(self, f.name), f.default)


@dataclass(frozen=True)
class OfficeConfig:
    """A whole simulated office. Ports: lines first (FXO), then telephones (FXS).

    local_time: date and time of clock 0, for caller ID.
    unknown_numbers: what happens to dialled numbers that nobody has: an outcome of
    `board.sim.outside.BEHAVIOURS`.
    """

    country: str = "CN"
    seed: int = 1
    lines: tuple[LineConfig, ...] = field(default_factory=lambda: (LineConfig(),) * 4)
    phones: tuple[PhoneConfig, ...] = field(default_factory=lambda: (PhoneConfig(),) * 4)
    local_time: str = "2026-01-05T09:00"
    unknown_numbers: str = "unobtainable"
    tone_freq_error_percent: float = 0.0
    tone_cadence_error_percent: float = 0.0
    hearing_s: int = 60
    """How much each ear remembers."""

    def __post_init__(self) -> None:
        if self.country not in COUNTRIES:
            raise OfficeError(f"country {self.country!r} is not known; choose one of {', '.join(COUNTRIES)}")
        for name, like in (("seed", 0), ("hearing_s", 0), ("local_time", ""), ("unknown_numbers", "")):
            _check_value("office", name, getattr(self, name), like)
        for name in ("tone_freq_error_percent", "tone_cadence_error_percent"):
            _check_value("office", name, getattr(self, name), 0.0)
        if self.seed < 0:
            raise OfficeError(f"office: seed is {self.seed}, but must not be negative")
        if not 1 <= self.hearing_s <= 3600:
            raise OfficeError(f"office: hearing_s is {self.hearing_s}, but must lie between 1 and 3600")
        _choice(
            "office",
            "unknown_numbers",
            self.unknown_numbers,
            ("busy", "no_answer", "congestion", "unobtainable"),
        )
        if not self.lines and not self.phones:
            raise OfficeError("office: give it at least one line or telephone")
        for i, line in enumerate(self.lines):
            line.check(f"line {i}")
        numbers = [line.number for line in self.lines if line.number]
        for number in numbers:
            if numbers.count(number) > 1:
                raise OfficeError(f"office: two lines have the number {number}")
        for i, phone in enumerate(self.phones):
            phone.check(f"phone {i}")
        try:
            datetime.fromisoformat(self.local_time)
        except ValueError:
            raise OfficeError(
                f"office: local_time is {self.local_time!r}; write it like 2026-01-05T09:00"
            ) from None

    @property
    def profile(self) -> Country:
        """The country's entry."""
        return COUNTRIES[self.country]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> OfficeConfig:
        """Build from plain data. Unknown keys and impossible values raise OfficeError.

        `lines` and `phones` are a count or a list of settings, one mapping each;
        `line` and `phone` hold settings that all of them share.
        """
        plain = dict(data)
        line = _one("line", plain.pop("line", {}), LineConfig())
        phone = _one("phone", plain.pop("phone", {}), PhoneConfig())
        _known("office", plain, cls)
        if "lines" in plain:
            plain["lines"] = _many("lines", "line", plain["lines"], line)
        else:
            plain["lines"] = (line,) * 4
        if "phones" in plain:
            plain["phones"] = _many("phones", "phone", plain["phones"], phone)
        else:
            plain["phones"] = (phone,) * 4
        return cls(**plain)


Settings = TypeVar("Settings", LineConfig, PhoneConfig)


def _one(where: str, given: object, base: Settings) -> Settings:
    """`base` with the given settings changed."""
    if not isinstance(given, Mapping):
        raise OfficeError(f"{where}: is {given!r}, but must be a mapping of settings")
    _known(where, given, type(base))
    result = replace(base, **given)
    result.check(where)
    return result


def _many(where: str, one: str, given: object, base: Settings) -> tuple[Settings, ...]:
    """A count, or a sequence of mappings or ready settings."""
    if isinstance(given, int) and not isinstance(given, bool):
        if not 0 <= given <= 256:
            raise OfficeError(f"{where}: is {given}, but must lie between 0 and 256")
        return (base,) * given
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise OfficeError(f"{where}: is {given!r}, but must be a count or a list")
    result = []
    for i, entry in enumerate(given):
        result.append(entry if isinstance(entry, type(base)) else _one(f"{one} {i}", entry, base))
    return tuple(result)
